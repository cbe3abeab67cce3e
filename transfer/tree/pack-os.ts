// Packs a folder tree into chunks (`tree.ts`), as it is at the moment of reading.
//
// Files are read in the order of the description, a few small ones side by side; what is held is
// bounded whatever the tree is like. A file that changes while it is read is read again, a bounded
// number of times: no file arrives as a mixture of two. A file that goes meanwhile is left out; a
// folder that goes, or makes way for another, is refused: what was read of it is a part. Of files
// with several names each name gets its own; sockets, pipes and devices have no content and are
// named to the caller.

import type { BigIntStats, Dirent } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { readdir, readlink, realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../../model/errors.ts";
import { isTemp } from "../../runtime/tree-os.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import { encodeManifest } from "../chunks/manifest.ts";
import { encodeEntry, modeBits, mtimeUsMax, type TreeEntry } from "./entries.ts";
import type { Folder } from "./folder-os.ts";
import {
  isGone,
  isStillAt,
  isStillWithin,
  lookWithin,
  named,
  openFileWithin,
  openFolder,
  openWithin,
  shownIn,
} from "./folder-os.ts";
import { type RegionOptions, RegionWriter } from "./region-writer.ts";
import { depthMax, encodeRoot, largeFileBytes, manifestOfTree } from "./tree.ts";

/** `keep` gets the tree's encoded manifest last. */
export interface PackOptions extends RegionOptions {
  /** Names that stay out, wherever they are. */
  readonly isLeftOut?: (name: string) => boolean;
  readonly signal?: AbortSignal;
}

export interface PackedTree {
  /** The encoded manifest: itself a chunk, and its digest names the tree. */
  readonly tree: ChunkRef;
  readonly chunks: readonly ChunkRef[];
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
  /** What has no content to pack, by path; the first of them. */
  readonly skipped: readonly string[];
}

/** Small files that are read side by side. */
const sideBySide = 16;
const pieceBytes = 1024 * 1024;
/** How often a file that changes is read, and how long it is left alone in between. */
const readsMax = 5;
const againMs = 50;
/** Two changes within one tick of the kernel's clock may have one time. */
const tickMs = 20;
const skippedMax = 100;
const noName = Buffer.alloc(0);

/** @throws SkyError `process/failed` for a file that changes again and again, and for a folder that
 *   is removed or replaced meanwhile; what is thrown by the file system and by `keep`. */
export async function packTree(path: string, options: PackOptions): Promise<PackedTree> {
  const folder = await openFolder(path);
  try {
    const packed = await new Packer(options).pack(folder);
    if (!(await isStillAt(path, folder))) throw vanished(path);
    return packed;
  } finally {
    await folder.handle.close();
  }
}

/**
 * A file alone, of the name that `path` gives it; links on the way are followed, the last one too.
 * @throws SkyError `process/failed` if it goes meanwhile; otherwise like `packTree`.
 */
export async function packFile(path: string, options: PackOptions): Promise<PackedTree> {
  const target = await realpath(path);
  const folder = await openFolder(dirname(target));
  try {
    const names = { name: Buffer.from(basename(target)), as: Buffer.from(basename(path)) };
    const packed = await new Packer(options).packOnly(folder, names);
    if (packed.files !== 1) throw vanished(path);
    return packed;
  } finally {
    await folder.handle.close();
  }
}

type Seen =
  | { readonly kind: "folder" | "large" | "nothing" }
  | { readonly kind: "link"; readonly entry: TreeEntry }
  | { readonly kind: "small"; readonly found: BigIntStats; readonly content: Uint8Array };

class Packer {
  readonly #options: PackOptions;
  readonly #description: RegionWriter;
  readonly #small: RegionWriter;
  readonly #large: RegionWriter;
  readonly #skipped: string[] = [];
  /** The name of the only file there is. */
  #as: Buffer | undefined;
  #depth = 0;
  #files = 0;
  #bytes = 0;

  constructor(options: PackOptions) {
    this.#options = options;
    this.#description = new RegionWriter(options);
    this.#small = new RegionWriter(options);
    this.#large = new RegionWriter(options);
  }

  async pack(folder: Folder): Promise<PackedTree> {
    await this.#folder(folder, noName);
    return await this.#end();
  }

  /** A tree of one file of that folder: what the folder is like is no part of it. */
  async packOnly(
    folder: Folder,
    { name, as }: { readonly name: Buffer; readonly as: Buffer },
  ): Promise<PackedTree> {
    this.#as = as;
    await this.#describe({ kind: "folder", name: noName, mode: 0o755, mtimeUs: 0 });
    const seen = await this.#look(folder, name);
    if (seen.kind === "small" || seen.kind === "large") await this.#take(folder, name, seen);
    await this.#describe({ kind: "leave" });
    return await this.#end();
  }

  async #end(): Promise<PackedTree> {
    const regions = {
      description: await this.#description.end(),
      small: await this.#small.end(),
      large: await this.#large.end(),
    };
    const { keep, work } = this.#options;
    const root = await work.name(encodeRoot(regions));
    const manifest = manifestOfTree(root.ref, regions);
    // What an object is called is the name of its encoded manifest as a chunk.
    const tree = await work.name(encodeManifest(manifest));
    await keep([root, tree]);
    const chunks = [tree.ref, ...manifest.chunks];
    const counts = { files: this.#files, bytes: this.#bytes, skipped: this.#skipped };
    return { tree: tree.ref, chunks, ...counts };
  }

  async #folder(folder: Folder, name: Uint8Array): Promise<void> {
    this.#depth += 1;
    if (this.#depth > depthMax) {
      throw failed(folder.shown, `it is more than ${depthMax} folders deep`);
    }
    const found = await named(folder.shown, folder.handle.stat({ bigint: true }));
    await this.#describe({ kind: "folder", name, ...aboutOf(found) });
    const all = await this.#listed(folder);
    for (let i = 0; i < all.length; i += sideBySide) {
      this.#options.signal?.throwIfAborted();
      const some = all.slice(i, i + sideBySide);
      const seen = await Promise.all(some.map((one) => this.#lookAt(folder, one)));
      for (const [index, one] of some.entries()) await this.#take(folder, one.name, seen[index]);
    }
    await this.#describe({ kind: "leave" });
    this.#depth -= 1;
  }

  async #listed(folder: Folder): Promise<readonly Dirent<Buffer>[]> {
    const { isLeftOut = () => false } = this.#options;
    const listing = readdir(folder.self, { encoding: "buffer", withFileTypes: true });
    const all = await named(folder.shown, listing).catch(unlessGone);
    if (all === undefined) throw vanished(folder.shown);
    const kept = all.filter(({ name }) => {
      const text = name.toString("latin1");
      return !isTemp(text) && !isLeftOut(text);
    });
    return kept.sort((a, b) => Buffer.compare(a.name, b.name));
  }

  /** A file that is gone since the folder was listed is nothing; a folder was more than that. */
  async #lookAt(folder: Folder, one: Dirent<Buffer>): Promise<Seen> {
    const seen = await this.#look(folder, one.name);
    const isLost = seen.kind === "nothing" && one.isDirectory();
    if (isLost) throw vanished(shownIn(folder, one.name));
    return seen;
  }

  /** What it is; of a small file also what is in it, if it stood still. */
  async #look(folder: Folder, name: Buffer): Promise<Seen> {
    const found = await lookWithin(folder, name);
    if (found === undefined) return { kind: "nothing" };
    if (found.isDirectory()) return { kind: "folder" };
    if (found.isSymbolicLink()) return linkOf(folder, name, found);
    if (found.isFile()) return await smallFile(folder, name);
    if (this.#skipped.length < skippedMax) {
      this.#skipped.push(shownIn(folder, name));
    }
    return { kind: "nothing" };
  }

  async #take(folder: Folder, name: Buffer, seen: Seen | undefined): Promise<void> {
    switch (seen?.kind) {
      case "folder":
        await this.#inner(folder, name);
        return;
      case "link":
        await this.#describe(seen.entry);
        return;
      case "small":
        await this.#small.write(seen.content);
        await this.#file(name, seen.found);
        return;
      case "large":
        await this.#largeFile(folder, name);
        return;
      case "nothing":
      case undefined:
    }
  }

  async #inner(folder: Folder, name: Buffer): Promise<void> {
    const inner = await openWithin(folder, name).catch(unlessGone);
    if (inner === undefined) throw vanished(shownIn(folder, name));
    try {
      await this.#folder(inner, name);
      if (!(await isStillWithin(folder, name, inner))) throw vanished(inner.shown);
    } finally {
      await inner.handle.close();
    }
  }

  /** A large file, or one that changed while it was looked at. */
  async #largeFile(folder: Folder, name: Buffer): Promise<void> {
    for (let reads = 0; reads < readsMax; reads += 1) {
      if (reads > 0) await pause(againMs);
      const seen = await this.#look(folder, name);
      if (seen.kind !== "large") return await this.#take(folder, name, seen);
      const file = await openFileWithin(folder, name).catch(unlessGone);
      if (file === undefined) return;
      try {
        if (await this.#stream(file, folder, name)) return;
      } finally {
        await file.close();
      }
    }
    throw failed(shownIn(folder, name), `it changed while it was read, ${readsMax} times`);
  }

  /** Whether it stood still. */
  async #stream(file: FileHandle, folder: Folder, name: Buffer): Promise<boolean> {
    const shown = shownIn(folder, name);
    const before = await named(shown, settledStat(file));
    if (!before.isFile() || before.size < largeFileBytes) return false;
    const mark = this.#large.mark();
    const size = Number(before.size);
    let at = 0;
    while (at < size) {
      this.#options.signal?.throwIfAborted();
      const piece = await named(shown, readPiece(file, at, Math.min(pieceBytes, size - at)));
      if (piece.length === 0) break;
      await this.#large.write(piece);
      at += piece.length;
    }
    await this.#large.cut();
    if (at === size && isSame(before, await named(shown, file.stat({ bigint: true })))) {
      await this.#file(name, before);
      return true;
    }
    await this.#large.takeBack(mark);
    return false;
  }

  async #file(name: Uint8Array, found: BigIntStats): Promise<void> {
    const bytes = Number(found.size);
    this.#files += 1;
    this.#bytes += bytes;
    await this.#describe({ kind: "file", name: this.#as ?? name, ...aboutOf(found), bytes });
  }

  #describe(entry: TreeEntry): Promise<void> {
    return this.#description.write(encodeEntry(entry));
  }
}

/** `large` if it is, and also if it did not stand still: it is then looked at again. */
async function smallFile(folder: Folder, name: Buffer): Promise<Seen> {
  const file = await openFileWithin(folder, name).catch(unlessGone);
  if (file === undefined) return { kind: "nothing" };
  try {
    return await named(shownIn(folder, name), readSmall(file));
  } finally {
    await file.close();
  }
}

async function readSmall(file: FileHandle): Promise<Seen> {
  const before = await settledStat(file);
  if (!before.isFile() || before.size >= largeFileBytes) return { kind: "large" };
  const content = await readPiece(file, 0, Number(before.size));
  const after = await file.stat({ bigint: true });
  const isWhole = content.length === Number(before.size) && isSame(before, after);
  return isWhole ? { kind: "small", found: before, content } : { kind: "large" };
}

/** What the file is like, at a moment from which on a change of it shows in its times. */
async function settledStat(file: FileHandle): Promise<BigIntStats> {
  const found = await file.stat({ bigint: true });
  const ageMs = Date.now() - Number(found.ctimeNs / 1_000_000n);
  if (Math.abs(ageMs) >= tickMs) return found;
  await pause(tickMs);
  return await file.stat({ bigint: true });
}

/** So many bytes, or fewer if there are no more. */
async function readPiece(file: FileHandle, from: number, bytes: number): Promise<Uint8Array> {
  const piece = Buffer.allocUnsafeSlow(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(piece, filled, bytes - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return piece.subarray(0, filled);
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

async function linkOf(folder: Folder, name: Buffer, found: BigIntStats): Promise<Seen> {
  const read = readlink(folder.path(name), { encoding: "buffer" });
  const target = await named(shownIn(folder, name), read).catch(unlessGone);
  if (target === undefined) return { kind: "nothing" };
  const { mtimeUs } = aboutOf(found);
  return { kind: "link", entry: { kind: "link", name, mtimeUs, target } };
}

function aboutOf({ mode, mtimeNs }: BigIntStats): { mode: number; mtimeUs: number } {
  const mtimeUs = Number(mtimeNs / 1_000n);
  return {
    mode: Number(mode) & modeBits,
    mtimeUs: Math.min(Math.max(mtimeUs, 0), mtimeUsMax),
  };
}

/** Removed or replaced by something else while we looked: as if it had gone a moment earlier. */
function unlessGone(error: unknown): undefined {
  if (isGone(error)) return undefined;
  throw error;
}

function vanished(path: string): SkyError<"process/failed"> {
  return failed(path, "it was removed or replaced while it was read; try again");
}

function failed(path: string, why: string): SkyError<"process/failed"> {
  return new SkyError("process/failed", { what: `packing ${path}`, why });
}
