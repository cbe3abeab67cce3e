// A part of a node's inventory: kept until the others have come, and then compared as a whole.
//
// Half an inventory says nothing of what a node lacks, so nothing is concluded from it. One that
// does not become whole (a part was lost) is asked for again with the next reconcile.

import { takePart } from "../proto/inventory-parts.ts";
import type { AgentReport } from "../proto/messages.ts";
import { inventory } from "./reports.ts";
import type { SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";

type InventoryPart = Extract<AgentReport, { readonly kind: "inventory-part" }>;

export function inventoryPart(
  state: SchedulerState,
  draft: Draft,
  { from, message }: { readonly from: string; readonly message: InventoryPart },
): void {
  const node = state.nodesById.get(from);
  const taken = takePart(node?.gathered, message);
  if (node === undefined || taken.kind === "refused") {
    draft.others.push({ kind: "count-refusal", node: from });
    return;
  }
  node.gathered = taken.gathered;
  if (taken.kind === "whole") inventory(state, draft, { from, message: taken.inventory });
}
