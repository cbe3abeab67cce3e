// Golden files: what a program printed, kept and compared to the letter.
//
// `UPDATE=1` writes what was printed instead of comparing; the difference is then read in review.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const folder = resolve(import.meta.dirname, "../golden");

/** Compares `actual` with the file `name` below test/golden. */
export function assertGolden(name: string, actual: string): void {
  const path = join(folder, name);
  if (process.env["UPDATE"] === "1") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  assert.equal(actual, written(path), `${name} differs; UPDATE=1 rewrites it`);
}

function written(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`${path} is not there; UPDATE=1 writes it`, { cause });
  }
}

/** One step of a transcript: a command, `----`, its output. */
export function transcriptStep(command: string, output: string): string {
  return `${command}\n----\n${output.trimEnd()}\n`;
}
