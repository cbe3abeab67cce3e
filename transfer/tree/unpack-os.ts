// Unpacks a tree (`tree.ts`) over what is in a folder.
//
// A file appears whole under its name or not at all: it is written aside, then renamed, so a
// program that runs from the old one keeps it, and a symbolic link in its place is replaced, never
// written through. Everything is done in folders that are held open (`folder-os.ts`) under names
// that are one step (`entries.ts`): nothing that the tree says, and nothing that somebody puts in
// the way meanwhile, leads out of the target. A file that looks the same is compared with its
// content, byte for byte, and left alone if it is; a folder that is full never makes way.

import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { SkyError } from "../../model/errors.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import type { ChunkSource } from "../chunks/exchange.ts";
import { decodeManifest } from "../chunks/manifest.ts";
import { Crew } from "./crew.ts";
import { EntryDecoder, type TreeEntry } from "./entries.ts";
import type { Folder } from "./folder-os.ts";
import { lookWithin, named, openFolder, openWithin, shownIn } from "./folder-os.ts";
import type { FileEntry, FolderEntry, LinkEntry, Site } from "./lay-os.ts";
import {
  comparing,
  holds,
  isKept,
  isSettled,
  layFile,
  layLink,
  looksSame,
  makeFolder,
  removeLeftovers,
  setAbout,
  shownOf,
  writeAll,
} from "./lay-os.ts";
import { RegionReader } from "./region-reader.ts";
import { decodeRoot, invalidTree, largeFileBytes, regionsOf } from "./tree.ts";

export interface UnpackOptions {
  readonly source: ChunkSource;
  /** The tree's encoded manifest, as a chunk. */
  readonly tree: ChunkRef;
  readonly signal: AbortSignal;
  /**
   * It is a tree of one file, which gets the name `target`: nothing else of the folder that it is
   * in is touched.
   */
  readonly isFile?: boolean;
  /**
   * All of this tree was there at this time of the file system, in nanoseconds since 1970: what
   * was not changed since, is not read.
   */
  readonly sinceNs?: bigint | undefined;
  /** Hears of each part that was put there now: not of those that were there already. */
  readonly onLaid?: ((part: PartLaid) => void) | undefined;
}

export interface PartLaid {
  readonly kind: "file" | "folder" | "link";
  /** In the target; empty: itself. */
  readonly path: Uint8Array;
}

/** What came of it. */
export interface Unpacked {
  readonly files: number;
  /** Of them, those that were there already, byte for byte. */
  readonly same: number;
  readonly bytes: number;
}

/** Files that are written side by side, and folders that wait for theirs. */
const sideBySide = 16;
const pieceBytes = 1024 * 1024;
const slash = Buffer.from("/");
/** About a millisecond's worth. */
const looksAtOnce = 128;

/**
 * The folder above `target` must exist, and is trusted.
 * @throws SkyError `codec/invalid` if it is no tree, `process/failed` if a full folder is in the
 *   way; what `source` and the file system throw. What was unpacked until then stays.
 */
export async function unpackTree(target: string, options: UnpackOptions): Promise<Unpacked> {
  const { source, tree, signal, isFile = false, sinceNs, onLaid } = options;
  const manifest = decodeManifest(await source.get(tree.digest, signal));
  const first = manifest.chunks[0];
  if (first === undefined) throw invalidTree("it is empty");
  const regions = regionsOf(manifest, decodeRoot(await source.get(first.digest, signal)));
  const above = await openFolder(dirname(target));
  const contents = {
    small: new RegionReader(source, regions.small, signal),
    large: new RegionReader(source, regions.large, signal),
    signal,
  };
  const name = Buffer.from(basename(target));
  const unpacker = new Unpacker(contents, { above, name, isFile, sinceNs, onLaid });
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

/** A folder that was entered and not yet left. */
interface Level extends Site {
  readonly entry: FolderEntry;
  /** What must be done before its own times are set. */
  readonly work: Promise<void>[];
  /** Its own mode and times are as they should be, until something in it is laid out. */
  isSettled: boolean;
}

interface Place {
  /** The folder that it is in. */
  readonly above: Folder;
  readonly name: Uint8Array;
  readonly isFile: boolean;
  readonly sinceNs: bigint | undefined;
  readonly onLaid: UnpackOptions["onLaid"];
}

class Unpacker {
  readonly #contents: Contents;
  readonly #place: Place;
  readonly #crew = new Crew(sideBySide);
  readonly #levels: Level[] = [];
  #isFileTaken = false;
  #looks = 0;
  readonly #counts = { files: 0, same: 0, bytes: 0 };

  constructor(contents: Contents, place: Place) {
    this.#contents = contents;
    this.#place = place;
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
    if (this.#place.isFile && this.#counts.files === 0) throw notOneFile();
    const { small, large } = this.#contents;
    if (!small.isOver || !large.isOver) throw invalidTree("it has contents of no file");
    return this.#counts;
  }

  /** Whatever became of it: nothing is under way any more, and no folder is open. */
  async close(): Promise<void> {
    await this.#crew.settled();
    for (const { folder } of this.#levels.splice(0)) await this.#closeFolder(folder);
  }

  /** A file or a link that nobody touched. Now and then others on this thread get their turn. */
  async #isKept(entry: TreeEntry): Promise<boolean> {
    const { sinceNs } = this.#place;
    if (sinceNs === undefined) return false;
    if (entry.kind !== "file" && entry.kind !== "link") return false;
    this.#looks += 1;
    if (this.#looks % looksAtOnce === 0) await setImmediate();
    const { folder, isNew } = this.#level();
    if (isNew || !isKept(folder, entry, sinceNs)) return false;
    if (entry.kind === "link") return true;
    const { small, large } = this.#contents;
    const region = entry.bytes >= largeFileBytes ? large : small;
    region.skip(entry.bytes);
    this.#count(entry, true);
    return true;
  }

  async #take(described: TreeEntry): Promise<void> {
    const entry = this.#place.isFile ? this.#onlyFile(described) : described;
    if (await this.#isKept(entry)) return;
    if (entry.kind === "folder") await this.#enter(entry);
    else if (entry.kind === "leave") this.#leave();
    else if (entry.kind === "link") this.#link(entry);
    else if (entry.bytes >= largeFileBytes) await this.#largeFile(entry);
    else await this.#smallFile(entry);
  }

  #laid(kind: PartLaid["kind"], path: Uint8Array): void {
    this.#place.onLaid?.({ kind, path });
  }

  /** In the target, as it is while `level` is the innermost folder. */
  #pathOf({ name }: { readonly name: Uint8Array }, level = this.#levels.at(-1)): Uint8Array {
    if (level === undefined || this.#place.isFile) return Buffer.alloc(0);
    const above = this.#levels.slice(1).flatMap(({ entry }) => [entry.name, slash]);
    return Buffer.concat([...above, name]);
  }

  /** The tree's own folder stands for the one that the file is put into. */
  #onlyFile(entry: TreeEntry): TreeEntry {
    if (entry.kind === "leave") return entry;
    if (entry.kind === "folder" && this.#levels.length === 0) return entry;
    if (entry.kind !== "file" || this.#isFileTaken) throw notOneFile();
    this.#isFileTaken = true;
    return { ...entry, name: this.#place.name };
  }

  #level(): Level {
    const level = this.#levels.at(-1);
    // The decoder lets no other entry be first.
    if (level === undefined) throw invalidTree("it is no folder");
    return level;
  }

  /** Something is put into it: it is to be set right when all is there. */
  #touched(level: Level): Level {
    level.isSettled = level.folder === this.#place.above;
    return level;
  }

  #begin(work: (level: Level) => Promise<void>): void {
    const level = this.#level();
    level.work.push(this.#crew.begin(() => work(level)));
  }

  async #enter(entry: FolderEntry): Promise<void> {
    const outer = this.#levels.at(-1);
    const { above, isFile } = this.#place;
    if (isFile) {
      const site = { folder: above, isNew: false };
      this.#levels.push({ ...site, entry, work: [], isSettled: true });
      await removeLeftovers(above);
      return;
    }
    const parent = outer?.folder ?? above;
    const name = outer === undefined ? this.#place.name : entry.name;
    const found = await makeFolder(parent, name, outer?.isNew ?? false);
    const folder = await openWithin(parent, name);
    const isNew = found === undefined;
    const { sinceNs } = this.#place;
    if (isNew) this.#laid("folder", this.#pathOf(entry, outer));
    const settled = !isNew && sinceNs !== undefined && isSettled(found, entry, sinceNs);
    this.#levels.push({ folder, entry, isNew, work: [], isSettled: settled });
    if (isNew && outer !== undefined) outer.isSettled = false;
    if (isNew || settled) return;
    // Writable for us until its content is there, also where the source is not.
    await named(folder.shown, folder.handle.chmod(entry.mode | 0o700));
    await removeLeftovers(folder);
  }

  /** Its times are its own once nothing in it changes any more. */
  #leave(): void {
    const level = this.#level();
    const { folder, entry, work } = level;
    this.#levels.pop();
    const left = this.#crew.begin(async () => {
      await Promise.all(work);
      try {
        if (!level.isSettled) await named(folder.shown, setAbout(folder.handle, entry));
      } finally {
        await this.#closeFolder(folder);
      }
    });
    this.#levels.at(-1)?.work.push(left);
  }

  /** What was there before is whoever's who opened it. */
  async #closeFolder(folder: Folder): Promise<void> {
    if (folder !== this.#place.above) await folder.handle.close();
  }

  #link(entry: LinkEntry): void {
    const path = this.#pathOf(entry);
    this.#begin(async (level) => {
      await layLink(this.#touched(level), entry);
      this.#laid("link", path);
    });
  }

  async #smallFile(entry: FileEntry): Promise<void> {
    const content = await this.#contents.small.readWhole(entry.bytes);
    const path = this.#pathOf(entry);
    this.#begin(async (level) => {
      const isSame = !level.isNew && (await this.#isThere(level, entry, content));
      this.#count(entry, isSame);
      if (isSame) return;
      const shown = shownOf(level, entry);
      await layFile(this.#touched(level), entry, (file) => writeAll(file, content, shown));
      this.#laid("file", path);
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
      await layFile(this.#touched(level), entry, (file) => this.#copy(file, level, entry));
      this.#laid("file", this.#pathOf(entry));
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

function notOneFile(): SkyError {
  return invalidTree("it is not one file alone");
}
