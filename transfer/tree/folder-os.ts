// An open folder: what is done in it is done in this one, whoever moves or replaces its path.
//
// Node has no `openat`; on Linux a path through `/proc/self/fd` is the same thing. So a symbolic
// link that somebody plants in the place of a folder, at whatever moment, leads nobody astray, and
// a tree may be deeper than a path is long. Elsewhere the folder's own path stands in. Names are
// raw bytes: what is no UTF-8 is a name too.

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { lstat, open } from "node:fs/promises";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const slash = Buffer.from("/");

export interface Folder {
  readonly handle: FileHandle;
  /** For messages. */
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
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return folderOf(handle, path, `${parent.shown}/${Buffer.from(name).toString()}`);
}

/** A regular file; a pipe that took its place in the meantime keeps nobody waiting. */
export function openFileWithin(parent: Folder, name: Uint8Array): Promise<FileHandle> {
  return open(parent.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/** What is there itself, no link followed; `undefined` for nothing. */
export async function lookWithin(
  parent: Folder,
  name: Uint8Array,
): Promise<BigIntStats | undefined> {
  try {
    return await lstat(parent.path(name), { bigint: true });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

export function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function folderOf(handle: FileHandle, path: Buffer, shown: string): Folder {
  const isLinux = process.platform === "linux";
  const self = isLinux ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path;
  const before = Buffer.concat([self, slash]);
  return { handle, shown, self, path: (name) => Buffer.concat([before, name]) };
}
