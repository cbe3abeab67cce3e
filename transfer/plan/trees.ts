// Trees that carry the stripes of a multicast: from the source to every destination.
//
// What must always hold of a tree: nothing but the source is without a parent, each site has one,
// and every leaf is a destination. A plan of trees sends each stripe along one of them; an edge
// that several stripes use has them all.

import { assert } from "../../model/errors.ts";
import type { Solver } from "../../model/transfer-plan.ts";
import type { Network } from "./network.ts";
import type { Shape, Way } from "./shape.ts";

export interface Hop {
  readonly from: string;
  readonly to: string;
}

/** In an order in which data can go: a hop's start was reached by an earlier one. */
export type Tree = readonly Hop[];

/** One tree for each stripe. */
export function shapeOfTrees(solver: Solver, trees: readonly Tree[]): Shape {
  const ways = new Map<string, Way>();
  for (const [stripe, tree] of trees.entries()) {
    for (const { from, to } of tree) {
      const stripes = [...(ways.get(`${from}\n${to}`)?.stripes ?? []), stripe];
      ways.set(`${from}\n${to}`, { from, to, stripes, share: stripes.length / trees.length });
    }
  }
  return { solver, ways: [...ways.values()], stripes: trees.length, bare: new Set() };
}

/**
 * The tree within some hops: each site is reached once, by the fewest hops, and branches that end
 * at no destination are cut. `undefined` = a destination is not reached.
 */
export function treeWithin(network: Network, hops: readonly Hop[]): Tree | undefined {
  const reached = new Set([network.source]);
  const tree: Hop[] = [];
  for (let at = [network.source]; at.length > 0; ) {
    const next: string[] = [];
    for (const { from, to } of hops) {
      if (!at.includes(from) || reached.has(to)) continue;
      reached.add(to);
      tree.push({ from, to });
      next.push(to);
    }
    at = next;
  }
  if (!network.destinations.every((id) => reached.has(id))) return undefined;
  return pruned(network, tree);
}

function pruned(network: Network, tree: Tree): Tree {
  const ends = new Set(network.destinations);
  const kept = tree.filter(({ to }) => ends.has(to) || tree.some(({ from }) => from === to));
  return kept.length === tree.length ? tree : pruned(network, kept);
}

/** How often the source sends what goes along the tree. */
export function sourceDegree({ source }: Network, tree: Tree): number {
  return tree.filter(({ from }) => from === source).length;
}

/** Hops that a multicast over these relays may use. */
export function usableHops(network: Network, relays: readonly string[]): readonly Hop[] {
  const { goal } = network.request;
  const least = goal.kind === "floor" ? goal.gbps / (network.request.stripes ?? 1) : 0;
  const sites = [network.source, ...network.destinations, ...relays];
  return sites
    .flatMap((from) =>
      sites.flatMap((to) => (carries(network, { from, to }) >= least ? [{ from, to }] : [])),
    )
    .filter(({ from, to }) => network.link(from, to) !== undefined);
}

/** Gbit/s of a hop with all the gateways that there may be; 0 where there is none. */
export function carries(network: Network, { from, to }: Hop): number {
  const counts = [from, to]
    .filter((id) => !network.isStore(id))
    .map((id) => network.site(id).gatewaysMax);
  assert(counts.length > 0 || network.link(from, to) === undefined, "a hop without gateways");
  return (network.link(from, to) ?? 0) * Math.min(...counts, Number.MAX_SAFE_INTEGER);
}

/**
 * What a hop weighs for planners that look at the price: where prices are the same, fast links are
 * better ones. Published prices differ by more than a thousand times that.
 */
export function weightOf(network: Network, { from, to }: Hop): number {
  return network.price(from, to) + 1e-6 / (1e-3 + (network.link(from, to) ?? 0));
}

/** Said in a plan whose source sends a stripe more than once though it was asked not to. */
export function onceNotes(network: Network, trees: readonly Tree[]): readonly string[] {
  if (network.request.onceFromSource !== true) return [];
  const most = Math.max(...trees.map((tree) => sourceDegree(network, tree)));
  return most <= 1 ? [] : [`the source sends some data ${most} times: no other way is known`];
}
