// The options of the SDK's calls.
//
// Every call takes a signal; what an option does not say is what the `sky` command does too.

import type { Isolation, NodeProgress } from "../model/cluster.ts";

export interface SkyOptions {
  /** The state folder. Default: `SKY_HOME`, else `~/.sky`. */
  readonly home?: string;
  /** Ends everything that this object does. */
  readonly signal?: AbortSignal;
  /** Hears of what is worth knowing and is no error. */
  readonly onWarning?: (text: string) => void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface LaunchOptions extends CallOptions {
  readonly cluster: string;
  /** These stand in the place of the task's own. */
  readonly numNodes?: number;
  readonly cpus?: number | string;
  /** In GB. */
  readonly memory?: number | string;
  readonly accelerators?: string | Readonly<Record<string, number>>;
  readonly cloud?: string;
  /** How local nodes run. Default: as configured, else `embedded`. */
  readonly isolation?: Isolation;
  /** Stop (or with `down`, take down) the cluster when it has been idle for so long. */
  readonly idleSeconds?: number;
  readonly down?: boolean;
  readonly noSetup?: boolean;
  readonly onProgress?: (progress: NodeProgress) => void;
}

export interface SubmitOptions extends CallOptions {
  /** The same key again is the same job, also after a crash of yours. Default: one of its own. */
  readonly idempotencyKey?: string;
}

export interface ExecOptions extends SubmitOptions {
  readonly cluster: string;
}

export interface LogsOptions extends CallOptions {
  /** Go on until the job has ended. Default true. */
  readonly follow?: boolean;
  /** Only this rank's log of the run. Default: all ranks, and the setup. */
  readonly rank?: number;
  /** Begin at this byte. With `rank`, of that log; otherwise of each rank's. Default 0. */
  readonly offset?: number;
  /** Begin this many lines before the end. */
  readonly tail?: number;
}

export interface AutostopOptions extends CallOptions {
  readonly idleSeconds: number;
  readonly down?: boolean;
}

export interface EventsOptions extends CallOptions {
  /** Only the events of this job. */
  readonly job?: number;
  readonly follow?: boolean;
  /** Go on after this event. */
  readonly afterSeq?: number;
}
