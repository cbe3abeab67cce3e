// The content store on this machine's disk: one file a chunk, and an index on a thread of its own.
//
// A put asks the index for room, writes the file, and has the index record it; puts that arrive
// together share those turns. It is acknowledged when the file, its name and its row are there. A
// get reads the file and proves it, whatever the index says. docs/decisions/content-store.md has
// the reasons, and what is left after a crash at each step.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import { isNoRoom, noRoom } from "../../runtime/room-os.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import {
  damaged,
  demandDigest,
  demandPinName,
  demandProof,
  demandRefs,
  demandSize,
  digestOf,
} from "./content-demands.ts";
import { ContentFiles, OddFile } from "./content-files-os.ts";
import { Group } from "./content-group.ts";
import type { Admission, PlacedChunk, Recording } from "./content-index-requests.ts";
import { type IndexThread, startIndexThread } from "./content-index-thread-sqlite.ts";
import { isCode } from "./content-shelves-os.ts";
import type { ContentCounts, ContentStore, PinName } from "./content-store.ts";
import { Slots } from "./slots.ts";
import type { ChunkWork } from "./work.ts";
import { createInlineWork } from "./work-inline.ts";

/** What a store may hold unless whoever opens it says otherwise. */
export const storeBytesMax = 100 * 1024 ** 3;
/** What stays free of its disk, for all the others who write there. */
export const storeReserveBytes = 256 * 1024 ** 2;

/** Chunks that are written, and that are read, at a time; further ones wait. */
const writesMax = 64;
const readsMax = 32;
/** Chunks that one turn of the index admits or records, finds, or adds to a pin. */
const groupMax = 256;
const foundMax = 4_096;
const pinnedMax = 2_000;
/** Uses that wait to be written: after so many, or after that time. */
const usedMax = 1_024;
const usedMs = 1_000;
/** How often a put is begun again because its file was evicted before it was recorded. */
const beginningsMax = 8;

export interface ContentStoreOptions {
  /** Its folder, of nobody else's. Made if it is missing. */
  readonly dir: string;
  readonly bytesMax?: number;
  readonly reserveBytes?: number;
  /** Proves what is read; unless it is given, on this thread. */
  readonly work?: ChunkWork;
  readonly log?: Log;
  /** Every flush takes so much longer, as on a slower disk. For benchmarks. */
  readonly extraFsyncMs?: number;
}

/** @throws SkyError `chunks/failed`, `disk/full`. */
export async function openContentStore(options: ContentStoreOptions): Promise<ContentStore> {
  const { dir, bytesMax = storeBytesMax, reserveBytes = storeReserveBytes } = options;
  const { log = silentLog, work = createInlineWork() } = options;
  const index = startIndexThread({ root: dir, bytesMax, reserveBytes }, ({ message, fields }) =>
    log.warn(message, { dir, ...fields }),
  );
  const { root, incoming } = await index.opened;
  const files = new ContentFiles({ root, incoming, extraFsyncMs: options.extraFsyncMs ?? 0 });
  const store = new OsContentStore({ dir: root, bytesMax, index, files, log, work });
  return {
    has: (digests) => store.whileOpen(() => store.has([...digests])),
    put: (digest, bytes, { proven = false } = {}) =>
      store.whileOpen(() => store.put(digest, bytes, proven)),
    get: (digest) => store.whileOpen(() => store.get(digest)),
    pin: (name, chunks) => store.whileOpen(() => store.pin(name, [...chunks])),
    unpin: (name) => store.whileOpen(() => store.unpin(name)),
    pinned: (name) => store.whileOpen(() => store.pinned(name)),
    pins: (prefix) => store.whileOpen(() => index.ask({ kind: "pins", prefix })),
    counts: () => store.counts(),
    close: () => store.close(),
  };
}

interface StoreParts {
  readonly dir: string;
  readonly bytesMax: number;
  readonly index: IndexThread;
  readonly files: ContentFiles;
  readonly log: Log;
  readonly work: ChunkWork;
}

class OsContentStore {
  readonly #parts: StoreParts;
  readonly #admit: Group<ChunkRef, Admission>;
  readonly #record: Group<PlacedChunk, Recording>;
  readonly #writes = new Slots(writesMax);
  readonly #reads = new Slots(readsMax);
  /** Puts under way, by their digest: the same is written once. */
  readonly #putting = new Map<Digest, Promise<unknown>>();
  readonly #under = new Set<Promise<unknown>>();
  #used = new Set<Digest>();
  #usedTimer: NodeJS.Timeout | undefined;
  #settled = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined;
  #counts = { stored: 0, known: 0, damaged: 0 };

  constructor(parts: StoreParts) {
    const { index } = parts;
    this.#parts = parts;
    this.#admit = new Group(
      (chunks) => index.ask({ kind: "admit", chunks, used: this.#takeUsed() }),
      groupMax,
    );
    this.#record = new Group(
      (chunks) => index.ask({ kind: "record", chunks, used: this.#takeUsed() }),
      groupMax,
    );
  }

  /** @throws SkyError `chunks/failed` for what has no better name. */
  async whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw this.#failed("it was closed");
    const done = work();
    this.#under.add(done);
    try {
      return await done;
    } catch (error) {
      if (isSkyError(error)) throw error;
      if (isNoRoom(error)) throw noRoom(this.#parts.dir, error);
      throw this.#failed(errorText(error), error);
    } finally {
      this.#under.delete(done);
    }
  }

  async has(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    for (const digest of digests) demandDigest(digest);
    const found = new Set<Digest>();
    for (let at = 0; at < digests.length; at += foundMax) {
      const some = digests.slice(at, at + foundMax);
      const here = await this.#parts.index.ask({ kind: "find", digests: some });
      for (const digest of here) found.add(digest);
    }
    return found;
  }

  async put(digest: Digest, bytes: Uint8Array, proven: boolean): Promise<"stored" | "known"> {
    demandDigest(digest);
    demandSize(bytes.length);
    if (!proven) demandProof(digest, digestOf(bytes), "put");
    for (;;) {
      const other = this.#putting.get(digest);
      if (other === undefined) break;
      // Whether it fails is the affair of whoever began it: then this one tries.
      await other.catch(() => {});
    }
    const done = this.#writes.use(() => this.#put(digest, bytes));
    this.#putting.set(digest, done);
    try {
      const end = await done;
      this.#counts[end] += 1;
      return end;
    } finally {
      this.#putting.delete(digest);
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
    }
  }

  async get(digest: Digest): Promise<Uint8Array> {
    demandDigest(digest);
    const bytes = await this.#reads.use(() => this.#read(digest));
    this.#use(digest);
    return bytes;
  }

  async pin(name: PinName, chunks: readonly ChunkRef[]): Promise<void> {
    demandPinName(name);
    demandRefs(chunks);
    for (let at = 0; at === 0 || at < chunks.length; at += pinnedMax) {
      const some = chunks.slice(at, at + pinnedMax);
      await this.#parts.index.ask({ kind: "pin", name, chunks: some });
    }
  }

  async unpin(name: PinName): Promise<void> {
    demandPinName(name);
    while (!(await this.#parts.index.ask({ kind: "unpin", name })));
  }

  async pinned(name: PinName): Promise<readonly ChunkRef[] | undefined> {
    demandPinName(name);
    return (await this.#parts.index.ask({ kind: "pinned", name })) ?? undefined;
  }

  counts(): ContentCounts {
    const { chunks, bytes, pinnedBytes, evicted } = this.#parts.index.totals;
    return { chunks, bytes, pinnedBytes, evicted, ...this.#counts };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under);
    await this.#writeUsed();
    await this.#parts.index.close();
  }

  async #put(digest: Digest, bytes: Uint8Array): Promise<"stored" | "known"> {
    for (let beginning = 0; beginning < beginningsMax; beginning += 1) {
      if ((await this.#admitOne(digest, bytes.length)) === "known") return "known";
      const placed = await this.#place(digest, bytes);
      const recording = placed && (await this.#recordOne(placed));
      if (recording === "full") throw this.#isFull();
      if (recording === "stored" || recording === "known") return recording;
    }
    throw this.#failed(`chunk ${digest} was taken away as often as it was put`);
  }

  /** @throws SkyError `chunks/full`, `disk/full`. */
  async #admitOne(digest: Digest, bytes: number): Promise<"known" | "room"> {
    for (;;) {
      const settled = this.#settled.promise;
      const admission = await this.#admit.add({ digest, bytes });
      if (admission === "known" || admission === "room") return admission;
      if (admission === "full") throw this.#isFull();
      if (admission === "disk") throw noRoom(this.#parts.dir, undefined);
      if (admission === "wait") await settled;
    }
  }

  async #recordOne(placed: PlacedChunk): Promise<Exclude<Recording, "more">> {
    for (;;) {
      const recording = await this.#record.add(placed);
      if (recording !== "more") return recording;
    }
  }

  /** `undefined` if what was in the way is gone now, and it should be begun again. */
  async #place(digest: Digest, bytes: Uint8Array): Promise<PlacedChunk | undefined> {
    try {
      return await this.#parts.files.place(digest, bytes);
    } catch (error) {
      await this.#parts.index.ask({ kind: "release", digest, bytes: bytes.length });
      if (await this.#isCleared(error, digest, bytes.length)) return undefined;
      throw error;
    }
  }

  /** Whether something could be done about what made a put fail. */
  async #isCleared(error: unknown, digest: Digest, bytes: number): Promise<boolean> {
    const { index } = this.#parts;
    if (isNoRoom(error)) return (await index.ask({ kind: "clear", bytes })) > 0;
    if (isCode(error, "EISDIR", "ENOTEMPTY", "EEXIST")) {
      return index.ask({ kind: "condemn", digest, identity: undefined });
    }
    if (!isCode(error, "ENOENT", "ENOTDIR")) return false;
    await index.ask({ kind: "shelf", digest });
    return true;
  }

  async #read(digest: Digest): Promise<Uint8Array> {
    const { files, index, dir, work } = this.#parts;
    let identity: string | undefined;
    try {
      const read = await files.read(digest);
      identity = read?.identity;
      if (read !== undefined) {
        return await work.prove({ digest, bytes: read.bytes.length }, read.bytes);
      }
    } catch (error) {
      if (error instanceof OddFile)
        throw await this.#condemn(digest, error.identity, error.message);
      if (!isSkyError(error, "chunk/damaged")) throw error;
      throw await this.#condemn(digest, identity, String(error.params["why"]));
    }
    await index.ask({ kind: "miss", digest });
    throw new SkyError("chunk/missing", { digest, where: dir });
  }

  /** Sets a damaged chunk aside, and makes the error that says so. */
  async #condemn(digest: Digest, identity: string | undefined, why: string): Promise<SkyError> {
    const { index, log, dir } = this.#parts;
    if (await index.ask({ kind: "condemn", digest, identity })) {
      this.#counts.damaged += 1;
      log.warn("a chunk is damaged and was set aside", { dir, digest, why });
    }
    return damaged(digest, dir, why);
  }

  #use(digest: Digest): void {
    // Once more at the end: the order is that of the last uses.
    this.#used.delete(digest);
    this.#used.add(digest);
    if (this.#used.size >= usedMax) void this.#writeUsed();
    this.#usedTimer ??= setTimeout(() => void this.#writeUsed(), usedMs).unref();
  }

  #takeUsed(): Digest[] {
    clearTimeout(this.#usedTimer);
    this.#usedTimer = undefined;
    const used = [...this.#used];
    this.#used = new Set();
    return used;
  }

  async #writeUsed(): Promise<void> {
    const used = this.#takeUsed();
    if (used.length === 0) return;
    try {
      await this.#parts.index.ask({ kind: "use", used });
    } catch (error) {
      // They only say in which order to evict.
      this.#parts.log.warn("uses of chunks were not written", { why: errorText(error) });
    }
  }

  #isFull(): SkyError {
    const { dir, bytesMax, index } = this.#parts;
    const { pinnedBytes, pins } = index.totals;
    return new SkyError("chunks/full", { dir, used: pinnedBytes, limit: bytesMax, pins });
  }

  #failed(why: string, cause?: unknown): SkyError {
    return new SkyError("chunks/failed", { dir: this.#parts.dir, why }, { cause });
  }
}
