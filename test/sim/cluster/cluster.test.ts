// Whole clusters under fire: production actors of head and nodes on seeded worlds.
//
// Every promise is checked after every event; then the world is healed and must come to rest. A
// failure names its seed, which `npm run sim -- --seed N` replays with the same transcript. Over
// all seeds every decision of every state machine is taken: one that never is decides nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { machines } from "../../../scripts/machines.ts";
import { countCells, neverTaken } from "../cells.ts";
import { cellsTable, tableMark } from "../tables.ts";
import { runSeeds, seedsMax, seedsUpTo } from "./runs.ts";
import { Sim } from "./sim.ts";

/** They showed bugs once (`docs/faults.md`). */
const seedsOfBugs = [
  ...[1_011, 1_129, 1_175, 1_177, 1_310, 1_473, 2_091, 2_095, 5_398],
  ...[54, 120, 271, 274, 290, 365, 436, 620, 622, 1_204, 1_227, 2_290, 2_295, 2_575, 3_344],
];
const seedCount = Number(process.env["SKY_TEST_SEEDS"] ?? seedsMax);

/** No part of this world: see `test/sim/fleet`, and `test/unit/transfer-machine.test.ts`. */
const notDriven = ["fleet", "transfer"];
/** Jobs of this world have no files: see `test/unit/agent-rank.test.ts`. */
const ofFiles = ["rank: preparing × laid"];

test(`no seed of ${seedCount} breaks a promise, and every decision is taken`, async (context) => {
  const all = (await machines()).filter(({ name }) => !notDriven.includes(name));
  const counts = all.map(({ name, table }) => countCells(name, table as object));
  const ended = await runSeeds(seedsUpTo(seedCount));
  assert.ok(ended > 5 * seedCount, `only ${ended} jobs ended`);
  context.diagnostic(`${tableMark}${cellsTable(counts)}`);
  if (seedCount < seedsMax) return;
  assert.deepEqual(counts.flatMap(neverTaken), ofFiles, "decisions that were never taken");
});

test("seeds that once broke a promise do so no more", async () => {
  await runSeeds(seedsOfBugs);
});

test("the same seed gives the same run, line by line, and another another", async () => {
  const runOf = async (seed: number): Promise<Sim> => {
    const sim = new Sim({ seed });
    await sim.run();
    return sim;
  };
  const first = await runOf(4);
  assert.ok(first.transcript.lines.length > 300, `${first.transcript.lines.length} lines`);
  const again = await runOf(4);
  assert.deepEqual(again.transcript.lines, first.transcript.lines);
  assert.equal(again.transcript.digest(), first.transcript.digest());
  assert.notEqual((await runOf(5)).transcript.digest(), first.transcript.digest());
});
