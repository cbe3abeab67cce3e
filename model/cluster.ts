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
  readonly isolation: Isolation;
  readonly launchedAt: number;
  /** What the user asked of each node, as shown in `sky status`: `4x Local(cpus=2)`. */
  readonly resources: string;
  /** The command that used it last, as shown in `sky status`. */
  readonly command: string;
  readonly nodes: readonly Node[];
}

/** A cluster as everybody outside the head sees it. */
export interface ClusterView extends Cluster {
  readonly nodes: readonly NodeView[];
  readonly autostop?: AutostopView;
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

/** How far a launch or a start has come. */
export interface NodeProgress {
  readonly nodesUp: number;
  readonly nodesWanted: number;
  readonly text: string;
}
