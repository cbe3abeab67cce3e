// The newest settled jobs, for readers of the board: a cache with a limit, and the id from which on
// it has every one of them.
//
// Bounded by jobs and by the processes that they had: a job of ten thousand ranks weighs as much as
// thousands of others. The one that settled first goes first.

import type { Job } from "../model/job.ts";

export interface SettledLimits {
  readonly jobsMax: number;
  readonly processesMax: number;
}

export const settledLimits: SettledLimits = { jobsMax: 1_000, processesMax: 20_000 };

export class SettledJobs {
  readonly #limits: SettledLimits;
  readonly #jobs = new Map<number, Job>();
  #processes = 0;
  #floor = 1;

  constructor(limits: SettledLimits = settledLimits) {
    this.#limits = limits;
  }

  /** Every settled job with this id or a greater one is here. */
  get floor(): number {
    return this.#floor;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get(id: number): Job | undefined {
    return this.#jobs.get(id);
  }

  values(): Iterable<Job> {
    return this.#jobs.values();
  }

  add(job: Job): void {
    this.remove(job.id);
    this.#jobs.set(job.id, job);
    this.#processes += weightOf(job);
    for (const [oldest] of this.#jobs) {
      if (this.#jobs.size <= this.#limits.jobsMax && !this.#isHeavy()) break;
      this.remove(oldest);
      this.#floor = Math.max(this.#floor, oldest + 1);
    }
  }

  remove(id: number): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    this.#processes -= weightOf(job);
  }

  /** Forgets all; what settles from now on has a greater id, or is not known to be all. */
  restart(newest: number): void {
    this.#jobs.clear();
    this.#processes = 0;
    this.#floor = newest + 1;
  }

  #isHeavy(): boolean {
    return this.#processes > this.#limits.processesMax && this.#jobs.size > 1;
  }
}

export function weightOf({ ranks, setups }: Job): number {
  return ranks.length + setups.length;
}
