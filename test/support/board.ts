// A board for tests: shows what it is told to, and tells its hearers.

import type { Job } from "../../model/job.ts";
import type { NodePhase } from "../../model/node.ts";
import type { Announcement, Board } from "../../scheduler/board.ts";

export interface ShownBoard extends Board {
  show(...jobs: readonly Job[]): void;
  showNode(id: string, phase: NodePhase, about?: { readonly needsCopies: true }): void;
}

export function shownBoard(): ShownBoard {
  const jobs = new Map<number, Job>();
  const phases = new Map<string, NodePhase>();
  const chunkless = new Set<string>();
  const hearers = new Set<(announcement: Announcement) => void>();
  const tell = (announcement: Announcement): void => {
    for (const hear of [...hearers]) hear(announcement);
  };
  const board: ShownBoard = {
    show: (...shown) => {
      for (const job of shown) jobs.set(job.id, job);
      tell({ jobs: shown, events: [] });
    },
    showNode: (id, phase, about) => {
      phases.set(id, phase);
      if (about?.needsCopies) chunkless.add(id);
      else chunkless.delete(id);
      tell({ jobs: [], events: [], nodes: [{ id, phase }] });
    },
    job: (id) => jobs.get(id),
    find: async (id) => jobs.get(id),
    latest: async () => board.jobs()[0],
    page: async ({ before, countMax }) =>
      board
        .jobs()
        .filter(({ id }) => id < before)
        .slice(0, countMax),
    jobs: () => [...jobs.values()].sort((a, b) => b.id - a.id),
    nodePhase: (node) => phases.get(node) ?? "alive",
    misfit: () => undefined,
    needsCopies: () => chunkless.size > 0,
    autostop: () => undefined,
    onAnnouncement: (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    until: async (id, done, signal) => {
      for (;;) {
        const job = jobs.get(id);
        if (job === undefined || done(job)) return job;
        signal.throwIfAborted();
        await new Promise<void>((resolve) => {
          const stop = board.onAnnouncement(() => {
            stop();
            resolve();
          });
        });
      }
    },
  };
  return board;
}
