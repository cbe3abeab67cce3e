// Puts the parts of a tree into a folder that is held open: files, links, folders.
//
// A file is written aside and renamed, whatever stands there: a program that runs from the old one
// keeps it. An empty folder makes way for a file, a full one never does. For `unpack-os.ts`.

import type { BigIntStats } from "node:fs";
import { constants, lstatSync } from "node:fs";
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
import { SkyError } from "../../model/errors.ts";
import { isTemp, tempName } from "../../runtime/tree-os.ts";
import type { TreeEntry } from "./entries.ts";
import { modeBits } from "./entries.ts";
import type { Folder } from "./folder-os.ts";
import { isGone, lookWithin, named, openFileWithin, shownIn } from "./folder-os.ts";

export type FileEntry = Extract<TreeEntry, { readonly kind: "file" }>;
export type FolderEntry = Extract<TreeEntry, { readonly kind: "folder" }>;
export type LinkEntry = Extract<TreeEntry, { readonly kind: "link" }>;

/** A folder into which something is put. */
export interface Site {
  readonly folder: Folder;
  /** It was not there before, so nothing is in the way in it. */
  readonly isNew: boolean;
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

/** @returns the folder that was there, or `undefined`: then what is no folder makes way. */
export async function makeFolder(
  parent: Folder,
  name: Uint8Array,
  isEmpty: boolean,
): Promise<BigIntStats | undefined> {
  const path = parent.path(name);
  const found = isEmpty ? undefined : await lookWithin(parent, name);
  if (found?.isDirectory()) return found;
  const shown = shownIn(parent, name);
  if (found !== undefined) await named(shown, unlink(path));
  await named(shown, mkdir(path, { mode: 0o700 }));
  return undefined;
}

/**
 * Whether an entry is as the tree has it, by the word of its folder alone: it was laid out before
 * `sinceNs` and nothing changed it after that. At once, since many are asked about.
 */
export function isKept(folder: Folder, entry: FileEntry | LinkEntry, sinceNs: bigint): boolean {
  let found: BigIntStats | undefined;
  try {
    found = lstatSync(folder.path(entry.name), { bigint: true, throwIfNoEntry: false });
  } catch {
    return false; // Whoever lays it out hears why.
  }
  if (found === undefined || found.ctimeNs >= sinceNs) return false;
  if (entry.kind === "file") return looksSame(found, entry);
  return found.isSymbolicLink() && Number(found.mtimeNs / 1_000n) === entry.mtimeUs;
}

/** The same of a folder: nothing came into it, and nothing must be done before something can. */
export function isSettled(found: BigIntStats, entry: FolderEntry, sinceNs: bigint): boolean {
  const mode = Number(found.mode) & modeBits;
  const isOpen = (mode & 0o700) === 0o700 && mode === entry.mode;
  return isOpen && found.ctimeNs < sinceNs && Number(found.mtimeNs / 1_000n) === entry.mtimeUs;
}

/** Of an unpacking that was killed. Only one goes on in a place at a time. */
export async function removeLeftovers(folder: Folder): Promise<void> {
  const names = await named(folder.shown, readdir(folder.self, { encoding: "buffer" }));
  for (const name of names) {
    if (!isTemp(name.toString("latin1"))) continue;
    await named(shownIn(folder, name), rm(folder.path(name), { force: true }));
  }
}

export async function layLink({ folder, isNew }: Site, entry: LinkEntry): Promise<void> {
  await inPlace({ folder, isNew, name: entry.name }, async (temp) => {
    const shown = shownIn(folder, entry.name);
    await named(shown, symlink(Buffer.from(entry.target), temp));
    await named(shown, lutimes(temp, seconds(entry.mtimeUs), seconds(entry.mtimeUs)));
  });
}

export async function layFile(
  { folder, isNew }: Site,
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

export function looksSame(found: BigIntStats | undefined, entry: FileEntry): boolean {
  return (
    found?.isFile() === true &&
    Number(found.size) === entry.bytes &&
    (Number(found.mode) & modeBits) === entry.mode &&
    Number(found.mtimeNs / 1_000n) === entry.mtimeUs
  );
}

/** What cannot be read, or is not there any more, is not the same. */
export async function comparing(
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

export async function holds(file: FileHandle, content: Uint8Array, from: number): Promise<boolean> {
  const there = Buffer.allocUnsafe(content.length);
  for (let filled = 0; filled < there.length; ) {
    const { bytesRead } = await file.read(there, filled, there.length - filled, from + filled);
    if (bytesRead === 0) return false;
    filled += bytesRead;
  }
  return there.equals(content);
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, shown: string): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await named(shown, file.write(bytes, at, bytes.length - at));
    at += bytesWritten;
  }
}

export async function setAbout(handle: FileHandle, entry: FolderEntry | FileEntry): Promise<void> {
  await handle.chmod(entry.mode);
  await handle.utimes(seconds(entry.mtimeUs), seconds(entry.mtimeUs));
}

export function shownOf({ folder }: Site, { name }: FileEntry): string {
  return shownIn(folder, name);
}

/** In the middle of the microsecond: a double has no exact one, and the kernel cuts. */
function seconds(us: number): number {
  return (us + 0.5) / 1_000_000;
}
