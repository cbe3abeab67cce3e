// How a file gets its name: whole, flushed and with its attributes, or not at all.

import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncEntry, tempName } from "../../runtime/tree-os.ts";
import { fileFactsOf } from "./file-attributes.ts";
import { fileVersion } from "./file-version.ts";
import type { ObjectAttributes } from "./object-store.ts";

/** A folder, and how what goes wrong with an object of it is told. */
export interface FolderPlace {
  readonly root: string;
  named<T>(object: string, work: () => Promise<T>): Promise<T>;
}

const modeUsual = 0o644;
const partialMode = 0o600;

/** Makes the file beside its name, flushes it and gives it the name. Its version comes back. */
export async function placeFile(
  path: string,
  attributes: ObjectAttributes | undefined,
  write: (file: FileHandle) => Promise<void>,
): Promise<string> {
  const { mode, mtimeMs } = fileFactsOf(attributes ?? {});
  const temp = join(dirname(path), tempName());
  try {
    const file = await open(temp, "wx", partialMode);
    let version: string;
    try {
      await write(file);
      // The mode of `open` is cut by the umask.
      await file.chmod(mode ?? modeUsual);
      if (mtimeMs !== undefined) await file.utimes(mtimeMs / 1_000, mtimeMs / 1_000);
      await file.sync();
      version = fileVersion(await file.stat({ bigint: true }));
    } finally {
      await file.close();
    }
    await rename(temp, path);
    await syncEntry(dirname(path));
    return version;
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}
