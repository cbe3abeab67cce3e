// Connections of a plan whose gateways share theirs among several peers, and who has which.
//
// An edge needs as many as its rate is of its link's, times those that the link was measured with;
// what is left is given to all alike, so that the busiest gateway has all it may have. Every edge
// has one at least: none is lost by rounding. Source: Skyplane 0.3.2, `planner/topology.py`.

import type { PlanEdge } from "../../model/transfer-plan.ts";
import { gatewayConnections, type Network } from "./network.ts";
import { type Draft, isBare } from "./shape.ts";

/** Of each way of the draft, in their order; whole numbers. */
export function connectionsOf(network: Network, draft: Draft): readonly number[] {
  const needed = draft.ways.map(({ from, to, share }) => {
    return (gatewayConnections * share * draft.rate) / (network.link(from, to) ?? 1);
  });
  const ends = endsOf(network, draft);
  const factor = Math.min(...ends.map(({ ways, room }) => room / sum(ways.map((w) => needed[w]))));
  const scaled = needed.map((count) => count * (Number.isFinite(factor) ? factor : 1));
  const given = scaled.map((count) => Math.max(1, Math.floor(count + rounding)));
  const fraction = (way: number) => (scaled[way] ?? 0) - (given[way] ?? 0);
  // What rounding left over goes to those that lost most by it.
  const order = [...scaled.keys()].filter((way) => fraction(way) > rounding);
  for (const way of order.sort((a, b) => fraction(b) - fraction(a))) {
    const touched = ends.filter(({ ways }) => ways.includes(way));
    const hasRoom = touched.every(({ ways, room }) => sum(ways.map((w) => given[w])) < room);
    if (hasRoom) given[way] = (given[way] ?? 0) + 1;
  }
  return given;
}

const rounding = 1e-6;

interface End {
  /** Ways that leave a site, or those that come to it. */
  readonly ways: readonly number[];
  /** Connections of all its gateways. */
  readonly room: number;
}

function endsOf(network: Network, draft: Draft): readonly End[] {
  return [...draft.gateways].flatMap(([id, count]) => {
    if (isBare(network, draft, id)) return [];
    const room = gatewayConnections * count;
    const all = [...draft.ways.entries()];
    const out = all.filter(([, { from }]) => from === id).map(([way]) => way);
    const into = all.filter(([, { to }]) => to === id).map(([way]) => way);
    return [out, into].filter((ways) => ways.length > 0).map((ways) => ({ ways, room }));
  });
}

/** Some of an edge's connections: from one gateway to one gateway, numbered from 0. */
export interface Bundle {
  readonly from: string;
  readonly fromGateway: number;
  readonly to: string;
  readonly toGateway: number;
  readonly connections: number;
}

/**
 * Which gateway of a site has which connections of its edges: each at most its fair share of them
 * all, filled one after the other. The bundles of an edge have all of its connections.
 */
export function bundlesOf(
  edges: readonly PlanEdge[],
  gateways: ReadonlyMap<string, number>,
): readonly Bundle[] {
  const out = new Fill(
    gateways,
    sumsBy(edges, ({ from }) => from),
  );
  const into = new Fill(
    gateways,
    sumsBy(edges, ({ to }) => to),
  );
  return edges.flatMap(({ from, to, connections }) => {
    const bundles: Bundle[] = [];
    for (let left = connections; left > 0; ) {
      const [source, target] = [out.next(from), into.next(to)];
      const count = Math.min(left, source.room, target.room);
      const ends = { fromGateway: source.gateway, toGateway: target.gateway };
      bundles.push({ from, to, ...ends, connections: count });
      out.take(from, count);
      into.take(to, count);
      left -= count;
    }
    return bundles;
  });
}

/** Fills the gateways of each site in order. */
class Fill {
  readonly #gateways: ReadonlyMap<string, number>;
  readonly #all: ReadonlyMap<string, number>;
  readonly #taken = new Map<string, number>();

  constructor(gateways: ReadonlyMap<string, number>, all: ReadonlyMap<string, number>) {
    this.#gateways = gateways;
    this.#all = all;
  }

  next(id: string): { readonly gateway: number; readonly room: number } {
    // An end without gateways is one place with room for all.
    const count = Math.max(1, this.#gateways.get(id) ?? 0);
    const share = Math.ceil((this.#all.get(id) ?? 0) / count);
    const taken = this.#taken.get(id) ?? 0;
    const gateway = Math.floor(taken / share);
    return { gateway, room: (gateway + 1) * share - taken };
  }

  take(id: string, count: number): void {
    this.#taken.set(id, (this.#taken.get(id) ?? 0) + count);
  }
}

function sumsBy(edges: readonly PlanEdge[], end: (edge: PlanEdge) => string) {
  const sums = new Map<string, number>();
  for (const edge of edges) sums.set(end(edge), (sums.get(end(edge)) ?? 0) + edge.connections);
  return sums;
}

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((all, one) => all + (one ?? 0), 0);
}
