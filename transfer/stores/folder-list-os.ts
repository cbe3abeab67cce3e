// Lists what is at a path of this machine as objects, many folders at a time.
//
// A symbolic link to a file is that file; one to a folder is not followed, and told; one that leads
// nowhere is a failure that is named. So is a folder that cannot be read, and a name that is no
// UTF-8, which no key can be. Sockets, pipes and devices are told. Empty folders are no objects.
// What vanishes while it is listed was removed, and is not there.
//
// What must always hold: every file is listed once or is in the notes; nobody who lists less is
// told that it is all; memory holds what is under way, not the whole tree.

import { isUtf8 } from "node:buffer";
import type { BigIntStats, Dirent } from "node:fs";
import { lstat, opendir, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import { fileError, fileFault, reasonOf } from "./file-errors.ts";
import { isUnfinishedName } from "./file-keys.ts";
import { fileVersion, modifiedMsOf } from "./file-version.ts";
import type { ListedObject } from "./object-store.ts";

export interface LocalListing {
  readonly kind: "file" | "folder";
  /** Absolute. Of a single file: the folder that it is in. An object is at `root`/`key`. */
  readonly root: string;
  readonly pages: AsyncIterable<ListPage>;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly notes: readonly ListNote[];
}

/** What is there and is no object. */
export interface ListNote {
  readonly path: string;
  readonly why: string;
  /** It should have been one: whoever copies the tree has failed to copy this. */
  readonly failed: boolean;
}

export interface ListOptions {
  /** Otherwise what is in the folder itself, and its folders are told. */
  readonly recursive: boolean;
  /** Only keys that begin so; folders that can have none are not looked into. */
  readonly prefix?: string;
}

const permissionBits = 0o777;
/** Folders that are read at a time. */
const foldersMax = 16;
/** Entries of one folder that are looked at together. */
const batchEntriesMax = 256;
/** A page is given when it has so many; the last may have fewer. */
const pageEntries = 512;
const exact = { bigint: true } as const;

/**
 * What is at `path`, links followed; `undefined` for nothing.
 * @throws SkyError `objects/denied`, `objects/refused` (neither file nor folder), `objects/failed`.
 */
export async function listLocal(
  path: string,
  options: ListOptions,
  signal: AbortSignal,
): Promise<LocalListing | undefined> {
  const absolute = resolve(path);
  // With its trailing slash: `file/` is nothing.
  const found = await statIfAny(path.endsWith("/") ? `${absolute}/` : absolute);
  if (found === undefined) return undefined;
  if (found.isDirectory()) {
    const walk = new Walk(absolute, options, signal);
    return { kind: "folder", root: absolute, pages: walk.pages() };
  }
  if (!found.isFile()) {
    const why = "it is neither a file nor a folder";
    throw new SkyError("objects/refused", { object: absolute, why });
  }
  const objects = [listedOf(basename(absolute), found)];
  return { kind: "file", root: dirname(absolute), pages: once({ objects, notes: [] }) };
}

export function listedOf(key: string, found: BigIntStats): ListedObject {
  return {
    key,
    bytes: Number(found.size),
    modifiedMs: modifiedMsOf(found),
    changedMs: modifiedMsOf({ mtimeNs: found.ctimeNs }),
    version: fileVersion(found),
    mode: Number(found.mode) & permissionBits,
  };
}

async function* once(page: ListPage): AsyncGenerator<ListPage> {
  yield page;
}

async function statIfAny(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, exact);
  } catch (error) {
    const isNothing = fileFault(error) === "none" || codeOf(error) === "ENOTDIR";
    if (isNothing) return undefined;
    throw told(error, path);
  }
}

type Reading = AsyncGenerator<undefined, void, void>;
type Steps = Map<Reading, Promise<{ readonly reading: Reading; readonly done: boolean }>>;

function go(steps: Steps, reading: Reading): void {
  const step = reading.next().then(({ done = false }) => ({ reading, done }));
  steps.set(reading, step);
}

class Walk {
  readonly #root: string;
  readonly #recursive: boolean;
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  /** Keys of folders that have yet to be read, each with its `/`; the root's is empty. */
  readonly #waiting: string[] = [""];
  #objects: ListedObject[] = [];
  #notes: ListNote[] = [];

  constructor(root: string, { recursive, prefix = "" }: ListOptions, signal: AbortSignal) {
    this.#root = root.endsWith("/") ? root : `${root}/`;
    this.#recursive = recursive;
    this.#prefix = prefix;
    this.#signal = signal;
  }

  /** Folders go side by side, a batch of entries at a time, as whoever listens takes pages. */
  async *pages(): AsyncGenerator<ListPage, void, void> {
    const steps: Steps = new Map();
    try {
      for (;;) {
        this.#begin(steps);
        if (steps.size === 0) break;
        const { reading, done } = await Promise.race(steps.values());
        steps.delete(reading);
        // Before a page is given: who takes no more of them closes all folders that are open.
        if (!done) go(steps, reading);
        if (this.#objects.length + this.#notes.length >= pageEntries) yield this.#page();
      }
      if (this.#objects.length + this.#notes.length > 0) yield this.#page();
    } finally {
      // What is under way ends first, and is not heard; then the folders are closed.
      await Promise.allSettled(steps.values());
      for (const reading of steps.keys()) await reading.return();
    }
  }

  #begin(steps: Steps): void {
    while (steps.size < foldersMax) {
      const folder = this.#waiting.pop();
      if (folder === undefined) return;
      go(steps, this.#read(folder));
    }
  }

  #page(): ListPage {
    const page = { objects: this.#objects, notes: this.#notes };
    this.#objects = [];
    this.#notes = [];
    return page;
  }

  async *#read(folder: string): Reading {
    const entries = this.#entries(folder);
    let batch: Dirent<Buffer>[] = [];
    for await (const entry of entries) {
      batch.push(entry);
      if (batch.length < batchEntriesMax) continue;
      await this.#look(folder, batch);
      batch = [];
      yield;
    }
    await this.#look(folder, batch);
  }

  async *#entries(folder: string): AsyncGenerator<Dirent<Buffer>, void, void> {
    const path = `${this.#root}${folder}`;
    this.#signal.throwIfAborted();
    try {
      // The types of Node know no folder whose names are bytes; its `encoding` makes it one.
      const options = { encoding: "buffer" as BufferEncoding, bufferSize: batchEntriesMax };
      const dir = await opendir(path, options);
      for await (const entry of dir) yield entry as unknown as Dirent<Buffer>;
    } catch (error) {
      if (fileFault(error) === "none" && folder !== "") return;
      if (folder === "" || this.#signal.aborted) throw told(error, path);
      this.#fail(folder, `the folder cannot be read: ${reasonOf(error)}`);
    }
  }

  async #look(folder: string, entries: readonly Dirent<Buffer>[]): Promise<void> {
    this.#signal.throwIfAborted();
    await Promise.all(entries.map((entry) => this.#lookAt(folder, entry)));
  }

  async #lookAt(folder: string, entry: Dirent<Buffer>): Promise<void> {
    const name = entry.name.toString();
    const key = `${folder}${name}`;
    if (!isUtf8(entry.name)) {
      if (!folder.startsWith(this.#prefix) && !this.#prefix.startsWith(folder)) return;
      const bytes = entry.name.toString("latin1").replace(/[^ -~]/g, hexOf);
      this.#fail(`${folder}${bytes}`, "its name is no valid UTF-8, so no key can be like it");
      return;
    }
    if (entry.isDirectory()) this.#folder(key);
    else if (key.startsWith(this.#prefix)) await this.#entry(key, entry);
  }

  #folder(key: string): void {
    const path = `${key}/`;
    if (!path.startsWith(this.#prefix) && !this.#prefix.startsWith(path)) return;
    if (isUnfinishedName(basename(key)))
      this.#note(key, "it is an unfinished object of a transfer");
    else if (this.#recursive) this.#waiting.push(path);
    else this.#note(key, "it is a folder");
  }

  async #entry(key: string, entry: Dirent<Buffer>): Promise<void> {
    if (isUnfinishedName(basename(key))) {
      this.#note(key, "it is an unfinished object of a transfer");
      return;
    }
    try {
      const path = `${this.#root}${key}`;
      const found = await lstat(path, exact);
      if (found.isSymbolicLink()) await this.#link(key);
      else if (found.isFile()) this.#objects.push(listedOf(key, found));
      else if (found.isDirectory()) this.#folder(key);
      else this.#note(key, `it is ${kindOf(entry)}`);
    } catch (error) {
      if (fileFault(error) === "none") return;
      this.#fail(key, reasonOf(error));
    }
  }

  async #link(key: string): Promise<void> {
    try {
      const found = await stat(`${this.#root}${key}`, exact);
      if (found.isFile()) this.#objects.push(listedOf(key, found));
      else if (found.isDirectory()) this.#note(key, "it is a link to a folder, and not followed");
      else this.#note(key, "it is a link to something that is no file");
    } catch (error) {
      const isBroken = fileFault(error) === "none" || codeOf(error) === "ENOTDIR";
      this.#fail(key, isBroken ? "it is a link that leads nowhere" : reasonOf(error));
    }
  }

  #note(key: string, why: string): void {
    this.#notes.push({ path: `${this.#root}${key}`, why, failed: false });
  }

  #fail(key: string, why: string): void {
    this.#notes.push({ path: `${this.#root}${key}`, why, failed: true });
  }
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isSocket()) return "a socket";
  if (entry.isFIFO()) return "a pipe";
  return entry.isBlockDevice() || entry.isCharacterDevice() ? "a device" : "no file";
}

function hexOf(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function told(error: unknown, path: string): unknown {
  return fileError(error, path, (cause) => noRoom(path, cause));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
