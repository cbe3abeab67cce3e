// A cluster: the nodes that a user wants, and how far the world follows.

import type { Node, NodePhase } from "./node.ts";

/** What users of SkyPilot know. TERMINATED is the absence of a record. `STOPPING` is ours. */
export type ClusterStatus = "INIT" | "UP" | "STOPPING" | "STOPPED";

/** How the nodes of a local cluster run. */
export type Isolation = "embedded" | "process";

export interface Cluster {
  readonly name: string;
  readonly status: ClusterStatus;
  readonly cloud: string;
  /** The pool of hosts, or the place at the cloud. Absent where its cloud has none. */
  readonly region?: string;
  readonly isolation: Isolation;
  readonly launchedAt: number;
  /** What the user asked of each node, as shown in `sky status`: `4x Local(cpus=2)`. */
  readonly resources: string;
  /** The command that used it last, as shown in `sky status`. */
  readonly command: string;
  /** Who launched it first; empty in records of earlier versions. */
  readonly user: string;
  /** When a command used it last, in milliseconds since the Unix epoch. */
  readonly lastUsedAt: number;
  readonly nodes: readonly Node[];
}

/** A cluster as everybody outside the head sees it. */
export interface ClusterView extends Cluster {
  readonly nodes: readonly NodeView[];
  readonly autostop?: AutostopView;
  /** What it is busy with, and on whose behalf: `launch by ada`. */
  readonly busyWith?: string;
  /** Its head runs elsewhere and is not heard: the rest is what was known last. */
  readonly silence?: Silence;
}

export interface Silence {
  /** In milliseconds since the Unix epoch. */
  readonly since: number;
  /** A sentence without its end. */
  readonly why: string;
}

export interface NodeView extends Node {
  readonly phase: NodePhase;
}

export interface AutostopView {
  readonly idleMs: number;
  readonly verb: "stop" | "down";
  /** The last evaluation, in words: `not idle: job 7 RUNNING`. */
  readonly verdict: string;
  /** Since when (wall clock) it is idle, while it is. */
  readonly idleSince?: number;
}

/** What the machines of a cluster cost, also of one that is gone. */
export interface ClusterCost {
  readonly name: string;
  readonly user: string;
  readonly launchedAt: number;
  /** For so long its machines ran, in all. */
  readonly durationMs: number;
  readonly numNodes: number;
  readonly resources: string;
  /** Absent: it is gone. */
  readonly status?: ClusterStatus;
  /** In US dollars; absent where the price is not known. */
  readonly costPerHour?: number;
  readonly cost?: number;
  readonly usage: readonly UsageInterval[];
}

/** From a start to a stop, in milliseconds since the Unix epoch. */
export interface UsageInterval {
  readonly startedAt: number;
  /** Absent: it goes on. */
  readonly endedAt?: number;
}

/** What a refresh found out about one cluster, in a sentence. */
export interface Refreshed {
  readonly cluster: string;
  readonly text: string;
  /** The cloud could not be asked: what is shown is what was known. */
  readonly failed: boolean;
}

/** How far a launch or a start has come. */
export interface NodeProgress {
  readonly nodesUp: number;
  readonly nodesWanted: number;
  readonly text: string;
}
