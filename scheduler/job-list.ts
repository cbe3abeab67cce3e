// One page of a cluster's jobs, newest first: as many as one answer may hold, and where the next
// page begins. Pages go by ids, which never change: jobs that come and go between two pages neither
// hide others nor show them twice.

import type { Job } from "../model/job.ts";
import { isTerminal } from "../model/job.ts";
import type { Board } from "./board.ts";
import { isOwn } from "./owners.ts";
import { weightOf } from "./settled-jobs.ts";

export interface JobListLimits {
  /** Jobs in one answer, for those who say how many they want, and for those who do not. */
  readonly jobsMax: number;
  readonly unaskedMax: number;
  /** Processes of all jobs in one answer: these are what makes an answer large. */
  readonly processesMax: number;
  /** Jobs that are read for one answer, those of others included. */
  readonly readMax: number;
}

export const jobListLimits: JobListLimits = {
  jobsMax: 1_000,
  unaskedMax: 10_000,
  processesMax: 20_000,
  readMax: 20_000,
};

export interface JobListRequest {
  readonly skipFinished: boolean;
  /** 0 = from the newest on. */
  readonly before: number;
  /** 0 = not said. */
  readonly limit: number;
  /** Only this user's jobs, and nobody's. Empty = of all. */
  readonly user: string;
}

export interface JobList {
  /** May be none though there are more: those that were looked at were others'. */
  readonly jobs: readonly Job[];
  /** 0 = there are no more. */
  readonly nextBefore: number;
}

type Jobs = Pick<Board, "jobs" | "page">;

export async function listJobs(
  board: Jobs,
  { skipFinished, before: asked, limit, user }: JobListRequest,
  limits: JobListLimits = jobListLimits,
): Promise<JobList> {
  const { jobsMax, unaskedMax } = limits;
  const countMax = limit > 0 ? Math.min(limit, jobsMax) : unaskedMax;
  const before = asked > 0 ? asked : Infinity;
  const isMeant = (job: Job): boolean => user === "" || isOwn(job, user);
  const open = ({ id, status }: Job): boolean => id < before && !isTerminal(status);
  const spare = user === "" ? 0 : pageSpare;
  // One more than is shown: that there are more is worth knowing.
  const { found, nextBefore } = skipFinished
    ? { found: board.jobs().filter((job) => open(job) && isMeant(job)), nextBefore: 0 }
    : await read(board, { before, countMax: countMax + 1, isMeant, spare }, limits);
  const jobs = found.slice(0, Math.min(countMax, lightest(found, limits.processesMax)));
  return { jobs, nextBefore: jobs.length < found.length ? (jobs.at(-1)?.id ?? 0) : nextBefore };
}

interface Reading {
  readonly before: number;
  readonly countMax: number;
  readonly isMeant: (job: Job) => boolean;
  readonly spare: number;
}

/** The next jobs that are meant, newest first; after so many of others the caller asks again. */
async function read(
  board: Jobs,
  { before, countMax, isMeant, spare }: Reading,
  { readMax }: JobListLimits,
): Promise<{ readonly found: readonly Job[]; readonly nextBefore: number }> {
  const found: Job[] = [];
  let from = before;
  for (let count = 0; count < readMax && found.length < countMax; ) {
    const wanted = Math.min(countMax - found.length + spare, readMax - count);
    const page = await board.page({ before: from, countMax: wanted });
    found.push(...page.filter(isMeant));
    from = page.at(-1)?.id ?? 0;
    count += page.length;
    if (page.length < wanted) return { found, nextBefore: 0 };
  }
  return { found, nextBefore: from };
}

/** So many more are read at once than are wanted: some are others'. */
const pageSpare = 256;

/** How many of the first jobs have together not too many processes. At least one. */
function lightest(jobs: readonly Job[], processesMax: number): number {
  let sum = 0;
  const count = jobs.findIndex((job, at) => {
    sum += weightOf(job);
    return at > 0 && sum > processesMax;
  });
  return count < 0 ? jobs.length : count;
}
