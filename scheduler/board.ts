// The board: the head's read model. What is on it is committed; readers never ask the scheduler.
//
// The scheduler announces each changed job after its commit (`announce` effect), with the events
// that explain the change. Listing, `logs --status`, followers and waiters all read here.

import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { Reason } from "../model/reason.ts";

/** One change, with who, why and on what evidence. Stored as the body of a store event. */
export interface Event {
  readonly at: number;
  /** `job/7`, `node/worker1`, `cluster`. */
  readonly subject: string;
  /** Who: `user:ann`, `scheduler`, `liveness`, `agent:worker1`, `autostop`. */
  readonly actor: string;
  /** What happened: `submitted`, `placed`, `phase`, `rank-exited`, `swept`, `verdict`, … */
  readonly kind: string;
  readonly from?: string;
  readonly to?: string;
  /** One sentence. */
  readonly cause: string;
  readonly evidence: Readonly<Record<string, string>>;
}

export interface Announcement {
  readonly jobs: readonly Job[];
  readonly events: readonly Event[];
  /** Present when it changed. */
  readonly nodes?: readonly { readonly id: string; readonly phase: NodePhase }[];
  readonly autostop?: AutostopView | null;
}

export interface AutostopView {
  readonly idleMs: number;
  readonly verb: "stop" | "down";
  /** The last evaluation, in words: `not idle: job 7 RUNNING`. */
  readonly verdict: string;
}

export interface Board {
  job(id: number): Job | undefined;
  latest(): Job | undefined;
  /** Newest first. */
  jobs(): readonly Job[];
  nodePhase(node: string): NodePhase;
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
