// Which process a pid means: the pid together with the moment of its start; what it runs, and
// whether it gets on.
//
// Pids are used again. Whoever remembers a process across a restart of its own remembers both, and
// signals nothing when they do not match. The moment counts from boot: whoever remembers it on disk
// remembers the boot's id too.
// Source: proc(5) for the fields of /proc/<pid>/stat.

import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; "" where there is none. */
  readonly startedAt: string;
}

/** The identity of a living process, or `undefined`. A zombie is not alive. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const fields = statFields(pid);
  return fields === undefined ? undefined : { pid, startedAt: fields[19] ?? "" };
}

/** Of this boot; "" where the system has none. */
export function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/** What a process runs. */
export interface Program {
  /** Its file, also if that has been replaced since. */
  readonly executable: string;
  readonly args: readonly string[];
  readonly folder: string;
}

/** What a process of this user runs; `undefined` if it ended or is somebody else's. */
export function programOf(pid: number, uid = process.getuid?.()): Program | undefined {
  const root = `/proc/${pid}`;
  try {
    if (statSync(root).uid !== uid) return undefined;
    const executable = readlinkSync(`${root}/exe`).replace(/ \(deleted\)$/, "");
    const args = readFileSync(`${root}/cmdline`, "utf8").split("\0").slice(0, -1);
    return { executable, args, folder: readlinkSync(`${root}/cwd`) };
  } catch {
    // It ended between two looks, or may not be looked at: then it is not ours.
    return undefined;
  }
}

/** All processes of a user, of this one unless said otherwise, for which `want` holds. */
export function findProcesses(
  want: (program: Program) => boolean,
  uid?: number,
): readonly ProcessIdentity[] {
  let names: readonly string[];
  try {
    names = readdirSync("/proc");
  } catch {
    // No /proc.
    return [];
  }
  return names.flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    // The identity first: should the pid be used again in between, the program does not match it.
    const identity = identityOf(Number(name));
    const program = identity === undefined ? undefined : programOf(identity.pid, uid);
    const found = identity !== undefined && program !== undefined && want(program);
    return found && isAlive(identity) ? [identity] : [];
  });
}

/** Whether a process gets on: what it does now, and the processor time that it has used. */
export interface Activity {
  /** It wants to run, or waits for a disk. */
  readonly busy: boolean;
  /** In clock ticks, of all its threads. */
  readonly ticks: number;
}

export function activityOf(identity: ProcessIdentity): Activity | undefined {
  const fields = statFields(identity.pid);
  if (fields === undefined || fields[19] !== identity.startedAt) return undefined;
  const busy = fields[0] === "R" || fields[0] === "D";
  return { busy, ticks: Number(fields[11] ?? 0) + Number(fields[12] ?? 0) };
}

/** The fields of a living process's stat after its name, or `undefined`. */
function statFields(pid: number): readonly string[] | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in brackets may hold spaces and brackets; the fields after it may not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such process, or no /proc.
    return undefined;
  }
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

const endMs = 5_000;
const lookMs = 25;

/**
 * TERM, some time, KILL; nothing if it is not the same process any more. What does not answer gets
 * KILL at once. False if it lives on: it waits for a disk that does not answer either.
 */
export async function endProcess(identity: ProcessIdentity, silent = false): Promise<boolean> {
  for (const signal of silent ? (["SIGKILL"] as const) : (["SIGTERM", "SIGKILL"] as const)) {
    signalProcess(identity, signal);
    const deadline = performance.now() + endMs;
    while (isAlive(identity) && performance.now() < deadline) await pause(lookMs);
  }
  return !isAlive(identity);
}
