// The way to a file below a folder: its folders are made, and no symbolic link on it leads out.
//
// A link to a folder in the destination would let `a/b` be written anywhere. What is real is
// compared: the nearest folder that is there has to lie in the root, or be it. Folders that are
// made are flushed with the names in them, so a file that is safe is safe with its whole path.
// Whoever could plant a link between the look and the write is a process of the same user.

import { mkdir, realpath, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { makeFolders, missingAbove } from "../../runtime/folders-os.ts";
import { syncEntry } from "../../runtime/tree-os.ts";
import { fileFault } from "./file-errors.ts";

const folderMode = 0o777;

/**
 * Whether what is at `path` lies below the root, whatever links are on the way. What it would be
 * in may not be there yet. The root is there.
 * @throws SkyError `objects/refused` if it leads out.
 */
export async function demandWithin(root: string, path: string): Promise<void> {
  const real = await realpath(root);
  const above = await nearestReal(dirname(path));
  if (above === real || above.startsWith(real === "/" ? "/" : `${real}/`)) return;
  const why = `a symbolic link on its path leads out of ${root}, to ${above}`;
  throw new SkyError("objects/refused", { object: path, why });
}

/**
 * Makes the folders that `path` is in; within the root, as above.
 * @returns those that it made, the outermost first.
 */
export async function makeWay(root: string, path: string): Promise<readonly string[]> {
  await demandWithin(root, path);
  const missing = missingAbove(path);
  if (missing.length === 0) return [];
  makeFolders(dirname(path), folderMode);
  for (const folder of missing) await syncEntry(dirname(folder));
  return missing;
}

/** A folder at `path` itself. */
export async function makeFolderAt(root: string, path: string): Promise<void> {
  await makeWay(root, path);
  try {
    await mkdir(path, { mode: folderMode });
  } catch (error) {
    if (!(await stat(path)).isDirectory()) throw error;
  }
  await syncEntry(dirname(path));
}

/** Removes folders that are empty, from the innermost on; the first that is not ends it. */
export async function removeWay(folders: readonly string[]): Promise<void> {
  for (const folder of folders.toReversed()) {
    try {
      await rmdir(folder);
    } catch (error) {
      const code = codeOf(error);
      if (fileFault(error) === "none") continue;
      // Not empty, a link or a mount: it is somebody's, and stays.
      if (["ENOTEMPTY", "EEXIST", "ENOTDIR", "EBUSY"].includes(String(code))) return;
      throw error;
    }
  }
}

async function nearestReal(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return await realpath(at);
    } catch (error) {
      if (fileFault(error) !== "none" || at === dirname(at)) throw error;
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
