// `node scripts/record.ts`: records the history that later versions replay (`test/replay`).
//
// Once a release, under its version; what an earlier release recorded is never written anew.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { textOf } from "../test/replay/history.ts";
import { life } from "../test/replay/life.ts";
import { checkout } from "./layers.ts";

const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as {
  readonly version: string;
};
const path = join(checkout, "test/replay", version, "life.jsonl");
if (existsSync(path) && !argv.includes("--again")) {
  console.error(`${path} was recorded before. --again records it anew, before the release only.`);
  exit(1);
}
mkdirSync(join(path, ".."), { recursive: true });
const lines = life();
writeFileSync(path, textOf(lines));
console.log(`${path}: ${lines.length} turns`);
