// Watches final names while their objects come in: whatever has one of them at any moment is what
// had it before, or the whole object.
//
// It looks whenever the folder changes, and at one name after the other besides; it reads the file
// and hashes it, unless it is the same file as at the last look. What must always hold: it says how
// often it looked and what it saw, so that a run that was never watched does not pass for a good
// one.

import { hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";

export interface Watcher {
  readonly looks: number;
  /** Names that were seen to change hands. */
  readonly changed: number;
  /** Every look that found something else than it may be. */
  readonly problems: readonly string[];
  close(): void;
}

const everyMs = 2;

/** For each name the digests of what may have it; `undefined` among them: it may be missing. */
export function watchNames(
  folder: string,
  may: ReadonlyMap<string, readonly (string | undefined)[]>,
): Watcher {
  const names = [...may.keys()];
  const last = new Map<string, string>();
  const changed = new Set<string>();
  const problems: string[] = [];
  let looks = 0;
  const look = (name: string): void => {
    looks += 1;
    const before = last.get(name);
    const { same, digest } = lookAt(join(folder, name), before);
    if (same === before) return;
    last.set(name, same);
    if (before !== undefined) changed.add(name);
    if (may.get(name)?.includes(digest)) return;
    problems.push(`look ${looks}: ${digest ?? "nothing"} is at ${name}`);
  };
  const watching = watch(folder, (_, name) => {
    if (name !== null && may.has(name)) look(name);
  });
  let next = 0;
  const timer = setInterval(() => {
    const name = names[next % names.length];
    next += 1;
    if (name !== undefined) look(name);
  }, everyMs);
  for (const name of names) look(name);
  return {
    get looks() {
      return looks;
    },
    get changed() {
      return changed.size;
    },
    problems,
    close: () => {
      clearInterval(timer);
      watching.close();
      for (const name of names) look(name);
    },
  };
}

function lookAt(path: string, last: string | undefined): { same: string; digest?: string } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { same: "nothing" };
  }
  try {
    const { ino, size, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true });
    const same = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    return same === last ? { same } : { same, digest: hash("sha256", readFileSync(file)) };
  } finally {
    closeSync(file);
  }
}
