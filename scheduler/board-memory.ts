// The board in memory: what the scheduler announced last, for all who read.
//
// It starts empty and is filled by the scheduler's first announcement, which holds every job that
// has not settled. Jobs only ever get newer here, because announcements come in the order of the
// commits. What is not here is in the history: a job that leaves one is in the other already.

import type { AutostopView } from "../model/cluster.ts";
import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { Announcement, Board } from "./board.ts";
import { BoardJobs } from "./board-jobs.ts";
import type { JobHistory } from "./job-history.ts";
import { noHistory } from "./job-history.ts";
import type { SettledLimits } from "./settled-jobs.ts";

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
  const jobs = new BoardJobs(history, limits);
  const phases = new Map<string, NodePhase>();
  const misfits = new Map<string, string | undefined>();
  const chunkless = new Set<string>();
  const listeners = new Set<(announcement: Announcement) => void>();
  const waiters = new Map<number, Set<Waiter>>();
  let autostop: AutostopView | undefined;

  const wake = (job: Job): void => {
    for (const waiter of waiters.get(job.id) ?? []) if (waiter.done(job)) waiter.settle(job);
  };
  /** A settled job does not change: whoever waits for more has waited for nothing. */
  const giveUp = async (id: number): Promise<void> => {
    const job = await jobs.find(id).catch(() => undefined);
    for (const waiter of waiters.get(id) ?? []) waiter.settle(job);
  };
  return {
    job: (id) => jobs.known(id),
    jobs: () => jobs.all(),
    find: (id) => jobs.find(id),
    latest: () => jobs.latest(),
    page: (page) => jobs.page(page),
    nodePhase: (node) => phases.get(node) ?? "absent",
    misfit: (node) => misfits.get(node),
    needsCopies: () => chunkless.size > 0,
    autostop: () => autostop,
    onAnnouncement: (hear) => {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
    until: async (id, done, signal) => {
      const job = jobs.known(id) ?? (await jobs.find(id));
      if (job === undefined || done(job) || !jobs.isOpen(id)) return job;
      return waitFor(waiters, { id, done, signal });
    },
    apply: (announcement) => {
      jobs.take(announcement);
      for (const { id, phase, misfit, needsCopies } of announcement.nodes ?? []) {
        phases.set(id, phase);
        misfits.set(id, misfit);
        if (needsCopies) chunkless.add(id);
        else chunkless.delete(id);
      }
      if (announcement.autostop !== undefined) autostop = announcement.autostop ?? undefined;
      for (const hear of [...listeners]) hear(announcement);
      if (waiters.size === 0) return;
      announcement.jobs.forEach(wake);
      for (const id of waiters.keys()) if (!jobs.isOpen(id)) void giveUp(id);
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
