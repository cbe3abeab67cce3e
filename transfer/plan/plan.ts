// The door of the planners: a request in, a plan out.
//
// What must always hold of a plan: the links, gateways and limits of its request are kept; its sums
// follow from its edges; whatever was assumed is in its notes. A request that no plan answers is
// refused with what stands in the way.

import { SkyError } from "../../model/errors.ts";
import type { Plan, PlanRequest, Solver } from "../../model/transfer-plan.ts";
import { directDraft } from "./direct.ts";
import { planOf } from "./finish.ts";
import { mdstPlan } from "./mdst.ts";
import { multicastPlan } from "./multicast.ts";
import { type Network, networkOf } from "./network.ts";
import { overlayPlan } from "./overlay.ts";
import { ronPlan } from "./ron.ts";
import type { MilpSolver } from "./solver.ts";
import { spiderPlan } from "./spider.ts";
import { steinerPlan } from "./steiner.ts";

/** @throws SkyError `plan/infeasible`, `request/invalid`. */
export async function planTransfer(request: PlanRequest, solver: MilpSolver): Promise<Plan> {
  const network = networkOf(request);
  const isMulticast = network.destinations.length > 1;
  if (isMulticast && unicastOnly.includes(request.solver)) {
    const why = `${request.solver} plans one destination, not ${network.destinations.length}`;
    throw new SkyError("request/invalid", { field: "solver", why });
  }
  return plannerOf(request.solver)(network, solver);
}

const unicastOnly: readonly Solver[] = ["ron", "ilp"];

type Planner = (network: Network, solver: MilpSolver) => Plan | Promise<Plan>;

function plannerOf(name: Solver): Planner {
  switch (name) {
    case "direct":
    case "src_one_sided":
    case "dst_one_sided":
      return (network) => planOf(network, directDraft(network, name));
    case "ron":
      return ronPlan;
    case "ilp":
      return overlayPlan;
    case "mdst":
      return mdstPlan;
    case "steiner":
      return steinerPlan;
    case "spider":
      return spiderPlan;
    case "multicast_ilp":
      return multicastPlan;
  }
}
