// A shape says which share of the data goes along which edges; how fast it goes follows from it.
//
// The rate of a shape is the rate of all data at each destination, and is what its slowest part
// allows: an edge carries at most its link's rate times the gateways at its thinner end, a site
// sends and takes at most what its gateways do together. An end without gateways (a store) bounds
// nothing. The more gateways, the faster; so those that a rate does not need are let go.

import { SkyError } from "../../model/errors.ts";
import type { Solver } from "../../model/transfer-plan.ts";
import { gatewayConnections, type Network } from "./network.ts";

export interface Way {
  readonly from: string;
  readonly to: string;
  /** Of all data, above 0. */
  readonly share: number;
  readonly stripes: readonly number[];
}

export interface Shape {
  readonly solver: Solver;
  readonly ways: readonly Way[];
  readonly stripes: number;
  /** Sites whose gateways take no part: they are read and written from elsewhere. */
  readonly bare: ReadonlySet<string>;
  /**
   * Whether a gateway's connections, and so what its links can carry, are shared among its peers;
   * otherwise it has as many to each of them.
   */
  readonly sharesConnections?: boolean;
}

/** Gateways by site; a site that is not named has none. */
export type Gateways = ReadonlyMap<string, number>;

/** A shape with all that was chosen: what a plan is made of. */
export interface Draft extends Shape {
  readonly gateways: Gateways;
  /** Of all data, Gbit/s. */
  readonly rate: number;
  /** Of each way, in their order; absent = as many as its gateways have. */
  readonly connections?: readonly number[];
}

export function isBare(network: Network, shape: Shape, id: string): boolean {
  return shape.bare.has(id) || network.isStore(id);
}

/** The shape with as many gateways as its goal needs. @throws SkyError `plan/infeasible`. */
export function settled(network: Network, shape: Shape): Draft {
  const all = allGateways(network, shape);
  const most = rateOf(network, shape, all);
  const { goal } = network.request;
  if (goal.kind === "floor" && most < goal.gbps * (1 - tolerance)) {
    throw tooSlow({ network, shape, most }, goal.gbps);
  }
  const rate = goal.kind === "floor" ? goal.gbps : most;
  const gateways = enough(network, shape, { rate, most: all });
  return { ...shape, gateways, rate: rateOf(network, shape, gateways) };
}

/** Rates are sums of floating numbers. */
export const tolerance = 1e-9;

export function allGateways(network: Network, shape: Shape): Gateways {
  const ids = new Set(shape.ways.flatMap(({ from, to }) => [from, to]));
  const most = (id: string) => (isBare(network, shape, id) ? 0 : network.site(id).gatewaysMax);
  return new Map([...ids].map((id) => [id, most(id)]));
}

/** The fewest gateways with which the shape has that rate; no more than `most`. */
export function enough(
  network: Network,
  shape: Shape,
  { rate, most }: { readonly rate: number; readonly most: Gateways },
): Gateways {
  const needed = new Map<string, number>();
  for (const { sites, perGateway } of boundsOf(network, shape)) {
    const count = Math.ceil((rate / perGateway) * (1 - tolerance) - tolerance);
    for (const id of sites) needed.set(id, Math.max(needed.get(id) ?? 1, count));
  }
  return new Map([...needed].map(([id, count]) => [id, Math.min(most.get(id) ?? 0, count)]));
}

/** Gbit/s of all data; `Infinity` of a shape without ways. */
export function rateOf(network: Network, shape: Shape, gateways: Gateways): number {
  return Math.min(...boundsOf(network, shape).map((bound) => boundRate(bound, gateways)));
}

function boundRate({ sites, perGateway }: Bound, gateways: Gateways): number {
  return perGateway * Math.min(...sites.map((id) => gateways.get(id) ?? 0));
}

/** All data goes at most at `perGateway` times the gateways of each of the sites. */
interface Bound {
  readonly sites: readonly string[];
  readonly perGateway: number;
  readonly what: string;
}

function boundsOf(network: Network, shape: Shape): readonly Bound[] {
  const links = shape.ways.map(({ from, to, share }) => {
    const sites = [from, to].filter((id) => !isBare(network, shape, id));
    const gbps = network.link(from, to) ?? 0;
    const what = `the link from ${from} to ${to}, ${textOfRate(gbps)} a gateway`;
    return { sites, perGateway: gbps / share, what };
  });
  const ids = new Set(shape.ways.flatMap(({ from, to }) => [from, to]));
  const ends = [...ids].filter((id) => !isBare(network, shape, id));
  return [...links, ...ends.flatMap((id) => endBounds(network, shape, id))];
}

function endBounds(network: Network, shape: Shape, id: string): readonly Bound[] {
  const sites = [id];
  const out = shape.ways.filter(({ from }) => from === id);
  const into = shape.ways.filter(({ to }) => to === id);
  const [egress, ingress] = [network.egress(id), network.ingress(id)];
  const leaves = `what leaves ${id}, ${textOfRate(egress)} a gateway`;
  const comes = `what ${id} takes, ${textOfRate(ingress)} a gateway`;
  const bounds: Bound[] = [];
  if (out.length > 0) bounds.push({ sites, perGateway: egress / shareOf(out), what: leaves });
  if (into.length > 0) bounds.push({ sites, perGateway: ingress / shareOf(into), what: comes });
  if (shape.sharesConnections !== true) return bounds;
  const what = `the connections of ${id}`;
  for (const ways of [out, into].filter((some) => some.length > 0)) {
    const need = ways.reduce((sum, w) => sum + w.share / (network.link(w.from, w.to) ?? 0), 0);
    bounds.push({ sites, perGateway: 1 / need, what });
  }
  return bounds;
}

function shareOf(ways: readonly Way[]): number {
  return ways.reduce((sum, { share }) => sum + share, 0);
}

/** Connections of a way, where each gateway of its thinner end has as many as one may have. */
export function usualConnections(draft: Draft, { from, to }: Way): number {
  const counts = [from, to].map((id) => draft.gateways.get(id) ?? 0).filter((n) => n > 0);
  return gatewayConnections * Math.max(1, Math.min(...counts));
}

interface Slow {
  readonly network: Network;
  readonly shape: Shape;
  readonly most: number;
}

function tooSlow({ network, shape, most }: Slow, floor: number): SkyError {
  const gateways = allGateways(network, shape);
  const tightest = boundsOf(network, shape).find(
    (bound) => boundRate(bound, gateways) <= most * (1 + tolerance),
  );
  const counts = (tightest?.sites ?? []).map((id) => `${gateways.get(id)} at ${id}`).join(", ");
  return infeasible(
    `${textOfRate(floor)} are asked for, ${shape.solver} reaches ${textOfRate(most)}; the limit ` +
      `is ${tightest?.what ?? "its links"} (gateways: ${counts})`,
  );
}

export function infeasible(why: string): SkyError {
  return new SkyError("plan/infeasible", { why });
}

export function textOfRate(gbps: number): string {
  return `${Number(gbps.toPrecision(3))} Gbit/s`;
}

export function textOfPrice(perGb: number): string {
  return `$${Number(perGb.toPrecision(3))} a GB`;
}
