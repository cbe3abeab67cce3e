// The sending end of a transfer: reads objects, cuts, names, seals and pushes them.
//
// A chunk is read and sealed when its turn comes to be offered, and kept sealed until it is safe at
// the next hop of every way that it goes, within a bound; who wants it after that has it read and
// sealed again, which gives the same bytes. An object's manifest goes last, when all its chunks are
// delivered, so that the destination never waits for one chunk with another in its hands. The
// manifest of an object of one chunk says nothing that the chunk does not, and stays here.
//
// An object that cannot be read, or that a destination refuses, fails alone: no more of it is
// offered, and the others go on.
//
// The journal is for the next life: what it knows of an object is offered again without being
// read. It is up to the destination to say what it has.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type ChunkForm, chunkForm } from "./chunk-form.ts";
import { cutBySize } from "./cut.ts";
import type { ExchangeResult } from "./exchange.ts";
import type { JournalEntry } from "./journal.ts";
import { ManifestBuilder } from "./manifest.ts";
import { manifestIndex, type Place, type SealedChunk } from "./seal.ts";
import { asSkyError, changed, missing } from "./send-errors.ts";
import { iteratorOf, type SendOptions, type SentObject, waysOf, withRoom } from "./send-options.ts";
import { readRange } from "./send-read.ts";
import { SendRecords } from "./send-records.ts";
import type { OpenObject, Sealed } from "./send-state.ts";
import { pushAlong, type SendWay, type Settled, type WayPush } from "./send-ways.ts";

export type { SendOptions, SentObject } from "./send-options.ts";

export const sealedBytesUsual = 64 * 1024 * 1024;
/** Objects of several chunks that are begun and not yet whole at the destination. */
export const objectsOpenMax = 64;
/** Objects in all that are. */
export const objectsBegunMax = 4_096;
/** Chunks that are read and sealed at a time. */
export const packsMax = 16;
/** The same while objects of one chunk are begun: they are read together. */
export const smallPacksMax = 512;

/**
 * Sends all objects, until each is whole at the destination. What was delivered before is known.
 * @throws SkyError as `pushChunks`; `process/failed` if an object changes while it is sent.
 */
export async function sendObjects(options: SendOptions): Promise<ExchangeResult> {
  const send = new Send(options);
  return await send.run();
}

class Send {
  readonly #options: SendOptions;
  readonly #form: ChunkForm;
  readonly #ways: readonly { readonly way: SendWay; readonly push: WayPush }[];
  readonly #objects = new Set<OpenObject>();
  #current: OpenObject | undefined;
  readonly #sealed = new Map<Digest, Sealed>();
  /** Sealed, or about to be. */
  #sealedBytes = 0;
  readonly #packs = new Set<Promise<void>>();
  readonly #closing = new Set<Promise<void>>();
  /** Objects whose chunks are all delivered. */
  readonly #ripe: OpenObject[] = [];
  readonly #records: SendRecords;
  #changed = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: SendOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#form = chunkForm(options);
    this.#records = new SendRecords(options.journal, (error) => this.#stop.abort(error));
    const along = (way: SendWay) => ({
      from: { get: (digest: Digest) => this.#get(digest) },
      codec: this.#form.codec,
      signal: this.#signal,
      openBytesMax: this.#sealedBytesMax,
      onSent: (ref: ChunkRef) => this.#sent(ref),
      onSafe: (ref: ChunkRef) => this.#safe(ref),
      onSettled: (ref: ChunkRef, how: Settled) => this.#settle(ref, way, how),
    });
    this.#ways = waysOf(options).map((way) => ({ way, push: pushAlong(way, along(way)) }));
  }

  get #sealedBytesMax(): number {
    return this.#options.sealedBytesMax ?? sealedBytesUsual;
  }

  async run(): Promise<ExchangeResult> {
    this.#signal.addEventListener("abort", () => this.#wake(), { once: true });
    const stopped = (work: Promise<void>): Promise<void> =>
      work.catch((error: unknown) => this.#stop.abort(error));
    await Promise.all([
      stopped(this.#produce()),
      ...this.#ways.map(({ push }) => stopped(push.run())),
    ]);
    await this.#records.settled();
    await Promise.all(this.#packs);
    for (const open of this.#objects) this.#over(open);
    await Promise.all(this.#closing);
    this.#signal.throwIfAborted();
    const sum = (of: (push: WayPush) => number): number =>
      this.#ways.reduce((all, { push }) => all + of(push), 0);
    return {
      moved: sum(({ counts }) => counts.moved),
      movedBytes: sum(({ counts }) => counts.movedBytes),
      known: sum(({ counts }) => counts.known),
      damaged: 0,
      missing: [],
    };
  }

  // ---- what is offered

  async #produce(): Promise<void> {
    const objects = iteratorOf(this.#options.objects);
    let coming: Promise<void> | undefined;
    let failure: { readonly error: unknown } | undefined;
    let isWhole = false;
    const take = (next: IteratorResult<SentObject>): void => {
      if (next.done === true) isWhole = true;
      else this.#begin(next.value);
    };
    while (!this.#signal.aborted && failure === undefined) {
      this.#startPacks();
      if (isWhole && this.#objects.size === 0) break;
      if (!isWhole && coming === undefined && this.#mayBegin()) {
        coming = Promise.resolve(objects.next())
          .then(take)
          .catch((error: unknown) => {
            failure = { error };
          })
          .finally(() => {
            coming = undefined;
            this.#wake();
          });
      }
      await this.#change();
    }
    if (failure !== undefined) throw failure.error;
    for (const { push } of this.#ways) push.end();
  }

  #mayBegin(): boolean {
    if (this.#current !== undefined || this.#objects.size >= objectsBegunMax) return false;
    let large = 0;
    for (const { ranges } of this.#objects) if (ranges.length > 1) large += 1;
    return large < objectsOpenMax;
  }

  /** Starts as much as there is room for. */
  #startPacks(): void {
    for (;;) {
      const ripe = this.#ripe.shift();
      const open = ripe ?? this.#current;
      if (open === undefined) return;
      if (ripe === undefined && (this.#isFull() || this.#packs.size >= this.#packsMax(open)))
        return;
      const index = ripe === undefined ? open.next++ : manifestIndex;
      if (ripe !== undefined) open.manifest = open.builder.finish();
      if (this.#current !== undefined && this.#current.next >= this.#current.ranges.length) {
        this.#current = undefined;
      }
      const packing = this.#offer(open, index)
        .catch((error: unknown) => this.#fail(open, error))
        .finally(() => {
          this.#packs.delete(packing);
          this.#wake();
        });
      this.#packs.add(packing);
    }
  }

  #packsMax({ ranges }: OpenObject): number {
    return ranges.length === 1 ? smallPacksMax : packsMax;
  }

  #isFull(): boolean {
    return this.#sealedBytes > 0 && this.#sealedBytes >= this.#sealedBytesMax;
  }

  /** Resolves when something has changed since it was last asked. */
  async #change(): Promise<void> {
    await this.#changed.promise;
    this.#changed = Promise.withResolvers();
  }

  #wake(): void {
    this.#changed.resolve();
  }

  #begin(source: SentObject): void {
    const { object, bytes, cut } = source;
    const done = this.#options.journal?.get({ object, index: manifestIndex });
    if (done?.state === "delivered") {
      this.#close(source);
      this.#options.onObject?.(object, done.ref.digest);
      return;
    }
    const ranges = cutBySize(bytes, cut);
    const open: OpenObject = {
      ...{ source, ranges, builder: new ManifestBuilder(), left: ranges.length, next: 0 },
      ...{ manifest: undefined, isOver: false, lost: new Set() },
    };
    this.#objects.add(open);
    if (ranges.length === 0) this.#ripe.push(open);
    else this.#current = open;
  }

  async #offer(open: OpenObject, index: number): Promise<void> {
    const place = { object: open.source.object, index };
    const before = index === manifestIndex ? undefined : this.#options.journal?.get(place);
    if (before?.sealed !== undefined) {
      open.builder.add(index, before.ref);
      this.#keep({ open, place, ref: before.ref, sealedRef: before.sealed, bytes: undefined });
      return;
    }
    const bytes = open.ranges[index]?.bytes ?? 0;
    this.#sealedBytes += bytes;
    try {
      const { ref, sealed, sealedRef } = await this.#pack(open, place);
      if (open.isOver) return;
      if (index !== manifestIndex) open.builder.add(index, ref);
      this.#keep({ open, place, ref, sealedRef, bytes: sealed });
    } finally {
      this.#sealedBytes -= bytes;
    }
  }

  #keep(one: Pick<Sealed, "open" | "place" | "ref" | "sealedRef" | "bytes">): void {
    const all = this.#ways.filter(({ way }) => way.takes?.(one.place) ?? true);
    if (all.length === 0)
      throw new SkyError("core/broken-invariant", { what: "a chunk has no way" });
    const ways = all.filter(({ way }) => !one.open.lost.has(way));
    const sealed: Sealed = { ...one, unsafe: ways.length, unsettled: ways.length };
    this.#sealed.set(one.sealedRef.digest, sealed);
    if (sealed.bytes !== undefined) this.#sealedBytes += sealed.sealedRef.bytes;
    for (const { push } of ways) push.add(one.sealedRef);
    if (ways.length === 0) this.#settled(sealed);
  }

  async #pack(open: OpenObject, place: Place): Promise<SealedChunk> {
    const range = open.ranges[place.index];
    const { roomBytes } = this.#form;
    const { smallReads, secret, compress = true } = this.#options;
    const { file, bytes } = open.source;
    if (smallReads !== undefined && file !== undefined && open.ranges.length === 1) {
      return await smallReads.pack(file, { bytes, secret, place, compress });
    }
    const memory =
      range === undefined
        ? withRoom(open.manifest?.encoded ?? new Uint8Array(), roomBytes)
        : await readRange(open.source, range, { place, roomBytes, signal: this.#signal });
    return await this.#form.pack(memory, place);
  }

  // ---- what the next hops want and say

  async #get(digest: Digest): Promise<Uint8Array> {
    const sealed = this.#sealed.get(digest);
    if (sealed?.bytes !== undefined) return sealed.bytes;
    if (sealed === undefined || sealed.open.isOver) throw missing(digest);
    const { open, place } = sealed;
    try {
      const again = await this.#pack(open, place);
      if (again.sealedRef.digest === digest) return again.sealed;
      throw changed(place);
    } catch (error) {
      this.#fail(open, error);
      this.#signal.throwIfAborted();
      throw missing(digest, error);
    }
  }

  /** Small ones wait for a flush together; the next ones need not. It can be read again. */
  #sent({ digest }: ChunkRef): void {
    const sealed = this.#sealed.get(digest);
    if (sealed === undefined || sealed.open.ranges.length > 1) return;
    if (this.#ways.length === 1) this.#drop(sealed);
  }

  #safe(sealedRef: ChunkRef): void {
    const sealed = this.#sealed.get(sealedRef.digest);
    if (sealed === undefined) return;
    sealed.unsafe -= 1;
    if (sealed.unsafe > 0) return;
    this.#drop(sealed);
    this.#options.onSafe?.(sealed.place, sealed.ref);
  }

  #drop(sealed: Sealed): void {
    if (sealed.bytes === undefined) return;
    sealed.bytes = undefined;
    this.#sealedBytes -= sealed.sealedRef.bytes;
    this.#wake();
  }

  #settle({ digest }: ChunkRef, way: SendWay, how: Settled): void {
    const sealed = this.#sealed.get(digest);
    if (sealed === undefined) return;
    sealed.unsettled -= 1;
    if (how === "refused") sealed.open.lost.add(way);
    if (sealed.unsettled === 0) this.#settled(sealed);
  }

  #settled(sealed: Sealed): void {
    const { open, place } = sealed;
    this.#sealed.delete(sealed.sealedRef.digest);
    this.#drop(sealed);
    this.#wake();
    if (open.isOver) return;
    // Whoever takes this place has refused it, or the object: nobody is left for it.
    const takers = this.#ways.filter(({ way }) => way.takes?.(place) ?? true);
    if (takers.every(({ way }) => open.lost.has(way))) this.#refused(open);
    else this.#isDelivered(sealed);
  }

  #isDelivered({ open, place, ref, sealedRef }: Sealed): void {
    this.#record(open, { place, ref, sealed: sealedRef, offset: 0, state: "delivered" });
    this.#options.onDelivered?.(place, ref);
    if (place.index === manifestIndex) {
      this.#whole(open, ref.digest);
      return;
    }
    open.left -= 1;
    if (open.left > 0) return;
    if (open.ranges.length > 1) this.#ripe.push(open);
    else {
      const { digest, encoded } = open.builder.finish();
      const manifest = { digest, bytes: encoded.length };
      const at = { object: place.object, index: manifestIndex };
      this.#record(open, { place: at, ref: manifest, offset: 0, state: "delivered" });
      this.#whole(open, digest);
    }
  }

  /** What a destination does not have is not on record: it may take it another time. */
  #record({ lost }: OpenObject, entry: JournalEntry): void {
    if (lost.size === 0) this.#records.add(entry);
  }

  #whole(open: OpenObject, digest: Digest): void {
    this.#over(open);
    this.#options.onObject?.(open.source.object, digest);
  }

  #refused(open: OpenObject): void {
    const { object } = open.source;
    const { onRefused } = this.#options;
    this.#over(open);
    if (onRefused !== undefined) onRefused(object);
    else {
      const params = { what: `object ${object}`, why: "the destination does not take it" };
      this.#stop.abort(new SkyError("process/failed", params));
    }
  }

  #fail(open: OpenObject, error: unknown): void {
    if (this.#signal.aborted || open.isOver) return;
    const { onFailed } = this.#options;
    this.#over(open);
    if (onFailed === undefined) this.#stop.abort(error);
    else onFailed(open.source.object, asSkyError(error));
  }

  #over(open: OpenObject): void {
    if (open.isOver) return;
    open.isOver = true;
    this.#objects.delete(open);
    if (this.#current === open) this.#current = undefined;
    this.#close(open.source);
    this.#wake();
  }

  #close(source: SentObject): void {
    const closing = Promise.resolve(source.close?.())
      .catch(() => "it was read, or has failed")
      .then(() => void this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
