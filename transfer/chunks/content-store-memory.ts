// The content store in memory, for tests and simulations, with a disk that can be made to fail.
//
// The disk is a value of its own: a store that is opened over the same disk again sees what was
// acknowledged before, as after a restart, and two stores over one disk are two processes.

import { SkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import { bytesText } from "../../runtime/store-room.ts";
import type { Digest } from "./chunk.ts";
import {
  damaged,
  demandDigest,
  demandPinName,
  demandProof,
  demandRefs,
  demandSize,
  digestOf,
} from "./content-demands.ts";
import type { ContentCounts, ContentStore, PinName } from "./content-store.ts";

export interface MemoryContentOptions {
  readonly disk?: MemoryContentDisk;
  readonly bytesMax?: number;
  readonly log?: Log;
  /** Awaited before each put takes effect, as a slow disk would; a throw fails that put. */
  readonly beforePut?: (digest: Digest) => Promise<void>;
}

/** What stays when a store is closed, and what a test may do to it. */
export class MemoryContentDisk {
  /** Those that were longest not used come first. */
  readonly chunks = new Map<Digest, Uint8Array<ArrayBuffer>>();
  readonly pins = new Map<PinName, Map<Digest, number>>();
  /** While set, the disk takes no new chunk. */
  full = false;

  /** Flips one bit, or does what `how` does. Whether there was such a chunk. */
  damage(digest: Digest, how: (bytes: Uint8Array) => Uint8Array = flipBit): boolean {
    const bytes = this.chunks.get(digest);
    if (bytes !== undefined) this.chunks.set(digest, Uint8Array.from(how(bytes)));
    return bytes !== undefined;
  }

  needs(digest: Digest): boolean {
    return [...this.pins.values()].some((pin) => pin.has(digest));
  }
}

export function createMemoryContentStore(options: MemoryContentOptions = {}): ContentStore {
  const store = new MemoryContentStore(options);
  const whileOpen = async <T>(work: () => T | Promise<T>): Promise<T> => {
    if (store.closed) throw new SkyError("chunks/failed", { dir: "memory", why: "it was closed" });
    return work();
  };
  return {
    has: (digests) => whileOpen(() => store.has(digests)),
    put: (digest, bytes, { proven = false } = {}) =>
      whileOpen(() => store.put(digest, bytes, proven)),
    get: (digest) => whileOpen(() => store.get(digest)),
    pin: (name, chunks) => whileOpen(() => store.pin(name, chunks)),
    unpin: (name) => whileOpen(() => store.unpin(name)),
    pinned: (name) => whileOpen(() => store.pinned(name)),
    pins: (prefix) => whileOpen(() => store.pins(prefix)),
    counts: () => store.counts(),
    close: () => store.close(),
  };
}

class MemoryContentStore {
  readonly #disk: MemoryContentDisk;
  readonly #bytesMax: number;
  readonly #log: Log;
  readonly #beforePut: ((digest: Digest) => Promise<void>) | undefined;
  readonly #putting = new Set<Promise<unknown>>();
  #stored = 0;
  #known = 0;
  #damaged = 0;
  #evicted = 0;
  closed = false;

  constructor(options: MemoryContentOptions) {
    this.#disk = options.disk ?? new MemoryContentDisk();
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY;
    this.#log = options.log ?? silentLog;
    this.#beforePut = options.beforePut;
  }

  has(digests: Iterable<Digest>): ReadonlySet<Digest> {
    const asked = [...digests];
    for (const digest of asked) demandDigest(digest);
    return new Set(asked.filter((digest) => this.#disk.chunks.has(digest)));
  }

  put(digest: Digest, bytes: Uint8Array, proven: boolean): Promise<"stored" | "known"> {
    const done = this.#put(digest, bytes, proven);
    this.#putting.add(done);
    // Only for whoever closes: the caller hears of the failure.
    void done.catch(() => {}).finally(() => this.#putting.delete(done));
    return done;
  }

  async #put(digest: Digest, bytes: Uint8Array, proven: boolean): Promise<"stored" | "known"> {
    demandDigest(digest);
    demandSize(bytes.length);
    if (!proven) demandProof(digest, digestOf(bytes), "put");
    await this.#beforePut?.(digest);
    if (this.#disk.chunks.has(digest)) {
      this.#use(digest);
      this.#known += 1;
      return "known";
    }
    this.#makeRoom(bytes.length);
    this.#disk.chunks.set(digest, Uint8Array.from(bytes));
    this.#stored += 1;
    return "stored";
  }

  get(digest: Digest): Uint8Array {
    demandDigest(digest);
    const bytes = this.#disk.chunks.get(digest);
    if (bytes === undefined) throw new SkyError("chunk/missing", { digest, where: "memory" });
    const found = digestOf(bytes);
    if (found !== digest) {
      this.#disk.chunks.delete(digest);
      this.#damaged += 1;
      this.#log.warn("a chunk is damaged and was set aside", { digest });
      throw damaged(digest, "memory", `its bytes have the digest ${found}`);
    }
    this.#use(digest);
    return Uint8Array.from(bytes);
  }

  pin(name: PinName, chunks: Iterable<{ readonly digest: Digest; readonly bytes: number }>): void {
    demandPinName(name);
    const refs = [...chunks];
    demandRefs(refs);
    const pin = this.#disk.pins.get(name) ?? new Map<Digest, number>();
    for (const { digest, bytes } of refs) if (!pin.has(digest)) pin.set(digest, bytes);
    this.#disk.pins.set(name, pin);
  }

  unpin(name: PinName): void {
    demandPinName(name);
    this.#disk.pins.delete(name);
  }

  pinned(
    name: PinName,
  ): readonly { readonly digest: Digest; readonly bytes: number }[] | undefined {
    demandPinName(name);
    const pin = this.#disk.pins.get(name);
    if (pin === undefined) return undefined;
    return [...pin]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([digest, bytes]) => ({ digest, bytes }));
  }

  pins(prefix: string): readonly PinName[] {
    return [...this.#disk.pins.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  counts(): ContentCounts {
    const chunks = [...this.#disk.chunks];
    const sum = (some: typeof chunks): number =>
      some.reduce((all, [, { length }]) => all + length, 0);
    return {
      chunks: chunks.length,
      bytes: sum(chunks),
      pinnedBytes: sum(chunks.filter(([digest]) => this.#disk.needs(digest))),
      stored: this.#stored,
      known: this.#known,
      damaged: this.#damaged,
      evicted: this.#evicted,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled(this.#putting);
  }

  /** @throws SkyError `disk/full`, `chunks/full`; then nothing was evicted. */
  #makeRoom(bytes: number): void {
    if (this.#disk.full) {
      const hint = "Make room there and try again";
      throw new SkyError("disk/full", { path: "memory", free: bytesText(0), hint });
    }
    const counts = this.counts();
    let excess = counts.bytes + bytes - this.#bytesMax;
    if (counts.pinnedBytes + bytes > this.#bytesMax) throw this.#isFull(counts);
    for (const [digest, { length }] of this.#disk.chunks) {
      if (excess <= 0) return;
      if (this.#disk.needs(digest)) continue;
      this.#disk.chunks.delete(digest);
      this.#evicted += 1;
      excess -= length;
    }
  }

  #isFull({ pinnedBytes }: ContentCounts): SkyError {
    const used = pinnedBytes;
    const pins = this.#disk.pins.size;
    return new SkyError("chunks/full", { dir: "memory", used, limit: this.#bytesMax, pins });
  }

  /** From now on it is the one that was used last. */
  #use(digest: Digest): void {
    const bytes = this.#disk.chunks.get(digest);
    if (bytes === undefined) return;
    this.#disk.chunks.delete(digest);
    this.#disk.chunks.set(digest, bytes);
  }
}

function flipBit(bytes: Uint8Array): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  const at = flipped.length >> 1;
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  return flipped;
}
