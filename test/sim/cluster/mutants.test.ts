// The simulation is worth what it catches: each deliberate bug, within so many seeds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokenPromise } from "../promises.ts";
import { mutants } from "./mutants.ts";
import { Sim } from "./sim.ts";

const seedsMax = 200;

for (const make of mutants) {
  test(`caught: ${make().name}`, async (context) => {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const why = await broken(seed, make);
      if (why === undefined) continue;
      context.diagnostic(`seed ${seed}: ${why}`);
      return;
    }
    assert.fail(`${seedsMax} seeds ran as if nothing were wrong`);
  });
}

/** The first promise that was broken, in a word. */
async function broken(seed: number, make: (typeof mutants)[number]): Promise<string | undefined> {
  try {
    await new Sim({ seed, mutant: make() }).run();
    return undefined;
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    return error.message.split("\n")[0];
  }
}
