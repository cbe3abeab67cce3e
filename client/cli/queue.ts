// `sky queue`: the jobs of clusters, newest first.
// A cluster that cannot answer is told and does not hide the others.

import { errorText } from "../../model/errors.ts";
import { isTerminal } from "../../model/job.ts";
import { type Job, jobView } from "../view.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { isSet, wordsAt } from "./flags.ts";
import { namesMeant } from "./names.ts";
import { printJson, wantsJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { tableText } from "./table.ts";
import { agoText, durationText } from "./times.ts";

const columns = ["ID", "NAME", "SUBMITTED", "STARTED", "DURATION", "RESOURCES", "STATUS", "LOG"];

export const queue: CliCommand = {
  name: "queue",
  args: "[CLUSTERS...]",
  about: "Show the jobs of clusters.",
  examples: ["sky queue demo", "sky queue demo -s", "sky queue demo -o json"],
  flags: [
    { usage: "-s, --skip-finished", about: "Leave out jobs that have ended." },
    { usage: "-a, --all-users", about: "Jobs of all users; a local cluster has one." },
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const skipFinished = isSet(parsed, "skipFinished");
    const queues = await queuesOf(shell, wordsAt(parsed, 0), skipFinished);
    if (json)
      printJson(
        shell,
        queues.flatMap(({ cluster, jobs }) => jobs.map((job) => ({ ...job, cluster }))),
      );
    else if (queues.length === 0) shell.print("No existing clusters.");
    else for (const one of queues) printQueue(shell, one);
    return queues.some(({ failed }) => failed) ? exitCodes.refused : exitCodes.done;
  },
};

interface ClusterQueue {
  readonly cluster: string;
  readonly jobs: readonly Job[];
  readonly failed: boolean;
}

/** One exact name is asked for directly; globs and "all" need the list of clusters first. */
async function queuesOf(
  shell: Shell,
  words: readonly string[],
  skipFinished: boolean,
): Promise<readonly ClusterQueue[]> {
  const head = await shell.head();
  const signal = shell.interrupt;
  const [only] = words;
  const known = (await head.status([], signal)).map(({ name }) => name);
  const { names, unmatched } =
    words.length === 0 ? { names: known, unmatched: [] } : namesMeant(words, known);
  for (const glob of unmatched) shell.say(`Cluster ${glob} not found.`);
  const ask = async (cluster: string): Promise<ClusterQueue> => {
    const jobs = await head.listJobs({ cluster, skipFinished }, signal);
    return { cluster, jobs: jobs.map(jobView), failed: false };
  };
  if (names.length === 1 && names[0] === only) return [await ask(names[0] ?? "")];
  return Promise.all(
    names.map((cluster) =>
      ask(cluster).catch((error: unknown) => {
        shell.say(`${cluster}: ${errorText(error)}`);
        return { cluster, jobs: [], failed: true };
      }),
    ),
  );
}

function printQueue(shell: Shell, { cluster, jobs, failed }: ClusterQueue): void {
  if (failed) return;
  shell.print(`Job queue of cluster ${cluster}`);
  const rows = jobs.map((job) => rowOf(cluster, job, shell.now()));
  shell.print(tableText({ columns, rows }));
}

function rowOf(cluster: string, job: Job, now: number): readonly string[] {
  const { id, name, submittedAt, startedAt, endedAt, resources, status } = job;
  return [
    String(id),
    name === "" ? "-" : name,
    agoText(submittedAt, now),
    agoText(startedAt, now),
    isTerminal(status) && endedAt === undefined ? "-" : durationText(startedAt, endedAt ?? now),
    resources,
    status,
    `sky logs ${cluster} ${id}`,
  ];
}
