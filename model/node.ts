// A node: one machine and its skylet.

import type { Capacity } from "./resources.ts";

export interface Node {
  /** `head`, `worker1`, … in the cluster's stable order. */
  readonly id: string;
  readonly index: number;
  readonly ip: string;
  readonly capacity: Capacity;
}

/** What liveness thinks of a node. `absent` = it never joined, or was stopped on purpose. */
export type NodePhase = "absent" | "alive" | "suspect" | "lost";
