// What tells a tree, or a file, from all that it was and will be, without reading it.
//
// A stamp is made of what the system says: names, kinds, modes, sizes, times, inodes, the targets
// of links. Equal stamps are equal content as long as each change of a file changes its time of
// change; that holds from a moment after the file's last change on. What is younger has none.

import { createHash } from "node:crypto";
import type { FileStamp } from "./reading.ts";

/** Of a file, as `fstat` gives it. */
export interface FileFacts {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Changes within one tick of the kernel's clock may have one time. */
export const tickMs = 20;
/** Where times are whole seconds, the clock of the file system may have no finer ones. */
const coarseMs = 2_000;
const nsInMs = 1_000_000n;
const nsInSecond = 1_000_000_000n;

/**
 * Whether a change from `nowMs` on, since 1970, would show in the file's times. A time to come is
 * none that it would be given.
 */
export function isSettled({ ctimeNs }: FileFacts, nowMs: number): boolean {
  return distanceMs(ctimeNs, nowMs) >= tickMs;
}

/** The same for file systems of any clock. */
export function isStampable({ ctimeNs }: FileFacts, nowMs: number): boolean {
  const isCoarse = ctimeNs % nsInSecond === 0n;
  return distanceMs(ctimeNs, nowMs) >= (isCoarse ? coarseMs : tickMs);
}

function distanceMs(timeNs: bigint, nowMs: number): number {
  return Math.abs(nowMs - Number(timeNs / nsInMs));
}

export function fileStamp({ dev, ino, size, mtimeNs, ctimeNs }: FileFacts): FileStamp {
  return [dev, ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join(".");
}

const pieceBytes = 64 * 1024;
/** Of another form, a stamp of before means nothing. */
const form = "tree 1\n";

/** Of a tree, entry by entry in the order of its description. */
export class TreeStamp {
  readonly #hash = createHash("sha256").update(form);
  readonly #piece = Buffer.alloc(pieceBytes);
  #filled = 0;

  /** An entry as it is described, and which file it is about. */
  add(entry: Uint8Array, facts?: FileFacts): void {
    const factsBytes = 3 * 8 + 2;
    if (this.#filled + entry.length + factsBytes > pieceBytes) this.#flush();
    this.#piece.set(entry, this.#filled);
    this.#filled += entry.length;
    if (facts === undefined) return;
    for (const part of [facts.dev, facts.ino, facts.ctimeNs]) {
      this.#filled = this.#piece.writeBigUInt64BE(BigInt.asUintN(64, part), this.#filled);
    }
    // The entry has its time in microseconds.
    this.#filled = this.#piece.writeUInt16BE(Number(facts.mtimeNs % 1_000n), this.#filled);
  }

  done(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#piece.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
