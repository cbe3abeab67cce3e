// The board: the head's read model. What is on it is committed; readers never ask the scheduler.
//
// The scheduler announces each changed job after its commit (`announce` effect), with the events
// that explain the change. Listing, `logs --status`, followers and waiters all read here. Jobs that
// have not settled are in memory, and the newest that have; older ones are read from the store by
// those who ask for them.

import type { AutostopView } from "../model/cluster.ts";
import type { Event } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { Reason } from "../model/reason.ts";

export type { AutostopView, Event };

export interface Announcement {
  readonly jobs: readonly Job[];
  /** Jobs that nothing will change any more: the scheduler has let go of them. */
  readonly settled?: readonly number[];
  /**
   * Present when the scheduler has just started: `jobs` are then all that have not settled, and no
   * job has a greater id than this.
   */
  readonly newest?: number;
  /** Settled jobs that are no longer on record. */
  readonly forgotten?: readonly number[];
  readonly events: readonly Event[];
  /** Present when it changed. */
  readonly nodes?: readonly NodeSeen[];
  readonly autostop?: AutostopView | null;
}

export interface NodeSeen {
  readonly id: string;
  readonly phase: NodePhase;
  /** Why its agent may not join. */
  readonly misfit?: string | undefined;
  /** Its agent cannot take chunks: it gets the paths of copies. */
  readonly needsCopies?: true;
}

/** Some of a cluster's jobs, newest first. */
export interface JobsPage {
  /** Only those with a smaller id. */
  readonly before: number;
  readonly countMax: number;
}

export interface Board {
  /** One of the jobs in memory: those that have not settled, and the newest that have. */
  job(id: number): Job | undefined;
  /** All of those. Newest first. */
  jobs(): readonly Job[];
  /** Any job, settled ones from the store. */
  find(id: number): Promise<Job | undefined>;
  latest(): Promise<Job | undefined>;
  page(page: JobsPage): Promise<readonly Job[]>;
  nodePhase(node: string): NodePhase;
  /** Why its agent may not join, if it tried and may not. */
  misfit(node: string): string | undefined;
  /** Whether some node cannot take chunks. */
  needsCopies(): boolean;
  autostop(): AutostopView | undefined;
  /** Hears of every announcement after it was applied. Returns what stops hearing. */
  onAnnouncement(hear: (announcement: Announcement) => void): () => void;
  /** Resolves when `done(job)`, at once if it holds now; `undefined` when there is no such job. */
  until(id: number, done: (job: Job) => boolean, signal: AbortSignal): Promise<Job | undefined>;
}

/** The reason of a job, if it has ended. */
export function endOf(job: Job): Reason | undefined {
  return job.phase === "ended" ? job.reason : undefined;
}
