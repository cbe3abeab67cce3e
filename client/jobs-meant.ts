// Which jobs of a cluster are meant by ids and globs over them: of a command line, or of a program.
//
// Ids are numbers from 1, one row for each cluster. Source of the globs: SkyPilot 0.3.0, SQLite's
// GLOB over the ids of `sky queue`.

import { SkyError } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import { globMatches } from "./glob.ts";
import type { Head } from "./head.ts";

/** Without any, the latest job is meant. */
export interface JobWords {
  readonly ids: readonly number[];
  readonly globs: readonly string[];
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

/** @throws SkyError `job/not-found` for the first id that no job has. */
export function demandFound(cluster: string, { missing }: JobsFound): void {
  const [id] = missing;
  if (id !== undefined) throw new SkyError("job/not-found", { id, name: cluster });
}
