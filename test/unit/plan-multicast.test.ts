// Multicast plans: every destination gets every stripe, limits hold, and the cheap ones are cheap.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Plan, PlanRequest, Solver } from "../../model/transfer-plan.ts";
import { type Arc, arborescence } from "../../transfer/plan/arborescence.ts";
import { planUsual } from "../../transfer/plan/choice.ts";
import { networkOf } from "../../transfer/plan/network.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import { createHighsSolver } from "../../transfer/plan/solver-highs-os.ts";
import { exactTree, nearestFirst } from "../../transfer/plan/steiner.ts";
import { type Hop, usableHops, weightOf } from "../../transfer/plan/trees.ts";
import { checkPlan, near, requests } from "../support/plan-networks.ts";
import { fc } from "../support/property.ts";

const solver = createHighsSolver();
after(() => solver.close());

const treeSolvers = ["direct", "mdst", "steiner", "spider"] as const satisfies Solver[];

/** Every stripe goes along a tree that reaches every destination; each site gets it once. */
function checkTrees(plan: Plan): void {
  for (let stripe = 0; stripe < plan.stripes; stripe += 1) checkTree(plan, stripe);
  for (const edge of plan.edges) assert.ok(edge.stripes.every((s) => s >= 0 && s < plan.stripes));
}

function checkTree({ edges, source, destinations }: Plan, stripe: number): void {
  const own = edges.filter((edge) => edge.stripes.includes(stripe));
  const heads = own.map(({ to }) => to);
  assert.equal(new Set(heads).size, heads.length, "a site gets a stripe twice");
  assert.ok(!heads.includes(source));
  const reached = reachedFrom(source, own);
  assert.deepEqual(
    heads.filter((id) => !reached.has(id)),
    [],
  );
  assert.deepEqual(
    destinations.filter((id) => !reached.has(id)),
    [],
  );
  const idle = heads.filter((id) => !destinations.includes(id) && !own.some((e) => e.from === id));
  assert.deepEqual(idle, [], "a relay that relays nothing");
}

function reachedFrom<T>(root: T, arcs: readonly { readonly from: T; readonly to: T }[]): Set<T> {
  const reached = new Set([root]);
  for (const _ of arcs) for (const { from, to } of arcs) if (reached.has(from)) reached.add(to);
  return reached;
}

async function planOrWhy(request: PlanRequest): Promise<Plan | undefined> {
  return planTransfer(request, solver).catch((error: unknown) => {
    assert.ok(isSkyError(error, "plan/infeasible"), String(error));
    return undefined;
  });
}

function sends({ edges, source, stripes }: Plan): number {
  const counts = Array.from({ length: stripes }, (_, stripe) => {
    return edges.filter((e) => e.from === source && e.stripes.includes(stripe)).length;
  });
  return Math.max(...counts);
}

test("trees reach every destination once with every stripe, within all limits", async () => {
  const drawn = fc.record({
    request: requests({ sites: 7, gatewaysMax: 3, destinations: 3 }),
    name: fc.constantFrom(...treeSolvers),
    onceFromSource: fc.boolean(),
    stripes: fc.integer({ min: 1, max: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ request, name, onceFromSource, stripes }) => {
      const asked = { ...request, solver: name, onceFromSource, stripes };
      const plan = await planOrWhy(asked);
      if (plan === undefined) return;
      checkTrees(plan);
      checkPlan(plan, asked, false);
      const isOnce = sends(plan) === 1;
      if (onceFromSource && name !== "direct" && !isOnce) assert.match(plan.notes.join(), /times/);
    }),
    { numRuns: 60 },
  );
});

test("the source sends once wherever a tree can do it", async () => {
  await fc.assert(
    fc.asyncProperty(requests({ sites: 5, gatewaysMax: 2, destinations: 4 }), async (request) => {
      // Between ends every link is there: a chain always is.
      for (const name of ["mdst", "steiner", "spider"] as const) {
        const plan = await planTransfer({ ...request, solver: name, onceFromSource: true }, solver);
        assert.equal(sends(plan), 1, name);
      }
    }),
    { numRuns: 20 },
  );
});

test("the arborescence is the cheapest of all choices of parents", () => {
  const nodes = 5;
  const weights = fc.array(fc.option(fc.integer({ min: 0, max: 20 }), { freq: 4 }), {
    minLength: nodes * nodes,
    maxLength: nodes * nodes,
  });
  fc.assert(
    fc.property(weights, (drawn) => {
      const arcs = drawn.flatMap((weight, i): Arc[] => {
        const [from, to] = [Math.floor(i / nodes), i % nodes];
        return weight === null || from === to ? [] : [{ from, to, weight }];
      });
      const found = arborescence(nodes, 0, arcs);
      const best = cheapestParents(nodes, arcs);
      assert.equal(found === undefined, best === undefined);
      if (found === undefined || best === undefined) return;
      const own = found.map((index) => arcs[index]).filter((arc) => arc !== undefined);
      assert.equal(own.length, nodes - 1);
      assert.equal(
        own.reduce((sum, { weight }) => sum + weight, 0),
        best,
      );
      assert.ok(isArborescence(nodes, own));
    }),
    { numRuns: 200 },
  );
});

function isArborescence(nodes: number, arcs: readonly Arc[]): boolean {
  const heads = new Set(arcs.map(({ to }) => to));
  return reachedFrom(0, arcs).size === nodes && heads.size === arcs.length;
}

/** Every node but the root takes any of the arcs that lead to it. */
function cheapestParents(nodes: number, arcs: readonly Arc[]): number | undefined {
  let best: number | undefined;
  const choose = (node: number, taken: readonly Arc[]): void => {
    if (node === nodes) {
      const weight = taken.reduce((sum, arc) => sum + arc.weight, 0);
      if (isArborescence(nodes, taken)) best = Math.min(best ?? weight, weight);
      return;
    }
    for (const arc of arcs) if (arc.to === node) choose(node + 1, [...taken, arc]);
  };
  choose(1, []);
  return best;
}

test("a Steiner tree is the cheapest arborescence over any set of relays", () => {
  fc.assert(
    fc.property(requests({ sites: 7, gatewaysMax: 1, destinations: 3 }), (request) => {
      const network = networkOf(request);
      const hops = usableHops(network, network.relays);
      const weigh = (some: readonly Hop[]) =>
        some.reduce((sum, h) => sum + weightOf(network, h), 0);
      const sets = subsets(network.relays).flatMap((relays) => {
        const sites = [network.source, ...network.destinations, ...relays];
        const arcs = hops
          .map((h) => ({ from: sites.indexOf(h.from), to: sites.indexOf(h.to), hop: h }))
          .filter(({ from, to }) => from >= 0 && to >= 0)
          .map(({ from, to, hop }) => ({ from, to, weight: weightOf(network, hop) }));
        const found = arborescence(sites.length, 0, arcs);
        return found === undefined
          ? []
          : [found.reduce((sum, i) => sum + (arcs[i]?.weight ?? 0), 0)];
      });
      const exact = exactTree(network, hops, false) ?? assert.fail("no tree");
      near(weigh(exact), Math.min(...sets), 1e-9);
      const nearest = nearestFirst(network, hops, false) ?? assert.fail("no tree");
      assert.ok(weigh(nearest) <= 3 * weigh(exact) + 1e-9);
    }),
    { numRuns: 60 },
  );
});

function subsets(ids: readonly string[]): readonly (readonly string[])[] {
  return ids.reduce<readonly (readonly string[])[]>(
    (all, id) => all.flatMap((set) => [set, [...set, id]]),
    [[]],
  );
}

function clique(ids: readonly string[], gbps: (from: string, to: string) => number | undefined) {
  return {
    sites: ids.map((id) => ({ id, region: "local", gatewaysMax: 1, gatewayPrice: 0 })),
    grid: { gbps },
    prices: { perGb: () => 0 },
    ...{ source: ids[0] ?? "", destinations: ids.slice(1), bytes: 1e9 },
    goal: { kind: "fastest" },
  } as const;
}

test("among equals of unknown limits trees chain, each sends everything once", async () => {
  const request = { ...clique(["a", "b", "c", "d"], () => undefined), solver: "spider" } as const;
  const plan = await planTransfer({ ...request, onceFromSource: true }, solver);
  assert.equal(plan.gbps, 1);
  assert.deepEqual(plan.edges.map(({ from, to }) => `${from}${to}`).sort(), ["ab", "bc", "cd"]);
  const star = await planTransfer({ ...request, solver: "direct" }, solver);
  near(star.gbps, 1 / 3);
});

test("an edge that two trees use carries the stripes of both", async () => {
  const rates: Record<string, number> = { "a>r": 2, "r>b": 1, "r>c": 1, "b>c": 1, "c>b": 1 };
  const request = clique(["a", "b", "c", "r"], (from, to) => rates[`${from}>${to}`] ?? 0);
  const sites = request.sites.map((site) => ({ ...site, egressGbps: 2, ingressGbps: 4 }));
  const asked = { ...request, sites, destinations: ["b", "c"], solver: "spider" } as const;
  const plan = await planTransfer({ ...asked, stripes: 4 }, solver);
  checkTrees(plan);
  // Half of it goes by way of b, the other half by way of c; r alone could do no more than 1.
  near(plan.gbps, 2);
  const stripesOf = (from: string, to: string) =>
    plan.edges.find((edge) => edge.from === from && edge.to === to)?.stripes;
  assert.deepEqual(stripesOf("a", "r"), [0, 1, 2, 3]);
  assert.deepEqual(
    [stripesOf("r", "b"), stripesOf("r", "c")],
    [
      [0, 1],
      [2, 3],
    ],
  );
});

test("sixty-four destinations are planned without a program, and each is fed", async () => {
  const ids = Array.from({ length: 65 }, (_, i) => `n${i}`);
  const never = { solve: () => assert.fail("a program") };
  for (const name of ["spider", "mdst", "steiner", "multicast_ilp"] as const) {
    const asked = { ...clique(ids, () => 4), solver: name, onceFromSource: true };
    const plan = await planTransfer(asked, never);
    checkTrees(plan);
    assert.equal(sends(plan), 1);
  }
});

test("a floor that no trees reach says what the ends allow", async () => {
  const asked = { ...clique(["a", "b", "c"], () => 2), solver: "multicast_ilp" } as const;
  const floor = { ...asked, goal: { kind: "floor", gbps: 50 } } as const;
  await assert.rejects(planTransfer(floor, solver), /50 Gbit\/s .* the ends allow 2 Gbit\/s/);
});

test("a destination without gateways is written by its neighbours and relays nothing", async () => {
  const request = clique(["a", "b", "s"], () => undefined);
  const sites = request.sites.map((s) => ({ ...s, gatewaysMax: s.id === "s" ? 0 : 1 }));
  for (const name of treeSolvers) {
    const plan = await planTransfer({ ...request, sites, solver: name }, solver);
    assert.ok(plan.edges.every(({ from }) => from !== "s"));
    assert.ok(plan.sites.every(({ id }) => id !== "s"));
    checkTrees(plan);
  }
});

test("several destinations get trees by themselves, one copy from the source", async () => {
  const request = clique(["a", "b", "c", "d"], () => undefined);
  const plan = await planUsual({ ...request, onceFromSource: true }, solver);
  assert.equal(plan.solver, "spider");
  assert.equal(sends(plan), 1);
  // Where the source is the only one with a good line, its star is as good as anything.
  const fast = request.sites.map((s) => ({ ...s, egressGbps: s.id === "a" ? 9 : 1 }));
  assert.equal((await planUsual({ ...request, sites: fast }, solver)).solver, "direct");
});

test("the program's trees keep all limits, and cost what the cheapest tree costs", async () => {
  const drawn = fc.record({
    request: requests({ sites: 6, gatewaysMax: 2, destinations: 3 }),
    stripes: fc.integer({ min: 1, max: 4 }),
    onceFromSource: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ request, stripes, onceFromSource }) => {
      // So slow that every tree carries it.
      const goal = { kind: "floor", gbps: 0.1 } as const;
      const sites = request.sites.map((one) => ({ ...one, gatewayPrice: 0 }));
      const asked = { ...request, sites, goal, stripes, onceFromSource };
      const plan = await planTransfer({ ...asked, solver: "multicast_ilp" }, solver);
      checkTrees(plan);
      checkPlan(plan, asked, false);
      assert.equal(plan.stripes, stripes);
      const cheapest = await planTransfer({ ...asked, solver: "steiner" }, solver);
      near(plan.pricePerGb, cheapest.pricePerGb, 1e-3);
      if (onceFromSource) assert.equal(sends(plan), 1);
    }),
    { numRuns: 6 },
  );
});

test("the cheapest trees at a rate are those that trying every pair of trees finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      requests({ sites: 4, gatewaysMax: 1, destinations: 2 }),
      fc.integer({ min: 2, max: 24 }),
      async (request, quarters) => {
        const rate = quarters / 4;
        const sites = request.sites.map((one) => ({ ...one, gatewayPrice: 0 }));
        const goal = { kind: "floor", gbps: rate } as const;
        const asked = { ...request, sites, goal, stripes: 2, solver: "multicast_ilp" } as const;
        const best = cheapestPair(asked, rate);
        const plan = await planOrWhy(asked);
        assert.equal(plan === undefined, best === undefined);
        if (plan === undefined || best === undefined) return;
        assert.ok(plan.gbps >= rate * (1 - 1e-6));
        near(plan.pricePerGb, best, 2e-3);
      },
    ),
    { numRuns: 20 },
  );
});

/** Each stripe takes any tree over any relays, as long as links and gateways carry both. */
function cheapestPair(request: PlanRequest, rate: number): number | undefined {
  const network = networkOf(request);
  const trees = everyTree(network);
  let best: number | undefined;
  for (const one of trees) {
    for (const other of trees) {
      const all = [...one, ...other];
      const load = (test: (hop: Hop) => boolean) => (all.filter(test).length * rate) / 2;
      const fits = all.every(({ from, to }) => {
        const link = load((h) => h.from === from && h.to === to) <= (network.link(from, to) ?? 0);
        const out = load((h) => h.from === from) <= network.egress(from);
        return link && out && load((h) => h.to === to) <= network.ingress(to);
      });
      const price = all.reduce((sum, h) => sum + network.price(h.from, h.to) / 2, 0);
      if (fits) best = Math.min(best ?? price, price);
    }
  }
  return best;
}

function everyTree(network: ReturnType<typeof networkOf>): readonly (readonly Hop[])[] {
  const hops = usableHops(network, network.relays);
  return subsets(network.relays).flatMap((relays) => {
    const heads = [...network.destinations, ...relays];
    const parents = heads.reduce<readonly (readonly Hop[])[]>(
      (all, to) =>
        all.flatMap((some) => {
          const into = hops.filter(
            (h) => h.to === to && [network.source, ...heads].includes(h.from),
          );
          return into.map((hop) => [...some, hop]);
        }),
      [[]],
    );
    return parents.filter((tree) => reachedFrom(network.source, tree).size === heads.length + 1);
  });
}

test("larger multicasts use their approximations, say so, and beat the star", async () => {
  const drawn = requests({ sites: 12, gatewaysMax: 2, destinations: 3 });
  await fc.assert(
    fc.asyncProperty(drawn, fc.boolean(), async (request, isCheap) => {
      const asked = { ...request, stripes: 4, solver: "multicast_ilp" } as const;
      const fast = await planTransfer(asked, solver);
      checkTrees(fast);
      checkPlan(fast, asked, false);
      assert.match(fast.notes.join(), /stripe by stripe|without the program/);
      const star = await planTransfer({ ...asked, solver: "direct" }, solver);
      assert.ok(fast.gbps >= star.gbps * (1 - 1e-2), `${fast.gbps} ${star.gbps}`);
      if (!isCheap) return;
      const pricePerGb = (fast.cost / 50) * 0.9;
      const under = await planOrWhy({ ...asked, goal: { kind: "ceiling", pricePerGb } });
      assert.ok(under === undefined || under.cost / 50 <= pricePerGb * (1 + 2e-5));
    }),
    { numRuns: 4 },
  );
});
