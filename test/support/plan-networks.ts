// Networks that tests of planners draw: sites, links, prices and limits, and what a plan of theirs
// must keep whatever planner made it.

import assert from "node:assert/strict";
import type { Plan, PlanRequest, Site } from "../../model/transfer-plan.ts";
import { fc } from "./property.ts";

export interface Shape {
  readonly sites: number;
  readonly gatewaysMax: number;
  readonly destinations?: number;
}

/** Sites `s0` (the source), `s1` … (destinations, then relays); some links are missing. */
export function requests({ sites, gatewaysMax, destinations = 1 }: Shape) {
  const pairs = sites * sites;
  const gbps = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }).map((n) => n / 4) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  const site = fc.record({
    gatewaysMax: fc.integer({ min: 1, max: gatewaysMax }),
    gatewayPrice: fc.constantFrom(0, 0.54, 20),
    egressGbps: fc.integer({ min: 2, max: 10 }),
    ingressGbps: fc.integer({ min: 2, max: 10 }),
  });
  return fc
    .record({
      sites: fc.array(site, { minLength: sites, maxLength: sites }),
      gbps: fc.array(gbps, { minLength: pairs, maxLength: pairs }),
      perGb: fc.array(fc.integer({ min: 0, max: 18 }), { minLength: pairs, maxLength: pairs }),
    })
    .map((drawn): PlanRequest => {
      const index = (id: string) => Number(id.slice(1));
      const at = (from: string, to: string) => index(from) * sites + index(to);
      return {
        sites: drawn.sites.map((one, i) => ({ id: `s${i}`, region: "own", ...one })),
        grid: { gbps: (from, to) => drawn.gbps[at(from, to)] },
        prices: { perGb: (from, to) => (drawn.perGb[at(from.id, to.id)] ?? 0) / 100 },
        source: "s0",
        destinations: Array.from({ length: destinations }, (_, i) => `s${i + 1}`),
        bytes: 50e9,
        solver: "ilp",
        goal: { kind: "fastest" },
      };
    });
}

/** What every plan keeps; `shares` = a gateway's connections are shared among its peers. */
export function checkPlan(plan: Plan, request: PlanRequest, shares: boolean): void {
  const counts = new Map(plan.sites.map(({ id, gateways }) => [id, gateways]));
  const siteOf = new Map(request.sites.map((site) => [site.id, site]));
  for (const { id, gateways } of plan.sites) {
    const most = siteOf.get(id)?.gatewaysMax ?? 0;
    assert.ok(gateways >= 1 && gateways <= most, `${gateways} gateways at ${id}`);
  }
  for (const edge of plan.edges) checkEdge(edge, request, counts);
  for (const site of request.sites) checkSite(site, { plan, request, counts, shares });
  checkSums(plan, request);
}

/** A rate may be above its limit by what floating numbers are. */
const slack = 1 + 1e-6;

function checkEdge(
  { from, to, gbps, connections }: Plan["edges"][number],
  request: PlanRequest,
  counts: ReadonlyMap<string, number>,
): void {
  const link = request.grid.gbps(from, to) ?? 1;
  const thin = Math.min(counts.get(from) ?? 0, counts.get(to) ?? 0);
  assert.ok(gbps > 0 && gbps <= link * thin * slack, `${gbps} from ${from} to ${to}`);
  assert.ok(Number.isInteger(connections) && connections >= 1);
}

interface Checked {
  readonly plan: Plan;
  readonly request: PlanRequest;
  readonly counts: ReadonlyMap<string, number>;
  readonly shares: boolean;
}

function checkSite(site: Site, { plan, request, counts, shares }: Checked): void {
  const count = counts.get(site.id) ?? 0;
  const out = plan.edges.filter(({ from }) => from === site.id);
  const into = plan.edges.filter(({ to }) => to === site.id);
  assert.ok(sum(out.map((e) => e.gbps)) <= (site.egressGbps ?? 0) * count * slack);
  assert.ok(sum(into.map((e) => e.gbps)) <= (site.ingressGbps ?? 0) * count * slack);
  if (!shares) return;
  for (const edges of [out, into]) {
    const need = sum(edges.map((e) => e.gbps / (request.grid.gbps(e.from, e.to) ?? 1)));
    assert.ok(need <= count * slack, `the connections of ${site.id}`);
    assert.ok(sum(edges.map((e) => e.connections)) <= Math.max(16 * count, edges.length));
  }
}

/** Costs again, from the edges and gateways alone. */
function checkSums(plan: Plan, request: PlanRequest): void {
  const gb = request.bytes / 1e9;
  const egress = sum(plan.edges.map((e) => (e.pricePerGb * e.gbps) / plan.gbps));
  near(plan.pricePerGb, egress);
  near(plan.seconds, (8 * gb) / plan.gbps);
  const perHour = sum(
    plan.sites.map(({ id, gateways }) => {
      return gateways * (request.sites.find((s) => s.id === id)?.gatewayPrice ?? 0);
    }),
  );
  near(plan.cost, egress * gb + (perHour * plan.seconds) / 3600);
}

export function near(actual: number, expected: number, within = 1e-9): void {
  const far = Math.abs(actual - expected) > within * Math.max(1, Math.abs(expected));
  assert.ok(!far, `${actual} is not ${expected}`);
}

/** No edge leads back: data that follows them ends. */
export function assertNoCircle(edges: readonly { readonly from: string; readonly to: string }[]) {
  let left = [...edges];
  while (left.length > 0) {
    const next = left.filter(({ from }) => left.some(({ to }) => to === from));
    assert.ok(next.length < left.length, "a circle");
    left = next;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
