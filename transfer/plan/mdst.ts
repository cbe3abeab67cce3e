// One tree of the ends alone: the cheapest arborescence over source and destinations, no relays.
//
// Where the source is to send only once, its hops weigh more than all others together: so the tree
// has as few of them as there can be, and is the cheapest of those.

import type { Plan } from "../../model/transfer-plan.ts";
import { arborescence } from "./arborescence.ts";
import { planOf } from "./finish.ts";
import type { Network } from "./network.ts";
import { infeasible, settled } from "./shape.ts";
import { onceNotes, shapeOfTrees, type Tree, treeWithin, usableHops, weightOf } from "./trees.ts";

/** @throws SkyError `plan/infeasible`. */
export function mdstPlan(network: Network): Plan {
  const tree = cheapestSpanning(network);
  if (tree === undefined) throw infeasible(`${network.source} does not reach all destinations`);
  const trees = [tree];
  return planOf(network, settled(network, shapeOfTrees("mdst", trees)), onceNotes(network, trees));
}

function cheapestSpanning(network: Network): Tree | undefined {
  const hops = usableHops(network, []);
  const sites = [network.source, ...network.destinations];
  const places = new Map(sites.map((id, index) => [id, index]));
  const weights = hops.map((hop) => weightOf(network, hop));
  // More than any tree weighs: one hop fewer out of the source is worth every detour.
  const whole = weights.reduce((sum, weight) => sum + weight, 1);
  const once = network.request.onceFromSource === true ? whole : 0;
  const arcs = hops.map(({ from, to }, index) => ({
    from: places.get(from) ?? 0,
    to: places.get(to) ?? 0,
    weight: (weights[index] ?? 0) + (from === network.source ? once : 0),
  }));
  const chosen = arborescence(sites.length, 0, arcs);
  if (chosen === undefined) return undefined;
  return treeWithin(
    network,
    chosen.flatMap((index) => hops[index] ?? []),
  );
}
