// The files port on this machine's file system.
//
// `replace` writes a temporary file, flushes it, renames it over the old one and flushes the
// folder: after a power cut there is the old content or the new. `remove` works below one root
// that is given at creation, wherever symbolic links may lead. `watch` waits for events of the
// folder that a file is in: nothing polls.

import { statSync, watch as watchFolder } from "node:fs";
import { appendFile, open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Files } from "./files.ts";
import { makeFolders } from "./folders-os.ts";
import { removeTree } from "./removal-os.ts";
import { isNoRoom, noRoom } from "./room-os.ts";
import { copyEntry, isTemp, syncEntry, tempBeside } from "./tree-os.ts";

/** `root`: nothing outside it is ever removed, nor the root itself. */
export function createOsFiles(root: string): Files {
  return {
    read: (path) => named("read", path, () => orNothing(readFile(path))),
    readAt: (path, offset, length) =>
      named("read", path, async () => {
        const part = await orNothing(readPart(path, offset, length));
        return part ?? new Uint8Array(0);
      }),
    size: (path) =>
      named("look at", path, async () => {
        const found = await orNothing(stat(path));
        return found?.isFile() ? found.size : undefined;
      }),
    replace: (path, content, mode) =>
      named("replace", path, () => replaceFile(path, content, mode)),
    append: (path, content) =>
      named("append to", path, () => appendFile(path, content, { mode: 0o600 })),
    list: (dir) =>
      named("list", dir, async () => {
        const names = (await orNothing(readdir(dir))) ?? [];
        return names.filter((name) => !isTemp(name)).sort();
      }),
    makeDir: (dir, mode) =>
      named("make", dir, async () => {
        makeFolders(dir, mode);
      }),
    remove: (path) => named("remove", path, () => removeBelow(root, path)),
    copyTree: (from, to) => named("copy", from, () => copyTree(from, to)),
    watch: (path, hear) => watchPath(path, hear),
  };
}

async function readPart(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    // Never more memory than the file has bytes, whatever the caller asks for.
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(
        buffer,
        filled,
        buffer.length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}

async function replaceFile(path: string, content: Uint8Array, mode: number): Promise<void> {
  const temp = tempBeside(path);
  try {
    const file = await open(temp, "wx", mode);
    try {
      // The mode of `open` is cut by the umask.
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncEntry(dirname(path));
}

async function removeBelow(root: string, path: string): Promise<void> {
  const place = resolve(path);
  const parent = await orNothing(realpath(dirname(place)));
  if (parent === undefined) return;
  const real = join(parent, basename(place));
  if (!isBelow(await realpath(root), real)) throw new Error(`it is outside ${root}`);
  await removeTree(real);
}

async function copyTree(from: string, to: string): Promise<void> {
  const inside = resolve(from) === resolve(to) || isBelow(resolve(from), resolve(to));
  if (inside) throw new Error(`${to} is inside it`);
  makeFolders(dirname(to), 0o700);
  await copyEntry(from, to);
}

/**
 * A folder that exists is watched for any change in it. Anything else is watched through the folder
 * that it is in, which must exist: so a file is seen to come, to grow, to be replaced and to go.
 */
function watchPath(path: string, hear: () => void): () => void {
  let due = false;
  let stopped = false;
  const tell = (): void => {
    due = false;
    if (!stopped) hear();
  };
  const coalesce = (): void => {
    if (!due) setImmediate(tell);
    due = true;
  };
  try {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const folder = isFolder ? path : dirname(path);
    const watcher = watchFolder(folder, { persistent: false }, (_, changed) => {
      if (isFolder || changed === basename(path) || changed === null) coalesce();
    });
    // A watcher that breaks has seen something: whoever hears looks, and finds out what.
    watcher.on("error", coalesce);
    return () => {
      stopped = true;
      watcher.close();
    };
  } catch (error) {
    throw failed("watch", path, error);
  }
}

/** Whether `path` is strictly below `root`. Both are absolute. */
function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}

async function named<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSkyError(error) ? error : failed(verb, path, error);
  }
}

function failed(verb: string, path: string, error: unknown): SkyError {
  if (isNoRoom(error)) return noRoom(path, error);
  const params = { what: `${verb} ${path}`, why: errorText(error) };
  return new SkyError("process/failed", params, { cause: error });
}
