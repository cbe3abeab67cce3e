// What becomes of a cluster's logs when it goes: they are kept under the home's `logs`.

import { mkdir, readdir, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Moves all logs of a closed store out of the way of `sky down`. Nothing to move is harmless. */
export async function archiveLogs(dir: string, to: string): Promise<boolean> {
  const found = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (found.length === 0) return false;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await rename(dir, to);
  return true;
}
