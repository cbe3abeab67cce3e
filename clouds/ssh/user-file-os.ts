// A file of the user's that a few lines of ours are in: changed whole, by one of us at a time.
//
// Links are followed, and the file keeps its mode. What it says is bytes: in the text that is
// changed each byte is one character. What must always hold: whoever reads it sees the file before
// or after; what an editor wrote meanwhile is not lost; nothing else is left in its folder.

import type { Stats } from "node:fs";
import {
  chmod,
  lstat,
  open,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { makeFolders } from "../../runtime/folders-os.ts";
import { bootId, identityOf, isAlive } from "../../runtime/process-identity-os.ts";

export interface UserFile {
  /** Undefined: there is none. */
  readonly text: string | undefined;
  /** Its folder had to be made. */
  readonly madeFolder: boolean;
}

/** The new text; undefined: none, and the file goes. */
export type Change = (file: UserFile) => string | undefined;

const lockMsMax = 10_000;
const lookMs = 20;
const triesMax = 20;

/** @throws SkyError `process/failed` with what stands against it. */
export async function changeUserFile(path: string, change: Change): Promise<void> {
  try {
    const real = await realPathOf(path);
    const folder = dirname(real);
    const madeFolder = (await statOf(folder)) === undefined;
    if (madeFolder) makeFolders(folder, 0o700);
    const release = await lock(`${real}.skylet-lock`);
    try {
      await changeLocked(real, madeFolder, change);
    } finally {
      await release();
    }
  } catch (error) {
    if (isSkyError(error)) throw error;
    const params = { what: `change ${path}`, why: errorText(error) };
    throw new SkyError("process/failed", params, { cause: error });
  }
}

/** Its text, byte by byte; undefined if there is none. @throws SkyError `process/failed`. */
export async function readUserFile(path: string): Promise<string | undefined> {
  try {
    return await orNothing(readFile(path, "latin1"));
  } catch (error) {
    const params = { what: `read ${path}`, why: errorText(error) };
    throw new SkyError("process/failed", params, { cause: error });
  }
}

/** Takes away an empty folder; one that is not empty stays. */
export async function removeEmptyFolder(path: string): Promise<void> {
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (!/^(ENOTEMPTY|EEXIST|ENOENT)$/.test(error.code ?? "")) throw error;
  });
}

/** What somebody writes between our look and our change is looked at again. */
async function changeLocked(real: string, madeFolder: boolean, change: Change): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const before = await readUserFile(real);
    const after = change({ text: before, madeFolder });
    if (after === before) return;
    if (await replaced(real, before, after)) return;
  }
  throw new Error("it changes all the time");
}

async function replaced(
  real: string,
  before: string | undefined,
  after: string | undefined,
): Promise<boolean> {
  if (after === undefined) {
    if ((await readUserFile(real)) !== before) return false;
    await rm(real, { force: true });
    return true;
  }
  const found = await statOf(real);
  const bytes = Buffer.from(after, "latin1");
  if ((found?.nlink ?? 1) > 1) {
    // Another name leads to the same file: a new one would part them.
    await writeFile(real, bytes);
    return true;
  }
  const temp = join(dirname(real), `.${basename(real)}.skylet-${process.pid}`);
  try {
    const file = await open(temp, "w", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(temp, (found?.mode ?? 0o600) & 0o7777);
    if ((await readUserFile(real)) !== before) return false;
    await rename(temp, real);
    return true;
  } finally {
    await rm(temp, { force: true });
  }
}

/** Where a link leads, also to nothing. */
async function realPathOf(path: string): Promise<string> {
  let at = resolve(path);
  for (let links = 0; links < 40; links += 1) {
    const real = await orNothing(realpath(at));
    if (real !== undefined) return real;
    const found = await orNothing(lstat(at));
    if (found?.isSymbolicLink() !== true) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  return at;
}

interface Holder {
  readonly pid: number;
  readonly startedAt: string;
  readonly boot: string;
}

/** A file that only one can make; one whose maker is dead counts for nothing. */
async function lock(path: string): Promise<() => Promise<void>> {
  const startedAt = identityOf(process.pid)?.startedAt ?? "";
  const own: Holder = { pid: process.pid, startedAt, boot: bootId() };
  const deadline = performance.now() + lockMsMax;
  for (;;) {
    try {
      await writeFile(path, JSON.stringify(own), { flag: "wx", mode: 0o600 });
      return async () => await rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const text = await readUserFile(path);
    if (text !== undefined && text !== "" && isDead(text)) await rm(path, { force: true });
    else if (performance.now() > deadline) throw new SkyError("store/locked", { path });
    else await pause(lookMs);
  }
}

/** One of another machine, with which the home is shared, may well live. */
function isDead(text: string): boolean {
  const { pid, startedAt, boot } = JSON.parse(text) as Holder;
  return boot === bootId() ? !isAlive({ pid, startedAt }) : false;
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await orNothing(stat(path));
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  return await work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}
