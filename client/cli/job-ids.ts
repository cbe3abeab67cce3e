// Job ids on a command line: numbers from 1, one row for each cluster, and globs over them.
//
// Source of the globs: SkyPilot 0.3.0, SQLite's GLOB over the ids of `sky queue`.

import { SkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import { globMatches, isGlob } from "../glob.ts";
import type { Head } from "../head.ts";
import { WrongUse } from "./exit-codes.ts";

/** @throws WrongUse for what is not a positive whole number. */
export function jobIdOf(text: string): number {
  const id = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw new WrongUse(`'${text}' is no job id: it should be a number such as 1 (see \`sky queue\`)`);
}

/** The ids and globs of a command line, checked before anybody is asked. */
export interface JobWords {
  readonly ids: readonly number[];
  readonly globs: readonly string[];
}

/** @throws WrongUse naming the word that is neither. */
export function jobWordsOf(words: readonly string[]): JobWords {
  const ids = words.filter((word) => !isGlob(word)).map(jobIdOf);
  return { ids: [...new Set(ids)], globs: words.filter(isGlob) };
}

/** Whether the words can mean one job only: an id, or none, which is the latest. */
export function isOneJob({ ids, globs }: JobWords): boolean {
  return globs.length === 0 && ids.length <= 1;
}

export interface JobsFound {
  /** In the order of their ids, each once. */
  readonly jobs: readonly Job[];
  /** Ids that no job has. */
  readonly missing: readonly number[];
  readonly unmatched: readonly string[];
}

/** The jobs that were meant, among those of the cluster. */
export function jobsAmong({ ids, globs }: JobWords, known: readonly Job[]): JobsFound {
  const matches = (glob: string, { id }: Job): boolean => globMatches(glob, String(id));
  const jobs = known
    .filter((job) => ids.includes(job.id) || globs.some((glob) => matches(glob, job)))
    .sort((a, b) => a.id - b.id);
  const missing = ids.filter((id) => !known.some((job) => job.id === id));
  const unmatched = globs.filter((glob) => !known.some((job) => matches(glob, job)));
  return { jobs, missing, unmatched };
}

export interface JobsWanted {
  readonly head: Head;
  readonly cluster: string;
  readonly words: JobWords;
  readonly signal: AbortSignal;
}

/** As `jobsAmong`, of all users; the latest job where nothing is named. */
export async function jobsMeant(wanted: JobsWanted): Promise<JobsFound> {
  const { head, cluster, words, signal } = wanted;
  if (words.ids.length === 0 && words.globs.length === 0) {
    const latest = await head.getJob({ cluster, job: 0 }, signal);
    return { jobs: [latest], missing: [], unmatched: [] };
  }
  return jobsAmong(words, await head.listJobs({ cluster, skipFinished: false }, signal));
}

/** What matched nothing, in words: a glob that finds no job is no error. */
export function unmatchedText({ jobs, unmatched }: JobsFound): readonly string[] {
  if (jobs.length === 0) return ["No matching jobs found."];
  return unmatched.map((glob) => `No job matches '${glob}'.`);
}

/** @throws SkyError `job/not-found` for the first id that no job has. */
export function demandFound(cluster: string, { missing }: JobsFound): void {
  const [id] = missing;
  if (id !== undefined) throw new SkyError("job/not-found", { id, name: cluster });
}

/** @throws WrongUse for the first job that has not all of these ranks, naming those that it has. */
export function demandRanks(jobs: readonly Job[], ranks: readonly number[]): void {
  for (const { id, numNodes } of jobs) {
    const beyond = ranks.find((rank) => rank >= numNodes);
    if (beyond === undefined) continue;
    const has = numNodes === 1 ? "only rank 0" : `ranks 0 to ${numNodes - 1}`;
    throw new WrongUse(`--rank: job ${id} has ${has}, not ${beyond}`);
  }
}
