// The life of clusters under fire: every decision of the fleet's table is taken, no promise is
// broken, and a deliberate bug is caught.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetTable } from "../../../clouds/fleet.ts";
import { countCells, neverTaken } from "../cells.ts";
import { cellsTable, mutantsTable, tableMark } from "../tables.ts";
import { mutants } from "./mutants.ts";
import { FleetWorld } from "./world.ts";

const seedCount = 200;

async function runSeed(seed: number): Promise<number> {
  const world = new FleetWorld(seed);
  try {
    await world.run();
  } catch (error) {
    throw new Error(`fleet seed ${seed}: ${error instanceof Error ? error.message : error}`);
  }
  return world.told;
}

test(`no seed of ${seedCount} leaves a machine, and every decision is taken`, async (context) => {
  const counts = countCells("fleet", fleetTable);
  let told = 0;
  for (let seed = 1; seed <= seedCount; seed += 1) told += await runSeed(seed);
  assert.ok(told > seedCount, `only ${told} requests were answered`);
  context.diagnostic(`${tableMark}${cellsTable([counts])}`);
  assert.deepEqual(neverTaken(counts), [], "decisions that were never taken");
});

for (const mutant of mutants) {
  test(`caught: ${mutant.mutant}`, async (context) => {
    const { mutant: name, breaks, promise } = mutant;
    const undo = mutant.plant();
    try {
      for (let seed = 1; seed <= seedCount; seed += 1) {
        const broken = await runSeed(seed).then(() => undefined, String);
        if (broken === undefined) continue;
        const what = broken.split("\n", 1)[0] ?? "";
        const caught = [{ mutant: name, breaks, promise, seed, what }];
        context.diagnostic(`${tableMark}${mutantsTable("mutants of the fleet", caught)}`);
        assert.match(broken, mutant.says);
        return;
      }
      assert.fail(`${seedCount} seeds ran as if nothing were wrong`);
    } finally {
      undo();
    }
  });
}
