// One tree of the ends alone: the cheapest arborescence over source and destinations, no relays.
//
// Where the source is to send only once, each destination is tried as the one that it sends to.

import type { Plan } from "../../model/transfer-plan.ts";
import { arborescence } from "./arborescence.ts";
import { planOf } from "./finish.ts";
import type { Network } from "./network.ts";
import { infeasible, settled } from "./shape.ts";
import {
  type Hop,
  onceNotes,
  shapeOfTrees,
  type Tree,
  treeWithin,
  usableHops,
  weightOf,
} from "./trees.ts";

/** @throws SkyError `plan/infeasible`. */
export function mdstPlan(network: Network): Plan {
  const tree = cheapestSpanning(network);
  if (tree === undefined) throw infeasible(`${network.source} does not reach all destinations`);
  const trees = [tree];
  return planOf(network, settled(network, shapeOfTrees("mdst", trees)), onceNotes(network, trees));
}

function cheapestSpanning(network: Network): Tree | undefined {
  const hops = usableHops(network, []);
  const { source, destinations, request } = network;
  if (request.onceFromSource === true) {
    const inner = hops.filter(({ from }) => from !== source);
    const trees = destinations.flatMap((first) => {
      const only = hops.filter(({ from, to }) => from === source && to === first);
      return spanning(network, [...only, ...inner]) ?? [];
    });
    const weigh = (tree: Tree) => tree.reduce((sum, hop) => sum + weightOf(network, hop), 0);
    const [best] = [...trees.map((tree) => [...tree])].sort((a, b) => weigh(a) - weigh(b));
    if (best !== undefined) return best;
  }
  const [any] = spanning(network, hops) ?? [];
  return any;
}

/** In a list, so that `flatMap` leaves out what is not there. */
function spanning(network: Network, hops: readonly Hop[]): readonly Tree[] | undefined {
  const sites = [network.source, ...network.destinations];
  const arcs = hops.map((hop) => ({
    from: sites.indexOf(hop.from),
    to: sites.indexOf(hop.to),
    weight: weightOf(network, hop),
  }));
  const chosen = arborescence(sites.length, 0, arcs);
  if (chosen === undefined) return undefined;
  const tree = treeWithin(
    network,
    chosen.flatMap((index) => hops[index] ?? []),
  );
  return tree === undefined ? undefined : [tree];
}
