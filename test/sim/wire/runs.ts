// Runs of the simulated wire, for its tests and by hand:
//
//     node test/sim/wire/runs.ts 7          one seed
//     node test/sim/wire/runs.ts 1 5000     as many, from there on
//
// What must always hold: a mutant counts as caught only by a broken promise; anything else that a
// run throws is a bug of the simulation and ends it.

import { argv } from "node:process";
import type { Caught } from "../tables.ts";
import type { Mutant } from "./mutant.ts";
import { BrokenWire } from "./promises.ts";
import { WireWorld } from "./world.ts";

/** What seeds saw, all together. */
export interface Seen {
  seeds: number;
  events: number;
  crashes: number;
  corrupted: number;
  resent: number;
  duplicates: number;
  readonly stories: Map<string, number>;
}

/** @throws BrokenWire, with the seed in its message. */
export async function runSeeds(from: number, count: number): Promise<Seen> {
  const seen: Seen = {
    ...{ seeds: 0, events: 0, crashes: 0, corrupted: 0, resent: 0, duplicates: 0 },
    stories: new Map(),
  };
  for (let seed = from; seed < from + count; seed += 1) {
    const world = new WireWorld(seed);
    try {
      await world.run();
    } catch (error) {
      if (error instanceof BrokenWire)
        error.message = `seed ${seed} (${world.story}) ${error.message}`;
      throw error;
    }
    add(seen, world);
  }
  return seen;
}

function add(seen: Seen, world: WireWorld): void {
  seen.seeds += 1;
  seen.events += world.events;
  seen.crashes += world.crashes;
  seen.corrupted += world.network.corrupted;
  seen.stories.set(world.story, (seen.stories.get(world.story) ?? 0) + 1);
  for (const { ends } of world.pairs) {
    for (const end of [ends.dialler, ends.listener]) {
      seen.resent += end?.lanes.sender.resent ?? 0;
      seen.duplicates += end?.lanes.receiver.duplicates ?? 0;
    }
  }
}

/** The first seed that notices a mutant; undefined if none does. */
export async function caught(make: () => Mutant, seedsMax: number): Promise<Caught | undefined> {
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    const mutant = make();
    try {
      await new WireWorld(seed, mutant).run();
    } catch (error) {
      if (!(error instanceof BrokenWire)) throw error;
      const { name, breaks } = mutant;
      return { mutant: name, breaks, seed, promise: error.promise, what: error.what };
    }
  }
  return undefined;
}

if (import.meta.main) {
  const [first = "1", count = "1"] = argv.slice(2);
  console.log(await runSeeds(Number(first), Number(count)));
}
