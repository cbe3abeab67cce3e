// A plan as a picture in text: who sends to whom, how fast, at what price. Pure.
//
//   home
//   ├─ 2.50 Gbit/s, $0.09/GB ─▶ aws:us-west-2
//   │  └─ 2.50 Gbit/s, $0.02/GB ─▶ aws:eu-west-1 (destination)
//   └─ 1.20 Gbit/s, $0.05/GB ─▶ aws:eu-west-1 (destination, see above)
//
// A place that several send to is drawn below the first of them, and named below the others: so a
// tree of a multicast is a tree here, and an overlay of several ways shows each way.

import type { Plan, PlanEdge } from "../model/transfer-plan.ts";
import { homeGateway } from "../transfer/gateway/program.ts";
import { printable } from "./printable.ts";
import { bytesText, dollarsText, gbpsText, secondsText } from "./quantity.ts";

/** Lines without indentation of their own. `bytes` is what the plan was made for. */
export function planPicture(plan: Plan, bytes: number): readonly string[] {
  return [headline(plan, bytes), ...drawn(plan).map((line) => `  ${line}`)];
}

function headline(plan: Plan, bytes: number): string {
  const { solver, gbps, seconds, stripes, edges } = plan;
  // What goes over no link, or over one that nobody measured, has no speed that can be foretold.
  const speed =
    gbps > 0 ? [gbpsText(gbps), `${bytesText(bytes)} in about ${secondsText(seconds)}`] : [];
  const parts = [
    ...(edges.length === 0 ? ["over no wire"] : []),
    ...speed,
    costText(plan),
    ...(stripes > 1 ? [`${stripes} stripes`] : []),
  ];
  return `Plan (${solver}): ${parts.join(", ")}`;
}

/** `no cost`; `$0.02/GB, $1.40 in total`. */
export function costText({ pricePerGb, cost }: Pick<Plan, "pricePerGb" | "cost">): string {
  if (pricePerGb === 0 && cost === 0) return "no cost";
  return `${priceText(pricePerGb)}, ${dollarsText(cost)} in total`;
}

function priceText(pricePerGb: number): string {
  if (pricePerGb === 0) return "free";
  const exact = String(Number(pricePerGb.toFixed(4)));
  return `$${exact.length < pricePerGb.toFixed(2).length ? pricePerGb.toFixed(2) : exact}/GB`;
}

/** As a user would call it. */
export function siteName(id: string): string {
  return id === homeGateway ? "this machine" : printable(id);
}

function drawn(plan: Plan): readonly string[] {
  const seen = new Set<string>();
  const below = (id: string, indent: string): readonly string[] => {
    seen.add(id);
    const edges = plan.edges.filter(({ from }) => from === id);
    return edges.flatMap((edge, index) => {
      const isLast = index === edges.length - 1;
      const isKnown = seen.has(edge.to);
      const branch = `${indent}${isLast ? "└─" : "├─"} ${arrow(plan, edge)}`;
      const line = `${branch} ${place(plan, edge.to, isKnown)}`;
      return [line, ...(isKnown ? [] : below(edge.to, `${indent}${isLast ? "   " : "│  "}`))];
    });
  };
  const roots = [plan.source, ...plan.edges.map(({ from }) => from)];
  // What nothing leads to from the source is drawn all the same: nothing of a plan is hidden.
  return roots.flatMap((root) => {
    return seen.has(root) ? [] : [place(plan, root, false), ...below(root, "")];
  });
}

function arrow(plan: Plan, { gbps, connections, pricePerGb, stripes }: PlanEdge): string {
  const parts = [
    gbps > 0 ? gbpsText(gbps) : "rate unknown",
    ...(connections > 0 ? [`${connections} connections`] : []),
    priceText(pricePerGb),
    ...(stripes.length < plan.stripes ? [`${stripes.length} of ${plan.stripes} stripes`] : []),
  ];
  return `${parts.join(", ")} ─▶`;
}

function place({ sites, destinations }: Plan, id: string, isKnown: boolean): string {
  const gateways = sites.find((site) => site.id === id)?.gateways ?? 0;
  const notes = [
    ...(gateways > 1 ? [`${gateways} gateways`] : []),
    ...(destinations.includes(id) ? ["destination"] : []),
    ...(isKnown ? ["see above"] : []),
  ];
  return `${siteName(id)}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}
