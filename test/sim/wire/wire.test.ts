// Sessions with lanes under fire: no promise is broken, whatever connections do, and each
// deliberate bug is caught.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Caught } from "../tables.ts";
import { mutantsTable, tableMark } from "../tables.ts";
import { mutants } from "./mutants.ts";
import { caught, runSeeds } from "./runs.ts";

const seedCount = 200;
const seedsMax = 200;
const all: Caught[] = [];

test(`wire: ${seedCount} seeds come to rest with every byte`, async (context) => {
  const seen = await runSeeds(1, seedCount);
  context.diagnostic(JSON.stringify({ ...seen, stories: Object.fromEntries(seen.stories) }));
  for (const [what, times] of Object.entries(seen)) {
    if (typeof times === "number") assert.ok(times >= 20, `${what} ${times} times`);
  }
  for (const story of ["storm", "slow", "hasty"]) {
    assert.ok((seen.stories.get(story) ?? 0) >= 15, `the story ${story} was told`);
  }
});

for (const make of mutants) {
  test(`wire: caught: it ${make().name}`, async () => {
    const found = await caught(make, seedsMax);
    assert.ok(found !== undefined, `${seedsMax} seeds ran as if nothing were wrong`);
    all.push(found);
  });
}

test("wire: what caught them is shown", (context) => {
  context.diagnostic(`${tableMark}${mutantsTable("mutants of the wire", all)}`);
  assert.equal(all.length, mutants.length);
});
