// `npm run sim`: whole clusters on seeded worlds, on demand.
//
//     npm run sim -- --seed 7                 one seed, with its transcript if it fails
//     npm run sim -- --seed 7 --hours 24      the same world under fire for a simulated day
//     npm run sim -- --seed 1 --seeds 5000    as many, one after the other
//     npm run sim -- --tables                 what 200 seeds reach, and what catches each mutant
//
// The exit code is 0 if every promise was kept. A failure prints its seed and what led to it.

import { parseArgs } from "node:util";
import { machines } from "../../../scripts/machines.ts";
import { countCells } from "../cells.ts";
import { BrokenPromise } from "../promises.ts";
import { cellsTable, mutantsTable, shown } from "../tables.ts";
import { mutants } from "./mutants.ts";
import { leaseMutants } from "./mutants-lease.ts";
import { caught, runSeeds, seedsMax, seedsUpTo } from "./runs.ts";
import { Sim } from "./sim.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    hours: { type: "string" },
    tables: { type: "boolean", default: false },
  },
});

process.exitCode = (await (values.tables ? tables() : seeds())) ? 0 : 1;

async function seeds(): Promise<boolean> {
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
    jobs += sim.truth.ended;
    if (count === 1) console.log(`transcript ${sim.transcript.digest()}`);
  }
  console.log(`${count} seeds, ${failed} failed: ${events} events, ${jobs} jobs`);
  return failed === 0;
}

async function tables(): Promise<boolean> {
  const counts = (await machines()).map(({ name, table }) => countCells(name, table as object));
  await runSeeds(seedsUpTo(seedsMax));
  console.log(shown(cellsTable(counts)));
  const all = [
    ...mutants.map((make) => () => caught(make)),
    ...leaseMutants.map((make) => () => caught(make, { away: true })),
  ];
  const found = [];
  for (const look of all) found.push(await look());
  const known = found.filter((one) => one !== undefined);
  console.log(shown(mutantsTable("mutants of the cluster", known)));
  console.log(`${known.length} of ${all.length} mutants were caught`);
  return known.length === all.length;
}
