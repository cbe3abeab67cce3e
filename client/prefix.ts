// What stands before each line of a job's merged log.
//
// One-node clusters: `(train, pid=7)`. Larger ones: `(head, rank=0, pid=7)` and
// `(worker1, rank=1, pid=9, ip=127.1.0.3)`. Source: SkyPilot 0.3.0. The setup has no ranks:
// `(setup, pid=5)`, `(setup, worker1, pid=6, ip=127.1.0.3)`.

import { nodeId } from "../model/ids.ts";

export interface LineOrigin {
  readonly phase: "run" | "setup";
  readonly rank: number;
  readonly node: string;
  readonly ip: string;
  /** Absent until the head has heard of it. */
  readonly pid?: number;
}

export interface PrefixView {
  /** The task's name, or `-` where it has none: that reads `task`. */
  readonly taskName: string;
  /** Nodes of the cluster, not of the job. */
  readonly clusterNodes: number;
}

/** With the space that parts it from the line. */
export function linePrefix(origin: LineOrigin, view: PrefixView): string {
  const parts = view.clusterNodes > 1 ? nodeParts(origin) : [nameOf(origin, view)];
  if (origin.pid !== undefined) parts.push(`pid=${origin.pid}`);
  if (view.clusterNodes > 1 && origin.node !== nodeId(0)) parts.push(`ip=${origin.ip}`);
  return `(${parts.join(", ")}) `;
}

function nodeParts({ phase, rank, node }: LineOrigin): string[] {
  return phase === "setup" ? ["setup", node] : [node, `rank=${rank}`];
}

function nameOf({ phase }: LineOrigin, { taskName }: PrefixView): string {
  if (phase === "setup") return "setup";
  return taskName === "" || taskName === "-" ? "task" : taskName;
}
