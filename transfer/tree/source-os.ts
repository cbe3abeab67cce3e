// Folders and files of a tree that is read, by calls that return when they are done.
//
// The same steps as in `folder-os.ts`: everything within an open folder goes through it, links are
// never followed, errors name the path that the user knows. A call takes a few microseconds here
// and twenty times that as a promise, so trees of many small files are read this way, on a thread
// that may wait.

import type { BigIntStats, Dirent } from "node:fs";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { isGone, toldOf } from "./folder-os.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const exact = { bigint: true } as const;
const listed = { encoding: "buffer", withFileTypes: true } as const;
const raw = { encoding: "buffer" } as const;
const slash = Buffer.from("/");

export interface SourceFolder {
  readonly fd: number;
  /** For messages: the path that the user knows. */
  readonly shown: string;
  /** What reaches it, with a slash at the end, as long as it is open. */
  readonly before: Buffer;
}

/** The caller closes it. Links on the way there are followed. */
export function openSource(path: string): SourceFolder {
  const fd = told(path, () => openSync(path, O_RDONLY | O_DIRECTORY));
  return sourceOf(fd, Buffer.from(path), path);
}

/** `undefined` if it is gone. @throws ENOTDIR, ELOOP if it is something else. */
export function openInner(parent: SourceFolder, name: Buffer): SourceFolder | undefined {
  const path = within(parent, name);
  const shown = shownWithin(parent, name);
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const fd = unlessGone(() => told(shown, () => openSync(path, flags)));
  return fd === undefined ? undefined : sourceOf(fd, path, shown);
}

/** For reading; `undefined` if it is gone, or a link by now. */
export function openFile(parent: SourceFolder, name: Buffer): number | undefined {
  try {
    // A pipe that took its place in the meantime keeps nobody waiting.
    return openSync(within(parent, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isGone(error) || hasCode(error, "ELOOP")) return undefined;
    throw toldOf(shownWithin(parent, name), error);
  }
}

/** Whatever the name leads to. */
export function openAny(parent: SourceFolder, name: Buffer): number {
  return told(shownWithin(parent, name), () =>
    openSync(within(parent, name), O_RDONLY | O_NONBLOCK),
  );
}

export function closeFile(fd: number): void {
  closeSync(fd);
}

/** In the order of their bytes; `undefined` if the folder is gone. */
export function listSource(folder: SourceFolder): readonly Dirent<Buffer>[] | undefined {
  const self = folder.before.subarray(0, -1);
  const found = unlessGone(() => told(folder.shown, () => readdirSync(self, listed)));
  return found?.sort((a, b) => Buffer.compare(a.name, b.name));
}

/** What is there itself, no link followed; `undefined` for nothing. */
export function lookAt(parent: SourceFolder, name: Buffer): BigIntStats | undefined {
  const path = within(parent, name);
  const options = { ...exact, throwIfNoEntry: false } as const;
  try {
    return lstatSync(path, options);
  } catch (error) {
    throw toldOf(shownWithin(parent, name), error);
  }
}

/** `undefined` if it is gone. */
export function linkTarget(parent: SourceFolder, name: Buffer): Buffer | undefined {
  const path = within(parent, name);
  return unlessGone(() => told(shownWithin(parent, name), () => readlinkSync(path, raw)));
}

export function statOf(fd: number): BigIntStats {
  return fstatSync(fd, exact);
}

/** Fills `into`, or less if there is no more. @returns how much. */
export function readInto(fd: number, into: Uint8Array, from: number): number {
  let filled = 0;
  while (filled < into.length) {
    const count = readSync(fd, into, filled, into.length - filled, from + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

/** Whether it is still this folder that has its name there; for the topmost, its path. */
export function isStillThere(it: SourceFolder, parent?: SourceFolder, name?: Buffer): boolean {
  const found =
    parent === undefined || name === undefined
      ? statSync(it.shown, { ...exact, throwIfNoEntry: false })
      : lookAt(parent, name);
  const self = fstatSync(it.fd, exact);
  return found !== undefined && found.dev === self.dev && found.ino === self.ino;
}

export function shownWithin(parent: SourceFolder, name: Uint8Array): string {
  return join(parent.shown, Buffer.from(name).toString());
}

function sourceOf(fd: number, path: Buffer, shown: string): SourceFolder {
  const isLinux = process.platform === "linux";
  const self = isLinux ? Buffer.from(`/proc/self/fd/${fd}`) : path;
  return { fd, shown, before: Buffer.concat([self, slash]) };
}

function within({ before }: SourceFolder, name: Buffer): Buffer {
  return Buffer.concat([before, name]);
}

function told<T>(shown: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toldOf(shown, error);
  }
}

function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
