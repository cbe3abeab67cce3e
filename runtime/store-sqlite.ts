// The store on disk: SQLite on a thread of its own, with group commit.
//
// While one transaction is being written, the batches that arrive wait, and are then written
// together in the next one: a burst costs few flushes, and a lone commit waits for nobody. A
// promise resolves after the COMMIT of its own transaction has returned.
//
// On a full disk the transaction is tried again, every so often, and everything behind it waits:
// nothing is lost, nothing is acknowledged, and nobody has to start anything again.
//
// After a failure nothing is written any more: the batches that waited behind the failed one were
// made by a state that it was part of.

import { assert, errorText, SkyError } from "../model/errors.ts";
import type { Batch, Shortage, Store } from "./store.ts";
import type { StoreReply, WriteStep } from "./store-requests.ts";
import type { StoreThread } from "./store-thread-sqlite.ts";
import { startThread } from "./store-thread-sqlite.ts";

/** Bound the size of one transaction, and so that of the write-ahead log. */
const groupStepsMax = 4_096;
/** How often a full disk is tried again. */
const lookMs = 500;
/** Commits that wait, on a full disk or a slow one. More, and the store has failed. */
const waitingMax = 262_144;
const groupCharsMax = 8_388_608;
/** Events that one transaction removes: other commits wait for no more than these. */
const removedMax = 2_000;

export interface SqliteStoreOptions {
  readonly path: string;
  /** Delays the acknowledgement of each transaction, as a slower disk would. For benchmarks. */
  readonly extraFsyncMs?: number;
  /** The size of a file that is given up when the disk is full. 0 = none. */
  readonly ballastMib?: number;
}

interface WaitingWrite {
  readonly step: WriteStep;
  readonly resolve: (removed: number) => void;
  readonly reject: (error: SkyError) => void;
}

/** @throws SkyError `store/locked`, `store/failed` if the file cannot be opened or is not ours. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, extraFsyncMs = 0, ballastMib = 0 } = options;
  const room = new Room();
  const setup = { path, extraFsyncMs, ballastMib };
  const thread = startThread(setup, (shortage) => room.heard(shortage));
  const opened = await thread.opened;
  assert(opened.kind === "opened", "the store's thread says first that it is open");
  // A thread that has ended looks no more, and says so to whoever commits.
  room.watch(() => void thread.ask({ kind: "look" }).catch(() => {}));
  return storeOver(thread, room);
}

/** Whether room is short, and the time until it is looked for again. */
class Room {
  #shortage: Shortage | undefined;
  #look: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};
  #closed = false;
  readonly #hearers = new Set<() => void>();

  get shortage(): Shortage | undefined {
    return this.#shortage;
  }

  heard(shortage: Shortage | undefined): void {
    this.#shortage = shortage;
    for (const hear of [...this.#hearers]) hear();
    if (shortage?.level === "tight") this.#lookSoon();
  }

  /** `look` is called every so often while room is tight. */
  watch(look: () => void): void {
    this.#look = look;
    if (this.#shortage !== undefined) this.#lookSoon();
  }

  onChange(hear: () => void): () => void {
    this.#hearers.add(hear);
    return () => void this.#hearers.delete(hear);
  }

  /** Before a write is tried again. False if the store is closing. */
  async pause(): Promise<boolean> {
    if (this.#closed) return false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lookMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return !this.#closed;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#wake();
  }

  #lookSoon(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }
}

function storeOver(thread: StoreThread, room: Room): Store {
  let waiting: WaitingWrite[] = [];
  let writing: Promise<void> | undefined;
  let broken: SkyError | undefined;
  let commits = 0;
  let transactions = 0;

  const writeAll = async (): Promise<void> => {
    // A burst of commits in one turn of the loop shares the first transaction, too.
    await Promise.resolve();
    while (waiting.length > 0) {
      const group = waiting.slice(0, groupCount(waiting));
      waiting = waiting.slice(group.length);
      const steps = group.map(({ step }) => step);
      const reply = await writeOnce(thread, room, steps).catch(asFailure);
      if (reply instanceof SkyError) broken ??= reply;
      else transactions += 1;
      settleAll(group, reply);
      if (broken !== undefined) refuseWaiting(broken);
    }
    writing = undefined;
  };
  const refuseWaiting = (error: SkyError): void => {
    for (const { reject } of waiting) reject(again(error));
    waiting = [];
  };
  const write = (step: WriteStep): Promise<number> => {
    if (waiting.length >= waitingMax) broken ??= tooMany();
    if (broken !== undefined) return Promise.reject(again(broken));
    const done = new Promise<number>((resolve, reject) => waiting.push({ step, resolve, reject }));
    writing ??= writeAll();
    return done;
  };
  const writeInParts = async (step: WriteStep & { readonly countMax: number }): Promise<void> => {
    while ((await write(step)) >= step.countMax);
  };

  return {
    commit: async (batch: Batch) => {
      await write({ kind: "batch", batch });
      commits += 1;
    },
    forget: (subject) => writeInParts({ kind: "forget", subject, countMax: removedMax }),
    trim: (subject, keep) => writeInParts({ kind: "trim", subject, keep, countMax: removedMax }),
    ...readerOver(thread),
    counts: () => ({ commits, transactions }),
    shortage: () => room.shortage,
    onShortage: (hear) => room.onChange(hear),
    close: async () => {
      room.close();
      await writing;
      broken ??= new SkyError("store/failed", { why: "it was closed" });
      await thread.close();
    },
  };
}

function readerOver(thread: StoreThread): Pick<Store, "read" | "range" | "events"> {
  return {
    read: async (prefix) => {
      const reply = await thread.ask({ kind: "read", prefix });
      return reply.kind === "records" ? reply.records : [];
    },
    range: async (range) => {
      const reply = await thread.ask({ kind: "range", range });
      return reply.kind === "records" ? reply.records : [];
    },
    events: async (query) => {
      const reply = await thread.ask({ kind: "events", query });
      return reply.kind === "events" ? reply.events : [];
    },
  };
}

/** One transaction: on disk when it resolves. On a full disk that may take any time. */
async function writeOnce(
  thread: StoreThread,
  room: Room,
  steps: readonly WriteStep[],
): Promise<StoreReply> {
  for (;;) {
    const reply = await thread.ask({ kind: "write", steps });
    if (reply.kind !== "full") return reply;
    if (!(await room.pause())) throw new SkyError("store/failed", { why: "it was closed" });
  }
}

function settleAll(group: readonly WaitingWrite[], reply: StoreReply | SkyError): void {
  if (reply instanceof SkyError) {
    for (const { reject } of group) reject(reply);
    return;
  }
  const removed = reply.kind === "written" ? reply.removed : [];
  for (const [at, { resolve }] of group.entries()) resolve(removed[at] ?? 0);
}

/** How many of those that wait go into one transaction. At least one. */
function groupCount(waiting: readonly WaitingWrite[]): number {
  let chars = 0;
  const count = waiting.findIndex(({ step }, at) => {
    chars += step.kind === "batch" ? charsOf(step.batch) : 0;
    return at > 0 && (at >= groupStepsMax || chars > groupCharsMax);
  });
  return count < 0 ? waiting.length : count;
}

/** Of the records only: events are small. */
function charsOf({ puts }: Batch): number {
  return puts.reduce((sum, { value }) => sum + value.length, 0);
}

function tooMany(): SkyError {
  return new SkyError("store/failed", { why: `${waitingMax} commits wait for the disk` });
}

function asFailure(error: unknown): SkyError {
  return error instanceof SkyError
    ? error
    : new SkyError("store/failed", { why: errorText(error) }, { cause: error });
}

/** The same failure for a later commit, with a stack that leads to its caller. */
function again(first: SkyError): SkyError {
  return new SkyError("store/failed", { why: first.params["why"] ?? "" }, { cause: first });
}
