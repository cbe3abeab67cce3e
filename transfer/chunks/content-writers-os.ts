// Who is writing into a content store: each opener has a folder of its own under `incoming/`.
//
// Whether an opener lives is asked of the kernel: it holds a lock in its folder, which goes with
// it. A process id would prove nothing, as another container on the same disk counts its own.
// What a dead one left was never acknowledged, and goes when the store is opened.
// Both happen under the store's lock, so no folder is found before its lock is taken.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type HomeLock, takeLock } from "../../runtime/home-lock-sqlite.ts";
import { hexToken } from "../../runtime/random.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { createOnce } from "./content-lock-sqlite.ts";

const tokenBytes = 8;
const lockName = "lock";

export interface Writer {
  readonly folder: string;
  /** Nothing is written any more. The folder may be gone already. */
  leave(): void;
  /** Its folder is gone already, or another's. */
  abandon(): void;
}

/** A folder that no other opener has. */
export function newWriterIn(incoming: string): string {
  return join(incoming, hexToken(createOsRandom(), tokenBytes));
}

export function enterWriter(folder: string): Writer {
  mkdirSync(folder, { mode: 0o700 });
  createOnce(join(folder, lockName));
  const lock = takeLock(join(folder, lockName));
  if (lock === undefined) throw new Error(`${folder} is somebody else's`);
  const leave = (): void => (existsSync(folder) ? clear(folder, lock) : lock.release());
  return { folder, leave, abandon: () => lock.release() };
}

/** Takes away what dead openers left. How many there were. */
export function sweepWriters(incoming: string, own: string): number {
  let count = 0;
  for (const entry of readdirSync(incoming, { withFileTypes: true })) {
    const folder = join(incoming, entry.name);
    if (folder === own) continue;
    if (!entry.isDirectory()) {
      rmSync(folder, { force: true });
      continue;
    }
    createOnce(join(folder, lockName));
    const lock = takeLock(join(folder, lockName));
    if (lock === undefined) continue;
    clear(folder, lock);
    count += 1;
  }
  return count;
}

/** The lock goes last, lest somebody finds the folder without it and takes it for a dead one's. */
function clear(folder: string, lock: HomeLock): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(lockName)) rmSync(join(folder, name), { recursive: true, force: true });
  }
  lock.release();
  rmSync(folder, { recursive: true, force: true });
}
