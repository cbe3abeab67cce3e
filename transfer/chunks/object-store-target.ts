// Objects of a store as ends of a transfer: a key that is read by ranges, and one that is written.
//
// What is written in several chunks is an upload in parts: chunk `index` is part `index + 1`, so a
// part is put again as often as need be, in any order, and who goes on with an upload asks the
// store which parts it has. What has one chunk or none is put at once.
//
// The store checks every part against the checksum that came with it, and the whole when it is
// completed: that is the proof, unless what was written is to be read back.
//
// What must always hold: whoever has to know of an upload has been told before its first part goes
// out; a chunk counts as here if the journal has it and the store has a part of its length there;
// under the key is what was there before, or the whole object.

import { hash } from "node:crypto";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type {
  ObjectAttributes,
  ObjectStore,
  Upload,
  UploadedPart,
} from "../stores/object-store.ts";
import type { ChunkRef, Manifest } from "./chunk.ts";
import type { CutRule } from "./cut.ts";
import type { ObjectFile } from "./object-file-os.ts";
import { isSamePlace, type PlacedChunk, type PlaceJournal, placesOf } from "./object-place.ts";
import type { ObjectTarget } from "./object-target.ts";
import type { SentObject } from "./send-options.ts";
import { Slots } from "./slots.ts";

export interface StoreSource {
  readonly object: number;
  readonly store: ObjectStore;
  readonly key: string;
  readonly bytes: number;
  /** As it was listed: a change is found by it. */
  readonly version?: string | undefined;
  readonly cut?: CutRule | undefined;
}

/** An object of a store, to be sent. */
export function storeToSend({ object, store, key, bytes, version, cut }: StoreSource): SentObject {
  return {
    ...{ object, bytes, cut },
    read: async (range, signal) => {
      const ifMatch = version === undefined ? {} : { ifMatch: version };
      const got = await store.get({ key, range, ...ifMatch }, signal);
      if (got.length === range.bytes) return got;
      const why = `${got.length} bytes came where ${range.bytes} were listed`;
      throw new SkyError("objects/changed", { object: key, why });
    },
  };
}

export interface StoreTarget {
  readonly store: ObjectStore;
  readonly key: string;
  readonly bytes: number;
  readonly cut?: CutRule | undefined;
  readonly attributes?: ObjectAttributes | undefined;
  /** To go on with. */
  readonly upload?: Upload | undefined;
  /** Awaited before the first part goes out, and again if the upload that was there is gone. */
  readonly onUpload: (upload: Upload) => Promise<void>;
  /** Whether what was written is read back and compared, beside what the store checks. */
  readonly readBack?: boolean;
  /** Requests at a time, with all other objects of the store. */
  readonly slots?: Slots;
  readonly signal: AbortSignal;
}

/** An object that is to be under a key of a store. */
export function storeToReceive(options: StoreTarget): ObjectTarget {
  const { bytes, cut } = options;
  const written = new WrittenObject(options);
  return {
    ...{ bytes, cut },
    open: async (journal) => {
      await written.open(journal);
      return written;
    },
    holds: (manifest) => written.holds(manifest),
    putWhole: (content) => written.putWhole(content),
  };
}

class WrittenObject implements ObjectFile {
  readonly known = new Map<number, PlacedChunk>();
  readonly #options: StoreTarget;
  readonly #slots: Slots;
  #journal: PlaceJournal | undefined;
  #upload: Upload | undefined;
  #beginning: Promise<Upload> | undefined;
  readonly #parts = new Map<number, UploadedPart>();

  constructor(options: StoreTarget) {
    this.#options = options;
    this.#slots = options.slots ?? new Slots(requestsUsual);
    this.#upload = options.upload;
  }

  async open(journal: PlaceJournal): Promise<void> {
    this.#journal = journal;
    const upload = this.#upload;
    if (upload === undefined) return;
    const parts = await this.#partsOf(upload);
    if (parts === undefined) this.#upload = undefined;
    for (const part of parts ?? []) this.#parts.set(part.number, part);
    for (const place of journal.places) {
      const part = this.#parts.get(place.index + 1);
      if (part?.bytes === place.ref.bytes) this.known.set(place.index, place);
    }
  }

  /** `undefined` if the upload is gone. */
  async #partsOf(upload: Upload): Promise<readonly UploadedPart[] | undefined> {
    try {
      return await this.#ask((store, signal) => store.parts(upload, signal));
    } catch (error) {
      if (isSkyError(error, "objects/no-object")) return undefined;
      throw error;
    }
  }

  async put(place: PlacedChunk, bytes: Uint8Array): Promise<void> {
    const here = this.known.get(place.index);
    if (here !== undefined && isSamePlace(here, place)) return;
    this.known.delete(place.index);
    const upload = await this.#begin();
    const number = place.index + 1;
    const part = await this.#ask((store, signal) =>
      store.putPart(upload, { number, bytes }, signal),
    );
    this.#parts.set(number, part);
    await this.#journal?.record([place]);
    this.known.set(place.index, place);
  }

  async #begin(): Promise<Upload> {
    if (this.#upload !== undefined) return this.#upload;
    this.#beginning ??= this.#beginNew().finally(() => {
      this.#beginning = undefined;
    });
    return await this.#beginning;
  }

  async #beginNew(): Promise<Upload> {
    const { key, onUpload, store, signal } = this.#options;
    const upload = await this.#ask((asked, over) => asked.begin(key, this.#how(over)));
    try {
      await onUpload(upload);
    } catch (error) {
      // Nobody knows of it: it must not stay.
      await store.abort(upload, signal);
      throw error;
    }
    this.#upload = upload;
    return upload;
  }

  missing(manifest: Manifest): readonly PlacedChunk[] {
    return [...placesOf(manifest)].filter((place) => {
      const here = this.known.get(place.index);
      return here === undefined || !isSamePlace(here, place);
    });
  }

  async finish(manifest: Manifest): Promise<void> {
    const { key } = this.#options;
    const [first] = this.missing(manifest);
    if (first !== undefined) {
      const where = `${key}, part ${first.index + 1}`;
      throw new SkyError("chunk/missing", { digest: first.ref.digest, where });
    }
    const upload = await this.#begin();
    // Parts of an earlier object that had more of them are no parts of this one.
    const parts = manifest.chunks.flatMap((_, index) => this.#parts.get(index + 1) ?? []);
    const version = await this.#ask((store, signal) =>
      store.complete(upload, parts, this.#how(signal)),
    );
    await this.#prove(manifest, version);
  }

  async putWhole(bytes: Uint8Array): Promise<void> {
    const { key, readBack = false } = this.#options;
    const version = await this.#ask((store, signal) => store.put(key, bytes, this.#how(signal)));
    if (!readBack) return;
    const ref = { digest: hash("sha256", bytes), bytes: bytes.length };
    await this.#prove({ bytes: bytes.length, chunks: bytes.length === 0 ? [] : [ref] }, version);
  }

  /** Beside what the store has checked: its length, and all bytes where they are read back. */
  async #prove(manifest: Manifest, version: string): Promise<void> {
    const { key, readBack = false } = this.#options;
    const found = await this.#ask((store, signal) => store.head(key, signal));
    if (found === undefined || found.version !== version) {
      const why = "somebody else has written it since";
      throw new SkyError("objects/changed", { object: key, why });
    }
    if (found.bytes !== manifest.bytes) {
      throw damaged(key, `it has ${found.bytes} bytes of ${manifest.bytes}`);
    }
    if (!readBack) return;
    for (const { index, offset: at, ref } of placesOf(manifest)) {
      if (!(await this.#isThere(at, ref, version))) throw damaged(key, `part ${index + 1} differs`);
    }
  }

  /** Whether the key has exactly this object: every byte is read. */
  async holds(manifest: Manifest): Promise<boolean> {
    const { key } = this.#options;
    const found = await this.#ask((store, signal) => store.head(key, signal));
    if (found?.bytes !== manifest.bytes) return false;
    for (const { offset: at, ref } of placesOf(manifest)) {
      if (!(await this.#isThere(at, ref, found.version))) return false;
    }
    return true;
  }

  async #isThere(at: number, ref: ChunkRef, ifMatch: string): Promise<boolean> {
    const request = { key: this.#options.key, range: { at, bytes: ref.bytes }, ifMatch };
    try {
      const bytes = await this.#ask((store, signal) => store.get(request, signal));
      return hash("sha256", bytes) === ref.digest;
    } catch (error) {
      if (isSkyError(error, "objects/damaged")) return false;
      throw error;
    }
  }

  async abort(): Promise<void> {
    const upload = this.#upload;
    this.#upload = undefined;
    if (upload === undefined) return;
    await this.#ask((store, signal) => store.abort(upload, signal));
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }

  #how(signal: AbortSignal) {
    const { attributes } = this.#options;
    return attributes === undefined ? { signal } : { attributes, signal };
  }

  #ask<T>(request: (store: ObjectStore, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { store, signal } = this.#options;
    return this.#slots.use(async () => {
      signal.throwIfAborted();
      return await request(store, signal);
    });
  }
}

/** Of one object, where its store has no bound of its own. */
const requestsUsual = 8;

function damaged(object: string, why: string): SkyError {
  return new SkyError("objects/damaged", { object, why });
}
