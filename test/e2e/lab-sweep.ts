// Looking for what is left on a host: processes, files, sockets, control groups.
//
// It looks from outside, at the kernel's own lists and at the host's disk, and imports nothing of
// the product: what looks at our programs must not be wrong in the same way. Processes beside init
// and sshd count, files that were not there or were otherwise when the host was new, and every port
// but sshd's. Crontabs and systemd's user units are files, below /var/spool and below the home.

import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { startOf } from "./lab-run.ts";

export interface Left {
  readonly processes: readonly string[];
  /** `+ path`, `- path` or `~ path`: there, gone, changed. */
  readonly files: readonly string[];
  readonly ports: readonly string[];
  readonly cgroups: readonly string[];
}

/** What a host is like when it is new. */
export interface Snapshot {
  readonly files: Files;
  readonly commands: ReadonlySet<string>;
}

type Files = ReadonlyMap<string, string>;

const places = ["etc", "home", "root", "opt", "mnt", "var", "tmp", "run", "dev/shm", "usr/local"];

/** What the system writes by itself. */
const ofTheSystem =
  /^(run\/utmp|var\/log\/(wtmp|btmp|lastlog|faillog)|run\/user\/\d+\/systemd\/.*dbus\.socket)$/;

const hashedBytesMax = 1_048_576;

/** Every file below a host's root that can change, with what tells a change. */
function filesOf(root: string): Files {
  const found = new Map<string, string>();
  for (const place of places) walk(root, place, found);
  return found;
}

function walk(root: string, path: string, found: Map<string, string>): void {
  if (ofTheSystem.test(path)) return;
  const full = join(root, path);
  const told = describe(full);
  if (told === undefined) return;
  found.set(path, told);
  if (!told.startsWith("folder")) return;
  for (const name of namesIn(full)) walk(root, join(path, name), found);
}

/** What a file is; `undefined` if it is gone meanwhile. */
function describe(path: string): string | undefined {
  try {
    const seen = lstatSync(path);
    const mode = (seen.mode & 0o7777).toString(8);
    const whose = `${mode} ${seen.uid}`;
    if (seen.isDirectory()) return `folder ${whose}`;
    if (seen.isSymbolicLink()) return `link ${readlinkSync(path)}`;
    if (!seen.isFile()) return `special ${whose}`;
    if (seen.size > hashedBytesMax) return `file ${whose} ${seen.size} ${seen.mtimeMs}`;
    const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
    return `file ${whose} ${seen.size} ${hash}`;
  } catch (error) {
    return whenAbsent(error, undefined);
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    return whenAbsent(error, []);
  }
}

export interface Where {
  readonly init: number;
  readonly sshPort: number;
  readonly cgroup: string | undefined;
}

export function snapshotOf({ init }: Where): Snapshot {
  const commands = new Set(processesBelow(init).map(({ command }) => command));
  return { files: filesOf(`/proc/${init}/root`), commands };
}

/** The same, but the files that match as they are now. */
export function asNow(before: Snapshot, init: number, pattern: RegExp): Snapshot {
  const changed = [...filesOf(`/proc/${init}/root`)].filter(([path]) => pattern.test(path));
  return { ...before, files: new Map([...before.files, ...changed]) };
}

export function leftSince(before: Snapshot, { init, sshPort, cgroup }: Where): Left {
  return {
    processes: processesBelow(init)
      .filter(({ command }) => !before.commands.has(command))
      .map(({ pid, command }) => `${pid} ${command}`),
    files: differences(before.files, filesOf(`/proc/${init}/root`)),
    ports: portsOf(init, sshPort),
    cgroups: cgroup === undefined ? [] : groupsBelow(cgroup, ""),
  };
}

/** Those that systemd makes for itself count as little as its process. */
const ofSystemd = /^user(\/(app|session|background)\.slice|\/init\.scope)?(\/dbus\.s\w+)?$/;

function groupsBelow(root: string, path: string): readonly string[] {
  const names = namesIn(join(root, path)).filter((name) => isFolder(join(root, path, name)));
  return names.flatMap((name) => {
    const group = join(path, name);
    return [...(ofSystemd.test(group) ? [] : [group]), ...groupsBelow(root, group)];
  });
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Nothing at all is left. */
export function isClean({ processes, files, ports, cgroups }: Left): boolean {
  return [processes, files, ports, cgroups].every((list) => list.length === 0);
}

function differences(before: Files, after: Files): readonly string[] {
  const gone = [...before.keys()].filter((path) => !after.has(path)).map((path) => `- /${path}`);
  const other = [...after].flatMap(([path, told]) => {
    const was = before.get(path);
    if (was === told) return [];
    return [`${was === undefined ? "+" : "~"} /${path}`];
  });
  return [...gone, ...other];
}

/** As the host's own /proc lists them: its processes and no others, but init and sshd. */
function processesBelow(init: number): readonly { pid: string; command: string }[] {
  const proc = `/proc/${init}/root/proc`;
  return namesIn(proc)
    .filter((name) => /^\d+$/.test(name) && name !== "1")
    .map((pid) => ({ pid, ...processAt(join(proc, pid)) }))
    .filter(({ state, name }) => state !== "" && state !== "Z" && name !== "sshd");
}

export interface HostProcess {
  /** As the machine sees it, not the host. */
  readonly pid: number;
  readonly start: string | undefined;
  readonly command: string;
}

/** The processes of a host: those whose PID namespace is that of its init. */
export function processesIn(init: number): readonly HostProcess[] {
  const space = readlinkSync(`/proc/${init}/ns/pid`);
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== init)
    .filter((pid) => spaceOf(pid) === space)
    .map((pid) => {
      const { command } = processAt(`/proc/${pid}`);
      return { pid: Number(pid), start: startOf(Number(pid)), command };
    })
    .filter(({ start }) => start !== undefined);
}

function spaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (error) {
    // A machine's own first process may be closed to root too: it is no host's.
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    return whenAbsent(error, undefined);
  }
}

interface ProcessSeen {
  readonly name: string;
  readonly state: string;
  readonly command: string;
}

function processAt(folder: string): ProcessSeen {
  try {
    const stat = readFileSync(join(folder, "stat"), "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    const command = readFileSync(join(folder, "cmdline"), "utf8").replaceAll("\0", " ").trim();
    return { name, state, command: command === "" ? `(${name})` : command };
  } catch (error) {
    return whenAbsent(error, { name: "", state: "", command: "" });
  }
}

/** Listening TCP ports and bound UDP ports of the host's network, but sshd's. */
function portsOf(init: number, sshPort: number): readonly string[] {
  const listening = ["tcp", "tcp6"].flatMap((kind) =>
    socketsOf(init, kind)
      .filter(({ state, port }) => state === "0A" && port !== sshPort)
      .map(({ port }) => `${kind} ${port}`),
  );
  const bound = ["udp", "udp6"].flatMap((kind) =>
    socketsOf(init, kind).map(({ port }) => `${kind} ${port}`),
  );
  return [...listening, ...bound];
}

function socketsOf(init: number, kind: string): readonly { port: number; state: string }[] {
  const text = readFileSync(`/proc/${init}/net/${kind}`, "utf8");
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length > 3)
    .map(([, local = "", , state = ""]) => {
      return { port: Number.parseInt(local.slice(local.indexOf(":") + 1), 16), state };
    });
}

function whenAbsent<T>(error: unknown, value: T): T {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ESRCH") return value;
  throw error;
}
