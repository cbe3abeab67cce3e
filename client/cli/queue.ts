// `sky queue`: the jobs of clusters, newest first; one's own, unless those of all are asked for.
//
// A cluster that is stopped still has its history.
// A cluster that cannot answer is told and does not hide the others.

import type { ClusterStatus, ClusterView } from "../../model/cluster.ts";
import { errorText, isSkyError } from "../../model/errors.ts";
import { isTerminal } from "../../model/job.ts";
import type { JobsQuery } from "../head.ts";
import { type Job, jobView } from "../view.ts";
import { userName } from "../world-os.ts";
import { type CliCommand, configFlag, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { isSet, wordsAt } from "./flags.ts";
import { namesMeant } from "./names.ts";
import { printJson, wantsJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { printTable } from "./table.ts";
import { agoText, durationText } from "./times.ts";

const columns = ["ID", "NAME", "SUBMITTED", "STARTED", "DURATION", "RESOURCES", "STATUS", "LOG"];

/** What may be cut on a narrow terminal; the other texts mean nothing when they are cut. */
const shrink = ["NAME"];

/** What a terminal leaves out that is narrower still, the least needed first. */
const drop = ["LOG", "STARTED", "RESOURCES", "SUBMITTED", "DURATION", "USER", "NAME"];

const columnsOfAll = columns.toSpliced(2, 0, "USER");

export const queue: CliCommand = {
  name: "queue",
  args: "[CLUSTERS...]",
  about: "Show the jobs of clusters.",
  examples: ["sky queue", "sky queue demo 'train-*' -s", "sky queue demo -a -o json"],
  flags: [
    { usage: "-s, --skip-finished", about: "Leave out jobs that have ended." },
    { usage: "-a, --all-users", about: "Jobs of all users, not only your own." },
    { usage: "-u", about: "The same.", hidden: true },
    configFlag,
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const allUsers = isSet(parsed, "allUsers") || isSet(parsed, "u");
    const skipFinished = isSet(parsed, "skipFinished");
    const which = { skipFinished, ...(allUsers ? {} : { user: userName() }) };
    const { queues, isEmpty } = await queuesOf(shell, wordsAt(parsed, 0), which);
    if (json)
      printJson(
        shell,
        queues.flatMap(({ cluster, jobs = [] }) => jobs.map((job) => ({ ...job, cluster }))),
      );
    else if (isEmpty) shell.print("No existing clusters.");
    else for (const one of queues) printQueue(shell, one, allUsers);
    return queues.some(({ failed }) => failed) ? exitCodes.refused : exitCodes.done;
  },
};

interface ClusterQueue {
  readonly cluster: string;
  readonly status: ClusterStatus;
  /** Absent if it cannot be asked. */
  readonly jobs?: readonly Job[];
  readonly failed: boolean;
}

interface Queues {
  readonly queues: readonly ClusterQueue[];
  /** There is no cluster at all. */
  readonly isEmpty: boolean;
}

/** A cluster that stopped has its history; one that cannot answer is told. */
async function queuesOf(
  shell: Shell,
  words: readonly string[],
  which: Omit<JobsQuery, "cluster">,
): Promise<Queues> {
  const head = await shell.head();
  const signal = shell.interrupt;
  const known = await head.status([], signal);
  const all = known.map(({ name }) => name);
  const { names, unmatched } =
    words.length === 0 ? { names: all, unmatched: [] } : namesMeant(words, all);
  for (const glob of unmatched) shell.say(`Cluster ${glob} not found.`);
  const ask = async ({ name, status }: ClusterView): Promise<ClusterQueue> => {
    const one = { cluster: name, status };
    try {
      const jobs = await head.listJobs({ cluster: name, ...which }, signal);
      return { ...one, jobs: jobs.map(jobView), failed: false };
    } catch (error) {
      // Of the only one that was asked for the error is the answer.
      if (signal.aborted || (names.length === 1 && words.length > 0)) throw error;
      const isDown = isSkyError(error, "cluster/not-up");
      shell.say(isDown ? errorText(error) : `${name}: ${errorText(error)}`);
      // Among all of them one that is not up yet is nothing wrong.
      return { ...one, failed: words.length > 0 || !isDown };
    }
  };
  const queues = await Promise.all(known.filter(({ name }) => names.includes(name)).map(ask));
  return { queues, isEmpty: known.length === 0 };
}

function printQueue(
  shell: Shell,
  { cluster, status, jobs }: ClusterQueue,
  allUsers: boolean,
): void {
  if (jobs === undefined) return;
  const state = status === "UP" ? "" : ` (status: ${status})`;
  shell.print(`Job queue of cluster ${cluster}${state}`);
  const rows = jobs.map((job) => {
    const [id = "", name = "", ...rest] = rowOf(cluster, job, shell.now());
    return allUsers ? [id, name, job.user, ...rest] : [id, name, ...rest];
  });
  printTable(shell, { columns: allUsers ? columnsOfAll : columns, rows, shrink, drop });
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
