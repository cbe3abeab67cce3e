// An inventory that is too large for one message, in parts. Pure.
//
// A node may have thousands of ranks to tell of, and the bus takes no message over a limit. What
// does not fit goes in parts of a kind of their own: a head that does not know them drops them, and
// can never take a part for the whole and the ranks of the others for gone.
//
// Parts may be lost, doubled and late. What must always hold: an inventory that comes out of parts
// is one that went in, whole; and of each node parts of at most one inventory are kept.

import { encodeMessage } from "./codec.ts";
import { capacityToProto, rankReportToProto } from "./converters-rank.ts";
import { sky } from "./gen/sky.js";
import type { AgentReport, RankReport } from "./messages.ts";

export type Inventory = Extract<AgentReport, { readonly kind: "inventory" }>;
export type InventoryPart = Extract<AgentReport, { readonly kind: "inventory-part" }>;

/** Half of what the bus takes: the envelope and one more rank always fit beside it. */
export const inventoryBytesMax = 500_000;
/** What a head keeps of one node until the rest has come is bounded by this many parts. */
export const inventoryPartsMax = 64;
/** Of a field's tag and the length before its bytes. */
const fieldBytesMax = 8;

/** The inventory as it is sent: itself if it fits, else its parts. `snapshot` names this one. */
export function inventoryMessages(
  inventory: Inventory,
  snapshot: number,
): readonly (Inventory | InventoryPart)[] {
  const groups = grouped(inventory.ranks, inventoryBytesMax - headBytes(inventory));
  if (groups.length <= 1) return [inventory];
  const { bootId, capacity, version, capabilities } = inventory;
  return groups.map((ranks, part) => ({
    kind: "inventory-part",
    ...{ snapshot, part, parts: groups.length },
    inventory: { bootId, capacity, version, capabilities, ranks },
  }));
}

function headBytes({ bootId, version, capacity, capabilities }: Inventory): number {
  const head = {
    ...{ bootId, version },
    capacity: capacityToProto(capacity),
    capabilities: [...capabilities],
  };
  return encodeMessage(sky.v1.Inventory, head).length;
}

/** In the order that they have, in groups of at most so many bytes; one alone may be more. */
function grouped(
  ranks: readonly RankReport[],
  bytesMax: number,
): readonly (readonly RankReport[])[] {
  const groups: RankReport[][] = [];
  let group: RankReport[] = [];
  let bytes = 0;
  for (const rank of ranks) {
    const size = encodeMessage(sky.v1.RankReport, rankReportToProto(rank)).length + fieldBytesMax;
    if (group.length > 0 && bytes + size > bytesMax) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(rank);
    bytes += size;
  }
  return group.length === 0 ? groups : [...groups, group];
}

/** What has come of one node's newest inventory in parts. */
export interface Gathered {
  readonly snapshot: number;
  readonly parts: number;
  /** Empty once it was whole: what still comes of it is not news. */
  readonly have: ReadonlyMap<number, readonly RankReport[]>;
  readonly isWhole: boolean;
}

export type Taken =
  /** It makes no sense: a part of nothing, or of more than we keep. */
  | { readonly kind: "refused" }
  | { readonly kind: "kept"; readonly gathered: Gathered }
  | { readonly kind: "whole"; readonly gathered: Gathered; readonly inventory: Inventory };

/** Takes one part. One of another inventory than before begins that one and drops the other. */
export function takePart(before: Gathered | undefined, message: InventoryPart): Taken {
  const { snapshot, part, parts, inventory } = message;
  const isPossible = part >= 0 && part < parts && parts <= inventoryPartsMax;
  if (!isPossible) return { kind: "refused" };
  const known = before?.snapshot === snapshot ? before : undefined;
  if (known !== undefined && known.parts !== parts) return { kind: "refused" };
  if (known?.isWhole) return { kind: "kept", gathered: known };
  const have = new Map([...(known?.have ?? []), [part, inventory.ranks]]);
  if (have.size < parts) {
    return { kind: "kept", gathered: { snapshot, parts, have, isWhole: false } };
  }
  const ranks = Array.from({ length: parts }, (_, index) => have.get(index) ?? []).flat();
  const gathered = { snapshot, parts, have: new Map(), isWhole: true };
  return { kind: "whole", gathered, inventory: { kind: "inventory", ...inventory, ranks } };
}
