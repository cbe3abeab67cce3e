// Plans without relays: the source's gateways send to each destination, or one side does all.
//
// A store without gateways is read and written from the other end. One-sided plans have gateways at
// one end only, whatever the other could have. A site that is source and destination at once is one
// site with one set of gateways.

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
  for (const to of destinations) {
    const hasGateway = [source, to].some((id) => !bare.includes(id) && !network.isStore(id));
    if (!hasGateway) throw infeasible(noGateway(network, solver, to));
    const isOpen = network.link(source, to) !== undefined;
    if (!isOpen) throw infeasible(`nothing goes from ${source} to ${to}: it was measured as 0`);
  }
  const ways = destinations.map((to) => ({ from: source, to, share: 1, stripes: [0] }));
  return settled(network, { solver, ways, stripes: 1, bare: new Set(bare) });
}

function noGateway({ source }: Network, solver: DirectSolver, to: string): string {
  const where = {
    direct: `neither ${source} nor ${to} may have a gateway`,
    src_one_sided: `${source} may have no gateway`,
    dst_one_sided: `${to} may have no gateway`,
  }[solver];
  return `${where}, and ${solver} needs one there`;
}
