// The overlay of one source and one destination as a mixed-integer linear program.
//
// Variables: `f_i_j`, what goes from site i to site j, Gbit/s; `n_i`, gateways at i; `g`, the rate
// of the whole, where it is asked for. With K connections a gateway, link rates T (for K of them),
// limits of a gateway out and in, prices c a GB and p an hour:
//
//   f_ij ≤ T_ij · C_ij / K,  Σ_j C_ij ≤ K · n_i,  Σ_i C_ij ≤ K · n_j   (C_ij: connections, real)
//   Σ_j f_sj = g = Σ_i f_it,  nothing into s or out of t,  what comes in leaves elsewhere
//   Σ_j f_ij ≤ out_i · n_i,   Σ_i f_ij ≤ in_j · n_j
//
// C is left out: it is in no price, so C_ij = K · f_ij / T_ij is as good as any, and the first line
// is Σ_j f_ij / T_ij ≤ n_i and Σ_i f_ij / T_ij ≤ n_j. Costs are for one GB: of bytes S at rate g,
// egress is Σ c·f / g · S and a gateway runs 8 S / g seconds, so that S falls out and a ceiling of
// the price is linear in g. Source: Skyplane, NSDI 2023, §5, and `skyplane/planner/solver.py`.

import type { FlowEdge } from "./flow.ts";
import { type LinearProgram, lpText, type Row, type Term } from "./lp.ts";
import type { Network } from "./network.ts";
import type { Gateways } from "./shape.ts";

export interface OverlayAsk {
  /** Gbit/s: the cheapest such plan; or as much as can be. */
  readonly rate: number | "most";
  /** USD a GB at most, for egress and gateways. */
  readonly ceiling?: number;
  /** USD a GB at most, for egress alone. */
  readonly egressCeiling?: number;
  /** Those that there are; absent = to be chosen. */
  readonly gateways?: Gateways;
}

export interface OverlayGraph {
  readonly network: Network;
  /** The source is the first, the destination the second. */
  readonly sites: readonly string[];
  readonly edges: readonly OverlayEdge[];
}

export interface OverlayEdge {
  readonly from: number;
  readonly to: number;
  readonly gbps: number;
  readonly perGb: number;
  readonly name: string;
}

export type PriceOf = (from: string, to: string) => number;

export function overlayGraph(network: Network, target: string, price: PriceOf): OverlayGraph {
  const sites = [network.source, target, ...network.relays];
  const edges = sites.flatMap((from, i) =>
    sites.flatMap((to, j) => {
      const gbps = i === 1 || j === 0 ? undefined : network.link(from, to);
      if (gbps === undefined) return [];
      return [{ from: i, to: j, gbps, perGb: price(from, to), name: `f_${i}_${j}` }];
    }),
  );
  return { network, sites, edges };
}

/**
 * USD a GB for each hop, so that of plans that cost the same the shorter one is chosen. Published
 * prices differ by more than a thousand times that.
 */
const hopPrice = 1e-6;
/** Likewise where the rate is asked for: Gbit/s for each Gbit/s on a hop. */
const hopRate = 1e-6;

export function overlayProgram(graph: OverlayGraph, ask: OverlayAsk): string {
  const rate: readonly Term[] = ask.rate === "most" ? [{ factor: 1, name: "g" }] : [];
  const fixed = ask.rate === "most" ? 0 : ask.rate;
  const counts = countsOf(graph, ask);
  const program: LinearProgram = {
    aim: ask.rate === "most" ? "maximize" : "minimize",
    objective:
      ask.rate === "most"
        ? [...rate, ...graph.edges.map(({ name }) => ({ factor: -hopRate, name }))]
        : [
            ...graph.edges.map(({ name, perGb }) => ({ factor: perGb + hopPrice, name })),
            ...hourTerms(graph, counts),
          ],
    rows: [
      ...flowRows(graph, { rate, fixed }),
      ...limitRows(graph, counts),
      ...ceilingRows(graph, { ask, counts }),
    ],
    bounds: counts.free.map(({ name, most }) => ({ name, min: 0, max: most })),
    integers: counts.free.map(({ name }) => name),
  };
  return lpText(program);
}

/** Which numbers of gateways are to be chosen, and which are given. */
interface Counts {
  readonly free: readonly { readonly site: number; readonly name: string; readonly most: number }[];
  /** By site; `undefined` of an end that needs none, and of those that are free. */
  readonly given: readonly (number | undefined)[];
}

/** Gateways that cost nothing are all there: fewer would gain nothing. */
function countsOf({ network, sites }: OverlayGraph, { gateways, rate, ceiling }: OverlayAsk) {
  const isCounted = rate !== "most" || ceiling !== undefined;
  const free: { site: number; name: string; most: number }[] = [];
  const given = sites.map((id, site) => {
    if (network.isStore(id)) return undefined;
    if (gateways !== undefined) return gateways.get(id) ?? 0;
    const { gatewaysMax: most, gatewayPrice } = network.site(id);
    if (!isCounted || gatewayPrice === 0) return most;
    free.push({ site, name: `n_${site}`, most });
    return undefined;
  });
  return { free, given };
}

function flowRows(
  { sites, edges }: OverlayGraph,
  { rate, fixed }: { rate: readonly Term[]; fixed: number },
): readonly Row[] {
  const minusRate = rate.map(({ factor, name }) => ({ factor: -factor, name }));
  return sites.map((_, site) => {
    const into = edges.filter(({ to }) => to === site).map(({ name }) => ({ factor: 1, name }));
    const out = edges.filter(({ from }) => from === site);
    if (site === 1) return { terms: [...into, ...minusRate], sense: "=", right: fixed };
    const leaves = out.map(({ name }) => ({ factor: 1, name }));
    if (site === 0) return { terms: [...leaves, ...minusRate], sense: "=", right: fixed };
    const back = into.map(({ name }) => ({ factor: -1, name }));
    return { terms: [...leaves, ...back], sense: "=", right: 0 };
  });
}

function limitRows({ network, sites, edges }: OverlayGraph, counts: Counts): readonly Row[] {
  return sites.flatMap((id, site) => {
    if (network.isStore(id)) return [];
    const count = counts.given[site];
    const name = counts.free.find((free) => free.site === site)?.name ?? "";
    const row = (terms: readonly Term[], perGateway: number): Row => ({
      terms: count === undefined ? [...terms, { factor: -perGateway, name }] : terms,
      sense: "<=",
      right: count === undefined ? 0 : count * perGateway,
    });
    const out = edges.filter(({ from }) => from === site);
    const into = edges.filter(({ to }) => to === site);
    const sumOf = (some: readonly OverlayEdge[]) => some.map((e) => ({ factor: 1, name: e.name }));
    const shares = (some: readonly OverlayEdge[]) =>
      some.map((e) => ({ factor: 1 / e.gbps, name: e.name }));
    return [
      row(shares(out), 1),
      row(shares(into), 1),
      row(sumOf(out), network.egress(id)),
      row(sumOf(into), network.ingress(id)),
    ];
  });
}

function ceilingRows(
  graph: OverlayGraph,
  { ask, counts }: { ask: OverlayAsk; counts: Counts },
): readonly Row[] {
  const egress = graph.edges.map(({ name, perGb }) => ({ factor: perGb, name }));
  const under = (terms: readonly Term[], perGb: number, spent: number): Row => ({
    terms: [...terms, { factor: -perGb, name: "g" }],
    sense: "<=",
    right: -spent,
  });
  const rows: Row[] = [];
  if (ask.egressCeiling !== undefined) rows.push(under(egress, ask.egressCeiling, 0));
  if (ask.ceiling !== undefined) {
    const spent = graph.sites.reduce(
      (sum, id, site) => sum + (counts.given[site] ?? 0) * secondPrice(graph, id),
      0,
    );
    rows.push(under([...egress, ...hourTerms(graph, counts)], ask.ceiling, spent));
  }
  return rows;
}

function hourTerms(graph: OverlayGraph, { free }: Counts): readonly Term[] {
  return free.map(({ site, name }) => ({
    factor: secondPrice(graph, graph.sites[site] ?? ""),
    name,
  }));
}

/** USD of a gateway for the time in which 1 GB goes at 1 Gbit/s. */
function secondPrice({ network }: OverlayGraph, id: string): number {
  return (network.site(id).gatewayPrice / 3600) * 8;
}

export interface OverlaySolution {
  readonly flow: readonly FlowEdge[];
  readonly gateways: Gateways;
}

export function overlaySolution(
  graph: OverlayGraph,
  ask: OverlayAsk,
  values: ReadonlyMap<string, number>,
): OverlaySolution {
  const counts = countsOf(graph, ask);
  const gateways = graph.sites.map((id, site) => {
    const free = counts.free.find((one) => one.site === site);
    const chosen = free === undefined ? counts.given[site] : values.get(free.name);
    return [id, Math.round(chosen ?? 0)] as const;
  });
  const flow = graph.edges.flatMap(({ from, to, name }) => {
    const amount = values.get(name) ?? 0;
    const [source = "", target = ""] = [graph.sites[from], graph.sites[to]];
    return amount > 0 ? [{ from: source, to: target, amount }] : [];
  });
  return { flow, gateways: new Map(gateways) };
}
