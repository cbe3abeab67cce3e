// One region of a tree while it is read: chunks in, bytes out, in order and with a look ahead.
//
// Holds the chunk that is read from and the next one, whatever the region's size. The source proves
// what it gives; lengths are looked at here all the same, since everything behind counts on them.

import type { SkyError } from "../../model/errors.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import type { ChunkSource } from "../chunks/exchange.ts";
import { invalidTree } from "./tree.ts";

export class RegionReader {
  readonly #source: ChunkSource;
  readonly #refs: readonly ChunkRef[];
  readonly #signal: AbortSignal;
  /** The next chunk to take, and what is left of the one before. */
  #next = 0;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes of the next chunk that nobody wants. */
  #skipped = 0;
  #ahead: Promise<Uint8Array> | undefined;

  constructor(source: ChunkSource, refs: readonly ChunkRef[], signal: AbortSignal) {
    this.#source = source;
    this.#refs = refs;
    this.#signal = signal;
  }

  /** Where `read` goes on, at the beginning of a chunk; `undefined` within one. */
  get place(): number | undefined {
    return this.#rest.length === 0 && this.#skipped === 0 ? this.#next : undefined;
  }

  /** Goes back, or on, to a place. */
  goTo(place: number): void {
    this.#next = place;
    this.#skipped = 0;
    this.#rest = new Uint8Array(0);
    this.#ahead = undefined;
  }

  get isOver(): boolean {
    return this.#rest.length === 0 && this.#next >= this.#refs.length;
  }

  /** Goes on after so many bytes; a chunk of which nothing is wanted is not read. */
  skip(bytes: number): void {
    const inRest = Math.min(bytes, this.#rest.length);
    this.#rest = this.#rest.subarray(inRest);
    let left = bytes - inRest + this.#skipped;
    for (let ref = this.#refs[this.#next]; ref !== undefined && left >= ref.bytes; ) {
      left -= ref.bytes;
      this.#next += 1;
      this.#ahead = undefined;
      ref = this.#refs[this.#next];
    }
    if (left > 0 && this.#next >= this.#refs.length) throw cutOff();
    this.#skipped = left;
  }

  /** At least one byte and at most so many. @throws SkyError `codec/invalid` at the end. */
  async read(bytesMax: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) this.#rest = await this.#chunk();
    const piece = this.#rest.subarray(0, bytesMax);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Exactly so many bytes, in one piece. */
  async readWhole(bytes: number): Promise<Uint8Array> {
    if (bytes === 0) return new Uint8Array(0);
    const first = await this.read(bytes);
    if (first.length === bytes) return first;
    const whole = Buffer.alloc(bytes);
    whole.set(first);
    for (let at = first.length; at < bytes; ) {
      const piece = await this.read(bytes - at);
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  async #chunk(): Promise<Uint8Array> {
    const ref = this.#refs[this.#next];
    if (ref === undefined) throw cutOff();
    const bytes = await (this.#ahead ?? this.#get(ref));
    if (bytes.length !== ref.bytes) throw invalidTree(`chunk ${ref.digest} has another length`);
    this.#next += 1;
    const following = this.#refs[this.#next];
    this.#ahead = following && this.#get(following);
    const wanted = bytes.subarray(this.#skipped);
    this.#skipped = 0;
    return wanted;
  }

  #get(ref: ChunkRef): Promise<Uint8Array> {
    const got = this.#source.get(ref.digest, this.#signal);
    // Whoever reads on hears of it; nobody may.
    got.catch(() => {});
    return got;
  }
}

function cutOff(): SkyError {
  return invalidTree("its contents are cut off");
}
