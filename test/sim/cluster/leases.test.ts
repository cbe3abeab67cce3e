// Leases under fire: nodes that are away for long, and jobs that may restart elsewhere meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokenPromise } from "../promises.ts";
import { leaseMutants } from "./mutants-lease.ts";
import { Sim } from "./sim.ts";

const seedCount = 24;
const seedsMax = 60;

test(`no seed of ${seedCount} lets two attempts of a job run at once`, async () => {
  let restarts = 0;
  for (let seed = 1; seed <= seedCount; seed += 1) {
    const sim = new Sim({ seed, away: true });
    await sim.run();
    restarts += sim.transcript.lines.filter((line) => line.includes(" node-silent ")).length;
  }
  assert.ok(restarts > 5, `leases were over ${restarts} times only`);
});

for (const make of leaseMutants) {
  test(`caught: ${make().name}`, async (context) => {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      try {
        await new Sim({ seed, mutant: make(), away: true }).run();
      } catch (error) {
        if (!(error instanceof BrokenPromise)) throw error;
        context.diagnostic(`seed ${seed}: ${error.message.split("\n")[0]}`);
        return;
      }
    }
    assert.fail(`${seedsMax} seeds ran as if nothing were wrong`);
  });
}
