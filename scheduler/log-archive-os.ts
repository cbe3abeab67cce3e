// Logs that are out of use: those of a cluster that goes are kept under the home's `logs`, within
// limits; those of jobs that are too long ago are removed.

import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";

/** Moves all logs of a closed store out of the way of `sky down`. Nothing to move is harmless. */
export async function archiveLogs(dir: string, to: string): Promise<boolean> {
  const found = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  if (found.length === 0) return false;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await rename(dir, to);
  return true;
}

/** Logs of jobs that are no longer kept. One that is not there is harmless. */
export async function removeLogs(dir: string, keys: readonly RankKey[]): Promise<void> {
  for (const key of keys) await rm(`${dir}/${rankKeyText(key)}.log`, { force: true });
}

export interface ArchiveLimits {
  readonly archives: number;
  readonly archiveBytes: number;
}

/**
 * Removes the oldest archives of clusters that are gone, until both limits are kept. The newest
 * stays however large it is. What users had brought to the same folder has other names and stays.
 */
export async function limitArchives(dir: string, limits: ArchiveLimits): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  const stamped = names.flatMap((name) => {
    const stamp = /-(\d{8}-\d{6}-\d{3})$/.exec(name)?.[1];
    return stamp === undefined ? [] : [{ name, stamp }];
  });
  const newestFirst = stamped.sort((a, b) => (a.stamp < b.stamp ? 1 : -1));
  let bytes = 0;
  for (const [at, { name }] of newestFirst.entries()) {
    const path = `${dir}/${name}`;
    bytes += await bytesIn(path);
    const isOver = at >= limits.archives || bytes > limits.archiveBytes;
    if (at > 0 && isOver) await rm(path, { recursive: true, force: true });
  }
}

async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(dir)) bytes += (await stat(`${dir}/${name}`)).size;
  return bytes;
}
