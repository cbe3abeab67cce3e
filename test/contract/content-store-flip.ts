// Damage as a disk does it: one bit of a file is another.

import { closeSync, openSync, readSync, writeSync } from "node:fs";

export function flipBit(path: string, at = 0): void {
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  closeSync(file);
}
