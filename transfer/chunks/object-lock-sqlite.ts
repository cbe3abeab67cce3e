// One writer for a final name at a time.
//
// The lock is held as that of a home is (`runtime/home-lock-sqlite.ts`): it goes with its holder,
// however that ends. It is a file in the holder's own folder of locks, named after the inode of the
// target's folder and the target's name: SQLite takes no path as long as users' may be, and nothing
// lies in their folders. Its file is removed with it. Writers of two homes do not exclude each
// other, and need not: each has a partial file of its own, and the last whole object has the name.
//
// What must always hold: a lock file that was removed while it was being taken locks nobody out.

import { hash } from "node:crypto";
import { readdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { type HomeLock, takeLock } from "../../runtime/home-lock-sqlite.ts";

/** SQLite may have a file beside each, which it removes itself. */
const lockName = /^[0-9a-f]{64}$/;

/** A lock file may vanish beneath whoever takes it, each time because another writer ended. */
const triesMax = 100;

/** @throws SkyError `store/locked` with `target`, if another holds it. */
export function takeObjectLock(folder: string, target: string): HomeLock {
  const { dev, ino } = statSync(dirname(target), { bigint: true });
  const path = join(folder, hash("sha256", `${dev}/${ino}/${basename(target)}`));
  for (let tried = 0; tried < triesMax; tried += 1) {
    const before = inodeOf(path);
    const lock = takeLock(path);
    if (lock === undefined) break;
    if (before !== undefined && before === inodeOf(path))
      return { release: () => free(path, lock) };
    lock.release();
  }
  throw new SkyError("store/locked", { path: target });
}

/**
 * Removes the files of locks that nobody holds: those of writers that were killed, and whose
 * objects nobody writes again. For whoever opens the home.
 */
export function sweepObjectLocks(folder: string): void {
  for (const name of namesIn(folder).filter((one) => lockName.test(one))) {
    const path = join(folder, name);
    const lock = takeLock(path);
    if (lock !== undefined) free(path, lock);
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Its name goes while it is held: whoever opened it meanwhile sees that it has gone. */
function free(path: string, lock: HomeLock): void {
  rmSync(path, { force: true });
  lock.release();
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
