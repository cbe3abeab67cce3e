// The head, as the client needs it: the port behind every command and SDK call.
//
// `head-grpc.ts` is the real one; tests have one in memory. Calls fail with SkyErrors. A call that
// changes something may be repeated after a `retry` error without happening twice: `submit` by its
// key, the others because they set a level.

import type {
  ClusterCost,
  ClusterView,
  Isolation,
  NodeProgress,
  Refreshed,
} from "../model/cluster.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { Job, RankKey } from "../model/job.ts";
import type { Accelerators } from "../model/resources.ts";
import type { Task } from "../model/task.ts";
import type { TransferCalls } from "./head-transfers.ts";

export interface Head extends TransferCalls {
  launch(wanted: ClusterWanted, signal: AbortSignal): AsyncIterable<ClusterStep>;
  start(wanted: StartWanted, signal: AbortSignal): AsyncIterable<ClusterStep>;
  /** No names = all clusters. */
  status(clusters: readonly string[], signal: AbortSignal): Promise<readonly ClusterView[]>;
  /** The same after the cloud was asked what became of their machines. */
  refresh(clusters: readonly string[], signal: AbortSignal): Promise<FreshStatus>;
  stop(of: ClusterOf, signal: AbortSignal): Promise<void>;
  down(of: DownWanted, signal: AbortSignal): Promise<DownOutcome>;
  /** Clusters that are there and those that are gone. */
  costReport(signal: AbortSignal): Promise<readonly ClusterCost[]>;
  setAutostop(cluster: string, idle: IdleRule | null, signal: AbortSignal): Promise<void>;

  submit(submission: Submission, signal: AbortSignal): Promise<readonly number[]>;
  /** Newest first. */
  listJobs(query: JobsQuery, signal: AbortSignal): Promise<readonly Job[]>;
  /** Job 0 is the latest. */
  getJob(of: JobOf, signal: AbortSignal): Promise<Job>;
  /** Answers when every one of them has ended. Gives those that it cancelled. */
  cancel(request: CancelRequest, signal: AbortSignal): Promise<readonly number[]>;
  tailLogs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogEvent>;
  watchEvents(query: EventQuery, signal: AbortSignal): AsyncIterable<NumberedEvent>;
  /** Job 0 is the cluster itself. */
  why(of: JobOf, signal: AbortSignal): Promise<Explanation>;

  version(signal: AbortSignal): Promise<HeadVersion>;
  /** JSON text. No name = every cluster. */
  inspect(cluster: string | undefined, signal: AbortSignal): Promise<string>;
  close(): void;
}

export interface ClusterWanted {
  readonly cluster: string;
  readonly numNodes: number;
  readonly cpus?: number;
  readonly memoryGb?: number;
  readonly accelerators?: Accelerators;
  /** Absent: that of the cluster if it is there, else the default. */
  readonly cloud?: string;
  /** The pool of hosts; absent: wherever it fits. */
  readonly region?: string;
  /** Fingerprints of host keys that the user said yes to; `*` = any new one. */
  readonly trustedHostKeys?: readonly string[];
  readonly isolation?: Isolation;
  readonly command: string;
  readonly user: string;
}

export interface ClusterOf {
  readonly cluster: string;
  /** Who asks. */
  readonly user: string;
}

export interface StartWanted extends ClusterOf {
  /** Also where it is up: what does not run is started again. */
  readonly force: boolean;
  /** Armed when it is up. */
  readonly autostop?: IdleRule;
  readonly command: string;
}

export interface DownWanted extends ClusterOf {
  /** What the cloud refuses does not keep the record. */
  readonly purge: boolean;
}

export interface DownOutcome {
  /** Where the logs were kept; empty if there were none. */
  readonly logsArchive: string;
  /** With `purge`: what may be left, and why. Empty = nothing. */
  readonly leftBehind: string;
  /** Files of the user's that stay on machines that are not ours, for people. */
  readonly kept: readonly string[];
}

export interface FreshStatus {
  readonly clusters: readonly ClusterView[];
  readonly refreshed: readonly Refreshed[];
}

export type ClusterStep =
  | { readonly kind: "progress"; readonly progress: NodeProgress }
  /** The last step: it is up. */
  | { readonly kind: "cluster"; readonly cluster: ClusterView };

export interface IdleRule {
  readonly idleSeconds: number;
  readonly down: boolean;
}

export interface Submission {
  readonly cluster: string;
  readonly tasks: readonly Task[];
  readonly idempotencyKey: string;
  readonly user: string;
  readonly noSetup: boolean;
  readonly autostop?: IdleRule;
  readonly command: string;
  /** Files go to all nodes of the cluster (`launch`), not only to the job's (`exec`). */
  readonly allNodes: boolean;
}

export interface JobOf {
  readonly cluster: string;
  readonly job: number;
}

export interface JobsQuery {
  readonly cluster: string;
  readonly skipFinished: boolean;
  /** Only this user's; absent = of all. */
  readonly user?: string;
  /** No more than these; absent = all. */
  readonly countMax?: number;
}

export interface CancelRequest {
  readonly cluster: string;
  readonly jobs: readonly number[];
  /** Every job of the user's that has not ended. */
  readonly all: boolean;
  /** Who asks: jobs of others are refused with `job/not-yours`. */
  readonly user: string;
}

export interface LogQuery extends JobOf {
  readonly follow: boolean;
  readonly offsets: readonly LogOffset[];
  /** Only these ranks of the run; empty = all, and the setup. */
  readonly ranks: readonly number[];
  /** Begin that many lines before the end; 0 = at the beginning. */
  readonly tailLines: number;
}

export interface LogOffset {
  readonly key: RankKey;
  readonly offset: number;
}

export type LogEvent =
  /** First, and whenever more is known of it. */
  | { readonly kind: "job"; readonly job: Job }
  | {
      readonly kind: "chunk";
      readonly key: RankKey;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** Last, if the job has ended: every byte has been sent. */
  | { readonly kind: "ended"; readonly job: Job };

export interface EventQuery extends JobOf {
  readonly afterSeq: number;
  readonly follow: boolean;
}

export interface Explanation {
  readonly summary: string;
  readonly chain: readonly NumberedEvent[];
}

export interface HeadVersion {
  readonly version: string;
  readonly pid: number;
  readonly home: string;
  readonly startedAt: number;
}
