// The lock of a home: held as long as its holder lives, and by nothing else.
//
// An open exclusive transaction of SQLite is a lock of the kernel on the file: it goes with the
// process, however that ends, and no clean-up is ever needed. A file that exists, or a socket that
// answers, would prove nothing.

import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolders } from "./folders-os.ts";

export interface HomeLock {
  release(): void;
}

/** `undefined` if another process holds it. */
export function takeLock(path: string): HomeLock | undefined {
  makeFolders(dirname(path), 0o700);
  const database = new DatabaseSync(path);
  try {
    // SQLite's own files take its mode: whoever can open it can hold it.
    chmodSync(path, 0o600);
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

/** Source: sqlite.org/rescode.html, SQLITE_BUSY; extended codes keep it in the low byte. */
const sqliteBusy = 5;

function isBusy(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === "number" && (errcode & 255) === sqliteBusy;
}
