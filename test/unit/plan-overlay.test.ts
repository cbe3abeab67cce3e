// The overlay's program against trying everything, and what every overlay plan must keep.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Plan, PlanRequest, Site } from "../../model/transfer-plan.ts";
import { planUsual } from "../../transfer/plan/choice.ts";
import { bundlesOf } from "../../transfer/plan/connections.ts";
import { edgesOf, pathsOf } from "../../transfer/plan/flow.ts";
import { networkOf } from "../../transfer/plan/network.ts";
import { overlayGraph, overlayProgram } from "../../transfer/plan/overlay-model.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import { createHighsSolver } from "../../transfer/plan/solver-highs-os.ts";
import {
  cheapestByTrying,
  fastestByTrying,
  type SmallNetwork,
} from "../support/overlay-reference.ts";
import { assertNoCircle, checkPlan, near, requests } from "../support/plan-networks.ts";
import { fc } from "../support/property.ts";

const solver = createHighsSolver();
after(() => solver.close());

/** The same network for the second way; a link between the ends that is unknown counts as 1. */
function small(request: PlanRequest): SmallNetwork {
  const gbps = new Map<string, number>();
  const perGb = new Map<string, number>();
  for (const [i, from] of request.sites.entries()) {
    for (const [j, to] of request.sites.entries()) {
      const rate = request.grid.gbps(from.id, to.id) ?? (i === 0 && j === 1 ? 1 : undefined);
      if (i !== j && rate !== undefined) gbps.set(`${i} ${j}`, rate);
      perGb.set(`${i} ${j}`, request.prices.perGb(from, to, 0));
    }
  }
  const sites = request.sites.map(({ gatewaysMax, gatewayPrice, egressGbps, ingressGbps }) => {
    return { gatewaysMax, gatewayPrice, egress: egressGbps ?? 0, ingress: ingressGbps ?? 0 };
  });
  return { sites, gbps, perGb };
}

async function planOrWhy(request: PlanRequest): Promise<Plan | undefined> {
  return planTransfer(request, solver).catch((error: unknown) => {
    assert.ok(isSkyError(error, "plan/infeasible"), String(error));
    return undefined;
  });
}

test("as fast as it goes is what trying everything finds", async () => {
  const small4 = requests({ sites: 4, gatewaysMax: 2 });
  await fc.assert(
    fc.asyncProperty(small4, async (request) => {
      const plan = await planTransfer(request, solver);
      near(plan.gbps, fastestByTrying(small(request)), 1e-4);
      checkPlan(plan, request, true);
      assertNoCircle(plan.edges);
    }),
    { numRuns: 8 },
  );
});

test("the cheapest plan at a floor is what trying everything finds, or there is none", async () => {
  const small4 = requests({ sites: 4, gatewaysMax: 2 });
  await fc.assert(
    fc.asyncProperty(small4, fc.integer({ min: 2, max: 60 }), async (request, quarters) => {
      const rate = quarters / 4;
      const best = cheapestByTrying(small(request), rate);
      const asked = { ...request, goal: { kind: "floor", gbps: rate } } as const;
      const plan = await planOrWhy(asked);
      assert.equal(plan === undefined, best === undefined);
      if (plan === undefined || best === undefined) return;
      const graph = overlayGraph(networkOf(asked), "s1", networkOf(asked).price);
      const answer = await solver.solve(overlayProgram(graph, { rate }), {
        ...{ secondsMax: 10, gap: 1e-6 },
      });
      assert.ok(answer.kind === "solved" && answer.isBest);
      near(answer.objective, best, 1e-4);
      // The plan itself may be better: it needs its gateways for less time.
      assert.ok(plan.gbps >= rate * (1 - 1e-6));
      assert.ok(plan.cost / 50 <= (best / rate) * (1 + 2e-4) + 1e-5);
      checkPlan(plan, asked, true);
      assertNoCircle(plan.edges);
    }),
    { numRuns: 8 },
  );
});

test("the fastest plan under a ceiling is what trying everything finds", async () => {
  const small4 = requests({ sites: 4, gatewaysMax: 1 });
  await fc.assert(
    fc.asyncProperty(small4, fc.integer({ min: 1, max: 30 }), async (request, cents) => {
      const pricePerGb = cents / 100 + 0.001;
      const asked = { ...request, goal: { kind: "ceiling", pricePerGb } } as const;
      const best = fastestByTrying(small(asked), pricePerGb);
      const plan = await planOrWhy(asked);
      assert.equal(plan === undefined, best < 1e-6);
      if (plan === undefined) return;
      near(plan.gbps, best, 1e-4);
      assert.ok(plan.cost / 50 <= pricePerGb * (1 + 2e-5));
      checkPlan(plan, asked, true);
    }),
    { numRuns: 10 },
  );
});

test("a sweep of floors finds no plan faster than the ceiling's own", async () => {
  await fc.assert(
    fc.asyncProperty(requests({ sites: 5, gatewaysMax: 3 }), async (request) => {
      const most = await planTransfer(request, solver);
      const pricePerGb = (most.cost / 50) * 0.8;
      const ceiling = { ...request, goal: { kind: "ceiling", pricePerGb } } as const;
      const direct = (await planOrWhy(ceiling))?.gbps ?? 0;
      for (let part = 1; part <= 8; part += 1) {
        const gbps = (most.gbps * part) / 8;
        const plan = await planOrWhy({ ...request, goal: { kind: "floor", gbps } });
        if (plan === undefined || plan.cost / 50 > pricePerGb) continue;
        assert.ok(plan.gbps <= direct * (1 + 1e-3), `${plan.gbps} beats ${direct}`);
      }
    }),
    { numRuns: 3 },
  );
});

test("larger plans keep every limit, and their parts are whole", async () => {
  const goals = [
    { kind: "fastest" },
    { kind: "floor", gbps: 4 },
    { kind: "ceiling", pricePerGb: 0.12 },
  ] as const;
  const drawn = fc.tuple(requests({ sites: 9, gatewaysMax: 4 }), fc.constantFrom(...goals));
  await fc.assert(
    fc.asyncProperty(drawn, async ([request, goal]) => {
      const plan = await planOrWhy({ ...request, goal });
      if (plan === undefined) return;
      checkPlan(plan, request, true);
      assertNoCircle(plan.edges);
      checkFlow(plan);
      checkBundles(plan);
    }),
    { numRuns: 15 },
  );
});

function checkFlow({ edges, gbps, source, destinations }: Plan): void {
  const sites = new Set(edges.flatMap(({ from, to }) => [from, to]));
  for (const id of sites) {
    const out = edges.reduce((sum, e) => sum + (e.from === id ? e.gbps : 0), 0);
    const into = edges.reduce((sum, e) => sum + (e.to === id ? e.gbps : 0), 0);
    const extra = id === source ? gbps : id === destinations[0] ? -gbps : 0;
    near(out - into, extra, 1e-9);
  }
  const flow = edges.map((e) => ({ ...e, amount: e.gbps }));
  const paths = pathsOf(flow, { source, target: destinations[0] ?? "" });
  near(
    paths.reduce((sum, { amount }) => sum + amount, 0),
    gbps,
    1e-5,
  );
  assert.equal(edgesOf(paths).length, edges.length);
}

function checkBundles({ edges, sites }: Plan): void {
  const gateways = new Map(sites.map((s) => [s.id, s.gateways]));
  const bundles = bundlesOf(edges, gateways);
  for (const { from, to, connections } of edges) {
    const own = bundles.filter((b) => b.from === from && b.to === to);
    assert.equal(
      own.reduce((sum, b) => sum + b.connections, 0),
      connections,
    );
  }
  for (const { id, gateways: count } of sites) {
    for (const end of ["from", "to"] as const) {
      const mine = bundles.filter((b) => b[end] === id);
      const loads = Array.from({ length: count }, (_, gateway) =>
        mine
          .filter((b) => (end === "from" ? b.fromGateway : b.toGateway) === gateway)
          .reduce((sum, b) => sum + b.connections, 0),
      );
      const all = mine.reduce((sum, b) => sum + b.connections, 0);
      assert.equal(
        loads.reduce((sum, load) => sum + load, 0),
        all,
        "every bundle has a gateway",
      );
      assert.ok(Math.max(...loads) <= Math.max(16, Math.ceil(all / count)));
    }
  }
}

function triangle(rates: Readonly<Record<string, number>>): PlanRequest {
  const sites = ["a", "b", "r"].map((id) => {
    return { id, region: "ssh:lab", gatewaysMax: 1, gatewayPrice: 0 };
  });
  return {
    ...{ sites, source: "a", destinations: ["b"], bytes: 1e9, solver: "ilp" },
    grid: { gbps: (from, to) => rates[`${from}>${to}`] },
    prices: { perGb: () => 0 },
    goal: { kind: "fastest" },
  };
}

test("a relay five times as fast is taken by itself", async () => {
  const plan = await planUsual(triangle({ "a>b": 0.1, "a>r": 0.5, "r>b": 0.5 }), solver);
  near(plan.gbps, 0.5, 1e-4);
  assert.deepEqual(
    plan.edges.map(({ from, to, connections }) => [from, to, connections]),
    [
      ["a", "r", 16],
      ["r", "b", 16],
    ],
  );
});

test("a relay that gains little, or over links that nobody measured, is not", async () => {
  for (const rates of [
    { "a>b": 0.5, "a>r": 0.59, "r>b": 0.59 },
    { "a>r": 5, "r>b": 5 },
  ]) {
    const plan = await planUsual(triangle(rates), solver);
    assert.equal(plan.solver, "direct");
    assert.deepEqual(
      plan.edges.map(({ to }) => to),
      ["b"],
    );
  }
});

test("between two stores all gateways that help take part", async () => {
  const rates: Record<string, number> = { "a>r": 2, "r>b": 1, "a>q": 1, "q>b": 3 };
  const asked = triangle(rates);
  const ends = asked.sites.map((site) => ({ ...site, gatewaysMax: site.id === "r" ? 1 : 0 }));
  const sites = [...ends, { id: "q", region: "local", gatewaysMax: 1, gatewayPrice: 0 }];
  const plan = await planTransfer({ ...asked, sites }, solver);
  near(plan.gbps, 2, 1e-4);
  assert.deepEqual(plan.sites.map(({ id }) => id).sort(), ["q", "r"]);
  assert.equal(plan.edges.length, 4);
});

test("where the ends allow no more than the straight way, no program is solved", async () => {
  const never = { solve: () => assert.fail("a program") };
  const plan = await planUsual(triangle({ "a>b": 4, "a>r": 4, "r>b": 9 }), never);
  assert.equal(plan.solver, "direct");
});

test("a ceiling holds where splitting makes every GB dearer", async () => {
  // The first 10 GB of an edge out of a cost twice as much as those that follow.
  const perGb = (from: Site, _: Site, before: number) => {
    if (from.id !== "a") return 0;
    return before < 10 ? 0.1 : 0.05;
  };
  const asked = { ...triangle({ "a>b": 1, "a>r": 2, "r>b": 2 }), prices: { perGb }, bytes: 20e9 };
  const sites = asked.sites.map((site) => ({ ...site, gatewaysMax: site.id === "r" ? 1 : 2 }));
  const under = (pricePerGb: number) => {
    return planTransfer({ ...asked, sites, goal: { kind: "ceiling", pricePerGb } }, solver);
  };
  const split = await under(0.11);
  assert.equal(split.edges.length, 3);
  const alone = await under(0.08);
  near(alone.pricePerGb, 0.075, 1e-3);
  assert.match(alone.notes.join(), /one way alone/);
  await assert.rejects(under(0.07), /\$0.07 a GB are asked for/);
});

test("a node of this machine is no relay for another one", async () => {
  const asked = triangle({ "a>b": 1, "a>r": 5, "r>b": 5 });
  const sites = asked.sites.map((site) => ({ ...site, region: "local" }));
  assert.equal((await planUsual({ ...asked, sites }, solver)).edges.length, 1);
  const far = sites.map((site) => (site.id === "r" ? { ...site, region: "ssh:lab" } : site));
  assert.equal((await planUsual({ ...asked, sites: far }, solver)).edges.length, 2);
});

test("a solver that fails leaves the straight way, and a word about it", async () => {
  const failing = { solve: async () => ({ kind: "failed", why: "it is ill" }) as const };
  const plan = await planUsual(triangle({ "a>b": 1, "a>r": 5, "r>b": 5 }), failing);
  assert.equal(plan.solver, "direct");
  assert.match(plan.notes.join(), /no relays: .*the solver failed: it is ill/);
});

test("a floor that is too high says what limits it", async () => {
  const asked = triangle({ "a>b": 1, "a>r": 5, "r>b": 3 });
  const floor = { ...asked, goal: { kind: "floor", gbps: 4 } } as const;
  await assert.rejects(planTransfer(floor, solver), /4 Gbit\/s .* 3 Gbit\/s at most; .* b takes/);
  const shut = triangle({ "a>b": 0, "a>r": 5 });
  await assert.rejects(planTransfer(shut, solver), /no known way leads from a to b/);
});

test("a flow's circles and crumbs go, and nothing else", () => {
  const edges = [
    { from: "s", to: "a", amount: 3 },
    { from: "a", to: "b", amount: 4 },
    { from: "b", to: "a", amount: 1 },
    { from: "b", to: "t", amount: 3 },
    { from: "s", to: "t", amount: 2 },
    { from: "s", to: "c", amount: 1e-9 },
  ];
  const paths = pathsOf(edges, { source: "s", target: "t" });
  assert.deepEqual(paths, [
    { sites: ["s", "a", "b", "t"], amount: 3 },
    { sites: ["s", "t"], amount: 2 },
  ]);
});
