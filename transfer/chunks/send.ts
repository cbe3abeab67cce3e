// The sending end of a sealed transfer: reads objects, cuts, names, seals and pushes them.
//
// A chunk is read and sealed when its turn comes to be offered, and kept sealed until it is safe at
// the next hop, within a bound; who wants it after that has it read and sealed again, which gives
// the same bytes. An object's manifest goes last, when all its chunks are delivered, so that the
// destination never waits for one chunk with another in its hands.
//
// The journal is for the next life: what it knows of an object is offered again without being
// read. It is up to the destination to say what it has.

import { SkyError } from "../../model/errors.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";
import { type ByteRange, cutBySize } from "./cut.ts";
import { type ExchangeResult, rawCodec } from "./exchange.ts";
import type { ChunkJournal, JournalEntry } from "./journal.ts";
import { type EncodedManifest, ManifestBuilder } from "./manifest.ts";
import { pushChunks } from "./push.ts";
import { manifestIndex, type Place, type SealedChunk, type TransferSecret } from "./seal.ts";
import type { ChunkWork } from "./work.ts";

/** An object to be sent. */
export interface SentObject {
  /** Its number in the transfer. The destination knows by it where it belongs. */
  readonly object: number;
  readonly bytes: number;
  /** Exactly these bytes, in memory that is the caller's own from then on. */
  read(range: ByteRange, signal: AbortSignal): Promise<Uint8Array>;
}

export interface SendOptions {
  readonly session: StreamSession;
  /** Of the push. The next hop decides by it. */
  readonly scope: PinName;
  readonly secret: TransferSecret;
  readonly objects: Iterable<SentObject>;
  readonly work: ChunkWork;
  readonly signal: AbortSignal;
  /** Of this end. Objects that have changed since it was begun need another transfer. */
  readonly journal?: ChunkJournal;
  /** Chunks that are sealed and not yet safe at the next hop. */
  readonly sealedBytesMax?: number;
  /** Hears of each chunk's own name, not of what travels for it. */
  readonly onSafe?: (place: Place, ref: ChunkRef) => void;
  readonly onDelivered?: (place: Place, ref: ChunkRef) => void;
  /** The object is whole at the destination, under its final name. */
  readonly onObject?: (object: number, digest: Digest) => void;
}

export const sealedBytesUsual = 64 * 1024 * 1024;
/** Objects that are begun and not yet whole at the destination. */
export const objectsOpenMax = 64;

/**
 * Sends all objects, until each is whole at the destination. What was delivered before is known.
 * @throws SkyError as `pushChunks`; `process/failed` if an object changes while it is sent.
 */
export async function sendObjects(options: SendOptions): Promise<ExchangeResult> {
  const send = new Send(options);
  return await send.run();
}

/** A chunk that was offered. */
interface Sealed {
  readonly place: Place;
  readonly ref: ChunkRef;
  readonly sealedRef: ChunkRef;
  /** Until it is safe at the next hop. */
  bytes: Uint8Array | undefined;
}

interface OpenObject {
  readonly source: SentObject;
  readonly ranges: readonly ByteRange[];
  readonly builder: ManifestBuilder;
  /** Chunks that are not yet delivered. */
  left: number;
  /** The next range to offer. */
  next: number;
  manifest: EncodedManifest | undefined;
}

class Send {
  readonly #options: SendOptions;
  readonly #objects = new Map<number, OpenObject>();
  readonly #sealed = new Map<Digest, Sealed>();
  #sealedBytes = 0;
  /** Objects whose chunks are all delivered. */
  readonly #ripe: OpenObject[] = [];
  #delivered: JournalEntry[] = [];
  #recording: Promise<void> | undefined;
  #wake: () => void = () => {};
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: SendOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  async run(): Promise<ExchangeResult> {
    const { session, scope, work } = this.#options;
    try {
      return await pushChunks({
        session,
        scope,
        offer: this.#offer(),
        from: { get: (digest, signal) => this.#get(digest, signal) },
        until: "delivered",
        work: rawCodec(work),
        signal: this.#signal,
        onSafe: (ref) => this.#safe(ref),
        onDelivered: (ref) => this.#settle(ref),
      });
    } finally {
      this.#wake();
      await this.#recording;
    }
  }

  // ---- what is offered

  async *#offer(): AsyncGenerator<ChunkRef> {
    const waiting = this.#options.objects[Symbol.iterator]();
    let current: OpenObject | undefined;
    let isWhole = false;
    while (!this.#signal.aborted) {
      const ripe = this.#ripe.shift();
      if (ripe !== undefined) {
        yield await this.#offerManifest(ripe);
      } else if (current !== undefined && current.next < current.ranges.length) {
        if (this.#isFull()) await this.#change();
        else yield await this.#offerNext(current);
      } else if (!isWhole && this.#objects.size < objectsOpenMax) {
        const next = waiting.next();
        if (next.done === true) isWhole = true;
        else current = this.#begin(next.value);
      } else if (isWhole && this.#objects.size === 0) return;
      else await this.#change();
    }
  }

  #isFull(): boolean {
    const max = this.#options.sealedBytesMax ?? sealedBytesUsual;
    return this.#sealedBytes > 0 && this.#sealedBytes >= max;
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #begin(source: SentObject): OpenObject | undefined {
    const { object, bytes } = source;
    const done = this.#options.journal?.get({ object, index: manifestIndex });
    if (done?.state === "delivered") {
      this.#options.onObject?.(object, done.ref.digest);
      return undefined;
    }
    const ranges = cutBySize(bytes);
    const builder = new ManifestBuilder();
    const open = { source, ranges, builder, left: ranges.length, next: 0, manifest: undefined };
    this.#objects.set(object, open);
    if (ranges.length === 0) this.#ripe.push(open);
    return open;
  }

  async #offerNext(open: OpenObject): Promise<ChunkRef> {
    const place = { object: open.source.object, index: open.next };
    open.next += 1;
    const before = this.#options.journal?.get(place);
    if (before?.sealed !== undefined) {
      open.builder.add(place.index, before.ref);
      const { ref, sealed: sealedRef } = before;
      this.#sealed.set(sealedRef.digest, { place, ref, sealedRef, bytes: undefined });
      return sealedRef;
    }
    const { ref, sealed, sealedRef } = await this.#seal(open, place);
    open.builder.add(place.index, ref);
    return this.#keep({ place, ref, sealedRef, bytes: sealed });
  }

  async #offerManifest(open: OpenObject): Promise<ChunkRef> {
    const place = { object: open.source.object, index: manifestIndex };
    open.manifest = open.builder.finish();
    const { ref, sealed, sealedRef } = await this.#seal(open, place);
    return this.#keep({ place, ref, sealedRef, bytes: sealed });
  }

  #keep(sealed: Sealed): ChunkRef {
    this.#sealed.set(sealed.sealedRef.digest, sealed);
    this.#sealedBytes += sealed.sealedRef.bytes;
    return sealed.sealedRef;
  }

  async #seal({ source, ranges, manifest }: OpenObject, place: Place): Promise<SealedChunk> {
    const { work, secret } = this.#options;
    const range = ranges[place.index];
    const bytes =
      range === undefined
        ? Uint8Array.from(manifest?.encoded ?? [])
        : await source.read(range, this.#signal);
    if (range !== undefined && bytes.length !== range.bytes) throw changed(place);
    return await work.seal(bytes, { secret, place });
  }

  // ---- what the next hop wants and says

  async #get(digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    const sealed = this.#sealed.get(digest);
    const open = sealed === undefined ? undefined : this.#objects.get(sealed.place.object);
    if (sealed === undefined || open === undefined) {
      throw new SkyError("chunk/missing", { digest, where: "what is sent" });
    }
    if (sealed.bytes !== undefined) return sealed.bytes;
    const again = await this.#seal(open, sealed.place);
    if (again.sealedRef.digest !== digest) throw changed(sealed.place);
    return again.sealed;
  }

  #safe(sealedRef: ChunkRef): void {
    const sealed = this.#sealed.get(sealedRef.digest);
    if (sealed === undefined) return;
    this.#drop(sealed);
    this.#options.onSafe?.(sealed.place, sealed.ref);
  }

  #drop(sealed: Sealed): void {
    if (sealed.bytes === undefined) return;
    sealed.bytes = undefined;
    this.#sealedBytes -= sealed.sealedRef.bytes;
    this.#wake();
  }

  #settle(sealedRef: ChunkRef): void {
    const sealed = this.#sealed.get(sealedRef.digest);
    const open = sealed === undefined ? undefined : this.#objects.get(sealed.place.object);
    if (sealed === undefined || open === undefined) return;
    this.#sealed.delete(sealedRef.digest);
    const { place, ref } = sealed;
    this.#record({ place, ref, sealed: sealedRef, offset: 0, state: "delivered" });
    this.#options.onDelivered?.(place, ref);
    if (place.index === manifestIndex) {
      this.#objects.delete(place.object);
      this.#options.onObject?.(place.object, ref.digest);
    } else {
      open.left -= 1;
      if (open.left === 0) this.#ripe.push(open);
    }
    this.#wake();
  }

  #record(entry: JournalEntry): void {
    if (this.#options.journal === undefined) return;
    this.#delivered.push(entry);
    this.#recording ??= this.#flush(this.#options.journal);
  }

  async #flush(journal: ChunkJournal): Promise<void> {
    try {
      while (this.#delivered.length > 0) await journal.record(this.#delivered.splice(0));
    } catch (error) {
      this.#stop.abort(error);
    } finally {
      this.#recording = undefined;
    }
  }
}

function changed({ object, index }: Place): SkyError {
  const what = `chunk ${index} of object ${object}`;
  return new SkyError("process/failed", { what, why: "it has changed since it was offered" });
}
