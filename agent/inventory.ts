// What a node tells of itself, all at once: to the head as one message, or in parts if that is too
// large, and to people who look into it.

import type { Capacity } from "../model/resources.ts";
import { wireCapabilities } from "../model/wire.ts";
import { given } from "../proto/fields.ts";
import { inventoryMessages } from "../proto/inventory-parts.ts";
import type { AgentReport, RankReport } from "../proto/messages.ts";
import type { RankState } from "./rank.ts";
import { rankReport } from "./rank.ts";

export interface Told {
  readonly bootId: string;
  readonly capacity: Capacity;
  readonly version: string;
  readonly ranks: ReadonlyMap<string, RankState>;
  /** Of this inventory, and of no other of this node. */
  readonly snapshot: number;
}

export function inventoryOf({ snapshot, ranks, ...about }: Told): readonly AgentReport[] {
  const { bootId, capacity, version } = about;
  const reports: RankReport[] = [];
  for (const rank of ranks.values()) {
    const seen = rankReport(rank);
    if (seen) reports.push(seen);
  }
  const known = { bootId, capacity, version, capabilities: wireCapabilities };
  return inventoryMessages({ kind: "inventory", ...known, ranks: reports }, snapshot);
}

/** What is in no inventory, for it never ran: it is kept until the head says that it may go. */
export function tombstones(ranks: Told["ranks"]): readonly AgentReport[] {
  return [...ranks.values()].flatMap((rank): readonly AgentReport[] => {
    const { key } = rank;
    if (rank.phase === "stopped") return [{ kind: "rank-swept", key, sweep: rank.sweep }];
    if (rank.phase === "refused") {
      return [{ kind: "rank-refused", key, why: rank.why, ...given("fault", rank.fault) }];
    }
    return [];
  });
}

/** JSON for `sky debug`. */
export function inspectionOf(
  state: Omit<Told, "snapshot"> & { readonly node: string; readonly strangers: number },
): string {
  const { node, version, bootId, capacity, strangers } = state;
  const ranks = [...state.ranks].map(([rank, { phase }]) => ({ rank, phase }));
  const capabilities = wireCapabilities;
  return JSON.stringify({ node, version, capabilities, bootId, capacity, strangers, ranks });
}
