// Where a file is cut into chunks by its content, so that an insertion moves little.
//
// A gear hash of the last 32 bytes runs along; where its upper bits are zero, a chunk ends. So cuts
// go along with the bytes around them: what lies behind a change is soon cut as before, and those
// chunks are known. The mask is strict up to the usual size and lax behind it (normalised
// chunking), so sizes stay close together; the first 256 KiB of a chunk are not looked at.
// Source: W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
// Deduplication", USENIX ATC 2016 (gear hash, normalised chunking, skipping the minimum).
//
// What must always hold: cuts depend on the file's bytes alone, not on the pieces they come in; and
// they never change. Other cut points would make all that stores and peers have unknown.

import { hash } from "node:crypto";

const kib = 1024;

/** A chunk is at least so long, but for a file's last. */
export const contentBytesMin = 256 * kib;
/** Up to here the strict mask holds, and behind it the lax one. */
export const contentBytesUsual = 1024 * kib;
/** Where no cut was found, one is made here. */
export const contentBytesMax = 4 * 1024 * 1024;

/**
 * The upper bits: they depend on the most bytes. 22 and 18 of them, two more and two less than the
 * 20 that give 1 MiB (level 2 of the paper's normalised chunking).
 */
const strictMask = 0xff_ff_fc_00 | 0;
const laxMask = 0xff_ff_c0_00 | 0;

/** A number for each byte's value: the first four bytes, big-endian, of that byte's SHA-256. */
const gear = Int32Array.from({ length: 256 }, (_, byte) =>
  hash("sha256", Uint8Array.of(byte), "buffer").readInt32BE(0),
);

/** A piece shorter than this is put together with its neighbors, so that few are held. */
const partBytesMin = 16 * kib;

/**
 * Takes a file's bytes in pieces of any size, in order, and gives its chunks. A chunk within one
 * piece is a view of it; any other is put together once. A piece must not be changed before all of
 * it was given.
 */
export class ContentCutter {
  #scanner = new CutScanner();
  #held = new HeldParts();

  /** Gives every chunk that `piece` completes, in order. */
  push(piece: Uint8Array, take: (chunk: Uint8Array) => void): void {
    let from = 0;
    for (;;) {
      const end = this.#scanner.next(piece, from);
      if (end === undefined) break;
      take(this.#release(piece.subarray(from, end)));
      from = end;
    }
    this.#held.add(piece.subarray(from));
  }

  /** The file is over: gives what is left of it, if anything is. The next piece begins another. */
  end(take: (chunk: Uint8Array) => void): void {
    this.#scanner = new CutScanner();
    if (this.#held.bytes > 0) take(this.#release(new Uint8Array(0)));
  }

  #release(last: Uint8Array): Uint8Array {
    const chunk = this.#held.with(last);
    this.#held = new HeldParts();
    return chunk;
  }
}

/** Finds the ends of chunks. What it remembers of a chunk is its length so far and the hash. */
class CutScanner {
  #length = 0;
  #hash = 0;

  /** Where in `piece` the current chunk ends, going on at `from`; `undefined` if it does not. */
  next(piece: Uint8Array, from: number): number | undefined {
    let at = from;
    while (at < piece.length) {
      const limit = limitOver(this.#length);
      const end = Math.min(piece.length, at + limit - this.#length);
      const cut = limit === contentBytesMin ? undefined : this.#scan(piece, at, end);
      this.#length += (cut ?? end) - at;
      at = cut ?? end;
      if (cut === undefined && this.#length < contentBytesMax) continue;
      this.#length = 0;
      this.#hash = 0;
      return at;
    }
    return undefined;
  }

  /** The hot loop: nothing in it but the hash. The table and the bytes' type need no checks. */
  #scan(bytes: Uint8Array, from: number, end: number): number | undefined {
    const mask = this.#length < contentBytesUsual ? strictMask : laxMask;
    let sum = this.#hash;
    for (let at = from; at < end; at += 1) {
      sum = ((sum << 1) + (gear[bytes[at] as number] as number)) | 0;
      if ((sum & mask) === 0) return at + 1;
    }
    this.#hash = sum;
    return undefined;
  }
}

/** The next length at which another rule holds. */
function limitOver(length: number): number {
  if (length < contentBytesMin) return contentBytesMin;
  return length < contentBytesUsual ? contentBytesUsual : contentBytesMax;
}

/** What of a chunk came in earlier pieces. */
class HeldParts {
  readonly #parts: Uint8Array[] = [];
  /** Where the last of the parts still grows. */
  #room: Buffer | undefined;
  #filled = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(part: Uint8Array): void {
    this.#bytes += part.length;
    if (part.length >= partBytesMin) {
      this.#parts.push(part);
      this.#room = undefined;
    } else if (part.length > 0) {
      this.#addSmall(part);
    }
  }

  with(last: Uint8Array): Uint8Array {
    const [first, second] = [...this.#parts, last].filter(({ length }) => length > 0);
    if (first !== undefined && second === undefined) return first;
    return Buffer.concat([...this.#parts, last], this.#bytes + last.length);
  }

  #addSmall(part: Uint8Array): void {
    if (this.#room === undefined || this.#filled + part.length > partBytesMin) {
      this.#room = Buffer.allocUnsafeSlow(partBytesMin);
      this.#filled = 0;
    } else {
      this.#parts.pop();
    }
    this.#room.set(part, this.#filled);
    this.#filled += part.length;
    this.#parts.push(this.#room.subarray(0, this.#filled));
  }
}
