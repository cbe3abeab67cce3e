// Room in a content store: what may come in, and what goes out for it.
//
// Every function is called under the store's lock and inside a transaction of the index. A turn
// evicts at most `evictedMax` chunks, then the lock is free for others. Files go before their rows
// do: on a full disk the row's transaction needs the room that the file had. Should it fail
// all the same, the row says more than there is, and whoever looks for the file finds that out.

import { assert } from "../../model/errors.ts";
import { freeBytes } from "../../runtime/room-os.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { Admission, IndexSetup, PlacedChunk, Recording } from "./content-index-requests.ts";
import type { ContentIndex } from "./content-index-sqlite.ts";
import { type ContentLayout, chunkPath } from "./content-layout.ts";
import { lookAt, removeChunk, setAside } from "./content-shelves-os.ts";

/** Chunks that one turn evicts: 64 unlinks take a millisecond or two. */
const evictedMax = 64;

export class ContentRoom {
  readonly #layout: ContentLayout;
  readonly #setup: IndexSetup;
  /** Admitted and not yet recorded, by this opener. Changed only when a turn has succeeded. */
  #reserved = 0;
  evicted = 0;

  constructor(layout: ContentLayout, setup: IndexSetup) {
    this.#layout = layout;
    this.#setup = setup;
  }

  reserve(bytes: number): void {
    this.#reserved += bytes;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
    assert(this.#reserved >= 0, "no more is released than was reserved");
  }

  admit(index: ContentIndex, chunks: readonly ChunkRef[]): readonly Admission[] {
    const turn = this.#turn(index);
    return chunks.map((chunk) => {
      if (this.#isKnown(index, chunk.digest)) {
        index.use([chunk.digest]);
        return "known";
      }
      const admission = this.#makeRoom(turn, chunk.bytes);
      if (admission === "room") turn.reserved += chunk.bytes;
      return admission;
    });
  }

  record(index: ContentIndex, chunks: readonly PlacedChunk[]): readonly Recording[] {
    const turn = this.#turn(index);
    return chunks.map((chunk) => this.#record(turn, chunk));
  }

  /** Evicts what is too much, as far as one turn goes. Whether there may be more. */
  trim(index: ContentIndex): boolean {
    const turn = this.#turn(index);
    const excess = index.totals().bytes - this.#setup.bytesMax;
    return excess > 0 && this.#evict(turn, excess) < excess && turn.evicted >= evictedMax;
  }

  /** Evicts so many bytes, if there are, as far as one turn goes. How many chunks went. */
  clear(index: ContentIndex, bytes: number): number {
    const turn = this.#turn(index);
    this.#evict(turn, bytes);
    return turn.evicted;
  }

  #turn(index: ContentIndex): Turn {
    const free = freeBytes(this.#layout.root);
    return { index, evicted: 0, reserved: this.#reserved, freeBytes: free };
  }

  /** A row may outlive its file, and a file may be cut short; what is there is looked at. */
  #isKnown(index: ContentIndex, digest: Digest): boolean {
    const bytes = index.bytesOf(digest);
    if (bytes === undefined) return false;
    const found = lookAt(this.#layout.root, digest);
    if (found.kind === "chunk" && found.bytes === bytes) return true;
    index.remove(digest);
    if (found.kind !== "absent") setAside(this.#layout, chunkPath(this.#layout.root, digest));
    return false;
  }

  #makeRoom(turn: Turn, bytes: number): Admission {
    const { bytesMax, reserveBytes } = this.#setup;
    const totals = turn.index.totals();
    const excess = totals.bytes + turn.reserved + bytes - bytesMax;
    const deficit = reserveBytes + turn.reserved + bytes - turn.freeBytes;
    const short = Math.max(excess, deficit);
    if (short <= 0) return "room";
    const evictable = totals.bytes - totals.pinnedBytes;
    if (totals.pinnedBytes + bytes > bytesMax) return "full";
    if (deficit > evictable + turn.reserved) return "disk";
    if (this.#evict(turn, short) >= short) return "room";
    if (turn.evicted >= evictedMax) return "more";
    if (turn.reserved > 0) return "wait";
    return excess > 0 ? "full" : "disk";
  }

  #record(turn: Turn, { digest, bytes, identity }: PlacedChunk): Recording {
    const { root } = this.#layout;
    const found = lookAt(root, digest);
    if (found.kind !== "chunk" || found.identity !== identity) return "gone";
    if (turn.index.bytesOf(digest) === bytes) {
      turn.index.use([digest]);
      return "known";
    }
    const totals = turn.index.totals();
    const excess = totals.bytes + bytes - this.#setup.bytesMax;
    if (excess > 0 && this.#evict(turn, excess) < excess) {
      if (turn.evicted >= evictedMax) return "more";
      removeChunk(this.#layout, digest);
      return "full";
    }
    turn.index.remove(digest);
    turn.index.add({ digest, bytes });
    return "stored";
  }

  /** How many bytes went. */
  #evict(turn: Turn, wanted: number): number {
    let bytes = 0;
    const victims = turn.index.victims(evictedMax - turn.evicted);
    for (const victim of victims) {
      if (bytes >= wanted) break;
      removeChunk(this.#layout, victim.digest);
      turn.index.remove(victim.digest);
      bytes += victim.bytes;
      turn.evicted += 1;
      turn.freeBytes += victim.bytes;
      this.evicted += 1;
    }
    return bytes;
  }
}

/** What one turn has done so far. */
interface Turn {
  readonly index: ContentIndex;
  evicted: number;
  reserved: number;
  freeBytes: number;
}
