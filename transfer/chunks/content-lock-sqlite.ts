// The lock of a content store: whoever changes names of chunks, pins or the index holds it.
//
// It is a lock of the kernel on a file (an exclusive transaction of SQLite, which writes nothing),
// so it goes with its holder, however that ends. It is a file of its own because the index may
// have to be replaced while others wait. Turns under it are short; whoever waits for longer
// than the limit fails with a sentence, and nothing has happened.

import { closeSync, lstatSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SkyError } from "../../model/errors.ts";

/** Bound the wait for another process that holds the lock and does not get on. */
const lockWaitMs = 30_000;
/**
 * How often it is tried. SQLite's own wait goes up to 100 ms a try, and whoever waits like that
 * beside two that work hardly gets a turn.
 */
const tryEveryMs = 2;

/** Result codes of SQLite. Source: sqlite.org/rescode.html. */
const sqliteBusy = 5;

export class ContentLock {
  readonly #database: DatabaseSync;
  readonly #dir: string;
  /** Nobody wakes it: a wait for it is a pause of this thread, which has nothing else to do. */
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  readonly #path: string;
  readonly #inode: bigint | undefined;
  #isHeld = false;

  constructor(path: string, dir: string) {
    this.#dir = dir;
    this.#path = path;
    createOnce(path);
    this.#database = new DatabaseSync(path, { timeout: 0 });
    this.#inode = inodeOf(path);
    // The first transaction writes the file's first page; from then on none writes anything.
    this.#demandTurn();
    this.#database.exec("COMMIT");
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether it is the one that whoever opens the store now would take. */
  isCurrent(): boolean {
    const inode = inodeOf(this.#path);
    return inode !== undefined && inode === this.#inode;
  }

  /** @throws SkyError `chunks/failed` if another process holds it for too long. */
  whileHeld<T>(work: () => T): T {
    if (this.#isHeld) return work();
    this.#demandTurn();
    this.#isHeld = true;
    try {
      return work();
    } finally {
      this.#isHeld = false;
      this.#database.exec("ROLLBACK");
    }
  }

  close(): void {
    this.#database.close();
  }

  #demandTurn(): void {
    const deadline = performance.now() + lockWaitMs;
    while (!this.#take()) {
      if (performance.now() > deadline) {
        const why = `another process has held its lock for ${lockWaitMs / 1000} s`;
        throw new SkyError("chunks/failed", { dir: this.#dir, why });
      }
      Atomics.wait(this.#never, 0, 0, tryEveryMs);
    }
  }

  /** False if another process holds it. */
  #take(): boolean {
    try {
      this.#database.exec("BEGIN EXCLUSIVE");
      return true;
    } catch (error) {
      if (sqliteCode(error) === sqliteBusy) return false;
      throw error;
    }
  }
}

export function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** The low byte of a result code is the primary one; the rest tells variants apart. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/**
 * A file of the owner's alone. One that exists is not opened: with the close after it, POSIX would
 * drop the locks that this process holds on it.
 */
export function createOnce(path: string): void {
  try {
    closeSync(openSync(path, "ax", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
