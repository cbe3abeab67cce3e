// Ballast: a file of some MiB that is given up when the disk is full.
//
// A job that fills the disk must not take the journal down with it: with the ballast gone, the
// head can still write how the jobs end, and say why. It is laid again at the next start, if there
// is room.

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";

const mib = 1_048_576;

/** Lays the file unless it is there in full. Whether it is there now. */
export function layBallast(path: string, sizeMib: number): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.size === sizeMib * mib) return true;
  try {
    fill(path, sizeMib);
    return true;
  } catch {
    // No room for it: then there must not be a part of it either.
    dropBallast(path);
    return false;
  }
}

/** Gives the room back. Whether there was any. */
export function dropBallast(path: string): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  rmSync(path, { force: true });
  return size > 0;
}

/** Written, not only declared, and of noise: a sparse or compressed file would hold no room. */
function fill(path: string, sizeMib: number): void {
  const file = openSync(path, "w", 0o600);
  try {
    const block = randomBytes(mib);
    for (let i = 0; i < sizeMib; i += 1) writeSync(file, block);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
