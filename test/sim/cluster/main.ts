// `npm run sim`: whole clusters on seeded worlds, on demand.
//
//     npm run sim -- --seed 7                 one seed, with its transcript if it fails
//     npm run sim -- --seed 7 --hours 24      the same world under fire for a simulated day
//     npm run sim -- --seed 1 --seeds 5000    as many, one after the other
//
// The exit code is 0 if every promise was kept. A failure prints its seed and what led to it.

import { parseArgs } from "node:util";
import { BrokenPromise } from "../promises.ts";
import { Sim } from "./sim.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    hours: { type: "string" },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const chaosMs = values.hours === undefined ? undefined : Number(values.hours) * 3_600_000;
let events = 0;
let jobs = 0;
let failed = 0;

for (let seed = first; seed < first + count; seed += 1) {
  const sim = new Sim(chaosMs === undefined ? { seed } : { seed, chaosMs });
  try {
    await sim.run();
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    failed += 1;
    console.error(error.message);
  }
  events += sim.events;
  jobs += sim.truth.jobs().length;
}
console.log(`${count} seeds, ${failed} failed: ${events} events, ${jobs} jobs`);
process.exitCode = failed === 0 ? 0 : 1;
