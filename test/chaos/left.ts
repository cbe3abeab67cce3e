// What is left of a run: processes, cgroups, files, sockets, ports. Imports nothing of ours.
//
// Processes are found in two ways that do not know of each other: the run's own cgroup holds
// whoever was started in it, and whoever names the run's folder in its arguments or environment, or
// stands in it, was started for it.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { link, text } from "./proc.ts";

export interface Left {
  readonly pid: number;
  readonly command: string;
  /** Whether it was certainly started by the run, and not only speaks of it. */
  readonly isOurs: boolean;
}

/** What the run's own cgroup holds, and who names its folder. */
export function processesLeft(place: { readonly folder: string; readonly cgroup?: string }) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) > 1);
  const group = place.cgroup?.split("/").at(-1);
  return pids.flatMap((pid): readonly Left[] => {
    if (isDead(pid)) return [];
    const inGroup = group !== undefined && text(`/proc/${pid}/cgroup`).includes(`/${group}`);
    const stands = link(`/proc/${pid}/cwd`).startsWith(place.folder);
    const started = text(`/proc/${pid}/environ`).includes(place.folder);
    const named = commandOf(pid).includes(place.folder);
    const isHere = Number(pid) === process.pid || Number(pid) === process.ppid;
    if (isHere || !(inGroup || stands || started || named)) return [];
    const isOurs = group === undefined ? started : inGroup;
    return [{ pid: Number(pid), command: commandOf(pid), isOurs }];
  });
}

/** Whether the kernel counts any process in the cgroup or below it. */
export function isPopulated(cgroup: string): boolean {
  return /^populated 1$/m.test(readFileSync(`${cgroup}/cgroup.events`, "utf8"));
}

/** Every cgroup of a skylet on this machine, in whatever hierarchy. */
export function skyletGroups(): readonly string[] {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const tops = mounts.flatMap((line) => {
    const [, top, type = ""] = line.split(" ");
    return top !== undefined && /^cgroup2?$/.test(type) ? [top] : [];
  });
  return tops.flatMap((top) =>
    readdirSync(top)
      .filter((name) => name.startsWith("skylet-"))
      .map((name) => `${top}/${name}`),
  );
}

/** Files that nobody has any use for once every cluster is down and the head has ended. */
export function filesLeft(folder: string): readonly string[] {
  const dirs = [`${folder}/tmp`, `${folder}/home/clusters`].flatMap((dir) =>
    namesIn(dir).map((name) => `${dir}/${name}`),
  );
  const sockets = namesIn(`${folder}/home/head`).filter((name) => name.endsWith(".sock"));
  return [...dirs, ...sockets.map((name) => `${folder}/home/head/${name}`)];
}

/** Source: proc_net(5), `tcp`: local address and port in hex, state 0A = listening. */
export function isListenedAt(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = text("/proc/net/tcp").split("\n");
  return lines.some((line) => new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} \\S+ 0A `).test(line));
}

export function commandOf(pid: string): string {
  return text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function isDead(pid: string): boolean {
  const stat = text(`/proc/${pid}/stat`);
  return stat === "" || /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

function namesIn(dir: string): readonly string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}
