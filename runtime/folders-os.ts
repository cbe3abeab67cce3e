// Makes folders, and those above that are missing, one after the other.
//
// Node's recursive `mkdir` never returns where the system says ENOENT although the parent is there:
// in /proc, on an autofs, on some network file systems (seen with Node 24.21). Here that is an
// error like any other.

import { existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorText } from "../model/errors.ts";

/**
 * Folders that are there stay as they are.
 * @throws the system's error, with its code, told of `path`.
 */
export function makeFolders(path: string, mode: number): void {
  try {
    makeAll(resolve(path), mode);
  } catch (cause) {
    const told = new Error(`the folder ${path} cannot be made: ${errorText(cause)}`, { cause });
    throw Object.assign(told, { code: codeOf(cause), path });
  }
}

/** The folders above `path` that are not there, the outermost first. */
export function missingAbove(path: string): readonly string[] {
  const missing: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) break;
    missing.unshift(at);
  }
  return missing;
}

function makeAll(path: string, mode: number): void {
  const missing: string[] = [];
  for (let at = path; !made(at, mode); at = dirname(at)) missing.push(at);
  for (const folder of missing.toReversed()) made(folder, mode);
}

/** Whether it is there now; `false`: what it would be in is not. */
function made(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true;
    if (codeOf(error) === "ENOENT" && !existsSync(dirname(path))) return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
