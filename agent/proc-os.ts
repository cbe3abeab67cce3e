// Looking at processes through /proc. Linux only; elsewhere everything looks absent.
//
// Small synchronous reads: /proc never touches a disk, and one read costs about ten microseconds.
// A process may end between two reads, so every read may find nothing; that is an answer.

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { ProcStat } from "./proc.ts";
import { isDead, parseStat } from "./proc.ts";
import type { ProcessId } from "./rank-files.ts";

/** A file's text; `undefined` if it is not there (any more) or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Whether a file of /proc is kept from us. A thread of the kernel and a process that is going have
 * none to keep: reading theirs fails as well, and hides nothing.
 */
export function isDenied(path: string): boolean {
  try {
    closeSync(openSync(path, "r"));
    return false;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "EACCES" || code === "EPERM";
  }
}

/** Errors of /proc, cgroups and our own files that mean "gone" or "not for you". */
export function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return ["ENOENT", "ESRCH", "EACCES", "EPERM", "ENODEV", "ENOTDIR", "EINVAL"].includes(code);
}

export function statOf(pid: number): ProcStat | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** Whether exactly this process lives; a zombie does not. */
export function isAlive(id: ProcessId): boolean {
  const stat = statOf(id.pid);
  return stat !== undefined && stat.startTicks === id.startTicks && !isDead(stat.state);
}

/** The processes that this one has started and that live. None where the kernel does not tell. */
export function childrenOf(pid: number): readonly number[] {
  const text = readText(`/proc/${pid}/task/${pid}/children`) ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

/** Every process id of this machine. */
export function processIds(): readonly number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isSafeInteger);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The target of a link in /proc; `undefined` if it cannot be read. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The names in a folder; none if it cannot be read. */
export function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Sends a signal to exactly this process. False if it is gone or not ours. */
export function signalProcess(pid: number, signal: "TERM" | "CONT" | "KILL"): boolean {
  try {
    process.kill(pid, `SIG${signal}`);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
