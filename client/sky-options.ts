// The options of the SDK's calls.
//
// Every call takes a signal; what an option does not say is what the `sky` command does too, except
// that a call returns when the job is committed, as with `-d`: a program has its own ways to wait.

import type { Isolation, NodeProgress } from "../model/cluster.ts";
import type { ResourcesSpec } from "./task-spec.ts";
import type { TransferChoice } from "./transfer-order.ts";

export interface SkyOptions {
  /** The state folder. Default: `SKY_HOME`, else `~/.sky`. */
  readonly home?: string;
  /** Who asks, in records and for whose jobs. Default: `SKYPILOT_USER`, else the system's user. */
  readonly user?: string;
  /** Ends everything that this object does. */
  readonly signal?: AbortSignal;
  /** Hears of what is worth knowing and is no error. */
  readonly onWarning?: (text: string) => void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Which cluster, and what stands in the place of the task's own. */
export interface PlanOptions {
  /** Default: a new name, `sky-<4 digits>-<user>`. */
  readonly cluster?: string;
  readonly numNodes?: number;
  readonly cpus?: number | string;
  /** In GB. */
  readonly memory?: number | string;
  readonly accelerators?: ResourcesSpec["accelerators"];
  readonly cloud?: string;
  /** A pool of hosts, with the cloud `ssh`. */
  readonly region?: string;
}

/** When a cluster that is idle stops, or with `down` is taken down. */
export interface IdleOptions {
  /** Of the two one. Fractions are fine; 0 is at once. */
  readonly idleMinutes?: number;
  readonly idleSeconds?: number;
  /** Take it down, not only stop it. For a launch without a time: at once after the job. */
  readonly down?: boolean;
}

export interface FollowOptions {
  /** False: the call returns when the job has ended, with `job` in its result. Default true. */
  readonly detachRun?: boolean;
  /** Setup is part of the job, so this changes nothing: it is for programs that pass it. */
  readonly detachSetup?: boolean;
  /** Print progress, and unless detached the job's log, to stdout. Default: unless detached. */
  readonly streamLogs?: boolean;
}

export interface LaunchOptions extends SubmitOptions, PlanOptions, IdleOptions, FollowOptions {
  /** How local nodes run. Default: as the task or config.yaml says, else `embedded`. */
  readonly isolation?: Isolation;
  /** A cluster that does not start is started again, until it is up. Default false. */
  readonly retryUntilUp?: boolean;
  readonly noSetup?: boolean;
  /** Keys of hosts that are trusted though they are new: `SHA256:…`, or `*` for any. */
  readonly trustedHostKeys?: readonly string[];
  readonly onProgress?: (progress: NodeProgress) => void;
}

/** A launch that starts nothing and says what it would do. */
export interface DryOption {
  readonly dryrun: true;
}

export interface RealOption {
  readonly dryrun?: false;
}

export interface SubmitOptions extends CallOptions {
  /** The same key again is the same job, also after a crash of yours. Default: one of its own. */
  readonly idempotencyKey?: string;
}

export interface ExecOptions extends SubmitOptions, FollowOptions {
  readonly cluster: string;
}

export interface QueueOptions extends CallOptions {
  readonly skipFinished?: boolean;
  /** Also the jobs of others. Default false. */
  readonly allUsers?: boolean;
}

export interface StatusOptions extends CallOptions {
  /** Ask the cloud first what became of their machines. Default false. */
  readonly refresh?: boolean;
}

export interface StartOptions extends CallOptions, IdleOptions {
  readonly retryUntilUp?: boolean;
  /** Also where it is up: what does not run is started again. */
  readonly force?: boolean;
  readonly onProgress?: (progress: NodeProgress) => void;
}

export interface DownOptions extends CallOptions {
  /** Drop the record whatever the cloud says. */
  readonly purge?: boolean;
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

export interface TailOptions extends Omit<LogsOptions, "offset"> {
  /** Takes the text. Default: stdout, no faster than it takes it. */
  readonly write?: (bytes: Uint8Array) => void | Promise<void>;
}

export interface DownloadOptions extends CallOptions {
  /** Each job gets a folder in it. Default: `logs` in the state folder. */
  readonly localDir?: string;
}

/** What the CLI's flags of the same names say. */
export interface CopyOptions extends CallOptions, Omit<TransferChoice, "delete" | "compare"> {
  /** The same key again is the same transfer, also after a crash of yours. Default: its own. */
  readonly idempotencyKey?: string;
}

export interface SyncOptions extends CopyOptions, Pick<TransferChoice, "delete" | "compare"> {}

export interface PlanTransferOptions extends SyncOptions {
  /** Default `copy`. */
  readonly verb?: "copy" | "sync";
}

export interface TransfersOptions extends CallOptions {
  readonly skipFinished?: boolean;
  /** Also those of others. Default false. */
  readonly allUsers?: boolean;
}

export interface ProfileOptions extends CallOptions {
  /** How long each link is measured. Default: as the head likes. */
  readonly seconds?: number;
}

/** Exactly one time; a negative one disarms. */
export interface AutostopOptions extends CallOptions, IdleOptions {}

export interface EventsOptions extends CallOptions {
  /** Only the events of this job. */
  readonly job?: number;
  readonly follow?: boolean;
  /** Go on after this event. */
  readonly afterSeq?: number;
}
