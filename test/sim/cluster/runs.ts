// Runs of the simulated cluster, for its tests and for `npm run sim -- --tables`.
//
// What must always hold: a mutant counts as caught only by a broken promise; anything else that a
// run throws is a bug of the simulation and ends it.

import { BrokenPromise } from "../promises.ts";
import type { Caught } from "../tables.ts";
import type { Mutant } from "./mutant.ts";
import type { SimOptions } from "./sim.ts";
import { Sim } from "./sim.ts";

/** Within so many seeds each mutant is caught, and each decision is taken. */
export const seedsMax = 200;

/** Runs these seeds; answers how many jobs ended. @throws BrokenPromise */
export async function runSeeds(seeds: Iterable<number>): Promise<number> {
  let ended = 0;
  for (const seed of seeds) {
    const sim = new Sim({ seed });
    await sim.run();
    ended += sim.truth.ended;
  }
  return ended;
}

/** From 1 on. */
export function seedsUpTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** The first seed that notices a mutant; undefined if none does. */
export async function caught(
  make: () => Mutant,
  world: Pick<SimOptions, "away"> = {},
): Promise<Caught | undefined> {
  for (const seed of seedsUpTo(seedsMax)) {
    const mutant = make();
    const broken = await brokenBy({ ...world, seed, mutant });
    if (broken === undefined) continue;
    const { name, breaks } = mutant;
    const [{ promise, what } = { promise: "?", what: "?" }] = broken.violations;
    return { mutant: name, breaks, seed, promise, what };
  }
  return undefined;
}

async function brokenBy(options: SimOptions): Promise<BrokenPromise | undefined> {
  try {
    await new Sim(options).run();
    return undefined;
  } catch (error) {
    if (error instanceof BrokenPromise) return error;
    throw error;
  }
}
