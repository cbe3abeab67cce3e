// One bit, somewhere: what a test flips, and where.

import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { MemoryRandom } from "../../runtime/random-memory.ts";

/** Flips a bit of these bytes, in place; says which. */
export function flipBit(bytes: Uint8Array, at: number, bit: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
}

/** Flips one bit of a file, and leaves its times and all other bytes alone. */
export function flipInFile(path: string, random: MemoryRandom): number {
  const at = random.below(statSync(path).size);
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    flipBit(byte, 0, random.below(8));
    writeSync(file, byte, 0, 1, at);
  } finally {
    closeSync(file);
  }
  return at;
}

/** Every file below a folder that has bytes, in a fixed order. */
export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.isFile() === true && found.size > 0;
    })
    .sort();
}

/** Flips one bit of a connection: the one at that offset of all that passes in one direction. */
export class WireFlip {
  done = false;
  /** Bytes of all connections so far. */
  readonly passed = { out: 0, back: 0 };
  readonly #way: "out" | "back";
  readonly #at: number;
  readonly #bit: number;

  constructor(way: "out" | "back", at: number, bit: number) {
    this.#way = way;
    this.#at = at;
    this.#bit = bit;
  }

  readonly change = (bytes: Buffer, way: "out" | "back"): void => {
    const from = this.passed[way];
    this.passed[way] += bytes.length;
    const at = this.#at - from;
    if (this.done || way !== this.#way || at < 0 || at >= bytes.length) return;
    this.done = true;
    flipBit(bytes, at, this.#bit);
  };
}
