// The receiving end of a sealed transfer: opens chunks, and puts them into their objects.
//
// A chunk is acknowledged when it is safe in its object's file and on record; a manifest, when the
// object has its final name. Both records are one: the object's file keeps its places in the
// transfer's journal, together with the name of what travelled, so that an offer is answered
// without opening anything. A manifest is on record as `safe` before the object is named: who
// comes back after a crash in between looks whether that object is there.
//
// What must always hold: nothing counts as here unless the object's file proves it; an object has
// its final name only if every chunk of its manifest was proven in its place.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest, Manifest } from "./chunk.ts";
import { chunkBytesFor } from "./cut.ts";
import type { ChunkSink } from "./exchange.ts";
import { type ChunkJournal, type JournalEntry, travels } from "./journal.ts";
import { decodeManifest, ManifestBuilder } from "./manifest.ts";
import type { ObjectFile } from "./object-file-os.ts";
import type { PlacedChunk, PlaceJournal } from "./object-place.ts";
import { manifestIndex, type OpenedChunk, type TransferSecret } from "./seal.ts";
import type { ChunkWork } from "./work.ts";

/** Where an object goes. `receive-os.ts` makes one of a path. */
export interface ObjectTarget {
  readonly bytes: number;
  /** What of it is here, as the journal says and the disk proves. */
  open(journal: PlaceJournal): Promise<ObjectFile>;
  /** Whether what has the final name is this object. */
  holds(manifest: Manifest): Promise<boolean>;
}

export interface ReceiveOptions {
  readonly secret: TransferSecret;
  /** Of this end of the transfer. */
  readonly journal: ChunkJournal;
  readonly work: ChunkWork;
  /** @throws SkyError if there is no object of that number. */
  readonly target: (object: number) => ObjectTarget | Promise<ObjectTarget>;
  /** Hears of each object that has its final name now. */
  readonly onObject?: (object: number, digest: Digest) => void;
}

/** The sink of pushes of sealed chunks; what it says is safe is `delivered`. */
export interface Receiver extends ChunkSink {
  /** Lets go of what is open, and keeps all for the next time. No exchange may use it then. */
  close(): Promise<void>;
}

export function createReceiver(options: ReceiveOptions): Receiver {
  return new ObjectReceiver(options);
}

interface OpenObject {
  readonly target: ObjectTarget;
  /** `undefined` once it has its final name. */
  file: ObjectFile | undefined;
  /** Puts since the last time that it could not be finished. */
  puts: number;
}

class ObjectReceiver implements Receiver {
  readonly #options: ReceiveOptions;
  readonly #objects = new Map<number, Promise<OpenObject>>();
  /** Those that are on their way into a file, by `<object>/<index>`. */
  readonly #coming = new Map<string, ChunkRef>();
  readonly #putting = new Map<Digest, Promise<void>>();

  constructor(options: ReceiveOptions) {
    this.#options = options;
  }

  async known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>> {
    const known = new Set<Digest>();
    for (const { digest } of refs) {
      const entry = this.#options.journal.find(digest);
      if (entry !== undefined && (await this.#isHere(entry))) known.add(digest);
    }
    return known;
  }

  async put(sealedRef: ChunkRef, sealed: Uint8Array): Promise<void> {
    // A push that broke may still be at it when its successor brings the same.
    const other = this.#putting.get(sealedRef.digest);
    if (other !== undefined) return await other;
    const putting = this.#put(sealedRef, sealed);
    this.#putting.set(sealedRef.digest, putting);
    try {
      await putting;
    } finally {
      this.#putting.delete(sealedRef.digest);
    }
  }

  async close(): Promise<void> {
    const opening = await Promise.allSettled(this.#objects.values());
    this.#objects.clear();
    for (const one of opening) if (one.status === "fulfilled") await one.value.file?.close();
  }

  async #isHere({ place, ref, state }: JournalEntry): Promise<boolean> {
    const { object, index } = place;
    const whole = this.#options.journal.get({ object, index: manifestIndex });
    if (whole?.state === "delivered") return true;
    const { file } = await this.#open(object);
    if (file === undefined) return true;
    if (index === manifestIndex) return state === "delivered";
    return file.known.get(index)?.ref.digest === ref.digest;
  }

  async #put(sealedRef: ChunkRef, sealed: Uint8Array): Promise<void> {
    const opened = await this.#unseal(sealedRef, sealed);
    const open = await this.#open(opened.place.object);
    if (open.file === undefined) return;
    if (opened.place.index === manifestIndex) await this.#finish(open, opened, sealedRef);
    else await this.#putChunk(open.file, open, { ...opened, sealedRef });
  }

  /** What has its digest and does not open was not sealed by the other end: it never will. */
  async #unseal({ digest }: ChunkRef, sealed: Uint8Array): Promise<OpenedChunk> {
    const { work, secret } = this.#options;
    try {
      return await work.open(sealed, { secret });
    } catch (error) {
      if (!isSkyError(error, "chunk/damaged")) throw error;
      const params = { what: `the sealed chunk ${digest}`, why: errorText(error) };
      throw new SkyError("codec/invalid", params, { cause: error });
    }
  }

  async #putChunk(
    file: ObjectFile,
    open: OpenObject,
    { place, ref, bytes, sealedRef }: OpenedChunk & { readonly sealedRef: ChunkRef },
  ): Promise<void> {
    const { object, index } = place;
    const offset = index * chunkBytesFor(open.target.bytes);
    if (offset + ref.bytes > open.target.bytes) {
      const why = `chunk ${index} of ${ref.bytes} bytes is beyond its end`;
      throw new SkyError("codec/invalid", { what: `object ${object}`, why });
    }
    this.#coming.set(`${object}/${index}`, sealedRef);
    await file.put({ index, offset, ref }, bytes);
    open.puts += 1;
  }

  async #finish(open: OpenObject, opened: OpenedChunk, sealedRef: ChunkRef): Promise<void> {
    const { journal, onObject } = this.#options;
    const { place, ref } = opened;
    const manifest = decodeManifest(opened.bytes);
    if (manifest.bytes !== open.target.bytes) {
      const why = `${manifest.bytes} bytes, and not ${open.target.bytes}`;
      throw new SkyError("codec/invalid", { what: `object ${place.object}`, why });
    }
    const entry: JournalEntry = { place, ref, sealed: sealedRef, offset: 0, state: "safe" };
    await journal.record([entry]);
    await this.#name(open, place.object, manifest);
    await journal.record([{ ...entry, state: "delivered" }]);
    open.file = undefined;
    this.#objects.delete(place.object);
    onObject?.(place.object, ref.digest);
  }

  async #name(open: OpenObject, object: number, manifest: Manifest): Promise<void> {
    try {
      await open.file?.finish(manifest);
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
    const target = await this.#options.target(object);
    if (await this.#isWhole(object, target)) return { target, file: undefined, puts: 0 };
    const file = await target.open(this.#placesOf(object));
    // One that was known before counts as a put: it may be offered again once.
    return { target, file, puts: 1 };
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
    const chunks = [...journal.entries(object)].filter(
      ({ place }) => place.index !== manifestIndex,
    );
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
