// Proving an object that is read by ranges against what its store says of the whole.
//
// A store checks a range at best by the connection that it comes over; its checksum is of all
// bytes. So ranges are hashed in the object's order, whatever their order of arrival: one that is
// early waits for those before it, which are on their way already. The range that completes the
// object fails if the checksum is another: then nobody gets all of it, and it has no final name
// anywhere.
//
// What must hold: nothing waits for a range that nobody asked for. Who skips one (it is there from
// an earlier round) or starts in the middle gets no proof, and no wait; what is read again,
// neither.

import { createHash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import { Crc32c } from "./crc32c.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { bucketText } from "./paths.ts";

export interface ProvenObject {
  readonly store: ObjectStore;
  readonly key: string;
  readonly bytes: number;
  /** As it was listed: of another there is no proof. */
  readonly version?: string | undefined;
}

interface Range {
  readonly at: number;
  readonly bytes: number;
}

export type ReadRange = (range: Range, signal: AbortSignal) => Promise<Uint8Array>;

/** `read`, with the proof. @throws SkyError `objects/damaged` */
export function provenReads(object: ProvenObject, read: ReadRange): ReadRange {
  const proof = new WholeProof(object);
  return (range, signal) => proof.read(range, signal, { read });
}

class WholeProof {
  readonly #object: ProvenObject;
  /** Up to where ranges were asked for, without a gap. */
  #asked = 0;
  #isVoid = false;
  /** When all that was asked for is hashed. */
  #last: Promise<void> = Promise.resolve();
  #check: Promise<Check | undefined> | undefined;

  constructor(object: ProvenObject) {
    this.#object = object;
  }

  async read(
    range: Range,
    signal: AbortSignal,
    { read }: { readonly read: ReadRange },
  ): Promise<Uint8Array> {
    const isNext = range.at === this.#asked && range.bytes < this.#object.bytes;
    if (range.at > this.#asked) this.#isVoid = true;
    // The store itself proves what is read at once.
    if (!isNext || this.#isVoid) return read(range, signal);
    this.#asked += range.bytes;
    const before = this.#last;
    const hashed = Promise.withResolvers<void>();
    this.#last = hashed.promise;
    this.#check ??= this.#expect(signal);
    try {
      const [bytes, check] = await Promise.all([read(range, signal), this.#check, before]);
      if (!this.#isVoid) this.#add(check, range, bytes);
      return bytes;
    } catch (error) {
      this.#isVoid = true;
      throw error;
    } finally {
      hashed.resolve();
    }
  }

  #add(check: Check | undefined, range: Range, bytes: Uint8Array): void {
    if (check === undefined) return;
    check.add(bytes);
    const { store, key, bytes: all } = this.#object;
    if (range.at + range.bytes < all || check.holds()) return;
    const object = `${bucketText(store.bucket)}/${key}`;
    throw new SkyError("objects/damaged", { object, why: "what was read has another checksum" });
  }

  async #expect(signal: AbortSignal): Promise<Check | undefined> {
    const { store, key, bytes, version } = this.#object;
    const found = await store.head(key, signal);
    if (found === undefined || found.bytes !== bytes) return undefined;
    return version === undefined || version === found.version ? checkFor(found) : undefined;
  }
}

interface Check {
  add(bytes: Uint8Array): void;
  /** After all of them. */
  holds(): boolean;
}

function checkFor({ checksum, partBytes, version, bytes }: StoredObject): Check | undefined {
  if (checksum?.algorithm === "crc32c") {
    const crc = new Crc32c();
    return { add: (piece) => crc.add(piece), holds: () => crc.hex() === checksum.value };
  }
  if (checksum !== undefined) {
    const hash = createHash(checksum.algorithm);
    return {
      add: (piece) => hash.update(piece),
      holds: () => hash.digest("hex") === checksum.value,
    };
  }
  const [, md5, parts] = /^([0-9a-f]{32})-(\d+)$/.exec(version) ?? [];
  if (partBytes === undefined || md5 === undefined) return undefined;
  const isWhole = Math.ceil(bytes / partBytes) === Number(parts);
  return isWhole ? new PartsCheck(md5, partBytes) : undefined;
}

/** The MD5 of the MD5s of parts that have one size, the last aside. */
class PartsCheck implements Check {
  readonly #expected: string;
  readonly #partBytes: number;
  readonly #all = createHash("md5");
  #part = createHash("md5");
  #inPart = 0;

  constructor(expected: string, partBytes: number) {
    this.#expected = expected;
    this.#partBytes = partBytes;
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + this.#partBytes - this.#inPart);
      this.#part.update(piece);
      this.#inPart += piece.length;
      at += piece.length;
      if (this.#inPart === this.#partBytes) this.#endPart();
    }
  }

  holds(): boolean {
    if (this.#inPart > 0) this.#endPart();
    return this.#all.digest("hex") === this.#expected;
  }

  #endPart(): void {
    this.#all.update(this.#part.digest());
    this.#part = createHash("md5");
    this.#inPart = 0;
  }
}
