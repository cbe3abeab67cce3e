// `sky doctor`: what is wrong on this machine, in this home and, if one is named, on a cluster.
//
// It starts no head and changes nothing, so it may be run at any time, above all when nothing else
// works. It loads gRPC only to ask a head that runs.

import type { Home } from "../../model/home.ts";
import { type Diagnosis, diagnosisOf, diagnosisText, type Finding, findingsOf } from "../doctor.ts";
import { clusterChecks } from "../doctor-cluster.ts";
import { headChecks } from "../doctor-head.ts";
import { readHead, runningHead } from "../doctor-head-os.ts";
import { homeChecks } from "../doctor-home.ts";
import { readConfigOf, readHome } from "../doctor-home-os.ts";
import { machineChecks } from "../doctor-machine.ts";
import { readMachine } from "../doctor-machine-os.ts";
import type { Head } from "../head.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { wordAt } from "./flags.ts";
import { unknownCluster } from "./names.ts";
import { printJson, wantsJson } from "./output.ts";

export const doctor: CliCommand = {
  name: "doctor",
  args: "[CLUSTER]",
  about: "Show what is wrong on this machine or cluster, and what to do about it.",
  examples: ["sky doctor", "sky doctor demo", "sky doctor -o json"],
  flags: [outputFlag],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const cluster = wordAt(parsed, 0);
    const head = await runningHead(shell.home);
    const wanted = { home: shell.home, head, signal: shell.interrupt };
    const diagnosis = await diagnose({ ...wanted, ...(cluster === undefined ? {} : { cluster }) });
    head?.close();
    if (json) printJson(shell, diagnosis);
    else shell.print(diagnosisText(diagnosis));
    return diagnosis.problems === 0 ? exitCodes.done : exitCodes.refused;
  },
};

export interface Patient {
  readonly home: Home;
  /** If one runs. */
  readonly head: Head | undefined;
  readonly cluster?: string;
  readonly signal: AbortSignal;
}

/** @throws SkyError `cluster/not-found`. */
export async function diagnose({ home, head, cluster, signal }: Patient): Promise<Diagnosis> {
  const { config, error } = await readConfigOf(home);
  const [machine, seen] = await Promise.all([readMachine(home, config), readHead(home, head)]);
  const { kind } = seen.answer;
  const asked = {
    head: kind === "version" ? head : undefined,
    remedy: kind === "silent" ? "see the check of the head" : "sky status starts a head",
  };
  const findings = [
    ...findingsOf(machineChecks, machine),
    ...findingsOf(homeChecks, readHome(home, error)),
    ...findingsOf(headChecks, seen),
    ...(cluster === undefined ? [] : await clusterFindings(asked, cluster, signal)),
  ];
  return diagnosisOf(findings);
}

async function clusterFindings(
  { head, remedy }: { readonly head: Head | undefined; readonly remedy: string },
  name: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (head === undefined) {
    const text = `no head answers, so nobody knows of ${name}`;
    return [{ check: "cluster", grade: "problem", text, remedy }];
  }
  const clusters = await head.status([], signal);
  const cluster = clusters.find((known) => known.name === name);
  if (cluster === undefined)
    throw unknownCluster(
      name,
      clusters.map((known) => known.name),
    );
  const [jobs, { chain: events }, inside] = await Promise.all([
    head.listJobs({ cluster: name, skipFinished: false }, signal),
    head.why({ cluster: name, job: 0 }, signal),
    head.inspect(name, signal),
  ]);
  return findingsOf(clusterChecks, { cluster, jobs, events, inside: JSON.parse(inside) });
}
