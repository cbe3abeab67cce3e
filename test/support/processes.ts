// Which processes belong to one SKY_HOME, read from /proc.
//
// A home under test is a folder of its own, so a process that names it in its arguments, its
// environment or its working directory was started through it: by the head, an agent or a rank.
// That makes "nothing left" something a test can see, and lets it end what it started by pid.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** As its own machine counts, which may be another than this. */
  readonly ownPid: number;
}

/** Every living process that mentions `text`, except this one and its ancestors. */
export function processesOf(text: string): readonly ProcessSeen[] {
  const ours = new Set(ancestors());
  return pids()
    .filter((pid) => !ours.has(pid) && isAlive(pid) && mentions(pid, text))
    .map(processAt);
}

export function processAt(pid: number): ProcessSeen {
  const ownPid = Number(/^NSpid:.*\s(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? pid);
  return { pid, parent: parentOf(pid), command: commandOf(pid), ownPid };
}

/** Whether a process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  const state = statFields(pid)?.[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

export function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function pids(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function mentions(pid: number, text: string): boolean {
  const root = `/proc/${pid}`;
  return (
    read(`${root}/cmdline`).includes(text) ||
    read(`${root}/environ`).includes(text) ||
    link(`${root}/cwd`).startsWith(text)
  );
}

function ancestors(): readonly number[] {
  const found: number[] = [];
  for (let pid = process.pid; pid > 1; pid = parentOf(pid)) found.push(pid);
  return found;
}

function parentOf(pid: number): number {
  return Number(statFields(pid)?.[1] ?? 0);
}

/** The fields of /proc/<pid>/stat after the name, which may itself hold spaces and brackets. */
function statFields(pid: number): readonly string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** A process may end while it is being read: then there is nothing to read. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
