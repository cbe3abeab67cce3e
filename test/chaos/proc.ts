// Reading /proc for the audit and for whoever is struck. Imports nothing of ours: what looks at our
// programs must not be wrong in the same way.

import { readFileSync, readlinkSync } from "node:fs";

/** A process may end while it is read: then there is nothing to read. */
export function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

export function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
