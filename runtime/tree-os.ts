// Copies a tree of files over what is there: modes, symbolic links and times as they were.
//
// A file appears whole or not at all (a temporary name, then a rename), so a program that runs from
// the old one keeps it, and a symbolic link at the target is replaced, never written through. Where
// the file system can share blocks it does. A file of the same size, time and mode is left alone,
// as rsync does. What is neither file, folder nor link (a socket, a pipe) stays behind.

import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
  utimes,
} from "node:fs/promises";
import { dirname, join } from "node:path";

/** Entries of one folder that are copied side by side. */
const sideBySideMax = 32;

/** Times survive `utimes` to within a double's precision in seconds. */
const sameTimeMs = 0.002;

const modeBits = 0o7777;
const tempPrefix = ".sky-tmp-";
let tempCount = 0;

/** A name beside `path` that nobody else uses, and that listings leave out. */
export function tempBeside(path: string): string {
  tempCount += 1;
  return join(dirname(path), `${tempPrefix}${process.pid}-${tempCount}`);
}

/** The same within a folder that the caller holds open, and not used before a crash either. */
export function tempName(): string {
  return `${tempPrefix}${randomUUID()}`;
}

export function isTemp(name: string): boolean {
  return name.startsWith(tempPrefix);
}

/**
 * Flushes a tree to the disk: when it resolves, files and names survive a power cut. The folder
 * that it is in is the caller's.
 */
export async function syncTree(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory()) {
    const names = await readdir(path);
    for (let i = 0; i < names.length; i += sideBySideMax) {
      const some = names.slice(i, i + sideBySideMax);
      await Promise.all(some.map((name) => syncTree(join(path, name))));
    }
  }
  if (found.isDirectory() || found.isFile()) await syncEntry(path);
}

/** One file or folder, without what is in it. */
export async function syncEntry(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws what the file system throws; what was copied until then stays. */
export async function copyEntry(from: string, to: string): Promise<void> {
  const source = await lstat(from);
  if (source.isDirectory()) await copyFolder(from, to, source);
  else if (source.isSymbolicLink()) await copyLink(from, to, source);
  else if (source.isFile()) await copyOneFile(from, to, source);
}

async function copyFolder(from: string, to: string, source: Stats): Promise<void> {
  const found = await lstatIfAny(to);
  if (found !== undefined && !found.isDirectory()) await unlink(to);
  await mkdir(to, { recursive: true, mode: 0o700 });
  // Writable for us until its content is there, also where the source is not.
  await chmod(to, (source.mode & modeBits) | 0o700);
  const names = (await readdir(from)).filter((name) => !isTemp(name));
  for (let i = 0; i < names.length; i += sideBySideMax) {
    const some = names.slice(i, i + sideBySideMax);
    await Promise.all(some.map((name) => copyEntry(join(from, name), join(to, name))));
  }
  await chmod(to, source.mode & modeBits);
  await utimes(to, source.atime, source.mtimeMs / 1_000);
}

async function copyLink(from: string, to: string, source: Stats): Promise<void> {
  await putInPlace(to, async (temp) => {
    await symlink(await readlink(from), temp);
    await lutimes(temp, source.atime, source.mtimeMs / 1_000);
  });
}

async function copyOneFile(from: string, to: string, source: Stats): Promise<void> {
  const found = await lstatIfAny(to);
  if (found !== undefined && isSame(source, found)) return;
  await putInPlace(to, async (temp) => {
    await copyFile(from, temp, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(temp, source.mode & modeBits);
    await utimes(temp, source.atime, source.mtimeMs / 1_000);
  });
}

async function putInPlace(to: string, make: (temp: string) => Promise<void>): Promise<void> {
  const temp = tempBeside(to);
  try {
    await make(temp);
    // An empty folder makes way, a full one does not: that would lose what is in it.
    if ((await lstatIfAny(to))?.isDirectory()) await rmdir(to);
    await rename(temp, to);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}

function isSame(source: Stats, found: Stats): boolean {
  return (
    found.isFile() &&
    found.size === source.size &&
    (found.mode & modeBits) === (source.mode & modeBits) &&
    Math.abs(found.mtimeMs - source.mtimeMs) < sameTimeMs
  );
}

async function lstatIfAny(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
