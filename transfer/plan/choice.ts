// Which planner a transfer gets when its user names none.
//
// One destination: straight, by whichever side has gateways; where its link was measured, what is
// known of the others may show a faster way. A store that has no gateways at either end needs one
// between them.

import type { PlanRequest, Solver } from "../../model/transfer-plan.ts";
import { networkOf } from "./network.ts";

/** A request before it is decided who answers it. */
export type OpenRequest = Omit<PlanRequest, "solver">;

/** @throws SkyError `request/invalid`. */
export function chooseSolver(request: OpenRequest): Solver {
  const { source, destinations, isStore } = networkOf({ ...request, solver: "direct" });
  const stores = destinations.filter(isStore);
  if (isStore(source)) return stores.length === 0 ? "dst_one_sided" : "ron";
  if (stores.length === 0) return "direct";
  // Whoever has gateways is written to through them only if all have.
  return "src_one_sided";
}
