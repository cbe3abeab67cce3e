// Which plan a transfer gets when its user names no planner.
//
// One destination: straight, unless a way over relays is known to be better by more than what two
// measurements of a link differ by anyhow. Several: trees, so that the source sends each byte once
// if it can. A relay is a machine more that may fail, and costs what it costs; a few per cent of
// rate are not worth it.

import { errorText } from "../../model/errors.ts";
import type { Plan, PlanRequest, Site, Solver } from "../../model/transfer-plan.ts";
import { networkOf } from "./network.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { planTransfer } from "./plan.ts";
import type { MilpSolver } from "./solver.ts";

/** A request before it is decided who answers it. */
export type OpenRequest = Omit<PlanRequest, "solver">;

/** By so much a plan over relays must be faster, or cheaper where a rate was asked for. */
const worth = 1.2;

/** What `sky cp` takes by itself. @throws SkyError `plan/infeasible`, `request/invalid`. */
export async function planUsual(asked: OpenRequest, solver: MilpSolver): Promise<Plan> {
  const request = withoutNeighbours(asked);
  const usual = chooseSolver(request);
  const other = alternativeTo(request);
  if (other === undefined) return planTransfer({ ...request, solver: usual }, solver);
  const straight = await tried(request, { name: usual, solver });
  if (straight.plan !== undefined && isAsGoodAsAny(request, straight.plan)) return straight.plan;
  const better = await tried(request, { name: other, solver });
  if (straight.plan === undefined) {
    if (better.plan === undefined) throw better.refusal;
    return better.plan;
  }
  if (better.plan === undefined) {
    const note = `no relays: ${errorText(better.refusal)}`;
    return { ...straight.plan, notes: [...straight.plan.notes, note] };
  }
  return isWorth(request, better.plan, straight.plan) ? better.plan : straight.plan;
}

/**
 * The planner without a look at relays: straight where either end has gateways.
 * @throws SkyError `request/invalid`.
 */
export function chooseSolver(request: OpenRequest): Solver {
  const { source, destinations, isStore } = networkOf({ ...request, solver: "direct" });
  if (destinations.length > 1) return "direct";
  // Two stores need a gateway of somebody's between them.
  return isStore(source) && destinations.some(isStore) ? "ron" : "direct";
}

/**
 * Nodes of this machine have one network: what goes over one of them to or from another is no
 * faster for it, whatever was measured.
 */
function withoutNeighbours(request: OpenRequest): OpenRequest {
  const ends = [request.source, ...request.destinations];
  const isEnd = ({ id }: Site): boolean => ends.includes(id);
  const isHere = ({ region }: Site): boolean => region === "local";
  if (!request.sites.some((site) => isEnd(site) && isHere(site) && site.gatewaysMax > 0)) {
    return request;
  }
  return { ...request, sites: request.sites.filter((site) => isEnd(site) || !isHere(site)) };
}

/** Trees for several destinations; for one whose own link was measured, an overlay. */
function alternativeTo(request: OpenRequest): Solver | undefined {
  const network = networkOf({ ...request, solver: "ilp" });
  const { source, destinations, relays } = network;
  const [target] = destinations;
  if (target === undefined) return undefined;
  if (destinations.length > 1) return request.goal.kind === "fastest" ? "spider" : "multicast_ilp";
  const isKnown = relays.length > 0 && request.grid.gbps(source, target) !== undefined;
  return isKnown ? "ilp" : undefined;
}

/** What its ends send and take bounds every plan: none could be worth it. */
function isAsGoodAsAny(request: OpenRequest, { gbps }: Plan): boolean {
  const network = networkOf({ ...request, solver: "ilp" });
  const { source, destinations, relays } = network;
  const [target] = destinations;
  if (target === undefined || destinations.length > 1 || request.goal.kind === "floor")
    return false;
  const leaving = [target, ...relays].map((to) => network.link(source, to) ?? 0);
  const coming = [source, ...relays].map((from) => network.link(from, target) ?? 0);
  const side = (id: string, own: number, links: readonly number[]) =>
    network.isStore(id)
      ? Number.POSITIVE_INFINITY
      : network.site(id).gatewaysMax * Math.min(own, Math.max(...links));
  const sends = side(source, network.egress(source), leaving);
  return Math.min(sends, side(target, network.ingress(target), coming)) <= gbps * worth;
}

function isWorth(request: OpenRequest, better: Plan, straight: Plan): boolean {
  if (request.onceFromSource === true && better.destinations.length > 1) return true;
  if (request.goal.kind === "floor") return better.cost * worth < straight.cost;
  return better.gbps > straight.gbps * worth;
}

function tried(
  request: OpenRequest,
  { name, solver }: { readonly name: Solver; readonly solver: MilpSolver },
): Promise<Outcome> {
  return outcomeOf(planTransfer({ ...request, solver: name }, solver));
}
