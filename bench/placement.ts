// Placement over 10,000 simulated nodes: gangs of 8 come and go on a cluster that is nearly full.
//
// Only the pure placer runs, as inside one turn of the scheduler: find the nodes, take them, later
// release them. Nodes have 8 cores and 4 devices; gangs ask for different shapes, some for shares
// of a device, so that the free room is scattered as on a real cluster.

import { needOf } from "../scheduler/demand.ts";
import { createPlacer } from "../scheduler/placement.ts";
import { msColumns, type Report, rateText, spreadOf } from "./report.ts";

const nodesCount = 10_000;
const gangSize = 8;
const placements = 20_000;
const gangsMax = 5_400;

export function placementReport(): Report {
  const capacity = { cpus: 8, memoryBytes: 64e9, accelerators: [{ name: "V100", count: 4 }] };
  const placer = createPlacer(Array.from({ length: nodesCount }, () => capacity));
  const needs = [0.5, 1, 4].flatMap((cpus) => [
    needOf({ cpus, memoryBytes: 4e9 }),
    needOf({ cpus, memoryBytes: 8e9, accelerators: { name: "V100", count: 1 } }),
    needOf({ cpus, memoryBytes: 8e9, accelerators: { name: "V100", count: 0.5 } }),
  ]);
  const held: { readonly job: number; readonly nodes: readonly number[] }[] = [];
  const times: number[] = [];
  const draw = seeded(7);
  let refused = 0;

  const startedAt = performance.now();
  for (let job = 1; job <= placements; job += 1) {
    const need = needs[Math.floor(draw() * needs.length)];
    if (need === undefined) continue;
    const askedAt = performance.now();
    const nodes = placer.find(need, gangSize);
    for (const node of nodes ?? []) placer.take(job, node, need);
    times.push(performance.now() - askedAt);
    if (nodes === undefined) refused += 1;
    else held.push({ job, nodes });
    if (held.length <= gangsMax) continue;
    const [gone] = held.splice(Math.floor(draw() * held.length), 1);
    for (const node of gone?.nodes ?? []) placer.release(gone?.job ?? 0, node);
  }
  const perSecond = placements / ((performance.now() - startedAt) / 1000);
  const spread = spreadOf(times);
  return {
    title: `placement: ${nodesCount} simulated nodes, gangs of ${gangSize}`,
    rows: [
      {
        what: "one gang: find and take",
        values: msColumns(spread),
        budget: { text: "p99 < 10 ms", kept: spread.p99 < 10 },
      },
      {
        what: "placed and released",
        values: { rate: rateText(perSecond) },
        budget: { text: "≥ 10,000/s", kept: perSecond >= 10_000 },
      },
    ],
    notes: [`${held.length} gangs held at the end, ${refused} found no room`],
  };
}

/** The same numbers in every run. Source: mulberry32, public domain. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
