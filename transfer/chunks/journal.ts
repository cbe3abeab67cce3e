// The chunk journal: which chunks of a transfer are safe here, and which are delivered.
//
// One file for each party of a transfer. A header of 128 bytes names the transfer; then one record
// of 96 bytes for each thing that became true. Big-endian throughout:
//
//   header:  "SKYJ" | version u16 | length u16 | transfer | zeros | CRC u32
//   record:  object u32 | index u32 | offset u64 | digest, 32 bytes | bytes u32 |
//            sealed digest, 32 bytes | sealed bytes u32 | state u8 | zero, 3 bytes | CRC u32
//
// Records have one size, so that a damaged one costs itself and none after it: it says less than
// is true, and what is not known to be safe is moved again.
//
// What must always hold: no entry is read that was not recorded; the newest of a place counts, but
// the same chunk, once delivered, stays so.

import { crc32 } from "node:zlib";
import { assert } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { Place } from "./seal.ts";

/** Delivered: safe at the destination, and thus of no more use here. */
export type ChunkState = "safe" | "delivered";

export interface JournalEntry {
  readonly place: Place;
  readonly ref: ChunkRef;
  /** The sealed chunk that travels for it, where that is known and is another one. */
  readonly sealed?: ChunkRef;
  /** Where in the object's file, for parties that have one. */
  readonly offset: number;
  readonly state: ChunkState;
}

export interface ChunkJournal {
  /** The newest entry of each place, or of the places of one object. */
  entries(object?: number): Iterable<JournalEntry>;
  get(place: Place): JournalEntry | undefined;
  /** What is recorded of a chunk by what travels for it: the sealed one, where there is one. */
  find(digest: Digest): JournalEntry | undefined;
  /**
   * On disk when it resolves, and only then read by `entries` and `find`. What is known already
   * costs nothing.
   * @throws SkyError `disk/full`: none of these is recorded, and it may be tried again.
   */
  record(entries: readonly JournalEntry[]): Promise<void>;
  /** Records that were found damaged when it was opened. */
  readonly damaged: number;
  close(): Promise<void>;
}

export const journalHeaderBytes = 128;
export const recordBytes = 96;
/** The longest name of a transfer. */
export const transferBytesMax = 100;

const magic = 0x53_4b_59_4a;
const version = 1;
const states: readonly ChunkState[] = ["safe", "delivered"];
const digestBytes = 32;
const digestAt = 16;
const sealedDigestAt = 52;
const stateAt = 88;
const crcAt = 92;

export function encodeJournalHeader(transfer: string): Buffer {
  const name = Buffer.from(transfer);
  assert(name.length >= 1 && name.length <= transferBytesMax, "a transfer has a short name");
  const out = Buffer.alloc(journalHeaderBytes);
  out.writeUInt32BE(magic, 0);
  out.writeUInt16BE(version, 4);
  out.writeUInt16BE(name.length, 6);
  name.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(0, journalHeaderBytes - 4)), journalHeaderBytes - 4);
  return out;
}

/** The transfer that it names; `undefined` if it is no header, or a damaged one. */
export function parseJournalHeader(bytes: Uint8Array): string | undefined {
  const view = viewOf(bytes);
  const end = journalHeaderBytes - 4;
  if (view.length < journalHeaderBytes) return undefined;
  if (view.readUInt32BE(end) !== crc32(view.subarray(0, end))) return undefined;
  if (view.readUInt32BE(0) !== magic || view.readUInt16BE(4) !== version) return undefined;
  const length = view.readUInt16BE(6);
  return length > transferBytesMax ? undefined : view.toString("utf8", 8, 8 + length);
}

export function encodeRecord({ place, ref, sealed, offset, state }: JournalEntry): Buffer {
  const out = Buffer.alloc(recordBytes);
  out.writeUInt32BE(place.object, 0);
  out.writeUInt32BE(place.index, 4);
  out.writeBigUInt64BE(BigInt(offset), 8);
  out.write(ref.digest, digestAt, "hex");
  out.writeUInt32BE(ref.bytes, digestAt + digestBytes);
  if (sealed !== undefined) {
    out.write(sealed.digest, sealedDigestAt, "hex");
    out.writeUInt32BE(sealed.bytes, sealedDigestAt + digestBytes);
  }
  out.writeUInt8(states.indexOf(state), stateAt);
  out.writeUInt32BE(crc32(out.subarray(0, crcAt)), crcAt);
  return out;
}

/** `undefined` if it is damaged. */
export function parseRecord(bytes: Uint8Array): JournalEntry | undefined {
  const view = viewOf(bytes);
  if (view.length !== recordBytes) return undefined;
  if (view.readUInt32BE(crcAt) !== crc32(view.subarray(0, crcAt))) return undefined;
  const state = states[view.readUInt8(stateAt)];
  const ref = refAt(view, digestAt);
  const sealed = refAt(view, sealedDigestAt);
  // Zeros have the checksum zero: a hole in the file is no record.
  if (state === undefined || ref.bytes === 0) return undefined;
  return {
    place: { object: view.readUInt32BE(0), index: view.readUInt32BE(4) },
    ref,
    offset: Number(view.readBigUInt64BE(8)),
    state,
    ...(sealed.bytes > 0 ? { sealed } : {}),
  };
}

function refAt(view: Buffer, at: number): ChunkRef {
  const digest = view.toString("hex", at, at + digestBytes);
  return { digest, bytes: view.readUInt32BE(at + digestBytes) };
}

/** The chunk that travels for an entry. */
export function travels({ ref, sealed }: JournalEntry): ChunkRef {
  return sealed ?? ref;
}

/** What a journal says, once its records were applied in order. */
export class JournalTable {
  readonly #byPlace = new Map<number, Map<number, JournalEntry>>();
  readonly #byDigest = new Map<Digest, JournalEntry>();
  #size = 0;

  /** Places. */
  get size(): number {
    return this.#size;
  }

  *all(): Generator<JournalEntry> {
    for (const object of this.#byPlace.values()) yield* object.values();
  }

  find(digest: Digest): JournalEntry | undefined {
    return this.#byDigest.get(digest);
  }

  get({ object, index }: Place): JournalEntry | undefined {
    return this.#byPlace.get(object)?.get(index);
  }

  /** The entries of one object. */
  of(object: number): Iterable<JournalEntry> {
    return this.#byPlace.get(object)?.values() ?? [];
  }

  /** Whether it would say something new. */
  isNews(entry: JournalEntry): boolean {
    const before = this.get(entry.place);
    if (before === undefined || !isSame(before, entry)) return true;
    return before.state === "safe" && entry.state === "delivered";
  }

  apply(entry: JournalEntry): void {
    if (!this.isNews(entry)) return;
    const { object, index } = entry.place;
    const places = this.#byPlace.get(object) ?? new Map<number, JournalEntry>();
    const before = places.get(index);
    if (before === undefined) this.#size += 1;
    else this.#forget(before);
    places.set(index, entry);
    this.#byPlace.set(object, places);
    this.#byDigest.set(travels(entry).digest, entry);
  }

  #forget(entry: JournalEntry): void {
    const { digest } = travels(entry);
    if (this.#byDigest.get(digest) === entry) this.#byDigest.delete(digest);
  }
}

/** Whether two entries of a place differ in nothing but their states. */
function isSame(a: JournalEntry, b: JournalEntry): boolean {
  const sameRef = a.ref.digest === b.ref.digest && a.offset === b.offset;
  return sameRef && a.sealed?.digest === b.sealed?.digest;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
