// The receiving end of a transfer: opens chunks, and puts them into their objects.
//
// A chunk is acknowledged when it is safe in its object's file and on record; a manifest, when the
// object has its final name. Both records are one: the object's file keeps its places in the
// transfer's journal, together with the name of what travelled, so that an offer is answered
// without opening anything. A manifest is on record as `safe` before the object is named: who
// comes back after a crash in between looks whether that object is there.
//
// An object of one chunk has no manifest on the wire: it is whole when that chunk is here. Where
// its target can write it at once, it is nothing but that.
//
// What goes wrong with one object fails that object, where somebody is to be told: its chunks are
// refused from then on, and the others come in.
//
// What must always hold: nothing counts as here unless the object's file proves it; an object has
// its final name only if every chunk of its manifest was proven in its place.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { letGoAll } from "./buffers.ts";
import type { ChunkRef, Digest, Manifest } from "./chunk.ts";
import { type ChunkForm, chunkForm, type TransferName } from "./chunk-form.ts";
import { chunkBytesFor, isOneChunk } from "./cut.ts";
import type { ChunkCodec, ChunkSink } from "./exchange.ts";
import { type ChunkJournal, type JournalEntry, travels } from "./journal.ts";
import { decodeManifest, ManifestBuilder } from "./manifest.ts";
import type { ObjectFile } from "./object-file-os.ts";
import type { PlacedChunk, PlaceJournal } from "./object-place.ts";
import type { ObjectTarget } from "./object-target.ts";
import { asSkyError, ofOneChunk } from "./receive-records.ts";
import { manifestIndex, type OpenedChunk, type TransferSecret } from "./seal.ts";
import type { ChunkWork } from "./work.ts";

export type { ObjectTarget } from "./object-target.ts";

export interface ReceiveOptions {
  /** Without a key, chunks travel plain. The sender has the same. */
  readonly secret: TransferSecret | TransferName;
  /** Of this end of the transfer. */
  readonly journal: ChunkJournal;
  readonly work: ChunkWork;
  /**
   * Resolves when it is known where the object goes; its chunks wait for that, as many as the
   * exchange has room for. Stops when `signal` aborts: the receiver is closed.
   * @throws SkyError if there is no object of that number.
   */
  readonly target: (object: number, signal: AbortSignal) => ObjectTarget | Promise<ObjectTarget>;
  /** Hears of each object that has its final name now. */
  readonly onObject?: (object: number, digest: Digest) => void;
  /** The object cannot be written. Without this, that ends the exchange. */
  readonly onFailed?: (object: number, error: SkyError) => void;
}

/** The sink of pushes of a transfer's chunks; what it says is safe is `delivered`. */
export interface Receiver extends ChunkSink {
  /** Of the exchanges that it is the sink of. */
  readonly codec: ChunkCodec;
  /** An object that failed may be tried again. */
  retry(object: number): void;
  /** Removes what is here of an object that is open and not whole. */
  discard(object: number): Promise<void>;
  /** Lets go of what is open, and keeps all for the next time. No exchange may use it then. */
  close(): Promise<void>;
}

/** Puts at a time: small objects are made safe together, the more the better. */
export const receivePutsMax = 4_096;

export function createReceiver(options: ReceiveOptions): Receiver {
  return new ObjectReceiver(options);
}

interface OpenObject {
  readonly target: ObjectTarget;
  /** `undefined` once it has its final name, and of one that is written at once. */
  file: ObjectFile | undefined;
  isWhole: boolean;
  /** Of one chunk: it is about to be whole. */
  naming?: Promise<void> | undefined;
  /** Puts since the last time that it could not be finished. */
  puts: number;
}

/** A chunk that is open, and the name that it travelled under. */
interface ComingChunk extends OpenedChunk {
  readonly sealedRef: ChunkRef;
  readonly out: (() => void) | undefined;
}

class ObjectReceiver implements Receiver {
  readonly codec: ChunkCodec;
  readonly putsMax = receivePutsMax;
  readonly #options: ReceiveOptions;
  readonly #form: ChunkForm;
  readonly #objects = new Map<number, Promise<OpenObject>>();
  readonly #failed = new Set<number>();
  /** Those that are on their way into a file, by `<object>/<index>`. */
  readonly #coming = new Map<string, ChunkRef>();
  readonly #putting = new Map<Digest, Promise<"refused" | undefined>>();
  readonly #stop = new AbortController();

  constructor(options: ReceiveOptions) {
    this.#options = options;
    this.#form = chunkForm(options);
    this.codec = this.#form.codec;
  }

  async known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>> {
    const known = new Set<Digest>();
    for (const { digest } of refs) {
      const entry = this.#options.journal.find(digest);
      if (entry !== undefined && (await this.#isKnown(entry))) known.add(digest);
    }
    return known;
  }

  async put(...given: Parameters<ChunkSink["put"]>): Promise<"refused" | undefined> {
    const [sealedRef, sealed, , out] = given;
    // A push that broke may still be at it when its successor brings the same.
    const other = this.#putting.get(sealedRef.digest);
    if (other !== undefined) return await other;
    const putting = this.#put(sealedRef, sealed, out);
    this.#putting.set(sealedRef.digest, putting);
    try {
      return await putting;
    } finally {
      this.#putting.delete(sealedRef.digest);
    }
  }

  retry(object: number): void {
    this.#failed.delete(object);
  }

  async discard(object: number): Promise<void> {
    const [open] = await Promise.allSettled([this.#objects.get(object)]);
    this.#objects.delete(object);
    if (open.status === "fulfilled") await open.value?.file?.abort();
  }

  async close(): Promise<void> {
    this.#stop.abort(new SkyError("core/cancelled", { what: "receiving a transfer" }));
    const opening = await Promise.allSettled(this.#objects.values());
    this.#objects.clear();
    for (const one of opening) if (one.status === "fulfilled") await one.value.file?.close();
  }

  /** What cannot be looked at is not known: it comes, and its failure is told then. */
  async #isKnown(entry: JournalEntry): Promise<boolean> {
    if (this.#options.onFailed === undefined) return await this.#isHere(entry);
    return await this.#isHere(entry).catch(() => false);
  }

  async #isHere({ place, ref, state }: JournalEntry): Promise<boolean> {
    const { object, index } = place;
    const whole = this.#options.journal.get({ object, index: manifestIndex });
    if (whole?.state === "delivered") return true;
    const open = await this.#open(object);
    if (open.isWhole) return true;
    if (index === manifestIndex) return state === "delivered";
    const isHere = open.file?.known.get(index)?.ref.digest === ref.digest;
    // Nothing else would come to finish it.
    if (isHere && isOneChunk(open.target.bytes, open.target.cut)) {
      await this.#nameOnly(open, object, ref);
    }
    return isHere;
  }

  async #put(
    sealedRef: ChunkRef,
    sealed: Uint8Array,
    out: (() => void) | undefined,
  ): Promise<"refused" | undefined> {
    const opened = await this.#unpack(sealedRef, sealed);
    const { object } = opened.place;
    if (this.#failed.has(object)) return "refused";
    try {
      await this.#putOpened({ ...opened, sealedRef, out });
      letGoAll(opened.bytes);
      return undefined;
    } catch (error) {
      return await this.#fail(object, error);
    }
  }

  /** What has its digest and does not open was not sealed by the other end: it never will. */
  async #unpack(sealedRef: ChunkRef, sealed: Uint8Array): Promise<OpenedChunk> {
    try {
      return await this.#form.open(sealedRef, sealed);
    } catch (error) {
      const isSealed = this.#options.secret.key !== undefined;
      if (!isSealed || !isSkyError(error, "chunk/damaged")) throw error;
      const params = { what: `the sealed chunk ${sealedRef.digest}`, why: errorText(error) };
      throw new SkyError("codec/invalid", params, { cause: error });
    }
  }

  async #putOpened(coming: ComingChunk): Promise<void> {
    const { place } = coming;
    const open = await this.#open(place.object);
    if (open.isWhole) return;
    const { target } = open;
    const isOnly = isOneChunk(target.bytes, target.cut);
    if (place.index === manifestIndex) await this.#finish(open, coming);
    else if (isOnly) await this.#putOnly(open, coming);
    else await this.#putChunk(open, coming);
  }

  /** The object is told of, and let go as it is: another round may go on with it. */
  async #fail(object: number, error: unknown): Promise<"refused"> {
    const { onFailed } = this.#options;
    if (onFailed === undefined || this.#stop.signal.aborted) throw error;
    if (this.#failed.has(object)) return "refused";
    this.#failed.add(object);
    const open = this.#objects.get(object);
    this.#objects.delete(object);
    onFailed(object, asSkyError(object, error));
    // Why it failed has been told; that it cannot be closed either says no more.
    await Promise.allSettled([open?.then(({ file }) => file?.close())]);
    return "refused";
  }

  async #putChunk(open: OpenObject, { place, ref, bytes, sealedRef }: ComingChunk): Promise<void> {
    const { object, index } = place;
    const { target } = open;
    const offset = index * chunkBytesFor(target.bytes, target.cut);
    if (offset + ref.bytes > target.bytes) {
      const why = `chunk ${index} of ${ref.bytes} bytes is beyond its end`;
      throw new SkyError("codec/invalid", { what: `object ${object}`, why });
    }
    this.#coming.set(`${object}/${index}`, sealedRef);
    await fileOf(open).put({ index, offset, ref }, bytes);
    open.puts += 1;
  }

  /** The chunk that is the whole object. */
  async #putOnly(open: OpenObject, coming: ComingChunk): Promise<void> {
    const { place, ref, bytes } = coming;
    const { target } = open;
    if (place.index !== 0 || ref.bytes !== target.bytes) {
      const why = `chunk ${place.index} of ${ref.bytes} bytes, and not all ${target.bytes}`;
      throw new SkyError("codec/invalid", { what: `object ${place.object}`, why });
    }
    const { object } = place;
    if (target.putWhole === undefined) {
      if (open.naming === undefined) await this.#putChunk(open, coming);
      await this.#nameOnly(open, object, ref);
    } else {
      await target.putWhole(bytes, coming.out);
      const { whole } = ofOneChunk(object, ref);
      const { sealedRef: sealed } = coming;
      await this.#whole(open, whole, { place, ref, sealed, offset: 0, state: "delivered" });
    }
  }

  /** Once, though an offer of the chunk that is here and a put of it may both want it. */
  async #nameOnly(open: OpenObject, object: number, ref: ChunkRef): Promise<void> {
    if (open.isWhole) return;
    const { manifest, whole } = ofOneChunk(object, ref);
    open.naming ??= this.#name(open, object, manifest)
      .then(() => this.#whole(open, whole))
      .finally(() => {
        open.naming = undefined;
      });
    await open.naming;
  }

  async #finish(open: OpenObject, { place, ref, bytes, sealedRef }: ComingChunk): Promise<void> {
    const { journal } = this.#options;
    const manifest = decodeManifest(bytes);
    if (manifest.bytes !== open.target.bytes) {
      const why = `${manifest.bytes} bytes, and not ${open.target.bytes}`;
      throw new SkyError("codec/invalid", { what: `object ${place.object}`, why });
    }
    const entry: JournalEntry = { place, ref, sealed: sealedRef, offset: 0, state: "safe" };
    if (manifest.bytes === 0 && open.target.putWhole !== undefined) {
      await open.target.putWhole(new Uint8Array());
    } else {
      await journal.record([entry]);
      await this.#name(open, place.object, manifest);
    }
    await this.#whole(open, { ...entry, state: "delivered" });
  }

  /** Its manifest is on record, with the chunk that is not yet, and is told. */
  async #whole(open: OpenObject, manifest: JournalEntry, chunk?: JournalEntry): Promise<void> {
    const { journal, onObject } = this.#options;
    const { object } = manifest.place;
    await journal.record(chunk === undefined ? [manifest] : [chunk, manifest]);
    open.file = undefined;
    open.isWhole = true;
    this.#objects.delete(object);
    onObject?.(object, manifest.ref.digest);
  }

  async #name(open: OpenObject, object: number, manifest: Manifest): Promise<void> {
    try {
      await fileOf(open).finish(manifest, open.target.attributes);
    } catch (error) {
      const isLost = isSkyError(error, "chunk/damaged") || isSkyError(error, "chunk/missing");
      if (!isLost) throw error;
      // Offered anew, what was lost here is wanted again. Where that brought nothing, a relay
      // believes that it was delivered: then only another transfer helps.
      const isHopeless = open.puts === 0;
      open.puts = 0;
      const why = errorText(error);
      if (!isHopeless) throw new SkyError("stream/closed", { why }, { cause: error });
      throw new SkyError("process/failed", { what: `object ${object}`, why }, { cause: error });
    }
  }

  #open(object: number): Promise<OpenObject> {
    const before = this.#objects.get(object);
    if (before !== undefined) return before;
    const opening = this.#openNew(object);
    this.#objects.set(object, opening);
    opening.catch(() => this.#objects.delete(object));
    return opening;
  }

  async #openNew(object: number): Promise<OpenObject> {
    this.#stop.signal.throwIfAborted();
    const target = await this.#options.target(object, this.#stop.signal);
    const isWhole = await this.#isWhole(object, target);
    // One that was known before counts as a put: it may be offered again once.
    const open = { target, file: undefined, isWhole, puts: 1 };
    if (isWhole) return open;
    const isAtOnce = isOneChunk(target.bytes, target.cut) && target.putWhole !== undefined;
    return isAtOnce ? open : { ...open, file: await target.open(this.#placesOf(object)) };
  }

  /** Also if it had its final name, and the word for that never reached the disk. */
  async #isWhole(object: number, target: ObjectTarget): Promise<boolean> {
    const { journal } = this.#options;
    const entry = journal.get({ object, index: manifestIndex });
    if (entry === undefined || entry.state === "delivered") return entry !== undefined;
    const manifest = this.#onRecord(object, entry.ref.digest);
    if (manifest === undefined || !(await target.holds(manifest))) return false;
    await journal.record([{ ...entry, state: "delivered" }]);
    this.#options.onObject?.(object, entry.ref.digest);
    return true;
  }

  /** The manifest of that digest, if all chunks that it names are on record. */
  #onRecord(object: number, digest: Digest): Manifest | undefined {
    const builder = new ManifestBuilder();
    for (const { place, ref } of this.#chunksOf(object)) builder.add(place.index, ref);
    try {
      const built = builder.finish();
      return built.digest === digest ? built.manifest : undefined;
    } catch (error) {
      if (isSkyError(error, "codec/invalid")) return undefined;
      throw error;
    }
  }

  #chunksOf(object: number): readonly JournalEntry[] {
    const entries = [...this.#options.journal.entries(object)];
    return entries.filter(({ place }) => place.index !== manifestIndex);
  }

  /** The places of an object's file, kept in the transfer's journal. */
  #placesOf(object: number): PlaceJournal {
    const { journal } = this.#options;
    const chunks = this.#chunksOf(object);
    return {
      places: chunks.map(({ place, offset, ref }) => ({ index: place.index, offset, ref })),
      record: (places) => journal.record(places.map((place) => this.#entryOf(object, place))),
      close: async () => {},
    };
  }

  #entryOf(object: number, { index, offset, ref }: PlacedChunk): JournalEntry {
    const key = `${object}/${index}`;
    const place = { object, index };
    const before = this.#options.journal.get(place);
    const sealed = this.#coming.get(key) ?? (before && travels(before));
    this.#coming.delete(key);
    return { place, ref, offset, state: "delivered", ...(sealed && { sealed }) };
  }
}

function fileOf({ file }: OpenObject): ObjectFile {
  if (file === undefined) throw new SkyError("core/broken-invariant", { what: "no file is open" });
  return file;
}
