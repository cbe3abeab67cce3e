// Why there is no overlay plan: what its user may change.

import type { SkyError } from "../../model/errors.ts";
import type { OverlayGraph } from "./overlay-model.ts";
import { infeasible, textOfPrice, textOfRate } from "./shape.ts";

/** `most`: the rate that any plan could have, Gbit/s. */
export function whyInfeasible(graph: OverlayGraph, most: number): SkyError {
  const { network, sites } = graph;
  const [source = "", target = ""] = sites;
  const cheapest = cheapestWay(graph);
  if (cheapest === undefined) return infeasible(`no known way leads from ${source} to ${target}`);
  const { goal } = network.request;
  if (goal.kind === "floor") {
    return infeasible(
      `${textOfRate(goal.gbps)} are asked for, any plan reaches ${textOfRate(most)} at most; ` +
        `the limit is ${tightest(graph, most)}`,
    );
  }
  if (goal.kind === "fastest") return infeasible(`nothing goes from ${source} to ${target}`);
  const hours = cheapest <= goal.pricePerGb ? ", and its gateways' hours are above the rest" : "";
  return infeasible(
    `at most ${textOfPrice(goal.pricePerGb)} are asked for; the cheapest way takes ` +
      `${textOfPrice(cheapest)} for egress${hours}`,
  );
}

/** Which of the ends' limits equals that rate; otherwise it is something in between. */
function tightest({ network, sites, edges }: OverlayGraph, most: number): string {
  const bounds = [0, 1].flatMap((end) => {
    const id = sites[end] ?? "";
    if (network.isStore(id)) return [];
    const count = network.site(id).gatewaysMax;
    const own = end === 0 ? network.egress(id) : network.ingress(id);
    const rates = edges.filter((e) => (end === 0 ? e.from : e.to) === end).map((e) => e.gbps);
    const verb = end === 0 ? "sends" : "takes";
    const gateways = `with ${count} ${count === 1 ? "gateway" : "gateways"}`;
    return [
      { rate: count * own, text: `what ${id} ${verb} ${gateways}, ${textOfRate(own)} each` },
      { rate: count * Math.max(...rates), text: `what the best link of ${id} does ${gateways}` },
    ];
  });
  const found = bounds.find(({ rate }) => rate <= most * (1 + 1e-3));
  return found?.text ?? "the links between them, with all the gateways that there may be";
}

/** USD a GB of egress, by Dijkstra's way; `undefined` = the destination cannot be reached. */
function cheapestWay({ sites, edges }: OverlayGraph): number | undefined {
  const known = new Map<number, number>([[0, 0]]);
  const done = new Set<number>();
  while (done.size < sites.length) {
    const open = [...known].filter(([site]) => !done.has(site));
    const [next] = open.sort(([, a], [, b]) => a - b);
    if (next === undefined) break;
    const [at, spent] = next;
    done.add(at);
    for (const { from, to, perGb } of edges) {
      if (from === at) known.set(to, Math.min(known.get(to) ?? Infinity, spent + perGb));
    }
  }
  return known.get(1);
}
