// The simulation is worth what it catches: each deliberate bug, within so many seeds.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Caught } from "../tables.ts";
import { mutantsTable, tableMark } from "../tables.ts";
import { mutants } from "./mutants.ts";
import { caught, seedsMax } from "./runs.ts";

const all: Caught[] = [];

for (const make of mutants) {
  test(`caught: ${make().name}`, async () => {
    const found = await caught(make);
    assert.ok(found !== undefined, `${seedsMax} seeds ran as if nothing were wrong`);
    all.push(found);
  });
}

test("what caught them is shown", (context) => {
  context.diagnostic(`${tableMark}${mutantsTable("mutants of the cluster", all)}`);
  assert.equal(all.length, mutants.length);
});
