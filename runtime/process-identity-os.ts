// Which process a pid means: the pid together with the moment of its start.
//
// Pids are used again. Whoever remembers a process across a restart of its own remembers both, and
// signals nothing when they do not match.

import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; "" where there is none. */
  readonly startedAt: string;
}

/** The identity of a living process, or `undefined`. A zombie is not alive. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // No such process, or no /proc.
    return undefined;
  }
  // The name in brackets may hold spaces and brackets; the fields after it may not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X") return undefined;
  return { pid, startedAt: fields[19] ?? "" };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

/** Signals the process if it is still the same one. Tells whether it was. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    // It ended between the look and the signal.
    return false;
  }
}
