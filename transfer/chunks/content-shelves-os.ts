// The files of a content store as its index's thread sees them: what lies under a final name, and
// how it goes away.
//
// Every function is called under the store's lock and is synchronous. No link is followed: what is
// not a plain file of a possible size is no chunk, and is moved to `damaged/`, where a few of the
// newest are kept for whoever wants to know what happened.

import type { BigIntStats } from "node:fs";
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { basename, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { chunkBytesMax, type Digest } from "./chunk.ts";
import { type ContentLayout, chunkPath, ownFolders, shelfNames } from "./content-layout.ts";

/** Files that are kept in `damaged/`. More, and the oldest goes. */
const damagedMax = 8;

/** What lies under the name of a chunk. */
export type Found =
  | {
      readonly kind: "chunk";
      readonly bytes: number;
      readonly identity: string;
      readonly mtimeMs: number;
    }
  | { readonly kind: "absent" }
  /** A link, a folder, an empty file: no chunk. */
  | { readonly kind: "odd" };

export function lookAt(root: string, digest: Digest): Found {
  const stats = statsOf(chunkPath(root, digest));
  if (stats === undefined) return { kind: "absent" };
  const bytes = Number(stats.size);
  if (!stats.isFile() || bytes < 1 || bytes > chunkBytesMax) return { kind: "odd" };
  return { kind: "chunk", bytes, identity: identityOf(stats), mtimeMs: Number(stats.mtimeMs) };
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Which file it is: it keeps this over a rename, and another file of that name has another. */
export function identityOf({ ino, mtimeNs }: BigIntStats): string {
  return `${ino}-${mtimeNs}`;
}

/** Removes what lies under the name of a chunk, if anything does. */
export function removeChunk(layout: ContentLayout, digest: Digest): void {
  const path = chunkPath(layout.root, digest);
  try {
    unlinkSync(path);
  } catch (error) {
    // Somebody made a folder of that name.
    if (isCode(error, "EISDIR", "EPERM")) setAside(layout, path);
    else if (!isCode(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/** Moves something away that should not be there. */
export function setAside(layout: ContentLayout, path: string): void {
  const names = readdirSync(layout.damaged).sort();
  for (const name of names.slice(0, Math.max(0, names.length - damagedMax + 1))) {
    rmSync(join(layout.damaged, name), { recursive: true, force: true });
  }
  const stamp = String(Date.now()).padStart(15, "0");
  try {
    renameSync(path, join(layout.damaged, `${stamp}-${basename(path)}`));
  } catch (error) {
    if (isCode(error, "ENOENT")) return;
    // Without room to move it, it goes.
    rmSync(path, { recursive: true, force: true });
  }
}

/** Makes the folders that are missing, and moves away what stands in their place. */
export function layFolders(layout: ContentLayout, hear: (path: string) => void): void {
  const { dev } = lstatSync(layout.root);
  let isNew = false;
  for (const name of [...ownFolders, ...shelfNames]) {
    const made = layFolder({ path: join(layout.root, name), dev, layout, hear });
    isNew ||= made;
  }
  if (isNew) syncFolder(layout.root);
}

/** The folder of one shelf. */
export function layShelf(layout: ContentLayout, path: string, hear: (path: string) => void): void {
  const { dev } = lstatSync(layout.root);
  if (layFolder({ path, dev, layout, hear })) syncFolder(layout.root);
}

interface Folder {
  readonly path: string;
  /** The file system of the root, on which everything must be. */
  readonly dev: number;
  readonly layout: ContentLayout;
  /** Told what stood in its place. */
  readonly hear: (path: string) => void;
}

/** Whether it had to be made. */
function layFolder({ path, dev, layout, hear }: Folder): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) {
    if (stats.dev === dev) return false;
    const why = `${path} is on another file system`;
    throw new SkyError("chunks/failed", { dir: layout.root, why });
  }
  if (stats !== undefined) {
    hear(path);
    // A link that leads elsewhere says nothing worth keeping, and `damaged` itself may be it.
    if (stats.isFile() && path !== layout.damaged) setAside(layout, path);
    else rmSync(path);
  }
  mkdirSync(path, { mode: 0o700 });
  return true;
}

export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
