// The unicast overlay: data may split over relays, as a mixed-integer program decides.
//
// Two or three programs make a plan. As fast as can be (under a ceiling, if there is one); then the
// cheapest at that rate, or at the floor that was asked for; then, with those gateways and at that
// price of egress, as fast as it goes: the same machines are needed for less time. The rate under a
// ceiling is found at once, since the ceiling is linear in it (`overlay-model.ts`), and not by
// trying floors one after the other.
//
// Prices that fall with the volume: edges are weighed with what they cost if all data goes there.
// Where a plan that splits is dearer than that by so much that its ceiling is broken, it is made
// again with the price of the first GB, which no volume is above; and if that is above the ceiling,
// the best way that does not split is taken.

import type { Plan } from "../../model/transfer-plan.ts";
import { connectionsOf } from "./connections.ts";
import { planOf } from "./finish.ts";
import { edgesOf, pathsOf } from "./flow.ts";
import type { Network } from "./network.ts";
import { outcomeNow, outcomeOf } from "./outcome.ts";
import {
  type OverlayAsk,
  type OverlayGraph,
  type OverlaySolution,
  overlayGraph,
  overlayProgram,
  overlaySolution,
  type PriceOf,
} from "./overlay-model.ts";
import { whyInfeasible } from "./overlay-why.ts";
import { ronPlan } from "./ron.ts";
import { type Draft, enough, type Gateways, infeasible, rateOf, type Shape } from "./shape.ts";
import type { MilpAnswer, MilpSolver } from "./solver.ts";

/** Of one program; there are three at most. */
const secondsMax = 20;
/** A plan may be so much dearer than the best one, as a share. */
const gap = 1e-4;
/** What a rate that was found loses before it is asked for again: a solver's own tolerance. */
const rateMargin = 1e-5;
/** Likewise of a price; less than what a ceiling forgives. */
const priceMargin = 1e-6;

/** @throws SkyError `plan/infeasible`. */
export async function overlayPlan(network: Network, solver: MilpSolver): Promise<Plan> {
  const [target] = network.destinations;
  if (target === undefined) return planOf(network, draftOf(network, [], new Map()));
  const planned = async (price: PriceOf) => {
    const overlay = new Overlay(overlayGraph(network, target, price), solver);
    const { draft, notes } = await overlay.plan(target);
    return planOf(network, draft, notes);
  };
  const whole = await outcomeOf(planned(network.price));
  if (whole.plan !== undefined) return whole.plan;
  if (network.request.goal.kind !== "ceiling" || !hasTiers(network)) throw whole.refusal;
  const first = await outcomeOf(planned(firstPrice(network)));
  if (first.plan !== undefined) return first.plan;
  const unsplit = outcomeNow(() => ronPlan(network));
  if (unsplit.plan === undefined) throw whole.refusal;
  const note = "what is split costs more by the GB: one way alone is under the ceiling";
  return { ...unsplit.plan, solver: "ilp", notes: [...unsplit.plan.notes, note] };
}

class Overlay {
  readonly #graph: OverlayGraph;
  readonly #network: Network;
  readonly #solver: MilpSolver;
  readonly #notes: string[] = [];

  constructor(graph: OverlayGraph, solver: MilpSolver) {
    this.#graph = graph;
    this.#network = graph.network;
    this.#solver = solver;
  }

  async plan(target: string): Promise<{ draft: Draft; notes: readonly string[] }> {
    const { goal } = this.#network.request;
    const rate = goal.kind === "floor" ? goal.gbps : await this.#most(goal);
    const cheapest = await this.#solve({ rate });
    const { gateways } = cheapest;
    const egressCeiling = egressOf(this.#graph, cheapest) * (1 + priceMargin);
    const fastest = await this.#solve({ rate: "most", egressCeiling, gateways });
    const ends = { source: this.#network.source, target };
    const paths = pathsOf(fastest.flow, ends);
    const draft = draftOf(this.#network, edgesOf(paths), gateways);
    return { draft, notes: this.#notes };
  }

  async #most(goal: { kind: "ceiling"; pricePerGb: number } | { kind: "fastest" }) {
    const ceiling = goal.kind === "ceiling" ? { ceiling: goal.pricePerGb } : {};
    const solution = await this.#solve({ rate: "most", ...ceiling });
    const rate = sentBy(this.#network.source, solution);
    if (rate <= rateMargin) throw whyInfeasible(this.#graph, 0);
    return rate * (1 - rateMargin);
  }

  async #solve(ask: OverlayAsk): Promise<OverlaySolution> {
    const options = { secondsMax, gap };
    const answer = await this.#solver.solve(overlayProgram(this.#graph, ask), options);
    if (answer.kind !== "solved") throw await this.#refusal(ask, answer);
    if (!answer.isBest) {
      this.#notes.push(`the best plan that was found in ${secondsMax} s; there may be better ones`);
    }
    return overlaySolution(this.#graph, ask, answer.values);
  }

  async #refusal(ask: OverlayAsk, answer: Exclude<MilpAnswer, { kind: "solved" }>) {
    if (answer.kind === "failed") return infeasible(`the solver failed: ${answer.why}`);
    if (ask.rate === "most") return whyInfeasible(this.#graph, 0);
    const most = { rate: "most" } as const;
    const program = overlayProgram(this.#graph, most);
    const best = await this.#solver.solve(program, { secondsMax, gap });
    if (best.kind !== "solved") return whyInfeasible(this.#graph, 0);
    const solution = overlaySolution(this.#graph, most, best.values);
    return whyInfeasible(this.#graph, sentBy(this.#network.source, solution));
  }
}

function sentBy(source: string, { flow }: OverlaySolution): number {
  return flow.reduce((sum, { from, amount }) => sum + (from === source ? amount : 0), 0);
}

/** USD a GB. */
function egressOf({ edges, sites }: OverlayGraph, solution: OverlaySolution): number {
  const prices = new Map(edges.map((e) => [`${sites[e.from]}\n${sites[e.to]}`, e.perGb]));
  const spent = solution.flow.reduce(
    (sum, { from, to, amount }) => sum + (prices.get(`${from}\n${to}`) ?? 0) * amount,
    0,
  );
  return spent / sentBy(sites[0] ?? "", solution);
}

function draftOf(network: Network, flow: ReturnType<typeof edgesOf>, gateways: Gateways): Draft {
  const whole = flow.reduce((sum, e) => sum + (e.from === network.source ? e.amount : 0), 0);
  const ways = flow.map(({ from, to, amount }) => ({
    ...{ from, to, share: amount / whole, stripes: [0] },
  }));
  const shape: Shape = {
    solver: "ilp",
    ways,
    stripes: 1,
    bare: new Set(),
    sharesConnections: true,
  };
  const rate = rateOf(network, shape, gateways);
  const used = enough(network, shape, { rate, most: gateways });
  const draft = { ...shape, gateways: used, rate };
  return { ...draft, connections: connectionsOf(network, draft) };
}

function firstPrice({ request, site }: Network): PriceOf {
  return (from, to) => request.prices.perGb(site(from), site(to), 0);
}

/** Whether any edge costs less by the volume than at first. */
function hasTiers(network: Network): boolean {
  const first = firstPrice(network);
  const sites = [network.source, ...network.destinations, ...network.relays];
  return sites.some((from) => sites.some((to) => first(from, to) !== network.price(from, to)));
}
