// Removes a folder with all that is in it, also where its folders are not writable.
//
// To unlink takes write permission on the folder, and a job may have taken it from its owner
// (`chmod -R a-w`), or a workdir came so. Where removing is refused, the folders of our own below
// get it back and it is tried once more. No link is followed. Whoever could put one in the way
// between look and change is a process of the same user, who may change those modes anyway.

import { chmod, lstat, readdir, rm } from "node:fs/promises";

/** What is not there is removed. @throws what the file system throws; some may be gone then. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!isRefused(error)) throw error;
    await makeWritable(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function makeWritable(path: string): Promise<void> {
  const own = process.geteuid?.();
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const stats = await lstat(folder);
    if (!stats.isDirectory() || stats.uid !== own) continue;
    if ((stats.mode & 0o700) !== 0o700) await chmod(folder, (stats.mode & 0o777) | 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) folders.push(`${folder}/${entry.name}`);
    }
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(EACCES|EPERM)$/.test(String(error.code));
}
