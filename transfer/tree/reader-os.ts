// Reads a folder tree as it is at the moment of reading, on this thread.
//
// Files are read in the order of the description. A file that changes while it is read is read
// again, a bounded number of times: no file arrives as a mixture of two. A file that goes meanwhile
// is left out; a folder that goes, or makes way for another, is refused: what was read of it is a
// part. Of files with several names each name gets its own; sockets, pipes and devices have no
// content and are named to the caller. What is held is bounded whatever the tree is like.
//
// If the caller knows a stamp (`stamp.ts`), the tree is gone through without reading a file first.

import type { BigIntStats, Dirent } from "node:fs";
import { realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../../model/errors.ts";
import { isTemp } from "../../runtime/tree-os.ts";
import { encodeEntry, modeBits, mtimeUsMax, type TreeEntry } from "./entries.ts";
import { toldOf } from "./folder-os.ts";
import { rulesIn } from "./ignore-files-os.ts";
import { type IgnoreRules, isLeftOut, noRules } from "./ignore-rules.ts";
import type { LargeFile, ReadRequest, RegionName, TreeRead, TreeSink } from "./reading.ts";
import { type Cutter, RegionCut } from "./region-cut.ts";
import type { SourceFolder } from "./source-os.ts";
import {
  closeFile,
  isStillThere,
  linkTarget,
  listSource,
  lookAt,
  openFile,
  openInner,
  openSource,
  readInto,
  shownWithin,
  statOf,
} from "./source-os.ts";
import { fileStamp, isSettled, isStampable, TreeStamp, tickMs } from "./stamp.ts";
import { depthMax, largeFileBytes } from "./tree.ts";

export interface ReaderOptions {
  readonly newCutter: () => Cutter;
  /** Is told each name before it is looked at, and may throw. */
  readonly onEntry?: (name: string) => void;
}

const pieceBytes = 1024 * 1024;
/** How often a file that changes is read, and how long it is left alone in between. */
export const readsMax = 5;
const againMs = 50;
const skippedMax = 100;
/** Stamps of files that are handed on: what is beyond is read the next time. */
const largeKnownMax = 10_000;
const noName = Buffer.alloc(0);

/** @throws SkyError `process/failed` for a file that changes again and again, and for a folder that
 *   is removed or replaced meanwhile; what is thrown by the file system and by the sink. */
export async function readTree(
  request: ReadRequest,
  sink: TreeSink,
  options: ReaderOptions,
): Promise<TreeRead> {
  if (request.stamp !== undefined) {
    const looking = new TreeReader(request, undefined, options);
    if ((await looking.stamp()) === request.stamp) return { kind: "same" };
  }
  return await new TreeReader(request, sink, options).read();
}

type Kind = "folder" | "file" | "link" | "other";

/** Where an entry is. */
interface Place {
  readonly folder: SourceFolder;
  readonly name: Buffer;
}

/** What holds for everything in a folder: its path below the root, in latin1, and the rules. */
interface Within {
  readonly path: string;
  readonly rules: IgnoreRules;
  readonly depth: number;
}

const changingHint = "leave it out by .skyignore, or try again when nobody writes to it";

type Attempt = "done" | "gone" | "another" | "large" | "young" | "changed";

class TreeReader {
  readonly #request: ReadRequest;
  /** Absent: nothing is read, only looked at. */
  readonly #sink: TreeSink | undefined;
  readonly #options: ReaderOptions;
  readonly #regions: Readonly<Record<RegionName, RegionCut>>;
  readonly #stamp = new TreeStamp();
  readonly #skipped: string[] = [];
  readonly #large: LargeFile[] = [];
  #largeChunks = 0;
  #files = 0;
  #bytes = 0;
  #isStamped = true;
  /** The name of the only file there is. */
  #as: Buffer | undefined;
  #wait: Promise<void> | undefined;

  constructor(request: ReadRequest, sink: TreeSink | undefined, options: ReaderOptions) {
    this.#request = request;
    this.#sink = sink;
    this.#options = options;
    const { newCutter } = options;
    const take = (region: RegionName, chunk: Uint8Array): void => {
      const wait = sink?.chunk(region, chunk);
      // All that was taken counts against the same room: the last one to wait for is enough.
      if (wait !== undefined) this.#wait = wait;
    };
    this.#regions = {
      description: new RegionCut({ region: "description", newCutter, take }),
      small: new RegionCut({ region: "small", newCutter, take }),
      large: new RegionCut({ region: "large", newCutter, take }),
    };
  }

  async stamp(): Promise<string | undefined> {
    await this.#go();
    return this.#isStamped ? this.#stamp.done() : undefined;
  }

  async read(): Promise<TreeRead> {
    await this.#go();
    for (const region of Object.values(this.#regions)) region.cut();
    await this.#wait;
    return {
      ...{ kind: "read", files: this.#files, bytes: this.#bytes, skipped: this.#skipped },
      ...(this.#isStamped ? { stamp: this.#stamp.done() } : {}),
      large: this.#large,
    };
  }

  async #go(): Promise<void> {
    const { path, isFile } = this.#request;
    if (isFile) return await this.#only(path);
    const folder = openSource(path);
    try {
      await this.#folder(folder, noName, { path: "", rules: noRules, depth: 1 });
      if (!isStillThere(folder)) throw vanished(path);
    } finally {
      closeFile(folder.fd);
    }
  }

  /** A tree of one file: what the folder is like that it lies in is no part of it. */
  async #only(path: string): Promise<void> {
    const target = realpathSync(path);
    const folder = openSource(dirname(target));
    this.#as = Buffer.from(basename(path));
    try {
      this.#describe({ kind: "folder", name: noName, mode: 0o755, mtimeUs: 0 });
      await this.#entry({ folder, name: Buffer.from(basename(target)) }, "file", undefined);
      this.#describe({ kind: "leave" });
    } finally {
      closeFile(folder.fd);
    }
    if (this.#sink !== undefined && this.#files !== 1) throw vanished(path);
  }

  async #folder(folder: SourceFolder, name: Buffer, within: Within): Promise<void> {
    if (within.depth > depthMax) {
      throw failed(folder.shown, `it is more than ${depthMax} folders deep`);
    }
    this.#describe({ kind: "folder", name, ...aboutOf(statOf(folder.fd)) });
    const all = listSource(folder);
    if (all === undefined) throw vanished(folder.shown);
    const rules = rulesIn(folder, all, within);
    for (const one of all) {
      if (this.#isOut(one, within.path, rules)) continue;
      const done = this.#entry({ folder, name: one.name }, kindOf(one), { ...within, rules });
      if (done !== undefined) await done;
      if (this.#wait !== undefined) await this.#room();
    }
    this.#describe({ kind: "leave" });
  }

  #isOut(one: Dirent<Buffer>, folder: string, rules: IgnoreRules): boolean {
    const name = one.name.toString("latin1");
    this.#options.onEntry?.(name);
    return isTemp(name) || isLeftOut(rules, { name, folder, isFolder: one.isDirectory() });
  }

  async #room(): Promise<void> {
    const wait = this.#wait;
    this.#wait = undefined;
    await wait;
  }

  /** A promise only where there is something to wait for. */
  #entry(place: Place, kind: Kind, within: Within | undefined): Promise<void> | undefined {
    switch (kind) {
      case "folder":
        return this.#inner(place, within);
      case "link":
        this.#link(place);
        return undefined;
      case "other":
        if (this.#skipped.length < skippedMax) this.#skipped.push(shownAt(place));
        return undefined;
      case "file": {
        const attempt = this.#file(place, false);
        const isOver = attempt === "done" || attempt === "gone";
        return isOver ? undefined : this.#insist(place, attempt, within);
      }
    }
  }

  async #inner(place: Place, within: Within | undefined): Promise<void> {
    const inner = openInner(place.folder, place.name);
    if (inner === undefined || within === undefined) throw vanished(shownAt(place));
    const step = place.name.toString("latin1");
    const path = within.path === "" ? step : `${within.path}/${step}`;
    try {
      await this.#folder(inner, place.name, { ...within, path, depth: within.depth + 1 });
      if (!isStillThere(inner, place.folder, place.name)) throw vanished(inner.shown);
    } finally {
      closeFile(inner.fd);
    }
  }

  #link(place: Place): void {
    const found = lookAt(place.folder, place.name);
    const target = found === undefined ? undefined : linkTarget(place.folder, place.name);
    if (found === undefined || target === undefined) return;
    const { mtimeUs } = aboutOf(found);
    this.#describe({ kind: "link", name: place.name, mtimeUs, target });
  }

  /** Tries again what did not go at once. */
  async #insist(place: Place, first: Attempt, within: Within | undefined): Promise<void> {
    let attempt = first;
    for (let reads = 1; reads <= readsMax; ) {
      if (attempt === "done" || attempt === "gone") return;
      if (attempt === "another") {
        const found = lookAt(place.folder, place.name);
        if (found === undefined) return;
        if (!found.isFile()) return await this.#entry(place, kindOf(found), within);
      }
      if (attempt === "large") {
        attempt = await this.#largeFile(place);
        if (attempt === "done" || attempt === "gone") return;
      }
      if (attempt !== "young") reads += 1;
      if (reads > readsMax) break;
      await pause(attempt === "young" ? tickMs : againMs);
      attempt = this.#file(place, true);
    }
    const why = `it changed while it was read, ${readsMax} times`;
    throw failed(shownAt(place), `${why}; ${changingHint}`);
  }

  /** A small file is read, of a large one it is only found out that it is. */
  #file(place: Place, isSettledEnough: boolean): Attempt {
    if (this.#sink === undefined) return this.#lookedAt(place);
    const fd = openFile(place.folder, place.name);
    if (fd === undefined) return "another";
    try {
      const before = statOf(fd);
      if (!before.isFile()) return "another";
      if (before.size >= largeFileBytes) return "large";
      const now = Date.now();
      if (!isSettledEnough && !isSettled(before, now)) return "young";
      const size = Number(before.size);
      const room = this.#regions.small.room(size);
      const count = size === 0 ? 0 : readInto(fd, room, 0);
      if (count !== size || !isSame(before, statOf(fd))) return "changed";
      this.#regions.small.added(size);
      this.#described(place, before, now);
      return "done";
    } catch (error) {
      throw toldOf(shownAt(place), error);
    } finally {
      closeFile(fd);
    }
  }

  #lookedAt({ folder, name }: Place): Attempt {
    const found = lookAt(folder, name);
    if (found === undefined) return "gone";
    if (!found.isFile()) return "another";
    this.#described({ folder, name }, found, Date.now());
    return "done";
  }

  async #largeFile(place: Place): Promise<Attempt> {
    const fd = openFile(place.folder, place.name);
    if (fd === undefined) return "another";
    try {
      const before = await settledStat(fd);
      if (!before.isFile() || before.size < largeFileBytes) return "another";
      const now = Date.now();
      const file = fileStamp(before);
      const chunks = this.#request.known.get(file) ?? (await this.#stream(fd, before));
      if (chunks === undefined) return "changed";
      if (this.#request.known.has(file)) this.#sink?.reuse(file);
      this.#remember({ file, from: this.#largeChunks, chunks }, isStampable(before, now));
      this.#largeChunks += chunks;
      this.#described(place, before, now);
      return "done";
    } catch (error) {
      throw toldOf(shownAt(place), error);
    } finally {
      closeFile(fd);
    }
  }

  /** How many chunks it is, if it stood still. */
  async #stream(fd: number, before: BigIntStats): Promise<number | undefined> {
    const region = this.#regions.large;
    const size = Number(before.size);
    let at = 0;
    while (at < size) {
      const room = region.room(Math.min(pieceBytes, size - at));
      const count = readInto(fd, room, at);
      region.added(count);
      at += count;
      if (this.#wait !== undefined) await this.#room();
      if (count === 0) break;
    }
    const chunks = region.cut();
    if (at === size && isSame(before, statOf(fd))) return chunks;
    this.#sink?.takeBack(chunks);
    return undefined;
  }

  #remember(file: LargeFile, isStamped: boolean): void {
    if (isStamped && this.#large.length < largeKnownMax) this.#large.push(file);
  }

  #described({ name }: Place, found: BigIntStats, nowMs: number): void {
    const bytes = Number(found.size);
    this.#files += 1;
    this.#bytes += bytes;
    if (!isStampable(found, nowMs)) this.#isStamped = false;
    this.#describe({ kind: "file", name: this.#as ?? name, ...aboutOf(found), bytes }, found);
  }

  #describe(entry: TreeEntry, facts?: BigIntStats): void {
    const encoded = encodeEntry(entry);
    this.#stamp.add(encoded, facts);
    if (this.#sink !== undefined) this.#regions.description.write(encoded);
  }
}

/** What the file is like, at a moment from which on a change of it shows in its times. */
async function settledStat(fd: number): Promise<BigIntStats> {
  const found = statOf(fd);
  if (isSettled(found, Date.now())) return found;
  await pause(tickMs);
  return statOf(fd);
}

interface Kinds {
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

function kindOf(one: Kinds): Kind {
  if (one.isDirectory()) return "folder";
  if (one.isFile()) return "file";
  return one.isSymbolicLink() ? "link" : "other";
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

function aboutOf({ mode, mtimeNs }: BigIntStats): { mode: number; mtimeUs: number } {
  const mtimeUs = Number(mtimeNs / 1_000n);
  return {
    mode: Number(mode) & modeBits,
    mtimeUs: Math.min(Math.max(mtimeUs, 0), mtimeUsMax),
  };
}

function shownAt({ folder, name }: Place): string {
  return shownWithin(folder, name);
}

function vanished(path: string): SkyError<"process/failed"> {
  return failed(path, "it was removed or replaced while it was read; try again");
}

function failed(path: string, why: string): SkyError<"process/failed"> {
  return new SkyError("process/failed", { what: `packing ${path}`, why });
}
