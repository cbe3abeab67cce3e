// A node: one machine and its skylet.

import type { Capacity } from "./resources.ts";

export interface Node {
  /** `head`, `worker1`, … in the cluster's stable order. */
  readonly id: string;
  readonly index: number;
  readonly ip: string;
  readonly capacity: Capacity;
  /** The machine that it is, as the user named it: of a host that is the user's own. */
  readonly host?: string;
}

/** What liveness thinks of a node. `absent` = it never joined, or was stopped on purpose. */
export type NodePhase = "absent" | "alive" | "suspect" | "lost";
