// The keeper of a content store: does what is asked of the index's thread, turn by turn.
//
// A turn that changes anything holds the store's lock and is one transaction of the index, so
// that put, pin and evict of two processes exclude each other. On a full disk it is done once more
// without the ballast: to unpin and to evict must be possible when there is no room for anything.
// Synchronous.

import { chmodSync, lstatSync, mkdirSync, realpathSync } from "node:fs";
import { SkyError } from "../../model/errors.ts";
import { dropBallast, layBallast } from "../../runtime/ballast-os.ts";
import { freeBytes, isNoRoom } from "../../runtime/room-os.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { ContentGenerations, isDamage } from "./content-generations-sqlite.ts";
import type {
  IndexAnswers,
  IndexNotice,
  IndexRequest,
  IndexSetup,
  IndexTotals,
  RequestKind,
  RequestOf,
} from "./content-index-requests.ts";
import type { ContentIndex } from "./content-index-sqlite.ts";
import { type ContentLayout, chunkPath, layoutOf, shelfOf } from "./content-layout.ts";
import { ContentLock, sqliteCode } from "./content-lock-sqlite.ts";
import { addToPin, removePin } from "./content-pins-os.ts";
import { repairAll } from "./content-repair-os.ts";
import { ContentRoom } from "./content-room-os.ts";
import { layFolders, layShelf, lookAt, removeChunk, setAside } from "./content-shelves-os.ts";
import type { PinName } from "./content-store.ts";
import { enterWriter, newWriterIn, sweepWriters, type Writer } from "./content-writers-os.ts";

/** Source: sqlite.org/rescode.html. */
const sqliteFull = 13;

/** Given up when the disk is full; and what must be free besides before it is laid again. */
const ballastMib = 1;
const spareBytes = 8_388_608;

/** Needs of a removed pin that one turn drops. */
const droppedMax = 2_000;

/** Notices that wait for whoever opened the store. Further ones are dropped: they are alike. */
const noticesMax = 100;

type Handlers = { readonly [K in RequestKind]: (request: RequestOf<K>) => IndexAnswers[K] };

export class ContentKeeper {
  readonly #layout: ContentLayout;
  #lock: ContentLock;
  readonly #room: ContentRoom;
  #writer: Writer;
  readonly #generations: ContentGenerations;
  #notices: IndexNotice[] = [];
  #isBallastGone = false;
  #totals: IndexTotals = { chunks: 0, bytes: 0, pinnedBytes: 0, pins: 0, evicted: 0 };

  /** @throws SkyError `chunks/failed`, and what the file system throws. */
  constructor(setup: IndexSetup) {
    this.#layout = layoutOf(prepareRoot(setup.root));
    this.#lock = new ContentLock(this.#layout.lock, this.#layout.root);
    this.#room = new ContentRoom(this.#layout, setup);
    let isFilled = false;
    this.#generations = new ContentGenerations({
      root: this.#layout.root,
      fill: () => {
        isFilled = true;
        this.#repair();
      },
      hear: (why) =>
        this.#notice({ message: "the index was damaged and is read anew", fields: { why } }),
    });
    this.#writer = this.#withRoom(() => this.#enter(newWriterIn(this.#layout.incoming)));
    this.#turn(() => {});
    if (!isFilled) this.#repair();
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
    release: (request) => this.#release(request),
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
      this.#demandRoot();
      this.#demandOwnFolder();
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
    if (this.#isBallastGone) this.#layBallast();
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
      for (const { digest } of chunks) this.#dropUnknown(digest);
      throw error;
    } finally {
      for (const [at, { bytes }] of chunks.entries()) {
        if (recordings[at] !== "more") this.#room.release(bytes);
      }
    }
  }

  /** A file that has its name already and could not be recorded goes: nobody was told of it. */
  #release({ digest, bytes }: RequestOf<"release">): null {
    this.#room.release(bytes);
    this.#dropUnknown(digest);
    return null;
  }

  /** Should another process be about to record it, that one will find it gone and begin again. */
  #dropUnknown(digest: Digest): void {
    this.#held(() => {
      if (this.#generations.current().bytesOf(digest) !== undefined) return;
      if (lookAt(this.#layout.root, digest).kind === "chunk") removeChunk(this.#layout, digest);
    });
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
    const totals = this.#generations.open?.totals();
    if (totals !== undefined) this.#totals = { ...totals, evicted: this.#room.evicted };
  }

  #enter(folder: string): Writer {
    layFolders(this.#layout, (path) => this.#notePlanted(path));
    this.#layBallast();
    const writer = enterWriter(folder);
    const dead = sweepWriters(this.#layout.incoming, writer.folder);
    const message = "what dead writers left in the content store was swept";
    if (dead > 0) this.#notice({ message, fields: { writers: dead } });
    return writer;
  }

  /** Where somebody took the store's folder away while it is open, it is laid anew, and empty. */
  #demandRoot(): void {
    const gone = this.#lock;
    if (gone.isHeld || gone.isCurrent()) return;
    prepareRoot(this.root);
    this.#lock = new ContentLock(this.#layout.lock, this.root);
    try {
      this.#withRoom(() => this.#enterAgain());
    } catch (error) {
      // The next turn tries again.
      this.#lock.close();
      this.#lock = gone;
      throw error;
    }
    gone.close();
    const message = "the content store was taken away while it was open, and is begun anew";
    this.#notice({ message, fields: {} });
  }

  /** Under the name that it had: that is where the chunks are written aside. */
  #enterAgain(): void {
    if (lstatSync(this.incoming, { throwIfNoEntry: false }) !== undefined) return;
    const writer = this.#enter(this.incoming);
    this.#writer.abandon();
    this.#writer = writer;
  }

  #repair(): void {
    repairAll({
      layout: this.#layout,
      turn: (work) => this.#turn(work),
      trim: (index) => this.#room.trim(index),
      notice: (notice) => this.#notice(notice),
    });
  }

  #demandOwnFolder(): void {
    if (lstatSync(this.incoming, { throwIfNoEntry: false }) !== undefined) return;
    const why = `${this.incoming} was taken away while it was open`;
    throw new SkyError("chunks/failed", { dir: this.root, why });
  }

  #notice(notice: IndexNotice): void {
    if (this.#notices.length < noticesMax) this.#notices.push(notice);
  }

  #notePlanted(path: string): void {
    const message = "what is no folder stood in the place of one, and was moved away";
    this.#notice({ message, fields: { path } });
  }

  #turn<T>(work: (index: ContentIndex) => T): T {
    return this.#withRoom(() =>
      this.#generations.sound((index) => index.transaction(() => work(index))),
    );
  }

  /** Under the lock; once more without the ballast if there was no room. */
  #withRoom<T>(work: () => T): T {
    return this.#held(() => {
      try {
        return work();
      } catch (error) {
        if (!isFull(error) || !dropBallast(this.#layout.ballast)) throw error;
        this.#isBallastGone = true;
        return work();
      }
    });
  }

  #held<T>(work: () => T): T {
    this.#demandRoot();
    return this.#lock.whileHeld(work);
  }

  /** Without the lock, unless another index has to be found. */
  #read<T>(work: (index: ContentIndex) => T): T {
    const { open } = this.#generations;
    if (open === undefined) return this.#turn(work);
    try {
      return work(open);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#turn(work);
    }
  }

  #layBallast(): void {
    const { root, ballast } = this.#layout;
    if (freeBytes(root) < ballastMib * 1_048_576 + spareBytes) return;
    this.#isBallastGone = !this.#lock.whileHeld(() => layBallast(ballast, ballastMib));
  }

  #close(): void {
    this.#lock.whileHeld(() => {
      this.#writer.leave();
      this.#generations.close();
    });
    this.#lock.close();
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

function isFull(error: unknown): boolean {
  return isNoRoom(error) || sqliteCode(error) === sqliteFull;
}
