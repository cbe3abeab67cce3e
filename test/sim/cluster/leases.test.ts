// Leases under fire: nodes that are away for long, and jobs that may restart elsewhere meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Caught } from "../tables.ts";
import { mutantsTable, tableMark } from "../tables.ts";
import { leaseMutants } from "./mutants-lease.ts";
import { caught, seedsMax } from "./runs.ts";
import { Sim } from "./sim.ts";

const seedCount = 24;

test(`no seed of ${seedCount} lets two attempts of a job run at once`, async () => {
  let restarts = 0;
  for (let seed = 1; seed <= seedCount; seed += 1) {
    const sim = new Sim({ seed, away: true });
    await sim.run();
    restarts += sim.transcript.lines.filter((line) => line.includes(" node-silent ")).length;
  }
  assert.ok(restarts > 5, `leases were over ${restarts} times only`);
});

const all: Caught[] = [];

for (const make of leaseMutants) {
  test(`caught: ${make().name}`, async () => {
    const found = await caught(make, { away: true });
    assert.ok(found !== undefined, `${seedsMax} seeds ran as if nothing were wrong`);
    all.push(found);
  });
}

test("what caught them is shown", (context) => {
  context.diagnostic(`${tableMark}${mutantsTable("mutants of leases", all)}`);
  assert.equal(all.length, leaseMutants.length);
});
