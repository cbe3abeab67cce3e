// The keeper of a content store: does what is asked of the index's thread, turn by turn.
//
// A turn that changes anything holds the store's lock and is one transaction of the index, so
// that put, pin and evict of two processes exclude each other. An index that turns out to be
// damaged, or that another process has given up, is left: the next generation is opened, or begun
// and filled from the files, and the turn is done again. Synchronous.

import { chmodSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import type { ChunkRef } from "./chunk.ts";
import type {
  IndexAnswers,
  IndexNotice,
  IndexRequest,
  IndexSetup,
  IndexTotals,
  RequestKind,
  RequestOf,
} from "./content-index-requests.ts";
import { ContentIndex, DamagedIndex } from "./content-index-sqlite.ts";
import {
  type ContentLayout,
  chunkPath,
  generationOf,
  indexName,
  layoutOf,
  shelfOf,
} from "./content-layout.ts";
import { ContentLock, createOnce, sqliteCode } from "./content-lock-sqlite.ts";
import { addToPin, removePin } from "./content-pins-os.ts";
import { repairAll } from "./content-repair-os.ts";
import { ContentRoom } from "./content-room-os.ts";
import { layFolders, layShelf, lookAt, setAside } from "./content-shelves-os.ts";
import type { PinName } from "./content-store.ts";
import { enterWriter, sweepWriters, type Writer } from "./content-writers-os.ts";

/** Result codes of SQLite. Source: sqlite.org/rescode.html. */
const sqliteCorrupt = 11;
const sqliteNoDatabase = 26;

/** Needs of a removed pin that one turn drops. */
const droppedMax = 2_000;

/** Notices that wait for whoever opened the store. Further ones are dropped: they are alike. */
const noticesMax = 100;

type Handlers = { readonly [K in RequestKind]: (request: RequestOf<K>) => IndexAnswers[K] };

export class ContentKeeper {
  readonly #layout: ContentLayout;
  readonly #lock: ContentLock;
  readonly #room: ContentRoom;
  readonly #writer: Writer;
  #notices: IndexNotice[] = [];
  #index: ContentIndex | undefined;
  #generation = 0;
  #inode = 0n;
  /** The index was begun, and filled from the files, by this opener. */
  #isFresh = false;
  #isRenewing = false;
  #totals: IndexTotals = { chunks: 0, bytes: 0, pinnedBytes: 0, pins: 0, evicted: 0 };

  /** @throws SkyError `chunks/failed`, and what the file system throws. */
  constructor(setup: IndexSetup) {
    this.#layout = layoutOf(prepareRoot(setup.root));
    this.#lock = new ContentLock(this.#layout.lock, this.#layout.root);
    this.#room = new ContentRoom(this.#layout, setup);
    this.#writer = this.#lock.whileHeld(() => this.#enter());
    this.#lock.whileHeld(() => this.#current());
    if (!this.#isFresh) this.#repair();
    this.#count();
  }

  get root(): string {
    return this.#layout.root;
  }

  /** What this opener writes aside, and nobody else touches. */
  get incoming(): string {
    return this.#writer.folder;
  }

  /** As this opener last saw them. */
  get totals(): IndexTotals {
    return this.#totals;
  }

  /** What was noticed since it was last asked. */
  takeNotices(): readonly IndexNotice[] {
    const notices = this.#notices;
    this.#notices = [];
    return notices;
  }

  answer(request: IndexRequest): IndexAnswers[RequestKind] {
    // One table for all kinds: the compiler cannot see that kind and request belong together.
    const handler = this.#handlers[request.kind] as (
      request: IndexRequest,
    ) => IndexAnswers[RequestKind];
    const answer = handler(request);
    this.#count();
    return answer;
  }

  readonly #handlers: Handlers = {
    find: ({ digests }) =>
      this.#read((index) => digests.filter((digest) => index.bytesOf(digest) !== undefined)),
    admit: (request) => this.#admit(request),
    record: (request) => this.#record(request),
    release: ({ bytes }) => {
      this.#room.release(bytes);
      return null;
    },
    clear: ({ bytes }) => this.#turn((index) => this.#room.clear(index, bytes)),
    use: ({ used }) => {
      this.#turn((index) => index.use(used));
      return null;
    },
    condemn: (request) => this.#condemn(request),
    miss: ({ digest }) => {
      this.#turn((index) => {
        if (lookAt(this.#layout.root, digest).kind === "absent") index.remove(digest);
      });
      return null;
    },
    shelf: ({ digest }) => {
      const path = shelfOf(this.#layout.root, digest);
      this.#turn(() => layShelf(this.#layout, path, (what) => this.#notePlanted(what)));
      return null;
    },
    pin: ({ name, chunks }) => {
      this.#turn((index) => this.#pin(index, name, chunks));
      return null;
    },
    unpin: ({ name }) => this.#turn((index) => this.#unpin(index, name)),
    pinned: ({ name }) =>
      this.#read((index) => {
        const id = index.pinId(name);
        return id === undefined ? null : index.needs(id);
      }),
    pins: ({ prefix }) => this.#read((index) => index.pinNames(prefix)),
    close: () => {
      this.#close();
      return null;
    },
  };

  #admit({ chunks, used }: RequestOf<"admit">): IndexAnswers["admit"] {
    const admissions = this.#turn((index) => {
      index.use(used);
      return this.#room.admit(index, chunks);
    });
    for (const [at, { bytes }] of chunks.entries()) {
      if (admissions[at] === "room") this.#room.reserve(bytes);
    }
    return admissions;
  }

  #record({ chunks, used }: RequestOf<"record">): IndexAnswers["record"] {
    let recordings: IndexAnswers["record"] = [];
    try {
      recordings = this.#turn((index) => {
        index.use(used);
        return this.#room.record(index, chunks);
      });
      return recordings;
    } catch (error) {
      this.#lock.whileHeld(() => this.#room.abandon(this.#current(), chunks));
      throw error;
    } finally {
      for (const [at, { bytes }] of chunks.entries()) {
        if (recordings[at] !== "more") this.#room.release(bytes);
      }
    }
  }

  #condemn({ digest, identity }: RequestOf<"condemn">): boolean {
    return this.#turn((index) => {
      const found = lookAt(this.#layout.root, digest);
      const isSame = found.kind === "chunk" ? found.identity === identity : found.kind === "odd";
      if (!isSame) return false;
      setAside(this.#layout, chunkPath(this.#layout.root, digest));
      index.remove(digest);
      return true;
    });
  }

  /** The file first: it is the truth. What it has already is not written again. */
  #pin(index: ContentIndex, name: PinName, chunks: readonly ChunkRef[]): void {
    const id = index.pinId(name);
    const isNew = ({ digest }: ChunkRef): boolean =>
      id === undefined || !index.isPinnedBy(id, digest);
    const added = chunks.filter(isNew);
    if (id !== undefined && added.length === 0) return;
    addToPin(this.#layout, name, added);
    index.addNeeds(index.addPin(name), added);
  }

  #unpin(index: ContentIndex, name: PinName): boolean {
    const id = index.pinId(name);
    if (id !== undefined) {
      removePin(this.#layout, name);
      index.unname(id);
    }
    return index.dropNeeds(droppedMax);
  }

  #count(): void {
    const totals = this.#index?.totals();
    if (totals !== undefined) this.#totals = { ...totals, evicted: this.#room.evicted };
  }

  #enter(): Writer {
    layFolders(this.#layout, (path) => this.#notePlanted(path));
    const writer = enterWriter(this.#layout.incoming);
    const dead = sweepWriters(this.#layout.incoming, writer.folder);
    const message = "what dead writers left in the content store was swept";
    if (dead > 0) this.#notice({ message, fields: { writers: dead } });
    return writer;
  }

  #repair(): void {
    repairAll({
      layout: this.#layout,
      turn: (work) => this.#turn(work),
      notice: (notice) => this.#notice(notice),
    });
  }

  #notice(notice: IndexNotice): void {
    if (this.#notices.length < noticesMax) this.#notices.push(notice);
  }

  #notePlanted(path: string): void {
    const message = "what is no folder stood in the place of one, and was moved away";
    this.#notice({ message, fields: { path } });
  }

  #turn<T>(work: (index: ContentIndex) => T): T {
    return this.#lock.whileHeld(() => this.#sound((index) => index.transaction(() => work(index))));
  }

  /** Without the lock, unless another index has to be found. */
  #read<T>(work: (index: ContentIndex) => T): T {
    if (this.#index === undefined || !this.#isCurrent()) return this.#turn(work);
    try {
      return work(this.#index);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#turn(work);
    }
  }

  /** Under the lock. With the next index, once, if this one is damaged. */
  #sound<T>(work: (index: ContentIndex) => T): T {
    const index = this.#current();
    try {
      return work(index);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#giveUp(String(error));
      return work(this.#current());
    }
  }

  /** Under the lock: the index that all who have the store open use. */
  #current(): ContentIndex {
    if (this.#index !== undefined && this.#isCurrent()) return this.#index;
    this.#index?.close();
    this.#index = undefined;
    const newest = this.#newest();
    try {
      this.#open(newest === 0 ? this.#next() : newest);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#giveUp(String(error));
    }
    // Set by now, by either way.
    if (this.#index === undefined) throw new DamagedIndex("a new index cannot be opened");
    return this.#index;
  }

  #isCurrent(): boolean {
    return inodeOf(join(this.#layout.root, indexName(this.#generation))) === this.#inode;
  }

  #newest(): number {
    const numbers = readdirSync(this.#layout.root).map((name) => generationOf(name) ?? 0);
    return Math.max(0, ...numbers);
  }

  /** A number that no index had before, also if somebody has removed them all. */
  #next(): number {
    return Math.max(Date.now(), this.#generation + 1, this.#newest() + 1);
  }

  #open(generation: number): void {
    const path = join(this.#layout.root, indexName(generation));
    const isNew = inodeOf(path) === undefined;
    createOnce(path);
    this.#index = new ContentIndex(path);
    this.#generation = generation;
    this.#inode = inodeOf(path) ?? 0n;
    this.#isFresh = isNew;
    if (isNew) this.#repair();
  }

  /** Under the lock: begins the next generation; whoever has this one open will find it gone. */
  #giveUp(why: string): void {
    if (this.#isRenewing) throw new DamagedIndex(`a new index is damaged at once: ${why}`);
    this.#isRenewing = true;
    try {
      this.#renew(why);
    } finally {
      this.#isRenewing = false;
    }
  }

  #renew(why: string): void {
    this.#notice({ message: "the index was damaged and is read anew", fields: { why } });
    this.#index?.close();
    this.#index = undefined;
    const next = this.#next();
    for (const name of readdirSync(this.#layout.root)) {
      const generation = generationOf(name);
      if (generation === undefined || generation >= next) continue;
      rmSync(join(this.#layout.root, name), { force: true, recursive: true });
    }
    this.#open(next);
  }

  #close(): void {
    try {
      this.#lock.whileHeld(() => this.#writer.leave());
    } finally {
      this.#index?.close();
      this.#index = undefined;
      this.#lock.close();
    }
  }
}

/** The folder as it really is, of its owner alone. */
function prepareRoot(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = realpathSync(path);
  const { uid, mode } = lstatSync(root);
  const own = process.getuid?.() ?? uid;
  if (uid !== own) {
    throw new SkyError("chunks/failed", { dir: root, why: `it belongs to user ${uid}` });
  }
  if ((mode & 0o777) !== 0o700) chmodSync(root, 0o700);
  return root;
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function isDamage(error: unknown): boolean {
  if (error instanceof DamagedIndex) return true;
  const code = sqliteCode(error);
  return code === sqliteCorrupt || code === sqliteNoDatabase;
}
