// The content store port: chunks by digest, on every node and head.
//
// Obligations of every version:
// - When `put` resolves, the chunk survives `kill -9` and a power cut. Twice the same is once.
// - `get` gives bytes that have the digest, or throws: a chunk that was damaged on disk is never
//   given to anybody. It is set aside and is from then on missing, so it can be put again.
// - A pin is a name that needs chunks. What a pin names is never evicted, whether it was there
//   before the pin or came later. Pins survive a restart; who pins twice under one name adds.
// - The store stays within its bytes: to make room it evicts the chunks that nobody pins, those
//   first that were longest not used. Where all is pinned, `put` throws `chunks/full`.
// - Two processes may have one folder open at a time; each sees what the other did.
//
// Whoever needs chunks pins first, then asks `has`, then puts what lacks: between `has` and `put`
// something that nobody pins may be evicted.

import type { ChunkRef, Digest } from "./chunk.ts";

export interface ContentStore {
  /** Those of these that are here, as far as is known without reading them. */
  has(digests: Iterable<Digest>): Promise<ReadonlySet<Digest>>;
  /**
   * The caller must not change `bytes` until it resolves.
   * @returns whether it was new.
   * @throws SkyError `chunk/damaged` if the bytes do not have the digest, `chunks/full`,
   *   `disk/full`, `chunks/failed`, `request/invalid` for what can be no chunk.
   */
  put(digest: Digest, bytes: Uint8Array, options?: PutOptions): Promise<"stored" | "known">;
  /**
   * A copy of the caller's own, in memory that nobody else uses.
   * @throws SkyError `chunk/missing`, `chunk/damaged`, `chunks/failed`.
   */
  get(digest: Digest): Promise<Uint8Array>;
  /** Durable when it resolves. The chunks may be here or still to come. */
  pin(name: PinName, chunks: Iterable<ChunkRef>): Promise<void>;
  /** The pin is gone; of what nobody else pins, the bytes may stay until room is needed. */
  unpin(name: PinName): Promise<void>;
  /** What a pin needs, by digest; `undefined` if there is none of that name. */
  pinned(name: PinName): Promise<readonly ChunkRef[] | undefined>;
  /** The names of all pins that begin with `prefix`, in order. */
  pins(prefix: string): Promise<readonly PinName[]>;
  counts(): ContentCounts;
  /** Waits for what is under way; what is asked for afterwards is refused with `chunks/failed`. */
  close(): Promise<void>;
}

export interface PutOptions {
  /** The caller has seen that the bytes have the digest, so that nobody computes it twice. */
  readonly proven?: boolean;
}

/** Who needs chunks, and for what: `train/workdir/<digest>`. 1 to 200 of `[A-Za-z0-9._/-]`. */
export type PinName = string;

export const pinPattern = /^[A-Za-z0-9._/-]{1,200}$/;

/** Since it was opened; but for the first three, which say what is here. */
export interface ContentCounts {
  readonly chunks: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  readonly stored: number;
  /** Puts of what was here already. */
  readonly known: number;
  /** Found damaged on reading. */
  readonly damaged: number;
  readonly evicted: number;
}
