// What a slot waits at: a FIFO that says when, and a file that says what.
//
// A gate serves one seat after another, because each new file costs more than all that is written
// into it. Its spec is neither emptied nor made anew: ext4 flushes a file that was emptied and
// written again.

import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { isAbsent } from "./proc-os.ts";

/** Open at our end for as long as the seat may hear from us. */
export function openGate(slotsDir: string, gate: string): number {
  return openSync(`${slotsDir}/${gate}.go`, constants.O_RDWR | constants.O_NONBLOCK);
}

export function writeSpec(slotsDir: string, gate: string, spec: string): void {
  const fd = openSync(`${slotsDir}/${gate}.spec`, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    const bytes = Buffer.from(spec);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

/** There are secrets in it, and the disk need not keep them. */
export function clearSpec(slotsDir: string, gate: string): void {
  try {
    truncateSync(`${slotsDir}/${gate}.spec`, 1);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

export function removeGate(slotsDir: string, gate: string): void {
  for (const end of [".go", ".spec"]) unlinkIfThere(`${slotsDir}/${gate}${end}`);
}

/** The directory of a slot that is no rank's. */
export function removeSlotDir(slotsDir: string, token: string): void {
  rmSync(`${slotsDir}/${token}`, { recursive: true, force: true });
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
