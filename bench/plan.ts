// What the planners gain over sending straight, over routes of the published grid, and how long a
// plan takes.
//
// The grid lies beside a checkout (`../shared/data/throughput.csv`) and is no part of it; without
// it there is nothing to report. One gateway a region and no price for it: what is left is what
// relays gain. Routes are drawn from a seed; the solver runs on its thread, as in a head.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan, PlanRequest } from "../model/transfer-plan.ts";
import { type GridFile, parseGrid } from "../transfer/plan/grid.ts";
import { planTransfer } from "../transfer/plan/plan.ts";
import { listPrices } from "../transfer/plan/prices.ts";
import type { MilpSolver } from "../transfer/plan/solver.ts";
import { createHighsSolver } from "../transfer/plan/solver-highs-os.ts";
import { checkout } from "./home.ts";
import { seeded } from "./placement.ts";
import { msColumns, type Report, type Row, spreadOf } from "./report.ts";

const regionsTimed = 50;
const routesTimed = 12;
const routesDrawn = 40;
const multicastsDrawn = 8;
const secondsBudget = 1;

type Asked = Pick<PlanRequest, "solver" | "goal"> & Partial<PlanRequest>;

/** A grid with somebody to ask. */
interface World {
  readonly grid: GridFile;
  readonly solver: MilpSolver;
  readonly draw: () => number;
}

export async function planReports(): Promise<readonly Report[]> {
  const path = join(checkout, "..", "shared", "data", "throughput.csv");
  if (!existsSync(path)) {
    return [
      { title: "plans", rows: [], notes: ["no ../shared/data/throughput.csv: not measured"] },
    ];
  }
  const solver = createHighsSolver();
  try {
    const world = { grid: parseGrid(readFileSync(path, "utf8")), solver, draw: seeded(11) };
    return [await timeReport(world), await gainReport(world), await multicastReport(world)];
  } finally {
    await solver.close();
  }
}

function request({ grid }: World, ends: readonly string[], asked: Asked): PlanRequest {
  const others = grid.names.filter((name) => !ends.includes(name));
  const names = [...ends, ...others].slice(0, regionsTimed);
  return {
    sites: names.map((id) => ({ id, region: id, gatewaysMax: 1, gatewayPrice: 0 })),
    ...{ grid, prices: listPrices(), bytes: 100e9 },
    ...{ source: ends[0] ?? "", destinations: ends.slice(1) },
    ...asked,
  };
}

/** Different regions whose links from the first one were all measured. */
function drawn({ grid, draw }: World, count: number): readonly string[] {
  for (;;) {
    const ends = new Set<string>();
    while (ends.size < count) {
      ends.add(grid.names[Math.floor(draw() * grid.names.length)] ?? "");
    }
    const [source = "", ...rest] = ends;
    if (rest.every((to) => (grid.gbps(source, to) ?? 0) > 0)) return [source, ...rest];
  }
}

async function timeReport(world: World): Promise<Report> {
  const kinds: readonly (readonly [string, Asked, number, number])[] = [
    ["overlay, fastest", { solver: "ilp", goal: { kind: "fastest" } }, 1, 0],
    [
      "overlay, fastest, up to 8 priced gateways",
      { solver: "ilp", goal: { kind: "fastest" } },
      8,
      0.54,
    ],
    [
      "overlay, cheapest at 10 Gbit/s",
      { solver: "ilp", goal: { kind: "floor", gbps: 10 } },
      8,
      0.54,
    ],
    ["overlay, fastest under $0.15 a GB", ceiling(0.15), 8, 0.54],
  ];
  const rows: Row[] = [];
  for (const [what, asked, gatewaysMax, gatewayPrice] of kinds) {
    const times: number[] = [];
    let refused = 0;
    for (let route = 0; route < routesTimed; route += 1) {
      const base = request(world, drawn(world, 2), asked);
      const sites = base.sites.map((site) => ({ ...site, gatewaysMax, gatewayPrice }));
      const startedAt = performance.now();
      const plan = await planned({ ...base, sites }, world.solver);
      times.push(performance.now() - startedAt);
      if (plan === undefined) refused += 1;
    }
    const spread = spreadOf(times);
    const kept = spread.p50 <= secondsBudget * 1000;
    const values = { ...msColumns(spread), refused: String(refused) };
    rows.push({ what, values, budget: { text: `p50 ≤ ${secondsBudget} s`, kept } });
  }
  return { title: `plans over ${regionsTimed} regions`, rows, notes: [] };
}

function ceiling(pricePerGb: number): Asked {
  return { solver: "ilp", goal: { kind: "ceiling", pricePerGb } };
}

/** Rates over that of the straight way, as percentiles over routes. */
async function gainReport(world: World): Promise<Report> {
  const fastest = { goal: { kind: "fastest" } } as const;
  const gains = new Map<string, number[]>();
  const note = (what: string, gain: number) => gains.set(what, [...(gains.get(what) ?? []), gain]);
  for (let route = 0; route < routesDrawn; route += 1) {
    const ends = drawn(world, 2);
    const ask = (asked: Asked) => planned(request(world, ends, asked), world.solver);
    const direct = await ask({ ...fastest, solver: "direct" });
    const ron = await ask({ ...fastest, solver: "ron" });
    const overlay = await ask({ ...fastest, solver: "ilp" });
    if (direct === undefined || ron === undefined || overlay === undefined) continue;
    note("RON: rate", ron.gbps / direct.gbps);
    note("overlay: rate", overlay.gbps / direct.gbps);
    note("overlay: price", overlay.pricePerGb / direct.pricePerGb);
    for (const times of [1.1, 1.5]) {
      const under = await ask(ceiling(direct.pricePerGb * times));
      const what = `overlay under ${times} × the price: rate`;
      if (under !== undefined) note(what, under.gbps / direct.gbps);
    }
  }
  const rows = [...gains].map(([what, some]) => ({ what, values: percentiles(some) }));
  return {
    title: `over the straight way, ${routesDrawn} routes drawn from the published grid`,
    rows,
    notes: ["one gateway a region, at no price; 1 = as the straight way"],
  };
}

async function multicastReport(world: World): Promise<Report> {
  const fastest = { goal: { kind: "fastest" }, stripes: 8 } as const;
  const solvers = ["mdst", "steiner", "spider", "multicast_ilp"] as const;
  const found = new Map<string, { rate: number[]; price: number[]; ms: number[] }>();
  for (let route = 0; route < multicastsDrawn; route += 1) {
    const ends = drawn(world, 6);
    const star = await planned(
      request(world, ends, { ...fastest, solver: "direct" }),
      world.solver,
    );
    if (star === undefined) continue;
    for (const name of solvers) {
      const startedAt = performance.now();
      const plan = await planned(request(world, ends, { ...fastest, solver: name }), world.solver);
      const row = found.get(name) ?? { rate: [], price: [], ms: [] };
      row.ms.push(performance.now() - startedAt);
      if (plan !== undefined) row.rate.push(plan.gbps / star.gbps);
      if (plan !== undefined) row.price.push(plan.pricePerGb / star.pricePerGb);
      found.set(name, row);
    }
  }
  const rows = [...found].flatMap(([name, { rate, price, ms }]) => [
    { what: `${name}: rate`, values: { ...percentiles(rate), time: timeText(ms) } },
    { what: `${name}: price`, values: percentiles(price) },
  ]);
  return {
    title: `five destinations over the star, ${multicastsDrawn} draws`,
    rows,
    notes: ["1 = as sending straight to each; `time` is the median of a plan"],
  };
}

async function planned(asked: PlanRequest, solver: MilpSolver): Promise<Plan | undefined> {
  // Refused: the request has no plan. Anything else would show in all rows.
  return planTransfer(asked, solver).catch(() => undefined);
}

function percentiles(samples: readonly number[]): Record<string, string> {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const shares = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1];
  const cells = shares.map((share) => [`p${share * 100}`, `${at(share).toFixed(2)} ×`]);
  return { ...Object.fromEntries(cells), n: String(sorted.length) };
}

function timeText(ms: readonly number[]): string {
  return `${(spreadOf(ms).p50 / 1000).toFixed(2)} s`;
}
