// Trees for stripes of a multicast as a mixed-integer linear program.
//
// Variables: `p_e_k` (0 or 1), stripe k goes along hop e; `y_d_e_k`, how much of what goes to
// destination d goes along it; `n_v`, gateways. With S of the stripes solved at once, P of them in
// all, a rate R of all data, so that each stripe is a load of R / P:
//
//   a unit of y_d leaves the source and arrives at d, for every d and k;  y_d_e_k ≤ p_e_k
//   Σ_k p_ek · R/P + used_e ≤ T_e · n_v    for both ends v of e that have gateways
//   Σ_out p · R/P + used_v + kept_v ≤ egress_v · n_v,  and likewise in
//   at most one hop into a site carries a stripe;  out of the source, if it is to send once
//   minimise  Σ c_e · p_ek / P + Σ n_v · price_v · (8 / 3600) / R         (USD a GB)
//
// `used` is what earlier stripes took, `kept` what later ones will need at the ends at least. The
// single flow of the published model (D units out of the source, coupled to P by a large number) is
// one flow for each destination here: the same trees, and a relaxation that is nearly whole by
// itself. Source: Cloudcast, NSDI 2024, §4; its research code took one hop's tail for all hops.

import { type LinearProgram, lpText, type Row, type Term } from "./lp.ts";
import type { Network } from "./network.ts";
import { type Hop, type Tree, treeWithin, weightOf } from "./trees.ts";

export interface StripesAsk {
  readonly hops: readonly Hop[];
  /** Gbit/s of all data. */
  readonly rate: number;
  /** How many stripes this program plans, of how many. */
  readonly count: number;
  readonly total: number;
  readonly carried: Carried;
}

/** What the stripes that are planned already take. */
export interface Carried {
  readonly trees: readonly Tree[];
  /** Gateways that there are because of them. */
  readonly gateways: ReadonlyMap<string, number>;
}

export function stripesProgram(network: Network, ask: StripesAsk): string {
  const model = new Model(network, ask);
  const program: LinearProgram = {
    aim: "minimize",
    objective: model.objective(),
    rows: [...model.flowRows(), ...model.hopRows(), ...model.siteRows()],
    bounds: [
      ...model.choices().map((name) => ({ name, min: 0, max: 1 })),
      ...model.counts().map(({ name, min, max }) => ({ name, min, max })),
    ],
    integers: [...model.choices(), ...model.counts().map(({ name }) => name)],
  };
  return lpText(program);
}

/** A tree for each stripe of the program, and the gateways that it took. */
export function stripesSolution(
  network: Network,
  ask: StripesAsk,
  values: ReadonlyMap<string, number>,
): Carried | undefined {
  const model = new Model(network, ask);
  const trees = Array.from({ length: ask.count }, (_, stripe) =>
    treeWithin(
      network,
      ask.hops.filter((_, hop) => (values.get(choice(hop, stripe)) ?? 0) > 0.5),
    ),
  );
  const found = trees.filter((tree) => tree !== undefined);
  if (found.length < ask.count) return undefined;
  const gateways = new Map(ask.carried.gateways);
  for (const { id, name } of model.counts()) gateways.set(id, Math.round(values.get(name) ?? 0));
  return { trees: [...ask.carried.trees, ...found], gateways };
}

function choice(hop: number, stripe: number): string {
  return `p_${hop}_${stripe}`;
}

class Model {
  readonly #network: Network;
  readonly #ask: StripesAsk;
  readonly #sites: readonly string[];
  readonly #stripes: readonly number[];
  readonly #load: number;

  constructor(network: Network, ask: StripesAsk) {
    this.#network = network;
    this.#ask = ask;
    this.#sites = [...new Set(ask.hops.flatMap(({ from, to }) => [from, to]))];
    this.#stripes = Array.from({ length: ask.count }, (_, stripe) => stripe);
    this.#load = ask.rate / ask.total;
  }

  choices(): readonly string[] {
    return this.#stripes.flatMap((k) => this.#ask.hops.map((_, hop) => choice(hop, k)));
  }

  /** Gateways that are to be chosen; those that cost nothing are all there. */
  counts() {
    return this.#sites.flatMap((id, site) => {
      const { gatewaysMax: max, gatewayPrice } = this.#network.site(id);
      const min = this.#ask.carried.gateways.get(id) ?? 0;
      return max > 0 && gatewayPrice > 0 ? [{ id, name: `n_${site}`, min, max }] : [];
    });
  }

  objective(): readonly Term[] {
    const { hops, rate, total } = this.#ask;
    const weights = hops.map((hop) => weightOf(this.#network, hop) / total);
    return [
      ...this.#stripes.flatMap((k) =>
        weights.map((factor, hop) => ({ factor, name: choice(hop, k) })),
      ),
      ...this.counts().map(({ id, name }) => {
        return { factor: ((this.#network.site(id).gatewayPrice / 3600) * 8) / rate, name };
      }),
    ];
  }

  flowRows(): readonly Row[] {
    const { destinations } = this.#network;
    return this.#stripes.flatMap((k) =>
      destinations.flatMap((id, d) => [
        ...this.#sites.map((site) => this.#balance({ site, target: id, d, k })),
        ...this.#ask.hops.map((_, hop): Row => {
          const flow = { factor: 1, name: `y_${d}_${hop}_${k}` };
          return { terms: [flow, { factor: -1, name: choice(hop, k) }], sense: "<=", right: 0 };
        }),
      ]),
    );
  }

  #balance({ site, target, d, k }: { site: string; target: string; d: number; k: number }): Row {
    const terms = this.#ask.hops.flatMap(({ from, to }, hop): Term[] => {
      const name = `y_${d}_${hop}_${k}`;
      if (from === site) return [{ factor: 1, name }];
      return to === site ? [{ factor: -1, name }] : [];
    });
    const right = site === this.#network.source ? 1 : site === target ? -1 : 0;
    return { terms, sense: "=", right };
  }

  hopRows(): readonly Row[] {
    const { hops, carried } = this.#ask;
    return hops.flatMap((hop, index) => {
      const used = carried.trees.filter((tree) => has(tree, hop)).length * this.#load;
      const terms = this.#stripes.map((k) => ({ factor: this.#load, name: choice(index, k) }));
      const gbps = this.#network.link(hop.from, hop.to) ?? 0;
      return [hop.from, hop.to].flatMap((id) => this.#under({ id, terms, used, gbps }));
    });
  }

  siteRows(): readonly Row[] {
    return this.#sites.flatMap((id) => [
      ...this.#sideRows(id, "from", this.#network.egress(id)),
      ...this.#sideRows(id, "to", this.#network.ingress(id)),
    ]);
  }

  #sideRows(id: string, side: keyof Hop, gbps: number): readonly Row[] {
    const { hops, carried, count, total } = this.#ask;
    const own = [...hops.entries()].filter(([, hop]) => hop[side] === id).map(([index]) => index);
    const used = carried.trees.flat().filter((hop) => hop[side] === id).length;
    const isEnd = side === "from" ? id === this.#network.source : this.#isDestination(id);
    const kept = isEnd ? total - carried.trees.length - count : 0;
    const all = this.#stripes.flatMap((k) =>
      own.map((hop) => ({ factor: this.#load, name: choice(hop, k) })),
    );
    const rows = [...this.#under({ id, terms: all, used: (used + kept) * this.#load, gbps })];
    const once = side === "from" && isEnd && this.#network.request.onceFromSource === true;
    if (side === "from" && !once) return rows;
    const single = this.#stripes.map((k): Row => {
      const terms = own.map((hop) => ({ factor: 1, name: choice(hop, k) }));
      return { terms, sense: "<=", right: 1 };
    });
    return [...rows, ...single];
  }

  #isDestination(id: string): boolean {
    return this.#network.destinations.includes(id);
  }

  /** What a site's gateways carry; nothing for a site that has none. */
  #under(load: { id: string; terms: readonly Term[]; used: number; gbps: number }): readonly Row[] {
    const { id, terms, used, gbps } = load;
    if (this.#network.isStore(id)) return [];
    const free = this.counts().find((count) => count.id === id);
    const own = free === undefined ? [] : [{ factor: -gbps, name: free.name }];
    const given = free === undefined ? this.#network.site(id).gatewaysMax * gbps : 0;
    return [{ terms: [...terms, ...own], sense: "<=", right: given - used }];
  }
}

function has(tree: Tree, { from, to }: Hop): boolean {
  return tree.some((hop) => hop.from === from && hop.to === to);
}
