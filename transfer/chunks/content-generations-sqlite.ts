// Which index of a content store is in use, and how it is replaced when it is damaged.
//
// An index is replaced by one of a higher number, never under the same name: SQLite removes a
// database's log by its name, so whoever closes the old one would take the new one's. Everybody
// looks before each turn whether the file that they have open is still the one of that name.
// Finding and replacing happen under the store's lock.

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ContentIndex, DamagedIndex } from "./content-index-sqlite.ts";
import { generationOf, indexName } from "./content-layout.ts";
import { createOnce, inodeOf, sqliteCode } from "./content-lock-sqlite.ts";

/** Result codes of SQLite. Source: sqlite.org/rescode.html. */
/** Our statements never change: one that does not fit met a damaged schema. */
const sqliteError = 1;
const sqliteCorrupt = 11;
const sqliteNoDatabase = 26;

export interface GenerationsOptions {
  readonly root: string;
  /** Reads the files into an index that was just begun. */
  readonly fill: () => void;
  /** Told why an index was given up. */
  readonly hear: (why: string) => void;
}

export class ContentGenerations {
  readonly #options: GenerationsOptions;
  #index: ContentIndex | undefined;
  #generation = 0;
  #inode = 0n;
  #isRenewing = false;

  constructor(options: GenerationsOptions) {
    this.#options = options;
  }

  /** The index that is open, if it still is the one that all use. */
  get open(): ContentIndex | undefined {
    return this.#isCurrent() ? this.#index : undefined;
  }

  /** Under the lock: runs `work`, once more with the next index if this one is damaged. */
  sound<T>(work: (index: ContentIndex) => T): T {
    const index = this.current();
    try {
      return work(index);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#giveUp(String(error));
      return work(this.current());
    }
  }

  /** Under the lock: the index that all who have the store open use. It may be a new one. */
  current(): ContentIndex {
    const { open } = this;
    if (open !== undefined) return open;
    this.close();
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

  /** Under the lock, as the last one to close an index tidies up after all. */
  close(): void {
    this.#index?.close();
    this.#index = undefined;
  }

  #isCurrent(): boolean {
    return inodeOf(join(this.#options.root, indexName(this.#generation))) === this.#inode;
  }

  #newest(): number {
    const numbers = readdirSync(this.#options.root).map((name) => generationOf(name) ?? 0);
    return Math.max(0, ...numbers);
  }

  /** A number that no index had before, also if somebody has removed them all. */
  #next(): number {
    return Math.max(Date.now(), this.#generation + 1, this.#newest() + 1);
  }

  #open(generation: number): void {
    const path = join(this.#options.root, indexName(generation));
    const isNew = inodeOf(path) === undefined;
    createOnce(path);
    this.#index = new ContentIndex(path);
    this.#generation = generation;
    this.#inode = inodeOf(path) ?? 0n;
    if (isNew) this.#options.fill();
  }

  /** Whoever else has it open will find it gone. */
  #giveUp(why: string): void {
    if (this.#isRenewing) throw new DamagedIndex(`a new index is damaged at once: ${why}`);
    this.#isRenewing = true;
    try {
      this.#options.hear(why);
      this.#renew();
    } finally {
      this.#isRenewing = false;
    }
  }

  #renew(): void {
    this.close();
    const { root } = this.#options;
    const next = this.#next();
    for (const name of readdirSync(root)) {
      const isOld = generationOf(name) !== undefined;
      if (isOld) rmSync(join(root, name), { force: true, recursive: true });
    }
    this.#open(next);
  }
}

export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedIndex) return true;
  const code = sqliteCode(error);
  return code === sqliteError || code === sqliteCorrupt || code === sqliteNoDatabase;
}
