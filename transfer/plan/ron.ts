// The baseline of resilient overlay networks: the fastest way with one relay at most.
//
// As in its paper, prices do not matter to it; but where the request has a ceiling, ways above it
// are left out, so that the answer is the fastest that may be taken.
// Source: Andersen et al., "Resilient Overlay Networks", SOSP 2001, §3; Skyplane 0.3.2, solver_ron.

import type { Plan } from "../../model/transfer-plan.ts";
import { planOf } from "./finish.ts";
import type { Network } from "./network.ts";
import { allGateways, infeasible, rateOf, type Shape, settled } from "./shape.ts";

/** @throws SkyError `plan/infeasible`; `request/invalid` for more than one destination. */
export function ronPlan(network: Network): Plan {
  const [to] = network.destinations;
  if (to === undefined) return planOf(network, settled(network, shapeOf([])));
  const { source } = network;
  const shapes = [[source, to], ...network.relays.map((relay) => [source, relay, to])]
    .filter((path) => isOpen(network, path))
    .map(shapeOf);
  if (shapes.length === 0) throw infeasible(`no known way leads from ${source} to ${to}`);
  const rates = new Map(
    shapes.map((shape) => [shape, rateOf(network, shape, allGateways(network, shape))]),
  );
  const rate = (shape: Shape) => rates.get(shape) ?? 0;
  // The sort keeps the order of equals: the direct way comes first.
  return firstThatFits(
    network,
    [...shapes].sort((a, b) => rate(b) - rate(a)),
  );
}

function firstThatFits(network: Network, shapes: readonly Shape[]): Plan {
  let refusal: unknown;
  for (const shape of shapes) {
    try {
      return planOf(network, settled(network, shape));
    } catch (error) {
      // The fastest way's reason is the one to tell.
      refusal ??= error;
    }
  }
  throw refusal;
}

function isOpen(network: Network, path: readonly string[]): boolean {
  return hopsOf(path).every(([from, to]) => network.link(from, to) !== undefined);
}

function shapeOf(path: readonly string[]): Shape {
  const ways = hopsOf(path).map(([from, to]) => ({ from, to, share: 1, stripes: [0] }));
  return { solver: "ron", ways, stripes: 1, bare: new Set() };
}

function hopsOf(path: readonly string[]): readonly (readonly [string, string])[] {
  return path.slice(1).map((to, index) => [path[index] ?? "", to] as const);
}
