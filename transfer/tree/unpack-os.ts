// Unpacks a tree (`tree.ts`) over what is in a folder.
//
// A file appears whole under its name or not at all: it is written aside, then renamed, so a
// program that runs from the old one keeps it, and a symbolic link in its place is replaced, never
// written through. Everything is done in folders that are held open (`folder-os.ts`) under names
// that are one step (`entries.ts`): nothing that the tree says, and nothing that somebody puts in
// the way meanwhile, leads out of the target. A file that looks the same is compared with its
// content, byte for byte, and left alone if it is; a folder that is full never makes way.

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  lutimes,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { isTemp, tempName } from "../../runtime/tree-os.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import type { ChunkSource } from "../chunks/exchange.ts";
import { decodeManifest } from "../chunks/manifest.ts";
import { Crew } from "./crew.ts";
import { EntryDecoder, modeBits, type TreeEntry } from "./entries.ts";
import type { Folder } from "./folder-os.ts";
import {
  isGone,
  lookWithin,
  named,
  openFileWithin,
  openFolder,
  openWithin,
  shownIn,
} from "./folder-os.ts";
import { RegionReader } from "./region-reader.ts";
import { decodeRoot, invalidTree, largeFileBytes, regionsOf } from "./tree.ts";

export interface UnpackOptions {
  readonly source: ChunkSource;
  /** The tree's encoded manifest, as a chunk. */
  readonly tree: ChunkRef;
  readonly signal: AbortSignal;
}

/** What came of it. */
export interface Unpacked {
  readonly files: number;
  /** Of them, those that were there already, byte for byte. */
  readonly same: number;
  readonly bytes: number;
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
/** Files that are written side by side, and folders that wait for theirs. */
const sideBySide = 16;
const pieceBytes = 1024 * 1024;

/**
 * The folder above `target` must exist, and is trusted.
 * @throws SkyError `codec/invalid` if it is no tree, `process/failed` if a full folder is in the
 *   way; what `source` and the file system throw. What was unpacked until then stays.
 */
export async function unpackTree(target: string, options: UnpackOptions): Promise<Unpacked> {
  const { source, tree, signal } = options;
  const manifest = decodeManifest(await source.get(tree.digest, signal));
  const first = manifest.chunks[0];
  if (first === undefined) throw invalidTree("it is empty");
  const regions = regionsOf(manifest, decodeRoot(await source.get(first.digest, signal)));
  const above = await openFolder(dirname(target));
  const unpacker = new Unpacker(above, Buffer.from(basename(target)), {
    small: new RegionReader(source, regions.small, signal),
    large: new RegionReader(source, regions.large, signal),
    signal,
  });
  try {
    const description = new RegionReader(source, regions.description, signal);
    return await unpacker.unpack(description);
  } finally {
    await unpacker.close();
    await above.handle.close();
  }
}

interface Contents {
  readonly small: RegionReader;
  readonly large: RegionReader;
  readonly signal: AbortSignal;
}

type FileEntry = Extract<TreeEntry, { readonly kind: "file" }>;
type FolderEntry = Extract<TreeEntry, { readonly kind: "folder" }>;
type LinkEntry = Extract<TreeEntry, { readonly kind: "link" }>;

/** A folder that was entered and not yet left. */
interface Level {
  readonly folder: Folder;
  readonly entry: FolderEntry;
  /** It was not there before, so nothing is in the way in it. */
  readonly isNew: boolean;
  /** What must be done before its own times are set. */
  readonly work: Promise<void>[];
}

class Unpacker {
  readonly #above: Folder;
  readonly #name: Uint8Array;
  readonly #contents: Contents;
  readonly #crew = new Crew(sideBySide);
  readonly #levels: Level[] = [];
  readonly #counts = { files: 0, same: 0, bytes: 0 };

  constructor(above: Folder, name: Uint8Array, contents: Contents) {
    this.#above = above;
    this.#name = name;
    this.#contents = contents;
  }

  async unpack(description: RegionReader): Promise<Unpacked> {
    const decoder = new EntryDecoder();
    while (!description.isOver) {
      for (const entry of decoder.push(await description.read(pieceBytes))) {
        this.#contents.signal.throwIfAborted();
        await this.#crew.room();
        await this.#take(entry);
      }
    }
    decoder.end();
    await this.#crew.all();
    const { small, large } = this.#contents;
    if (!small.isOver || !large.isOver) throw invalidTree("it has contents of no file");
    return this.#counts;
  }

  /** Whatever became of it: nothing is under way any more, and no folder is open. */
  async close(): Promise<void> {
    await this.#crew.settled();
    for (const { folder } of this.#levels.splice(0)) await folder.handle.close();
  }

  async #take(entry: TreeEntry): Promise<void> {
    if (entry.kind === "folder") await this.#enter(entry);
    else if (entry.kind === "leave") this.#leave();
    else if (entry.kind === "link") this.#begin((level) => layLink(level, entry));
    else if (entry.bytes >= largeFileBytes) await this.#largeFile(entry);
    else await this.#smallFile(entry);
  }

  #level(): Level {
    const level = this.#levels.at(-1);
    // The decoder lets no other entry be first.
    if (level === undefined) throw invalidTree("it is no folder");
    return level;
  }

  #begin(work: (level: Level) => Promise<void>): void {
    const level = this.#level();
    level.work.push(this.#crew.begin(() => work(level)));
  }

  async #enter(entry: FolderEntry): Promise<void> {
    const outer = this.#levels.at(-1);
    const parent = outer?.folder ?? this.#above;
    const name = outer === undefined ? this.#name : entry.name;
    const isNew = await makeFolder(parent, name, outer?.isNew ?? false);
    const folder = await openWithin(parent, name);
    this.#levels.push({ folder, entry, isNew, work: [] });
    // Writable for us until its content is there, also where the source is not.
    if (!isNew) await named(folder.shown, folder.handle.chmod(entry.mode | 0o700));
    if (!isNew) await removeLeftovers(folder);
  }

  /** Its times are its own once nothing in it changes any more. */
  #leave(): void {
    const { folder, entry, work } = this.#level();
    this.#levels.pop();
    const left = this.#crew.begin(async () => {
      await Promise.all(work);
      try {
        await named(folder.shown, setAbout(folder.handle, entry));
      } finally {
        await folder.handle.close();
      }
    });
    this.#levels.at(-1)?.work.push(left);
  }

  async #smallFile(entry: FileEntry): Promise<void> {
    const content = await this.#contents.small.readWhole(entry.bytes);
    this.#begin(async (level) => {
      const isSame = !level.isNew && (await this.#isThere(level, entry, content));
      this.#count(entry, isSame);
      if (isSame) return;
      await layFile(level, entry, (file) => writeAll(file, content, shownOf(level, entry)));
    });
  }

  /** Alone, so that it is read once and never held. */
  async #largeFile(entry: FileEntry): Promise<void> {
    const { large } = this.#contents;
    const level = this.#level();
    const place = large.place;
    if (place === undefined) throw invalidTree("a large file does not begin a chunk");
    const isSame = !level.isNew && (await this.#isAllThere(level, entry));
    if (!isSame) {
      if (large.place !== place) large.goTo(place);
      await layFile(level, entry, (file) => this.#copy(file, level, entry));
    }
    if (large.place === undefined) throw invalidTree("a large file does not end a chunk");
    this.#count(entry, isSame);
  }

  async #copy(file: FileHandle, level: Level, entry: FileEntry): Promise<void> {
    const { bytes } = entry;
    const shown = shownOf(level, entry);
    for (let at = 0; at < bytes; ) {
      this.#contents.signal.throwIfAborted();
      const piece = await this.#contents.large.read(Math.min(pieceBytes, bytes - at));
      await writeAll(file, piece, shown);
      at += piece.length;
    }
  }

  async #isThere({ folder }: Level, entry: FileEntry, content: Uint8Array): Promise<boolean> {
    if (!looksSame(await lookWithin(folder, entry.name), entry)) return false;
    const shown = shownIn(folder, entry.name);
    return await comparing(folder, entry, (file) => named(shown, holds(file, content, 0)));
  }

  async #isAllThere({ folder }: Level, entry: FileEntry): Promise<boolean> {
    if (!looksSame(await lookWithin(folder, entry.name), entry)) return false;
    const shown = shownIn(folder, entry.name);
    return await comparing(folder, entry, async (file) => {
      for (let at = 0; at < entry.bytes; ) {
        this.#contents.signal.throwIfAborted();
        const piece = await this.#contents.large.read(Math.min(pieceBytes, entry.bytes - at));
        if (!(await named(shown, holds(file, piece, at)))) return false;
        at += piece.length;
      }
      return true;
    });
  }

  #count({ bytes }: FileEntry, isSame: boolean): void {
    this.#counts.files += 1;
    this.#counts.bytes += bytes;
    if (isSame) this.#counts.same += 1;
  }
}

/** @returns whether it was not there. What is no folder makes way. */
async function makeFolder(parent: Folder, name: Uint8Array, isEmpty: boolean): Promise<boolean> {
  const path = parent.path(name);
  const found = isEmpty ? undefined : await lookWithin(parent, name);
  if (found?.isDirectory()) return false;
  const shown = shownIn(parent, name);
  if (found !== undefined) await named(shown, unlink(path));
  await named(shown, mkdir(path, { mode: 0o700 }));
  return true;
}

/** Of an unpacking that was killed. Only one goes on in a place at a time. */
async function removeLeftovers(folder: Folder): Promise<void> {
  const names = await named(folder.shown, readdir(folder.self, { encoding: "buffer" }));
  for (const name of names) {
    if (!isTemp(name.toString("latin1"))) continue;
    await named(shownIn(folder, name), rm(folder.path(name), { force: true }));
  }
}

async function layLink({ folder, isNew }: Level, entry: LinkEntry): Promise<void> {
  await inPlace({ folder, isNew, name: entry.name }, async (temp) => {
    const shown = shownIn(folder, entry.name);
    await named(shown, symlink(Buffer.from(entry.target), temp));
    await named(shown, lutimes(temp, seconds(entry.mtimeUs), seconds(entry.mtimeUs)));
  });
}

async function layFile(
  { folder, isNew }: Level,
  entry: FileEntry,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  await inPlace({ folder, isNew, name: entry.name }, async (temp) => {
    const shown = shownIn(folder, entry.name);
    const file = await named(shown, open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
    try {
      await write(file);
      await named(shown, setAbout(file, entry));
    } finally {
      await file.close();
    }
  });
}

async function inPlace(
  to: { readonly folder: Folder; readonly isNew: boolean; readonly name: Uint8Array },
  make: (temp: Buffer) => Promise<void>,
): Promise<void> {
  const temp = to.folder.path(Buffer.from(tempName()));
  const path = to.folder.path(to.name);
  try {
    await make(temp);
    // An empty folder makes way, a full one does not: that would lose what is in it.
    if (!to.isNew) await removeFolder(to.folder, to.name);
    await named(shownIn(to.folder, to.name), rename(temp, path));
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}

/** If there is one. */
async function removeFolder(parent: Folder, name: Uint8Array): Promise<void> {
  if (!(await lookWithin(parent, name))?.isDirectory()) return;
  const shown = shownIn(parent, name);
  try {
    await named(shown, rmdir(parent.path(name)));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw cause;
    const why = "a folder that is not empty is in the way of a file; remove it";
    throw new SkyError("process/failed", { what: `unpacking ${shown}`, why }, { cause });
  }
}

function looksSame(found: BigIntStats | undefined, entry: FileEntry): boolean {
  return (
    found?.isFile() === true &&
    Number(found.size) === entry.bytes &&
    (Number(found.mode) & modeBits) === entry.mode &&
    Number(found.mtimeNs / 1_000n) === entry.mtimeUs
  );
}

/** What cannot be read, or is not there any more, is not the same. */
async function comparing(
  folder: Folder,
  { name }: FileEntry,
  compare: (file: FileHandle) => Promise<boolean>,
): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await openFileWithin(folder, name);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (isGone(error) || code === "EACCES" || code === "ELOOP") return false;
    throw error;
  }
  try {
    return await compare(file);
  } finally {
    await file.close();
  }
}

async function holds(file: FileHandle, content: Uint8Array, from: number): Promise<boolean> {
  const there = Buffer.allocUnsafe(content.length);
  for (let filled = 0; filled < there.length; ) {
    const { bytesRead } = await file.read(there, filled, there.length - filled, from + filled);
    if (bytesRead === 0) return false;
    filled += bytesRead;
  }
  return there.equals(content);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, shown: string): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await named(shown, file.write(bytes, at, bytes.length - at));
    at += bytesWritten;
  }
}

async function setAbout(handle: FileHandle, entry: FolderEntry | FileEntry): Promise<void> {
  await handle.chmod(entry.mode);
  await handle.utimes(seconds(entry.mtimeUs), seconds(entry.mtimeUs));
}

function shownOf({ folder }: Level, { name }: FileEntry): string {
  return shownIn(folder, name);
}

/** In the middle of the microsecond: a double has no exact one, and the kernel cuts. */
function seconds(us: number): number {
  return (us + 0.5) / 1_000_000;
}
