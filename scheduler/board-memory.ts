// The board in memory: what the scheduler announced last, for all who read.
//
// It starts empty and is filled by the scheduler's first announcement, which holds every job that
// has not settled. Jobs only ever get newer here, because announcements come in the order of the
// commits. What is not here is in the history: a job that leaves one is in the other already.

import type { AutostopView } from "../model/cluster.ts";
import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { Announcement, Board, JobsPage } from "./board.ts";
import type { JobHistory } from "./job-history.ts";
import { noHistory } from "./job-history.ts";
import type { SettledLimits } from "./settled-jobs.ts";
import { SettledJobs } from "./settled-jobs.ts";

export interface WritableBoard extends Board {
  /** Takes an announcement, then tells those who listen, then those who wait. */
  apply(announcement: Announcement): void;
}

interface Waiter {
  readonly done: (job: Job) => boolean;
  readonly settle: (job: Job | undefined) => void;
}

export function boardInMemory(
  history: JobHistory = noHistory,
  limits?: SettledLimits,
): WritableBoard {
  const open = new Map<number, Job>();
  const settled = new SettledJobs(limits);
  const phases = new Map<string, NodePhase>();
  const misfits = new Map<string, string | undefined>();
  const listeners = new Set<(announcement: Announcement) => void>();
  const waiters = new Map<number, Set<Waiter>>();
  let newest = 0;
  let autostop: AutostopView | undefined;

  const known = (id: number): Job | undefined => open.get(id) ?? settled.get(id);
  const jobs = (): readonly Job[] =>
    [...open.values(), ...settled.values()].sort((a, b) => b.id - a.id);
  const page = async ({ before, countMax }: JobsPage): Promise<readonly Job[]> => {
    // Taken first: what settles while the store is read is in here, and what has settled is there.
    const here = jobs().filter(({ id }) => id < before);
    const isWhole = here.filter(({ id }) => id >= settled.floor).length >= countMax;
    if (isWhole || settled.floor <= 1) return here.slice(0, countMax);
    const there = await history.page({ before, countMax });
    const all = new Map([...there, ...here].map((job) => [job.id, job]));
    return [...all.values()].sort((a, b) => b.id - a.id).slice(0, countMax);
  };
  const wake = (job: Job): void => {
    for (const waiter of waiters.get(job.id) ?? []) if (waiter.done(job)) waiter.settle(job);
  };
  /** A settled job does not change: whoever waits for more has waited for nothing. */
  const giveUp = async (id: number): Promise<void> => {
    const job = known(id) ?? (await history.find(id).catch(() => undefined));
    for (const waiter of waiters.get(id) ?? []) waiter.settle(job);
  };
  const begin = (announced: number): void => {
    newest = announced;
    open.clear();
    settled.restart(announced);
  };
  const settle = (id: number): void => {
    const job = open.get(id);
    if (job === undefined) return;
    open.delete(id);
    settled.add(job);
  };
  return {
    job: known,
    jobs,
    find: async (id) => known(id) ?? (id > newest ? undefined : history.find(id)),
    latest: async () => known(newest) ?? (await page({ before: Infinity, countMax: 1 }))[0],
    page,
    nodePhase: (node) => phases.get(node) ?? "absent",
    misfit: (node) => misfits.get(node),
    autostop: () => autostop,
    onAnnouncement: (hear) => {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
    until: async (id, done, signal) => {
      const job = known(id) ?? (await history.find(id));
      if (job === undefined || done(job) || !open.has(id)) return known(id) ?? job;
      return waitFor(waiters, { id, done, signal });
    },
    apply: (announcement) => {
      if (announcement.newest !== undefined) begin(announcement.newest);
      for (const job of announcement.jobs) {
        if (settled.get(job.id) === undefined) open.set(job.id, job);
        else settled.add(job);
        newest = Math.max(newest, job.id);
      }
      announcement.settled?.forEach(settle);
      for (const id of announcement.forgotten ?? []) settled.remove(id);
      for (const { id, phase, misfit } of announcement.nodes ?? []) {
        phases.set(id, phase);
        misfits.set(id, misfit);
      }
      if (announcement.autostop !== undefined) autostop = announcement.autostop ?? undefined;
      for (const hear of [...listeners]) hear(announcement);
      if (waiters.size === 0) return;
      announcement.jobs.forEach(wake);
      for (const id of waiters.keys()) if (!open.has(id)) void giveUp(id);
    },
  };
}

/** Rejects with the signal's reason when it is aborted. */
function waitFor(
  waiters: Map<number, Set<Waiter>>,
  about: { readonly id: number; readonly done: Waiter["done"]; readonly signal: AbortSignal },
): Promise<Job | undefined> {
  const { id, done, signal } = about;
  const { promise, resolve, reject } = Promise.withResolvers<Job | undefined>();
  const here = waiters.get(id) ?? new Set<Waiter>();
  waiters.set(id, here);
  const leave = (): void => {
    signal.removeEventListener("abort", abort);
    here.delete(waiter);
    if (here.size === 0 && waiters.get(id) === here) waiters.delete(id);
  };
  const abort = (): void => {
    leave();
    reject(signal.reason);
  };
  const waiter: Waiter = {
    done,
    settle: (job) => {
      leave();
      resolve(job);
    },
  };
  here.add(waiter);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return promise;
}
