// Plans without relays: the source's gateways send to each destination, or one side does all.
//
// One-sided plans have gateways at one end only, which read or write the other end's store from
// afar. A site that is source and destination at once is one site with one set of gateways.

import type { Solver } from "../../model/transfer-plan.ts";
import type { Network } from "./network.ts";
import { type Draft, infeasible, settled } from "./shape.ts";

type DirectSolver = Extract<Solver, "direct" | "src_one_sided" | "dst_one_sided">;

/** @throws SkyError `plan/infeasible`. */
export function directDraft(network: Network, solver: DirectSolver): Draft {
  const { source, destinations } = network;
  const bare: readonly string[] = {
    direct: [],
    src_one_sided: destinations,
    dst_one_sided: [source],
  }[solver];
  for (const id of [source, ...destinations]) {
    if (!bare.includes(id) && network.isStore(id)) throw noGateway(id, solver);
  }
  for (const to of destinations) {
    if (network.link(source, to) === undefined) throw noLink(source, to);
  }
  const ways = destinations.map((to) => ({ from: source, to, share: 1, stripes: [0] }));
  return settled(network, { solver, ways, stripes: 1, bare: new Set(bare) });
}

export function noLink(from: string, to: string) {
  return infeasible(`nothing goes from ${from} to ${to}: it was measured as 0`);
}

function noGateway(id: string, solver: Solver) {
  return infeasible(`${id} may have no gateway, and ${solver} needs one there`);
}
