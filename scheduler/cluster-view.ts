// A cluster as the API shows it: its record, with what the head knows of its nodes. Pure.

import { busyText, type ClusterRecord, clusterOf } from "../clouds/cluster-record.ts";
import type { ClusterView } from "../model/cluster.ts";
import { given } from "../proto/fields.ts";
import type { Board } from "./board.ts";

/** The part of the heads that is looked at. */
export interface Boards {
  get(cluster: string): { readonly board: Pick<Board, "nodePhase" | "autostop"> } | undefined;
}

export function viewOf(heads: Boards, record: ClusterRecord): ClusterView {
  const board = heads.get(record.name)?.board;
  const cluster = clusterOf(record);
  return {
    ...cluster,
    nodes: cluster.nodes.map((node) => ({ ...node, phase: board?.nodePhase(node.id) ?? "absent" })),
    ...given("busyWith", record.busy && busyText(record.busy)),
    // The setting dies with a stop: a stopped cluster has none.
    ...given("autostop", record.status === "STOPPED" ? undefined : board?.autostop()),
  };
}
