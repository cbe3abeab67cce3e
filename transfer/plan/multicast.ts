// The cheapest trees for a multicast at a rate, and the fastest ones under a ceiling.
//
// Small requests are solved as they are, all stripes at once. Larger ones by three approximations:
// relays that are alike count as one (`clusters.ts`); a tree reaches a destination from the source,
// over one relay, or from another destination; and stripes are planned one after the other, each
// with what those before it left, their gateways being there already. The plan says which of them
// were used. A rate that is asked for is tried as it is; the highest is looked for between what
// trees packed by width reach (`spider.ts`) and what the ends could do.

import type { Plan } from "../../model/transfer-plan.ts";
import { distinctRelays } from "./clusters.ts";
import { planOf } from "./finish.ts";
import {
  type Carried,
  type StripesAsk,
  stripesProgram,
  stripesSolution,
} from "./multicast-model.ts";
import type { Network } from "./network.ts";
import { type Outcome, outcomeNow } from "./outcome.ts";
import { infeasible, settled, textOfRate } from "./shape.ts";
import type { MilpSolver } from "./solver.ts";
import { spiderTrees, stripesUsual } from "./spider.ts";
import { steinerTree } from "./steiner.ts";
import { carries, type Hop, onceNotes, shapeOfTrees, type Tree, usableHops } from "./trees.ts";

/** Sites of a request that is solved as it is; stripes times hops of one that is solved at once. */
const exactSitesMax = 7;
const exactChoicesMax = 100;
/** Of a larger one, ends included, as far as there is room beside them. */
const sitesMax = 20;
const relaysMin = 4;
/** Of one program, of which there are as many as stripes for each rate that is tried. */
const secondsMax = 2;
const gap = 1e-3;
const ratesMax = 6;
/** Hops times destinations: a program for more would take too long. */
const flowsMax = 12_000;

/** @throws SkyError `plan/infeasible`. */
export async function multicastPlan(network: Network, solver: MilpSolver): Promise<Plan> {
  if (network.destinations.length === 0) return planOf(network, settled(network, emptyShape()));
  return new Stripes(network, solver).plan();
}

function emptyShape() {
  return shapeOfTrees("multicast_ilp", []);
}

class Stripes {
  readonly #network: Network;
  readonly #solver: MilpSolver;
  readonly #hops: readonly Hop[];
  readonly #total: number;
  readonly #notes: string[] = [];

  constructor(network: Network, solver: MilpSolver) {
    this.#network = network;
    this.#solver = solver;
    this.#total = network.request.stripes ?? stripesUsual;
    this.#hops = this.#hopsInView();
  }

  async plan(): Promise<Plan> {
    const { goal } = this.#network.request;
    if (goal.kind === "floor") return this.#planAt(goal.gbps);
    const known = this.#withoutProgram();
    const found = this.#isTooLarge() ? undefined : await this.#fastest(known.plan?.gbps ?? 0);
    if (known.plan === undefined) {
      if (found !== undefined) return found;
      throw known.refusal;
    }
    if (found !== undefined && found.gbps >= known.plan.gbps * (1 - gap)) return found;
    const note = this.#isTooLarge()
      ? "too many destinations for a program: the best of a packing of trees and the cheapest tree"
      : "trees found without the program were faster than its own";
    return { ...known.plan, notes: [...known.plan.notes, note] };
  }

  /** The faster one of the widest trees and the cheapest one. */
  #withoutProgram(): Outcome {
    const cheapest = steinerTree(this.#network);
    if (cheapest === undefined) {
      const why = `${this.#network.source} does not reach all destinations`;
      return { refusal: infeasible(why) };
    }
    const outcomes = [spiderTrees(this.#network), [cheapest]].map((trees) =>
      this.#outcome(trees, []),
    );
    return outcomes.reduce((a, b) => ((b.plan?.gbps ?? 0) >= (a.plan?.gbps ?? 0) ? b : a));
  }

  #isTooLarge(): boolean {
    return this.#hops.length * this.#network.destinations.length > flowsMax;
  }

  async #planAt(rate: number): Promise<Plan> {
    const known = this.#isTooLarge() ? this.#withoutProgram() : undefined;
    if (known?.refusal !== undefined) throw known.refusal;
    if (known !== undefined) return known.plan;
    const trees = await this.#treesAt(rate);
    if (trees !== undefined) return this.#planOf(trees, this.#notes);
    throw infeasible(
      `no trees carry ${textOfRate(rate)} to all of ${this.#network.destinations.join(", ")}: ` +
        `the ends allow ${textOfRate(this.#most())} at most`,
    );
  }

  /** The fastest plan that is found above `known`, and one at about that rate otherwise. */
  async #fastest(known: number): Promise<Plan | undefined> {
    let [low, high] = [known * (1 - gap), this.#most()];
    let best: Plan | undefined;
    for (let tries = 0, rate = high; tries < ratesMax; tries += 1) {
      const plan = rate > 0 ? await this.#tried(rate) : undefined;
      if (plan !== undefined && plan.gbps > (best?.gbps ?? 0)) best = plan;
      if (plan === undefined) high = rate;
      else low = Math.max(low, rate, plan.gbps);
      if (high <= low * (1 + gap)) break;
      rate = tries === ratesMax - 2 && best === undefined ? low : (low + high) / 2;
    }
    return best;
  }

  async #tried(rate: number): Promise<Plan | undefined> {
    const trees = await this.#treesAt(rate);
    return trees === undefined ? undefined : this.#outcome(trees, this.#notes).plan;
  }

  #outcome(trees: readonly Tree[], notes: readonly string[]): Outcome {
    return outcomeNow(() => this.#planOf(trees, notes));
  }

  #planOf(trees: readonly Tree[], notes: readonly string[]): Plan {
    const shape = shapeOfTrees("multicast_ilp", trees);
    const all = [...notes, ...onceNotes(this.#network, trees)];
    return planOf(this.#network, settled(this.#network, shape), all);
  }

  /** A tree for each stripe; `undefined` = none were found. */
  async #treesAt(rate: number): Promise<readonly Tree[] | undefined> {
    const total = this.#total;
    const none: Carried = { trees: [], gateways: new Map() };
    const ask = { hops: this.#hops, rate, total };
    if (this.#hops.length * total <= exactChoicesMax) {
      return (await this.#solved({ ...ask, count: total, carried: none }))?.trees;
    }
    this.#note("planned stripe by stripe");
    let carried: Carried | undefined = none;
    while (carried !== undefined && carried.trees.length < total) {
      carried = await this.#solved({ ...ask, count: 1, carried });
    }
    return carried?.trees;
  }

  async #solved(ask: StripesAsk): Promise<Carried | undefined> {
    const program = stripesProgram(this.#network, ask);
    const answer = await this.#solver.solve(program, { secondsMax, gap });
    if (answer.kind === "failed") throw infeasible(`the solver failed: ${answer.why}`);
    if (answer.kind === "infeasible") return undefined;
    return stripesSolution(this.#network, ask, answer.values);
  }

  #hopsInView(): readonly Hop[] {
    const { source, destinations, relays, request } = this.#network;
    if (request.sites.length <= exactSitesMax) return usableHops(this.#network, relays);
    const room = Math.max(relaysMin, sitesMax - destinations.length - 1);
    const kept = distinctRelays(this.#network, room);
    if (kept.length < relays.length) {
      this.#note(`of ${relays.length} relays those ${kept.length} that differ most were looked at`);
    }
    this.#note("trees have one relay at most on a way between ends");
    return usableHops(this.#network, kept).filter(
      ({ from, to }) => from === source || destinations.includes(to),
    );
  }

  /** What the ends alone allow: the source sends everything once, each destination takes it. */
  #most(): number {
    const { source, destinations, relays } = this.#network;
    const sites = [source, ...destinations, ...relays];
    const leaving = sites.map((to) => ({ from: source, to }));
    return Math.min(
      this.#side(source, leaving, this.#network.egress(source)),
      ...destinations.map((to) => {
        const coming = sites.map((from) => ({ from, to }));
        return this.#side(to, coming, this.#network.ingress(to));
      }),
    );
  }

  #side(id: string, hops: readonly Hop[], gbps: number): number {
    const open = hops.filter(({ from, to }) => this.#network.link(from, to) !== undefined);
    const links = open.reduce((sum, hop) => sum + carries(this.#network, hop), 0);
    const own = this.#network.isStore(id) ? Infinity : gbps * this.#network.site(id).gatewaysMax;
    return Math.min(links, own);
  }

  #note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }
}
