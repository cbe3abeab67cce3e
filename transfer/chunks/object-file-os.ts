// The destination of an object as a file: partial beside its final name until it is proven whole.
//
// Chunks are written at their offsets in any order. One flush of the disk serves all that were
// written before it; then they are recorded in a journal, and only then is any of them acknowledged
// (`put` resolves). After a crash the journal says what should be there: each of these is read and
// hashed before it counts, so a torn or damaged partial file costs chunks and never an object.
//
// Every byte was proven in memory just before it was written, or read and proven when the file was
// opened. `finish` reads all once more before it gives the file its name, unless the file system
// says that nobody else has written to it meanwhile (`write-watch-os.ts`): what a stray writer
// changed after the acknowledgement shows nowhere else. It reads cached pages, so it says nothing
// of the disk beneath: for that there is no proof but to read on another day.
//
// What must always hold: under the final name is what was there before, or the whole object; what
// was acknowledged survives `kill -9` and a power cut; one writer for a final name at a time.

import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { assert, SkyError } from "../../model/errors.ts";
import type { HomeLock } from "../../runtime/home-lock-sqlite.ts";
import { syncEntry } from "../../runtime/tree-os.ts";
import type { Manifest } from "./chunk.ts";
import { lookAt, proofsOf, writeAll } from "./object-bytes-os.ts";
import { damagedAt, demandRoom, invalid, missingAt, named } from "./object-file-errors-os.ts";
import { takeObjectLock } from "./object-lock-sqlite.ts";
import {
  fill,
  isSamePlace,
  type ObjectNames,
  objectNames,
  type PlacedChunk,
  type PlaceJournal,
  placesOf,
} from "./object-place.ts";
import { tellsWritesApart, WriteWatch } from "./write-watch-os.ts";

export interface ObjectFileOptions {
  /** The final name. Its folder must be there; a symbolic link is replaced, not followed. */
  readonly path: string;
  readonly transfer: string;
  /** The object's length where it is known: room for it is looked for at once. */
  readonly bytes?: number;
  /**
   * A folder for the locks of writers, the same for all writers of a home. Without it the caller
   * sees to it that nobody else writes this object of this transfer.
   */
  readonly locks?: string | undefined;
  readonly openJournal: (path: string) => Promise<PlaceJournal>;
  /** Off: for a disk that proves what it reads by itself. */
  readonly proveAtEnd?: boolean;
}

export interface ObjectFile {
  /** What is here, by index, proven when it was opened or put since. */
  readonly known: ReadonlyMap<number, PlacedChunk>;
  /**
   * Resolves when the chunk is safe. The bytes are proven, and must not be changed until then. A
   * place that has another chunk gets this one.
   * @throws SkyError `disk/full`: what is here stays, and the same chunk may be put again.
   */
  put(place: PlacedChunk, bytes: Uint8Array): Promise<void>;
  /** What has yet to come. */
  missing(manifest: Manifest): readonly PlacedChunk[];
  /**
   * Gives the whole file its final name, when all puts under way have settled; later ones wait.
   * Nothing else of it is left then.
   * @throws SkyError `chunk/missing`; `chunk/damaged` for the first chunk whose bytes changed after
   *   it was put: all such are missing from then on. Put them again, and call this again.
   */
  finish(manifest: Manifest, attributes?: FileAttributes): Promise<void>;
  /** Removes all that is here. The final name keeps what it had. */
  abort(): Promise<void>;
  /** Lets go and keeps all for the next time. */
  close(): Promise<void>;
}

export interface FileAttributes {
  /** 0o644 if it is not given. */
  readonly mode?: number;
  readonly mtimeMs?: number;
}

const modeUsual = 0o644;
const modePartial = 0o600;
const diskBlockBytes = 512;

/**
 * Opens the file for an object that comes in, and proves what is left of an earlier time.
 * @throws SkyError `store/locked` if another writes to that name; `request/invalid`, `disk/full`,
 *   `process/failed`.
 */
export async function openObjectFile(options: ObjectFileOptions): Promise<ObjectFile> {
  const { path, transfer } = options;
  const names = objectNames(path, transfer);
  return await named(names, async () => {
    if ((await lookAt(dirname(path))) === undefined) throw invalid(`${path} is in no folder`);
    if ((await lookAt(path))?.isDirectory()) throw invalid(`${path} is a folder`);
    const { locks } = options;
    const lock = locks === undefined ? undefined : takeObjectLock(locks, path);
    const file = new PartialFile(options, names, lock);
    try {
      await file.open();
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  });
}

class PartialFile implements ObjectFile {
  readonly known = new Map<number, PlacedChunk>();
  readonly #options: ObjectFileOptions;
  readonly #names: ObjectNames;
  readonly #lock: HomeLock | undefined;
  #file: FileHandle | undefined;
  #journal: PlaceJournal | undefined;
  /** By index, those that are on their way to be safe. */
  readonly #puts = new Map<number, { readonly place: PlacedChunk; readonly done: Promise<void> }>();
  /** Written, and not yet safe. */
  #written: Written[] = [];
  #flushing: Promise<void> | undefined;
  #failure: unknown;
  #watch: WriteWatch | undefined;
  #phase: "open" | "renamed" | "closed" = "open";
  #begun: Promise<unknown> | undefined;
  /** Settles when `finish` has, whatever became of it. */
  #finishing: Promise<unknown> | undefined;

  constructor(options: ObjectFileOptions, names: ObjectNames, lock: HomeLock | undefined) {
    this.#options = options;
    this.#names = names;
    this.#lock = lock;
  }

  async open(): Promise<void> {
    const { bytes, openJournal } = this.#options;
    this.#journal = await openJournal(this.#names.journal);
    // A later record of a place counts, not an earlier one.
    const places = new Map(this.#journal.places.map((place) => [place.index, place]));
    const isPartial = (await lookAt(this.#names.partial)) !== undefined;
    if (!isPartial && (await this.#isRenamed(places))) return;
    const file = await this.#openPartial();
    await this.#prove(places);
    if (bytes === undefined) return;
    const { blocks } = await file.stat();
    demandRoom(this.#names, bytes - blocks * diskBlockBytes);
    await this.#watched(() => file.truncate(bytes));
  }

  async #openPartial(): Promise<FileHandle> {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    this.#file = await open(this.#names.partial, O_RDWR | O_CREAT | O_NOFOLLOW, modePartial);
    this.#watch = new WriteWatch(this.#file, tellsWritesApart(this.#names.partial));
    await this.#watch.begin();
    // Its name must be as safe as what is acknowledged of it.
    await syncEntry(dirname(this.#options.path));
    return this.#file;
  }

  /** Whether the rename was done, and what comes after it was not. */
  async #isRenamed(places: ReadonlyMap<number, PlacedChunk>): Promise<boolean> {
    const { path } = this.#options;
    const found = await lookAt(path);
    const isWhole = found?.isFile() && places.size > 0 && fill(places.values(), found.size);
    if (!isWhole) return false;
    this.#file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    await this.#prove(places);
    if (this.known.size === places.size) {
      this.#phase = "renamed";
      return true;
    }
    this.known.clear();
    await this.#file.close();
    return false;
  }

  async #prove(places: ReadonlyMap<number, PlacedChunk>): Promise<void> {
    for await (const { place, good } of proofsOf(this.#openFile(), places.values())) {
      if (good) this.known.set(place.index, place);
    }
  }

  async put(place: PlacedChunk, bytes: Uint8Array): Promise<void> {
    assert(bytes.length === place.ref.bytes, `${bytes.length} bytes of ${place.ref.bytes}`);
    // What was proven must not be written over before it has its name.
    while (this.#finishing !== undefined) await this.#finishing;
    const under = this.#puts.get(place.index);
    if (under !== undefined) {
      assert(isSamePlace(under.place, place), `two chunks at once for place ${place.index}`);
      return await under.done;
    }
    if (this.#has(place)) return;
    const done = named(this.#names, () => this.#put(place, bytes));
    this.#puts.set(place.index, { place, done });
    try {
      await done;
    } finally {
      this.#puts.delete(place.index);
    }
  }

  async #put(place: PlacedChunk, bytes: Uint8Array): Promise<void> {
    this.#demandOpen();
    await this.#beginAnew();
    this.known.delete(place.index);
    await this.#watched(() => writeAll(this.#openFile(), bytes, place.offset));
    await this.#safe(place);
  }

  async #watched(write: () => Promise<void>): Promise<void> {
    assert(this.#watch !== undefined, "what is written to is watched");
    await this.#watch.write(write);
  }

  /** Resolves when what was written is flushed and recorded, with all that waits beside it. */
  #safe(place: PlacedChunk): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#written.push({ place, resolve, reject });
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return promise;
  }

  /** Never rejects: whoever waits is told. */
  async #flush(): Promise<void> {
    while (this.#written.length > 0) {
      const batch = this.#written.splice(0);
      const places = batch.map(({ place }) => place);
      try {
        this.#demandOpen();
        await this.#openFile().datasync();
        await this.#journal?.record(places);
        for (const place of places) this.known.set(place.index, place);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // After a failed flush nobody knows what is on the disk. What was recorded before is proven
        // anew by whoever opens it next.
        this.#failure ??= error;
        for (const { reject } of batch) reject(error);
      }
    }
  }

  missing(manifest: Manifest): readonly PlacedChunk[] {
    return [...placesOf(manifest)].filter((place) => !this.#has(place));
  }

  #has(place: PlacedChunk): boolean {
    const here = this.known.get(place.index);
    return here !== undefined && isSamePlace(here, place);
  }

  async finish(manifest: Manifest, attributes: FileAttributes = {}): Promise<void> {
    while (this.#finishing !== undefined) await this.#finishing;
    const finishing = this.#finish(manifest, attributes);
    this.#finishing = Promise.allSettled([finishing]).finally(() => {
      this.#finishing = undefined;
    });
    await finishing;
  }

  async #finish(manifest: Manifest, attributes: FileAttributes): Promise<void> {
    await named(this.#names, async () => {
      await Promise.allSettled([...this.#puts.values()].map(({ done }) => done));
      this.#demandOpen();
      // More places than the object has: what lies under the name is another one.
      const isOther = this.known.size !== manifest.chunks.length;
      if (isOther) await this.#beginAnew();
      const [first] = this.missing(manifest);
      if (first !== undefined) throw missingAt(first, this.#options.path);
      if (this.#phase === "open") await this.#rename(manifest, attributes);
      await this.#leave();
    });
  }

  async #rename(manifest: Manifest, { mode, mtimeMs }: FileAttributes): Promise<void> {
    const { path, proveAtEnd = true } = this.#options;
    const file = this.#openFile();
    const isUntouched = (await this.#watch?.isUntouched()) ?? false;
    await file.truncate(manifest.bytes);
    if (proveAtEnd && !isUntouched) await this.#proveAll(manifest);
    await file.chmod(mode ?? modeUsual);
    if (mtimeMs !== undefined) await file.utimes(mtimeMs / 1_000, mtimeMs / 1_000);
    await file.sync();
    await rename(this.#names.partial, path);
    this.#phase = "renamed";
    await syncEntry(dirname(path));
  }

  async #proveAll(manifest: Manifest): Promise<void> {
    let damaged: PlacedChunk | undefined;
    for await (const { place, good } of proofsOf(this.#openFile(), placesOf(manifest))) {
      if (good) continue;
      this.known.delete(place.index);
      damaged ??= place;
    }
    if (damaged !== undefined) throw damagedAt(damaged, this.#names.partial);
  }

  /** The final file has the name; what the journal said of it is not needed any more. */
  async #leave(): Promise<void> {
    await this.#closeFiles();
    await rm(this.#names.journal, { force: true });
    this.#lock?.release();
  }

  async abort(): Promise<void> {
    if (this.#phase === "closed") return;
    await this.#settled();
    await this.#closeFiles();
    await rm(this.#names.partial, { force: true });
    await rm(this.#names.journal, { force: true });
    this.#lock?.release();
    await syncEntry(dirname(this.#options.path));
  }

  async close(): Promise<void> {
    if (this.#phase === "closed") return;
    await this.#settled();
    await this.#closeFiles();
    this.#lock?.release();
  }

  /** If a file was found under the final name: it is of an earlier object after all. */
  async #beginAnew(): Promise<void> {
    if (this.#phase === "renamed") {
      this.#phase = "open";
      this.known.clear();
      this.#begun = this.#openFile()
        .close()
        .then(() => this.#openPartial());
    }
    await this.#begun;
  }

  /** Nothing is under way any more; what waited to be safe has been told. */
  async #settled(): Promise<void> {
    this.#failure ??= new SkyError("core/cancelled", { what: this.#options.path });
    await Promise.allSettled([...this.#puts.values()].map(({ done }) => done));
  }

  async #closeFiles(): Promise<void> {
    this.#phase = "closed";
    await this.#journal?.close();
    await this.#file?.close();
  }

  #openFile(): FileHandle {
    assert(this.#file !== undefined, "the partial file is not open");
    return this.#file;
  }

  #demandOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#phase !== "closed") return;
    throw new SkyError("core/cancelled", { what: `writing ${this.#options.path}` });
  }
}

interface Written {
  readonly place: PlacedChunk;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}
