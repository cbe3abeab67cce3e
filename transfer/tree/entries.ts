// A tree's description: one entry after the other, in the one order that it may have.
//
// Folders hold what follows until they are left; names within one rise by their bytes. A name is
// raw bytes as the file system has them, one step of a path and never more: nothing that decodes
// can lead out of the folder that it is unpacked into, and nothing is in there twice.
//
//   1 folder | name u16+bytes | mode u16 | mtime u64         the first has no name: the tree itself
//   2 file   | name u16+bytes | mode u16 | mtime u64 | bytes u64
//   3 link   | name u16+bytes | mtime u64 | target u16+bytes
//   4 leave
//
// Times are microseconds since 1970: what every file system that we meet can keep.

import { assert } from "../../model/errors.ts";
import { depthMax, invalidTree } from "./tree.ts";

export type TreeEntry =
  | {
      readonly kind: "folder";
      readonly name: Uint8Array;
      readonly mode: number;
      readonly mtimeUs: number;
    }
  | {
      readonly kind: "file";
      readonly name: Uint8Array;
      readonly mode: number;
      readonly mtimeUs: number;
      readonly bytes: number;
    }
  | {
      readonly kind: "link";
      readonly name: Uint8Array;
      readonly mtimeUs: number;
      readonly target: Uint8Array;
    }
  | { readonly kind: "leave" };

/** Source: Linux's limits.h, NAME_MAX and PATH_MAX with its final NUL. */
export const nameBytesMax = 255;
export const targetBytesMax = 4_095;
/** Permissions, set-user-id, set-group-id and sticky. */
export const modeBits = 0o7777;
/** The year 2106. What is later, or before 1970, is set to the nearest that can be said. */
export const mtimeUsMax = 0xffff_ffff * 1_000_000;

const kinds = { folder: 1, file: 2, link: 3, leave: 4 } as const;
const entryBytesMax = 64 + nameBytesMax + targetBytesMax;

export function encodeEntry(entry: TreeEntry): Uint8Array {
  if (entry.kind === "leave") return Uint8Array.of(kinds.leave);
  const writer = new Writer();
  writer.u8(kinds[entry.kind]);
  writer.text(entry.name);
  if (entry.kind !== "link") writer.u16(entry.mode);
  writer.u64(entry.mtimeUs);
  if (entry.kind === "file") writer.u64(entry.bytes);
  if (entry.kind === "link") writer.text(entry.target);
  return writer.done();
}

/** Entries are encoded one after the other, each by a writer that is done before the next. */
const scratch = Buffer.alloc(entryBytesMax);

class Writer {
  readonly #out = scratch;
  #at = 0;

  u8(value: number): void {
    this.#at = this.#out.writeUInt8(value, this.#at);
  }

  u16(value: number): void {
    this.#at = this.#out.writeUInt16BE(value, this.#at);
  }

  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "an entry's number is a count");
    this.#at = this.#out.writeBigUInt64BE(BigInt(value), this.#at);
  }

  text(bytes: Uint8Array): void {
    this.u16(bytes.length);
    this.#out.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  done(): Uint8Array {
    return Buffer.from(this.#out.subarray(0, this.#at));
  }
}

interface Level {
  /** The name before, which the next must be above. */
  last: Uint8Array | undefined;
}

/** Takes a description piece by piece. What it gives was checked; `end` says that it was whole. */
export class EntryDecoder {
  readonly #levels: Level[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;

  /** The entries that are whole by now. @throws SkyError `codec/invalid`. */
  push(bytes: Uint8Array): readonly TreeEntry[] {
    const reader = new Reader(Buffer.concat([this.#rest, bytes]));
    const entries: TreeEntry[] = [];
    for (;;) {
      const entry = reader.entry();
      if (entry === undefined) break;
      this.#check(entry);
      entries.push(entry);
    }
    this.#rest = reader.rest();
    if (this.#rest.length > entryBytesMax) throw invalidTree("an entry does not end");
    return entries;
  }

  /** @throws SkyError `codec/invalid` if something is missing. */
  end(): void {
    if (!this.#isOver || this.#rest.length > 0) throw invalidTree("its description is cut off");
  }

  #check(entry: TreeEntry): void {
    if (this.#isOver) throw invalidTree("its description goes on after its end");
    if (entry.kind === "leave") {
      if (this.#levels.pop() === undefined) throw invalidTree("it leaves what it never entered");
      this.#isOver = this.#levels.length === 0;
      return;
    }
    const level = this.#levels.at(-1);
    if (level === undefined) checkTop(entry);
    else checkName(entry.name, level);
    if (entry.mtimeUs > mtimeUsMax) throw invalidTree(`a time of ${entry.mtimeUs}`);
    if (entry.kind === "link") checkTarget(entry.target);
    else if (entry.mode > modeBits) throw invalidTree(`a mode of ${entry.mode}`);
    if (entry.kind !== "folder") return;
    this.#levels.push({ last: undefined });
    if (this.#levels.length > depthMax) throw invalidTree(`more than ${depthMax} folders deep`);
  }
}

function checkTop(entry: TreeEntry): void {
  if (entry.kind !== "folder" || entry.name.length > 0) throw invalidTree("it is no folder");
}

function checkName(name: Uint8Array, level: Level): void {
  const text = Buffer.from(name.buffer, name.byteOffset, name.length);
  const isStep =
    text.length > 0 &&
    text.length <= nameBytesMax &&
    !text.includes(0) &&
    !text.includes("/") &&
    !text.equals(Buffer.from(".")) &&
    !text.equals(Buffer.from(".."));
  if (!isStep) throw invalidTree(`${JSON.stringify(text.toString())} is no name`);
  if (level.last !== undefined && Buffer.compare(level.last, text) >= 0) {
    throw invalidTree(`${JSON.stringify(text.toString())} is not in order`);
  }
  level.last = text;
}

function checkTarget(target: Uint8Array): void {
  const isTarget = target.length > 0 && target.length <= targetBytesMax && !target.includes(0);
  if (!isTarget) throw invalidTree("a link that leads nowhere");
}

/** Reads entries as long as they are whole. */
class Reader {
  readonly #bytes: Buffer;
  /** Where the last whole entry ended, and where we are. */
  #done = 0;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  rest(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#done));
  }

  /** The next; `undefined` if it is not whole. @throws SkyError `codec/invalid`. */
  entry(): TreeEntry | undefined {
    this.#at = this.#done;
    const entry = this.#read();
    if (entry !== undefined) this.#done = this.#at;
    return entry;
  }

  #read(): TreeEntry | undefined {
    const kind = this.#number(1);
    if (kind === undefined) return undefined;
    if (kind === kinds.leave) return { kind: "leave" };
    if (kind === kinds.link) return this.#link();
    if (kind !== kinds.folder && kind !== kinds.file) throw invalidTree(`an entry of kind ${kind}`);
    const name = this.#text();
    const mode = this.#number(2);
    const mtimeUs = this.#number(8);
    if (name === undefined || mode === undefined || mtimeUs === undefined) return undefined;
    if (kind === kinds.folder) return { kind: "folder", name, mode, mtimeUs };
    const bytes = this.#number(8);
    return bytes === undefined ? undefined : { kind: "file", name, mode, mtimeUs, bytes };
  }

  #link(): TreeEntry | undefined {
    const name = this.#text();
    const mtimeUs = this.#number(8);
    const target = this.#text();
    if (name === undefined || mtimeUs === undefined || target === undefined) return undefined;
    return { kind: "link", name, mtimeUs, target };
  }

  #number(size: 1 | 2 | 8): number | undefined {
    const at = this.#at;
    if (at + size > this.#bytes.length) return undefined;
    this.#at += size;
    if (size < 8) return this.#bytes.readUIntBE(at, size);
    const value = Number(this.#bytes.readBigUInt64BE(at));
    if (!Number.isSafeInteger(value)) throw invalidTree(`a number of ${value}`);
    return value;
  }

  #text(): Uint8Array | undefined {
    const length = this.#number(2);
    if (length === undefined || this.#at + length > this.#bytes.length) return undefined;
    const text = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return text;
  }
}
