// One tree with relays: the cheapest one from the source to all destinations, a Steiner tree.
//
// Up to `exactMax` destinations it is exact: for each site and set of destinations the cheapest
// tree from the one to the other, by larger and larger sets (Dreyfus and Wagner, 1971, for directed
// graphs). Above, the destination that is cheapest to reach from the tree joins it, one after the
// other (Takahashi and Matsuyama, 1980); with N destinations that costs at most N times the best,
// and the plan says that it was done.

import type { Plan } from "../../model/transfer-plan.ts";
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

const exactMax = 8;

/** @throws SkyError `plan/infeasible`. */
export function steinerPlan(network: Network): Plan {
  const tree = steinerTree(network);
  if (tree === undefined) throw infeasible(`${network.source} does not reach all destinations`);
  const count = network.destinations.length;
  const notes = isExact(network)
    ? []
    : [`nearest destinations first; the best may cost 1/${count} of it`];
  const shape = shapeOfTrees("steiner", [tree]);
  return planOf(network, settled(network, shape), [...notes, ...onceNotes(network, [tree])]);
}

/** `undefined` = a destination is not reached. */
export function steinerTree(network: Network): Tree | undefined {
  const hops = usableHops(network, network.relays);
  const build = isExact(network) ? exactTree : nearestFirst;
  const once = network.request.onceFromSource === true;
  return (once ? build(network, hops, true) : undefined) ?? build(network, hops, false);
}

function isExact({ destinations }: Network): boolean {
  return destinations.length <= exactMax;
}

/** How the cheapest tree from a site to a set begins: with a hop, or as two for its halves. */
type Beginning = { readonly hop: Hop } | { readonly half: number };

export function exactTree(network: Network, hops: readonly Hop[], once: boolean): Tree | undefined {
  const table = new SteinerTable(network, hops);
  const all = 2 ** network.destinations.length - 1;
  const first = hops.filter(({ from }) => from === network.source);
  if (!once) return treeWithin(network, table.hopsOf(network.source, all));
  const cost = (hop: Hop) => weightOf(network, hop) + table.cost(hop.to, all);
  const [best] = first.filter((hop) => cost(hop) < Infinity).sort((a, b) => cost(a) - cost(b));
  if (best === undefined) return undefined;
  return treeWithin(network, [best, ...table.hopsOf(best.to, all)]);
}

class SteinerTable {
  readonly #costs: Map<string, number>[] = [];
  readonly #begins: Map<string, Beginning>[] = [];
  /** Hops by where they lead. */
  readonly #into = new Map<string, { readonly hop: Hop; readonly weight: number }[]>();
  readonly #sites: readonly string[];

  constructor(network: Network, hops: readonly Hop[]) {
    this.#sites = [...new Set(hops.flatMap(({ from, to }) => [from, to]))];
    for (const hop of hops) {
      const row = this.#into.get(hop.to) ?? [];
      row.push({ hop, weight: weightOf(network, hop) });
      this.#into.set(hop.to, row);
    }
    for (let set = 1; set < 2 ** network.destinations.length; set += 1) {
      const single = network.destinations[Math.log2(set)];
      this.#costs[set] = new Map(single === undefined ? [] : [[single, 0]]);
      this.#begins[set] = new Map();
      this.#join(set);
      this.#extend(set);
    }
  }

  cost(site: string, set: number): number {
    return this.#costs[set]?.get(site) ?? Infinity;
  }

  hopsOf(site: string, set: number): readonly Hop[] {
    const begin = this.#begins[set]?.get(site);
    if (begin === undefined) return [];
    if ("hop" in begin) return [begin.hop, ...this.hopsOf(begin.hop.to, set)];
    return [...this.hopsOf(site, begin.half), ...this.hopsOf(site, set ^ begin.half)];
  }

  /** Two trees from the same site. */
  #join(set: number): void {
    for (let half = (set - 1) & set; half > set >> 1; half = (half - 1) & set) {
      for (const site of this.#sites) {
        const cost = this.cost(site, half) + this.cost(site, set ^ half);
        if (cost < this.cost(site, set)) this.#note(site, set, { cost, begin: { half } });
      }
    }
  }

  /** A hop before a tree: Dijkstra's way, backwards from all sites that have one. */
  #extend(set: number): void {
    const done = new Set<string>();
    for (;;) {
      const open = this.#sites.filter((site) => !done.has(site) && this.cost(site, set) < Infinity);
      if (open.length === 0) return;
      const at = open.reduce((a, b) => (this.cost(b, set) < this.cost(a, set) ? b : a));
      done.add(at);
      for (const { hop, weight } of this.#into.get(at) ?? []) {
        const cost = weight + this.cost(at, set);
        const isBetter = !done.has(hop.from) && cost < this.cost(hop.from, set);
        if (isBetter) this.#note(hop.from, set, { cost, begin: { hop } });
      }
    }
  }

  #note(site: string, set: number, found: { cost: number; begin: Beginning }): void {
    this.#costs[set]?.set(site, found.cost);
    this.#begins[set]?.set(site, found.begin);
  }
}

export function nearestFirst(
  network: Network,
  hops: readonly Hop[],
  once: boolean,
): Tree | undefined {
  const { source, destinations } = network;
  const hopsFrom = Map.groupBy(hops, ({ from }) => from);
  const tree: Hop[] = [];
  for (;;) {
    const inTree = new Set([source, ...tree.map(({ to }) => to)]);
    const left = destinations.filter((id) => !inTree.has(id));
    if (left.length === 0) return treeWithin(network, tree);
    const starts =
      once && tree.length > 0 ? [...inTree].filter((id) => id !== source) : [...inTree];
    const path = nearestPath(network, { hopsFrom, starts, inTree, targets: left });
    if (path === undefined) return undefined;
    tree.push(...path);
  }
}

interface Search {
  readonly hopsFrom: ReadonlyMap<string, readonly Hop[]>;
  readonly starts: readonly string[];
  readonly inTree: ReadonlySet<string>;
  readonly targets: readonly string[];
}

function nearestPath(network: Network, search: Search): readonly Hop[] | undefined {
  const costs = new Map(search.starts.map((id) => [id, 0]));
  const before = new Map<string, Hop>();
  const done = new Set<string>();
  for (;;) {
    const open = [...costs].filter(([id]) => !done.has(id)).sort(([, a], [, b]) => a - b);
    const [next] = open;
    if (next === undefined) return undefined;
    const [at, cost] = next;
    done.add(at);
    if (search.targets.includes(at)) return wayTo(at, before);
    for (const hop of search.hopsFrom.get(at) ?? []) {
      const reached = cost + weightOf(network, hop);
      const isOpen = !search.inTree.has(hop.to);
      if (!isOpen || reached >= (costs.get(hop.to) ?? Infinity)) continue;
      costs.set(hop.to, reached);
      before.set(hop.to, hop);
    }
  }
}

function wayTo(site: string, before: ReadonlyMap<string, Hop>): readonly Hop[] {
  const hop = before.get(site);
  return hop === undefined ? [] : [...wayTo(hop.from, before), hop];
}
