// Plans without a solver: direct, one-sided, and the best way with one relay.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Plan, PlanRequest, Site } from "../../model/transfer-plan.ts";
import { chooseSolver } from "../../transfer/plan/choice.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import type { MilpSolver } from "../../transfer/plan/solver.ts";
import { costOf } from "../../transfer/plan/tariff.ts";
import { fc } from "../support/property.ts";

const noSolver: MilpSolver = { solve: () => assert.fail("no solver is needed") };

function site(id: string, gatewaysMax = 1, rest: Partial<Site> = {}): Site {
  return { id, region: id, gatewaysMax, gatewayPrice: 0, ...rest };
}

/** Rates as `a>b 5`, prices as `a>b 0.09`; all else is unknown, or free. */
function request(
  sites: readonly Site[],
  rates: Readonly<Record<string, number>>,
  rest: Partial<PlanRequest> = {},
): PlanRequest {
  return {
    sites,
    grid: { gbps: (from, to) => rates[`${from}>${to}`] },
    prices: { perGb: () => 0 },
    source: "a",
    destinations: ["b"],
    bytes: 10e9,
    solver: "direct",
    goal: { kind: "fastest" },
    ...rest,
  };
}

function refused(plan: Promise<Plan>, why: RegExp): Promise<void> {
  return assert.rejects(plan, (error) => {
    assert.ok(isSkyError(error, "plan/infeasible"), String(error));
    assert.match(error.message, why);
    return true;
  });
}

const prices = (perGb: Readonly<Record<string, number>>) => ({
  perGb: (from: Site, to: Site) => perGb[`${from.id}>${to.id}`] ?? 0,
});

test("a direct plan says rate, price, time and cost of its edge and gateways", async () => {
  const sites = [site("a", 2, { gatewayPrice: 0.54 }), site("b", 4, { gatewayPrice: 0.54 })];
  const asked = request(sites, { "a>b": 4 }, { prices: prices({ "a>b": 0.09 }) });
  const plan = await planTransfer(asked, noSolver);
  assert.deepEqual(plan.sites, [
    { id: "a", gateways: 2 },
    { id: "b", gateways: 2 },
  ]);
  assert.deepEqual(plan.edges, [
    { from: "a", to: "b", gbps: 8, connections: 32, pricePerGb: 0.09, stripes: [0] },
  ]);
  assert.equal(plan.gbps, 8);
  assert.equal(plan.seconds, 10);
  assert.equal(plan.pricePerGb, 0.09);
  assert.ok(Math.abs(plan.cost - (0.9 + (4 * 0.54 * 10) / 3600)) < 1e-12);
  assert.deepEqual(plan.notes, []);
});

test("what a provider lets one gateway send bounds the rate, and gateways raise it", async () => {
  const sites = [
    { ...site("a", 2), region: "aws:us-east-1" },
    { ...site("b", 1), region: "gcp:us-east1-b" },
  ];
  const plan = await planTransfer(request(sites, { "a>b": 20 }), noSolver);
  // Two gateways send 5 Gbit/s each.
  assert.equal(plan.gbps, 10);
});

test("a floor takes as few gateways as it needs, and no fewer", async () => {
  const sites = [site("a", 8), site("b", 8)];
  const asked = request(sites, { "a>b": 2 }, { goal: { kind: "floor", gbps: 5 } });
  const plan = await planTransfer(asked, noSolver);
  assert.deepEqual(
    plan.sites.map(({ gateways }) => gateways),
    [3, 3],
  );
  assert.equal(plan.gbps, 6);
});

test("what cannot be is refused with what stands in the way", async () => {
  const sites = [site("a"), site("b"), site("s", 0)];
  const floor = { goal: { kind: "floor", gbps: 5 } } as const;
  await refused(
    planTransfer(request(sites, { "a>b": 2 }, floor), noSolver),
    /5 Gbit\/s are asked for, direct reaches 2 .* the link from a to b, .*1 at a, 1 at b/,
  );
  const ceiling = { goal: { kind: "ceiling", pricePerGb: 0.05 } } as const;
  const dear = { ...ceiling, prices: prices({ "a>b": 0.09 }) };
  await refused(planTransfer(request(sites, { "a>b": 2 }, dear), noSolver), /\$0\.05 .* \$0\.09/);
  await refused(
    planTransfer(request(sites, {}, { destinations: ["s"], solver: "dst_one_sided" }), noSolver),
    /s may have no gateway, and dst_one_sided needs one/,
  );
  await refused(planTransfer(request(sites, { "a>b": 0 }), noSolver), /from a to b: .* as 0/);
});

test("one-sided plans have gateways at one end only", async () => {
  const sites = [site("a", 2), site("s", 0), site("b", 3)];
  const writes = { solver: "src_one_sided", destinations: ["s"] } as const;
  const written = await planTransfer(request(sites, { "a>s": 3 }, writes), noSolver);
  assert.deepEqual(written.sites, [{ id: "a", gateways: 2 }]);
  assert.equal(written.gbps, 6);
  const reads = { solver: "dst_one_sided", source: "s" } as const;
  const read = await planTransfer(request(sites, { "s>b": 3 }, reads), noSolver);
  assert.deepEqual(read.sites, [{ id: "b", gateways: 3 }]);
  assert.equal(read.gbps, 9);
});

test("a link that nobody measured counts as 1 Gbit/s, and the plan says so", async () => {
  const plan = await planTransfer(request([site("a"), site("b")], {}), noSolver);
  assert.equal(plan.gbps, 1);
  assert.deepEqual(plan.notes, ["not measured, taken as 1 Gbit/s: a to b"]);
});

test("data that stays where it is needs no edge", async () => {
  const sites = [site("a"), site("b")];
  const asked = request(sites, { "a>b": 2 }, { destinations: ["a", "b", "b"] });
  const plan = await planTransfer(asked, noSolver);
  assert.deepEqual(
    plan.edges.map(({ to }) => to),
    ["b"],
  );
  assert.deepEqual(plan.notes, ["nothing is sent to a: the source is there"]);
  const resting = await planTransfer(request(sites, {}, { destinations: ["a"] }), noSolver);
  assert.deepEqual(resting.edges, []);
  assert.equal(resting.seconds, 80);
});

test("each edge of a star carries everything, and the source shares its limit", async () => {
  const sites = [site("a", 1, { egressGbps: 6 }), site("b"), site("c"), site("d")];
  const rates = { "a>b": 4, "a>c": 4, "a>d": 5 };
  const asked = request(sites, rates, { destinations: ["b", "c", "d"] });
  const plan = await planTransfer(asked, noSolver);
  assert.equal(plan.gbps, 2);
  assert.deepEqual(
    plan.edges.map(({ gbps }) => gbps),
    [2, 2, 2],
  );
});

test("RON takes the relay whose slowest hop is fastest, under the ceiling", async () => {
  const sites = [site("a"), site("b"), site("r"), site("q")];
  const rates = { "a>b": 1, "a>r": 5, "r>b": 4, "a>q": 9, "q>b": 3 };
  const ron = { solver: "ron", prices: prices({ "a>r": 0.2 }) } as const;
  const fast = await planTransfer(request(sites, rates, ron), noSolver);
  assert.deepEqual(
    fast.edges.map(({ from, to }) => [from, to]),
    [
      ["a", "r"],
      ["r", "b"],
    ],
  );
  assert.equal(fast.gbps, 4);
  const ceiling = { ...ron, goal: { kind: "ceiling", pricePerGb: 0.1 } } as const;
  assert.equal((await planTransfer(request(sites, rates, ceiling), noSolver)).gbps, 3);
});

test("RON uses no relay over a link that nobody measured", async () => {
  const sites = [site("a"), site("b"), site("r")];
  const plan = await planTransfer(request(sites, { "r>b": 9 }, { solver: "ron" }), noSolver);
  assert.deepEqual(
    plan.edges.map(({ from, to }) => [from, to]),
    [["a", "b"]],
  );
});

test("between two stores somebody's gateway is the relay", async () => {
  const sites = [site("a", 0), site("b", 0), site("home")];
  const asked = request(sites, {});
  assert.equal(chooseSolver(asked), "ron");
  const plan = await planTransfer({ ...asked, solver: "ron" }, noSolver);
  assert.deepEqual(plan.sites, [{ id: "home", gateways: 1 }]);
  assert.equal(plan.edges.length, 2);
  const alone = request([site("a", 0), site("b", 0)], {}, { solver: "ron" });
  await refused(planTransfer(alone, noSolver), /no known way leads from a to b/);
});

test("the sum over volume tiers is that of each GB by itself", () => {
  const tiers = fc.array(fc.record({ gb: fc.integer({ min: 1, max: 40 }), perGb: fc.nat(90) }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(tiers, fc.nat(100), (given, gb) => {
      const falling = given.map(({ perGb }) => perGb).sort((x, y) => y - x);
      const ends = given.map((_, i) => given.slice(0, i + 1).reduce((sum, t) => sum + t.gb, 0));
      const perGb = (before: number) => {
        const index = ends.findIndex((end) => before < end);
        return falling[index < 0 ? falling.length - 1 : index] ?? 0;
      };
      const plain = Array.from({ length: gb }, (_, i) => perGb(i)).reduce((sum, p) => sum + p, 0);
      assert.ok(Math.abs(costOf(perGb, gb) - plain) < 1);
    }),
  );
});
