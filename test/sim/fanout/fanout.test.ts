// Fan-outs under fire: every promise is kept by every seed, and each deliberate bug is caught.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Caught, mutantsTable, tableMark } from "../tables.ts";
import type { Mutant } from "./mutant.ts";
import { mutants } from "./mutants.ts";
import { BrokenPromise } from "./promises.ts";
import { World } from "./world.ts";

const seedCount = 400;
const mutantSeedsMax = 600;

test(`all promises are kept in ${seedCount} worlds`, (context) => {
  let events = 0;
  let sinks = 0;
  for (let seed = 1; seed <= seedCount; seed += 1) {
    const world = new World({ seed });
    try {
      world.run();
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      throw new Error(`fan-out seed ${seed}: ${why}`, { cause: error });
    }
    events += world.timeline.events;
    sinks += world.hosts.length;
  }
  context.diagnostic(`${events} events, ${sinks} sinks`);
});

const all: Caught[] = [];

for (const mutant of mutants) {
  test(`caught: ${mutant.name}`, () => {
    const found = caught(mutant);
    assert.ok(found !== undefined, `${mutantSeedsMax} seeds ran as if nothing were wrong`);
    all.push(found);
  });
}

test("what caught them is shown", (context) => {
  context.diagnostic(`${tableMark}${mutantsTable("mutants of fan-outs", all)}`);
  assert.equal(all.length, mutants.length);
});

/** The first seed that notices; only a broken promise counts. */
function caught(mutant: Mutant): Caught | undefined {
  for (let seed = 1; seed <= mutantSeedsMax; seed += 1) {
    try {
      new World({ seed, mutant }).run();
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      const { promise, what } = error;
      return { mutant: mutant.name, breaks: mutant.breaks, seed, promise, what };
    }
  }
  return undefined;
}
