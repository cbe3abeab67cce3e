// `node test/replay/record.ts`: records the histories that later versions replay.
//
// Once a release, under its version; what an earlier release recorded is never written anew. One
// life in which everything happens, and what the scheduler of some seeds of the simulation took.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { zstdCompressSync } from "node:zlib";
import type { Line } from "../../scheduler/history.ts";
import { runSeed } from "../sim/scheduler-run.ts";
import { recorder, textOf } from "./history.ts";
import { life } from "./life.ts";

const seeds = [1, 2, 3, 4, 5, 6];

const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
) as {
  readonly version: string;
};
const folder = join(import.meta.dirname, version);
if (existsSync(folder) && !argv.includes("--again")) {
  console.error(`${folder} was recorded before. --again records it anew, before the release only.`);
  exit(1);
}
mkdirSync(folder, { recursive: true });
const lived = life();
writeFileSync(join(folder, "life.jsonl"), textOf(lived));
const taken = seeds.flatMap(takenBy);
writeFileSync(join(folder, "sim.jsonl.zst"), zstdCompressSync(textOf(taken)));
console.log(`${folder}: ${lived.length} and ${taken.length} turns`);

/** Heads of the simulation are killed in the middle of a commit. */
function takenBy(seed: number): readonly Line[] {
  const lines: Line[] = [];
  runSeed(seed, recorder(lines));
  return lines.map((line) => (line.kind === "start" ? { ...line, torn: true } : line));
}
