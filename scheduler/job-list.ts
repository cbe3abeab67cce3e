// One page of a cluster's jobs, newest first: as many as one answer may hold, and where the next
// page begins. Pages go by ids, which never change: jobs that come and go between two pages neither
// hide others nor show them twice.

import type { Job } from "../model/job.ts";
import { isTerminal } from "../model/job.ts";
import type { Board } from "./board.ts";
import { weightOf } from "./settled-jobs.ts";

export interface JobListLimits {
  /** Jobs in one answer, for those who say how many they want, and for those who do not. */
  readonly jobsMax: number;
  readonly unaskedMax: number;
  /** Processes of all jobs in one answer: these are what makes an answer large. */
  readonly processesMax: number;
}

export const jobListLimits: JobListLimits = {
  jobsMax: 1_000,
  unaskedMax: 10_000,
  processesMax: 20_000,
};

export interface JobListRequest {
  readonly skipFinished: boolean;
  /** 0 = from the newest on. */
  readonly before: number;
  /** 0 = not said. */
  readonly limit: number;
}

export interface JobList {
  readonly jobs: readonly Job[];
  /** 0 = there are no more. */
  readonly nextBefore: number;
}

export async function listJobs(
  board: Pick<Board, "jobs" | "page">,
  { skipFinished, before: asked, limit }: JobListRequest,
  limits: JobListLimits = jobListLimits,
): Promise<JobList> {
  const { jobsMax, unaskedMax } = limits;
  const countMax = limit > 0 ? Math.min(limit, jobsMax) : unaskedMax;
  const before = asked > 0 ? asked : Infinity;
  // One more than is shown: that there are more is worth knowing.
  const found = skipFinished
    ? board.jobs().filter(({ id, status }) => id < before && !isTerminal(status))
    : await board.page({ before, countMax: countMax + 1 });
  const jobs = found.slice(0, Math.min(countMax, lightest(found, limits.processesMax)));
  return { jobs, nextBefore: jobs.length < found.length ? (jobs.at(-1)?.id ?? 0) : 0 };
}

/** How many of the first jobs have together not too many processes. At least one. */
function lightest(jobs: readonly Job[], processesMax: number): number {
  let sum = 0;
  const count = jobs.findIndex((job, at) => {
    sum += weightOf(job);
    return at > 0 && sum > processesMax;
  });
  return count < 0 ? jobs.length : count;
}
