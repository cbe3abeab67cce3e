// Cgroups of ranks: one parent per node, one leaf per seat, removed with it.
//
// Cgroup v2 wherever it is mounted and writable (hybrid systems have it under `unified`), else the
// v1 freezer: both list their processes, and both can kill all of them without a race against
// fork (`cgroup.kill`; freeze, kill, thaw). Without either, `findCgroups` says so and the sweep
// lives on what /proc shows.
//
// Leaves are made and removed off the event loop: both wait for whoever just moves a process into
// one, and that waits for all CPUs.

import { createHash } from "node:crypto";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import type { CgroupMount } from "./proc.ts";
import { flatCounter, parseCgroupMounts, parseOwnCgroup } from "./proc.ts";
import { isAbsent, namesIn, readText, signalProcess } from "./proc-os.ts";

/** How slots and seats are named: random hex, a dash, a count. */
export const tokenPattern = /^[0-9a-f]{16}-\d+$/;

export interface Cgroups {
  readonly kind: CgroupMount["kind"];
  /** The folder of one seat's leaf. */
  leaf(name: string): string;
  make(name: string): Promise<boolean>;
  /** Leaves that exist. */
  leaves(): readonly string[];
  processes(name: string): readonly number[];
  /** Everything in the leaf but the spared, who are ours. */
  killAll(name: string, spared?: ReadonlySet<number>): void;
  oomKills(name: string): number;
  /** True if the leaf is gone now; false if something still lives in it. */
  remove(name: string): Promise<boolean>;
  /** Removes the parent if no leaf is left in it. */
  removeParent(): void;
}

/** `name` tells nodes of one home apart; `stateDir` tells homes apart. */
export function findCgroups(options: {
  readonly stateDir: string;
  readonly name: string;
  readonly kinds?: readonly CgroupMount["kind"][];
}): Cgroups | undefined {
  const hash = createHash("sha256").update(options.stateDir).digest("hex").slice(0, 12);
  const own = readText("/proc/self/cgroup") ?? "";
  for (const mount of parseCgroupMounts(readText("/proc/self/mountinfo") ?? "")) {
    if (options.kinds && !options.kinds.includes(mount.kind)) continue;
    const ownPath = parseOwnCgroup(own, mount.kind) ?? "/";
    for (const base of new Set([mount.mountPoint, `${mount.mountPoint}${ownPath}`])) {
      const parent = `${base.replace(/\/$/, "")}/skylet-${hash}-${options.name}`;
      if (makeDir(parent)) return cgroupsAt(parent, mount.kind);
    }
  }
  return undefined;
}

const nobody: ReadonlySet<number> = new Set();

function cgroupsAt(parent: string, kind: CgroupMount["kind"]): Cgroups {
  if (kind === "v2") write(`${parent}/cgroup.subtree_control`, "+memory");
  const leaf = (name: string) => `${parent}/${name}`;
  const processes = (name: string) =>
    (readText(`${leaf(name)}/cgroup.procs`) ?? "").split("\n").map(Number).filter(Boolean);
  return {
    kind,
    leaf,
    make: async (name) =>
      (await didMake(leaf(name))) || (makeDir(parent) && (await didMake(leaf(name)))),
    leaves: () => namesIn(parent).filter((name) => tokenPattern.test(name)),
    processes,
    killAll: (name, spared = nobody) => {
      const doomed = () => processes(name).filter((pid) => !spared.has(pid));
      if (spared.size > 0 && doomed().length === 0) return;
      if (spared.size === 0 && kind === "v2" && write(`${leaf(name)}/cgroup.kill`, "1")) return;
      const state = kind === "v2" ? "cgroup.freeze" : "freezer.state";
      write(`${leaf(name)}/${state}`, kind === "v2" ? "1" : "FROZEN");
      for (const pid of doomed()) signalProcess(pid, "KILL");
      write(`${leaf(name)}/${state}`, kind === "v2" ? "0" : "THAWED");
    },
    oomKills: (name) => flatCounter(readText(`${leaf(name)}/memory.events`) ?? "", "oom_kill"),
    remove: (name) => didRemove(leaf(name)),
    removeParent: () => removeDir(parent),
  };
}

function makeDir(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EEXIST";
  }
}

/** False if the kernel refuses: then there is no leaf, and the slot says so. */
async function didMake(path: string): Promise<boolean> {
  return await mkdir(path).then(
    () => true,
    () => false,
  );
}

/** Whatever is not "still in use" means that there is nothing (for us) to remove. */
async function didRemove(path: string): Promise<boolean> {
  return await rmdir(path).then(() => true, isAbsent);
}

/** Unless something is in it. */
function removeDir(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const inUse = error instanceof Error && "code" in error && error.code === "EBUSY";
    if (!inUse && !isAbsent(error)) throw error;
  }
}

/** False if the kernel refuses, which every caller has an answer for. */
function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}
