// The board: the head's read model. What is on it is committed; readers never ask the scheduler.
//
// The scheduler announces each changed job after its commit (`announce` effect), with the events
// that explain the change. Listing, `logs --status`, followers and waiters all read here.

import type { AutostopView } from "../model/cluster.ts";
import type { Event } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { Reason } from "../model/reason.ts";

export type { AutostopView, Event };

export interface Announcement {
  readonly jobs: readonly Job[];
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
}

export interface Board {
  job(id: number): Job | undefined;
  latest(): Job | undefined;
  /** Newest first. */
  jobs(): readonly Job[];
  nodePhase(node: string): NodePhase;
  /** Why its agent may not join, if it tried and may not. */
  misfit(node: string): string | undefined;
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
