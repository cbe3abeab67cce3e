// The jobs of a board: those that have not settled, the newest that have, and the way to the rest.
//
// What must always hold: a reader finds every job, wherever it is just then. A job is on record as
// settled before it leaves memory, so memory is looked at first and the store after it.

import type { Job } from "../model/job.ts";
import type { Announcement, JobsPage } from "./board.ts";
import type { JobHistory } from "./job-history.ts";
import type { SettledLimits } from "./settled-jobs.ts";
import { SettledJobs } from "./settled-jobs.ts";

export class BoardJobs {
  readonly #history: JobHistory;
  readonly #open = new Map<number, Job>();
  readonly #settled: SettledJobs;
  #newest = 0;
  /** Until something changes: pages of a long queue are asked for one after the other. */
  #inOrder: readonly Job[] | undefined;

  constructor(history: JobHistory, limits?: SettledLimits) {
    this.#history = history;
    this.#settled = new SettledJobs(limits);
  }

  take({ newest, jobs, settled = [], forgotten = [] }: Announcement): void {
    const changes = jobs.length + settled.length + forgotten.length;
    if (changes > 0 || newest !== undefined) this.#inOrder = undefined;
    if (newest !== undefined) this.#begin(newest);
    for (const job of jobs) {
      if (this.#settled.get(job.id) === undefined) this.#open.set(job.id, job);
      else this.#settled.add(job);
      this.#newest = Math.max(this.#newest, job.id);
    }
    for (const id of settled) this.#settle(id);
    for (const id of forgotten) this.#settled.remove(id);
  }

  isOpen(id: number): boolean {
    return this.#open.has(id);
  }

  known(id: number): Job | undefined {
    return this.#open.get(id) ?? this.#settled.get(id);
  }

  /** All in memory, newest first. */
  all(): readonly Job[] {
    this.#inOrder ??= [...this.#open.values(), ...this.#settled.values()].sort(newestFirst);
    return this.#inOrder;
  }

  async find(id: number): Promise<Job | undefined> {
    return this.known(id) ?? (id > this.#newest ? undefined : this.#history.find(id));
  }

  async latest(): Promise<Job | undefined> {
    return this.known(this.#newest) ?? (await this.page({ before: Infinity, countMax: 1 }))[0];
  }

  async page({ before, countMax }: JobsPage): Promise<readonly Job[]> {
    // Taken first: what settles while the store is read is in here, and what has settled is there.
    const here = this.all().filter(({ id }) => id < before);
    const { floor } = this.#settled;
    const isWhole = here.filter(({ id }) => id >= floor).length >= countMax;
    if (isWhole || floor <= 1) return here.slice(0, countMax);
    const there = await this.#history.page({ before, countMax });
    const all = new Map([...there, ...here].map((job) => [job.id, job]));
    return [...all.values()].sort(newestFirst).slice(0, countMax);
  }

  /** The scheduler has started anew: what it does not announce has settled. */
  #begin(newest: number): void {
    this.#newest = newest;
    this.#open.clear();
    this.#settled.restart(newest);
  }

  #settle(id: number): void {
    const job = this.#open.get(id);
    if (job === undefined) return;
    this.#open.delete(id);
    this.#settled.add(job);
  }
}

function newestFirst(a: Job, b: Job): number {
  return b.id - a.id;
}
