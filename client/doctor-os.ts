// What `sky doctor` and the SDK's `doctor` find: the readings of machine, home, head and cluster,
// through the checks that are tables of pure looks beside this file.
//
// It starts no head and changes nothing, so it may be run at any time, above all when nothing else
// works. It loads gRPC only to ask a head that runs.

import type { Home } from "../model/home.ts";
import type { Job } from "../model/job.ts";
import { unknownCluster } from "./cluster-name.ts";
import { type Diagnosis, diagnosisOf, type Finding, findingsOf } from "./doctor.ts";
import { clusterChecks } from "./doctor-cluster.ts";
import { headChecks } from "./doctor-head.ts";
import { readHead } from "./doctor-head-os.ts";
import { homeChecks } from "./doctor-home.ts";
import { readConfigOf, readHome } from "./doctor-home-os.ts";
import { machineChecks } from "./doctor-machine.ts";
import { readMachine } from "./doctor-machine-os.ts";
import type { Head } from "./head.ts";

/** Ended jobs that are looked at. */
const endedMax = 1_000;

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
  const [machine, seen, root] = await Promise.all([
    readMachine(home, config),
    readHead(home, head),
    readHome(home, error),
  ]);
  const { kind } = seen.answer;
  const asked = {
    head: kind === "version" ? head : undefined,
    remedy: kind === "silent" ? "see the check of the head" : "sky status starts a head",
  };
  const findings = [
    ...findingsOf(machineChecks, machine),
    ...findingsOf(homeChecks, root),
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
    jobsOf(head, name, signal),
    head.why({ cluster: name, job: 0 }, signal),
    head.inspect(name, signal),
  ]);
  return findingsOf(clusterChecks, { cluster, jobs, events, inside: JSON.parse(inside) });
}

/** All that have not ended, and the newest that have. */
async function jobsOf(head: Head, cluster: string, signal: AbortSignal): Promise<readonly Job[]> {
  const [newest, open] = await Promise.all([
    head.listJobs({ cluster, skipFinished: false, countMax: endedMax }, signal),
    head.listJobs({ cluster, skipFinished: true }, signal),
  ]);
  return [...new Map([...newest, ...open].map((job) => [job.id, job])).values()];
}
