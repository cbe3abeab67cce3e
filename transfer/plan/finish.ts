// From what a planner chose to the plan that is shown and kept.
//
// Every sum of a plan is computed here, from its edges and gateways and nothing else: rates of
// edges, prices at the volume that each edge really has, the whole cost, the time. So all planners
// are compared by one measure, and a ceiling holds for what is shown.

import type { Plan, PlanEdge } from "../../model/transfer-plan.ts";
import { assumedGbps, type Network } from "./network.ts";
import { type Draft, infeasible, textOfPrice, usualConnections, type Way } from "./shape.ts";
import { averagePrice } from "./tariff.ts";

/** @throws SkyError `plan/infeasible` when the plan is dearer than the ceiling of its request. */
export function planOf(network: Network, draft: Draft, notes: readonly string[] = []): Plan {
  const { request, gb } = network;
  const rate = draft.ways.length === 0 ? restingRate(network) : draft.rate;
  const edges = draft.ways.map((way, index) => edgeOf(network, { draft, way, index }));
  const shares = draft.ways.map(({ share }) => share);
  const pricePerGb = sum(edges.map((edge, i) => edge.pricePerGb * (shares[i] ?? 0)));
  const seconds = (8 * gb) / rate;
  const counts = [...draft.gateways].filter(([, count]) => count > 0);
  const perHour = sum(counts.map(([id, count]) => count * network.site(id).gatewayPrice));
  const plan = {
    solver: draft.solver,
    source: request.source,
    destinations: request.destinations,
    sites: counts.map(([id, gateways]) => ({ id, gateways })),
    edges,
    stripes: draft.stripes,
    gbps: rate,
    pricePerGb,
    cost: pricePerGb * gb + (perHour / 3600) * seconds,
    seconds,
    notes: [...notes, ...notesOn(network, draft)],
  };
  const perGb = pricePerGb + (perHour / 3600) * (8 / rate);
  const { goal } = request;
  if (goal.kind === "ceiling" && perGb > goal.pricePerGb * (1 + ceilingTolerance)) {
    throw tooDear(draft, { perGb, ceiling: goal.pricePerGb });
  }
  return plan;
}

/** What a solver's tolerances add up to. */
const ceilingTolerance = 1e-5;

interface Chosen {
  readonly draft: Draft;
  readonly way: Way;
  readonly index: number;
}

function edgeOf(network: Network, { draft, way, index }: Chosen): PlanEdge {
  const { from, to, share, stripes } = way;
  const perGb = (before: number) =>
    network.request.prices.perGb(network.site(from), network.site(to), before);
  return {
    from,
    to,
    gbps: share * draft.rate,
    connections: draft.connections?.[index] ?? usualConnections(draft, way),
    pricePerGb: averagePrice(perGb, share * network.gb),
    stripes,
  };
}

/** Of data that stays at one site: what that is known to do by itself. */
function restingRate({ request, source }: Network): number {
  const gbps = request.grid.gbps(source, source) ?? assumedGbps;
  return gbps > 0 ? gbps : assumedGbps;
}

function notesOn(network: Network, { ways }: Draft): readonly string[] {
  const assumed = ways.filter(({ from, to }) => network.isAssumed(from, to));
  const links = assumed.map(({ from, to }) => `${from} to ${to}`).join(", ");
  const notes: string[] = [];
  if (assumed.length > 0) notes.push(`not measured, taken as ${assumedGbps} Gbit/s: ${links}`);
  const resting = network.request.destinations.includes(network.source);
  if (resting) notes.push(`nothing is sent to ${network.source}: the source is there`);
  return notes;
}

function tooDear({ solver }: Draft, { perGb, ceiling }: { perGb: number; ceiling: number }) {
  return infeasible(
    `at most ${textOfPrice(ceiling)} are asked for, ${solver} takes ${textOfPrice(perGb)} ` +
      "with its gateways",
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
