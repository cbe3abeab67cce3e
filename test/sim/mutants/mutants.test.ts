// The simulation catches every deliberate bug of `mutants.ts` within a bounded number of seeds.
//
// This is the test of the test: an invariant that no mutant breaks may be checking nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "../scheduler-run.ts";
import type { SchedulerUnderTest } from "../scheduler-world.ts";
import { mutants } from "./mutants.ts";

const seedsMax = 200;

for (const [name, make] of Object.entries(mutants)) {
  test(`caught: ${name}`, (t) => {
    const found = firstCaught(make);
    assert.ok(found !== undefined, `it survived ${seedsMax} seeds`);
    t.diagnostic(`seed ${found.seed}: ${found.why}`);
  });
}

function firstCaught(
  make: () => SchedulerUnderTest,
): { readonly seed: number; readonly why: string } | undefined {
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    try {
      runSeed(seed, make());
    } catch (error) {
      const { cause } = error as Error;
      return { seed, why: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "?" };
    }
  }
  return undefined;
}
