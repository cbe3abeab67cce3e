// The simulation catches every deliberate bug of `mutants.ts` within a bounded number of seeds.
//
// This is the test of the test: an invariant that no mutant breaks may be checking nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "../scheduler-run.ts";
import type { SchedulerUnderTest } from "../scheduler-world.ts";
import type { Caught } from "../tables.ts";
import { mutantsTable, tableMark } from "../tables.ts";
import { mutants } from "./mutants.ts";

const seedsMax = 200;
const all: Caught[] = [];

for (const [name, make] of Object.entries(mutants)) {
  test(`caught: ${name}`, () => {
    const found = firstCaught(name, make);
    assert.ok(found !== undefined, `it survived ${seedsMax} seeds`);
    all.push(found);
  });
}

test("what caught them is shown", (context) => {
  context.diagnostic(`${tableMark}${mutantsTable("mutants of the scheduler", all)}`);
  assert.equal(all.length, Object.keys(mutants).length);
});

function firstCaught(mutant: string, make: () => SchedulerUnderTest): Caught | undefined {
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    try {
      runSeed(seed, make());
    } catch (error) {
      const { cause } = error as Error;
      const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "?";
      return { mutant, breaks: mutant, seed, promise: why, what: why };
    }
  }
  return undefined;
}
