// Whole clusters under fire: production actors of head and nodes on seeded worlds.
//
// Every promise is checked after every event; then the world is healed and must come to rest. A
// failure names its seed, which `npm run sim -- --seed N` replays with the same transcript.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Sim } from "./sim.ts";

/** They showed bugs once (`docs/faults.md`). */
const seedsOfBugs = [1_011, 1_129, 1_175, 1_177, 1_310, 1_473, 2_091, 2_095, 5_398];
const seedCount = Number(process.env["SKY_TEST_SEEDS"] ?? 200);

test(`no seed of ${seedCount} breaks a promise`, async () => {
  let ended = 0;
  for (let seed = 1; seed <= seedCount; seed += 1) {
    const sim = new Sim({ seed });
    await sim.run();
    ended += sim.truth.jobs().length;
  }
  assert.ok(ended > 5 * seedCount, `only ${ended} jobs ended`);
});

test("seeds that once broke a promise do so no more", async () => {
  for (const seed of seedsOfBugs) await new Sim({ seed }).run();
});

test("the same seed gives the same run, line by line, and another another", async () => {
  const transcriptOf = async (seed: number): Promise<readonly string[]> => {
    const sim = new Sim({ seed });
    await sim.run();
    return sim.transcript.lines;
  };
  const first = await transcriptOf(4);
  assert.ok(first.length > 300, `${first.length} lines`);
  assert.deepEqual(await transcriptOf(4), first);
  assert.notDeepEqual(await transcriptOf(5), first);
});
