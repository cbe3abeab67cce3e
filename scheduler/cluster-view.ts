// A cluster as the API shows it: its record, with what its head knows of its nodes. Pure.
//
// Of a head that runs elsewhere this is what it said last. While it is silent nobody knows whether
// a node that was alive still is.

import { busyText, type ClusterRecord, clusterOf } from "../clouds/cluster-record.ts";
import type { ClusterView } from "../model/cluster.ts";
import type { NodePhase } from "../model/node.ts";
import { given } from "../proto/fields.ts";
import type { Board } from "./board.ts";
import type { RemoteHead } from "./remote/remote.ts";

/** The part of the heads that is looked at. */
export interface Boards {
  readonly heads: {
    get(cluster: string): { readonly board: Pick<Board, "nodePhase" | "autostop"> } | undefined;
  };
  readonly remote?: {
    get(cluster: string): Pick<RemoteHead, "view" | "silence"> | undefined;
  };
}

export function viewOf({ heads, remote }: Boards, record: ClusterRecord): ClusterView {
  const elsewhere = remote?.get(record.name);
  if (elsewhere !== undefined) return remoteView(elsewhere, record);
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

function remoteView(
  head: Pick<RemoteHead, "view" | "silence">,
  record: ClusterRecord,
): ClusterView {
  const cluster = clusterOf(record);
  const said = record.status === "STOPPED" ? undefined : head.view();
  const isAwaited = record.status === "UP" || said !== undefined;
  const silence = isAwaited ? head.silence() : undefined;
  const phaseOf = (node: string): NodePhase => {
    const phase = said?.nodes.find(({ id }) => id === node)?.phase ?? "absent";
    return phase === "alive" && silence !== undefined ? "suspect" : phase;
  };
  return {
    ...cluster,
    nodes: cluster.nodes.map((node) => ({ ...node, phase: phaseOf(node.id) })),
    ...given("busyWith", record.busy ? busyText(record.busy) : said?.busyWith),
    ...given("autostop", said?.autostop),
    ...given("silence", silence),
  };
}
