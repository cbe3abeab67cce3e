// A disk of a few MiB of one's own: a tmpfs in a temporary folder, which can be filled and emptied.
//
// Mounting needs root. Where that is missing, `whyNoDisk` says so and the test is skipped with it.
// What must always hold: what was mounted is unmounted and its folder removed.

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  readonly path: string;
  /** Fills it until at most `leftBytes` are free. */
  fill(leftBytes?: number): void;
  /** Takes the filling away. */
  empty(): void;
  freeBytes(): number;
  close(): void;
}

/** What is missing for a disk of one's own, or `undefined`. */
export function whyNoDisk(): string | undefined {
  if (process.platform !== "linux") return "a tmpfs needs Linux";
  if (process.getuid?.() !== 0) return "mounting a small disk needs root";
  try {
    smallDisk(1).close();
    return undefined;
  } catch (error) {
    return `a tmpfs cannot be mounted: ${String(error)}`;
  }
}

export function smallDisk(mib: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "sky-disk-"));
  const filling = join(path, "filling");
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  run("mount", "-t", "tmpfs", "-o", `size=${mib}m`, "tmpfs", path);
  return {
    path,
    fill: (leftBytes = 0) => fill(filling, () => freeBytes() - leftBytes),
    empty: () => rmSync(filling, { force: true }),
    freeBytes,
    close: () => {
      // Lazily: a test that failed may have left something open, and must not leave the disk too.
      run("umount", "-l", path);
      rmdirSync(path);
    },
  };
}

function fill(path: string, left: () => number): void {
  const file = openSync(path, "a", 0o600);
  try {
    for (let bytes = left(); bytes > 0; bytes = left()) {
      writeSync(file, Buffer.alloc(Math.min(bytes, 1_048_576), 7));
    }
  } catch (error) {
    // Somebody else took the last of it: it is full all the same.
    if (!String(error).includes("ENOSPC")) throw error;
  } finally {
    closeSync(file);
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
}
