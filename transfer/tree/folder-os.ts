// An open folder: what is done in it is done in this one, whoever moves or replaces its path.
//
// Node has no `openat`; on Linux a path through `/proc/self/fd` is the same thing. So a symbolic
// link that somebody plants in the place of a folder, at whatever moment, leads nobody astray, and
// a tree may be deeper than a path is long. Elsewhere the folder's own path stands in. Names are
// raw bytes: what is no UTF-8 is a name too. Nobody is told of such paths: errors of what is done
// here name the path that the user knows.

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { lstat, open, stat } from "node:fs/promises";
import { join } from "node:path";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const slash = Buffer.from("/");
const exact = { bigint: true } as const;

export interface Folder {
  readonly handle: FileHandle;
  /** For messages: the path that the user knows. */
  readonly shown: string;
  /** What reaches `name` in this folder, as long as the folder is open. */
  path(name: Uint8Array): Buffer;
  /** The folder itself, as a path that can be listed. */
  readonly self: Buffer;
}

/** The caller closes its handle. Links on the way there are followed. */
export async function openFolder(path: string): Promise<Folder> {
  return folderOf(await open(path, O_RDONLY | O_DIRECTORY), Buffer.from(path), path);
}

/** A folder in a folder. @throws ENOTDIR, ELOOP if it is something else, a link to one included. */
export async function openWithin(parent: Folder, name: Uint8Array): Promise<Folder> {
  const path = parent.path(name);
  const shown = shownIn(parent, name);
  const handle = await named(shown, open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return folderOf(handle, path, shown);
}

/** A regular file; a pipe that took its place in the meantime keeps nobody waiting. */
export function openFileWithin(parent: Folder, name: Uint8Array): Promise<FileHandle> {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  return named(shownIn(parent, name), open(parent.path(name), flags));
}

/** What is there itself, no link followed; `undefined` for nothing. */
export async function lookWithin(
  parent: Folder,
  name: Uint8Array,
): Promise<BigIntStats | undefined> {
  try {
    return await named(shownIn(parent, name), lstat(parent.path(name), exact));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Whether it is still this folder that has its name there. */
export async function isStillWithin(
  parent: Folder,
  name: Uint8Array,
  it: Folder,
): Promise<boolean> {
  const found = await lookWithin(parent, name);
  return found !== undefined && isOne(found, await named(it.shown, it.handle.stat(exact)));
}

/** The same for a folder that was opened by its path. */
export async function isStillAt(path: string, it: Folder): Promise<boolean> {
  try {
    return isOne(await stat(path, exact), await it.handle.stat(exact));
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** What is called `name` there, for messages. */
export function shownIn(parent: Folder, name: Uint8Array): string {
  return join(parent.shown, Buffer.from(name).toString());
}

/** What the system refuses is told of `shown`, with its reason and its code. */
export async function named<T>(shown: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toldOf(shown, error);
  }
}

/** The same error, told of `shown`; any other as it is. */
export function toldOf(shown: string, error: unknown): unknown {
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return error;
  const { code, syscall } = error;
  // What stands before the first path: `EACCES: permission denied, open`.
  const [reason] = error.message.split(" '", 1);
  const told = new Error(`${reason} '${shown}'`, { cause: error });
  return Object.assign(told, { code, syscall, path: shown });
}

export function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function isOne(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function folderOf(handle: FileHandle, path: Buffer, shown: string): Folder {
  const isLinux = process.platform === "linux";
  const self = isLinux ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path;
  const before = Buffer.concat([self, slash]);
  return { handle, shown, self, path: (name) => Buffer.concat([before, name]) };
}
