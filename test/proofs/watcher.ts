// Watches a final name while its object comes in: whatever stands there at any moment is what was
// there before, or the whole object.
//
// It looks whenever its folder changes and again and again besides, reads the file and hashes it,
// unless it is the same file as at the last look. What must always hold: it says how often it
// looked, so that a run that was never watched does not pass for a good one.

import { hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

export interface Watcher {
  readonly looks: number;
  /** How many different files were seen there. */
  readonly seen: number;
  /** Every look that found something else than it may be. */
  readonly problems: readonly string[];
  close(): void;
}

const everyMs = 2;

/** `may`: the digests of what may be there; `undefined` among them: it may be missing. */
export function watchName(path: string, may: readonly (string | undefined)[]): Watcher {
  const problems: string[] = [];
  let looks = 0;
  let seen = 0;
  let last = "";
  const look = (): void => {
    looks += 1;
    const { same, digest } = lookAt(path, last);
    if (same === last) return;
    last = same;
    seen += 1;
    if (!may.includes(digest)) problems.push(`look ${looks}: ${digest ?? "nothing"} is there`);
  };
  const name = basename(path);
  const watching = watch(dirname(path), (_, changed) => {
    if (changed === name || changed === null) look();
  });
  const timer = setInterval(look, everyMs);
  look();
  return {
    get looks() {
      return looks;
    },
    get seen() {
      return seen;
    },
    problems,
    close: () => {
      clearInterval(timer);
      watching.close();
      look();
    },
  };
}

function lookAt(path: string, last: string): { same: string; digest: string | undefined } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { same: "nothing", digest: undefined };
  }
  try {
    const { ino, size, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true });
    const same = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    return { same, digest: same === last ? undefined : hash("sha256", readFileSync(file)) };
  } finally {
    closeSync(file);
  }
}
