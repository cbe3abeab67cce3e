// `node test/replay/record.ts`: records the history that later versions replay (`replay.test.ts`).
//
// Once a release, under its version; what an earlier release recorded is never written anew.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { textOf } from "./history.ts";
import { life } from "./life.ts";

const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
) as {
  readonly version: string;
};
const path = join(import.meta.dirname, version, "life.jsonl");
if (existsSync(path) && !argv.includes("--again")) {
  console.error(`${path} was recorded before. --again records it anew, before the release only.`);
  exit(1);
}
mkdirSync(join(path, ".."), { recursive: true });
const lines = life();
writeFileSync(path, textOf(lines));
console.log(`${path}: ${lines.length} turns`);
