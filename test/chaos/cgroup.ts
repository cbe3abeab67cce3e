// The cgroup of a run: who is in it was started by the run, whatever he has done since.
//
// Cgroup v2, wherever it is mounted and may be written. The processes of the run see it as the top
// of the hierarchy, by a mount namespace, so that the leaves which agents make for their ranks lie
// below it. Where none can be made, a sentence says why, and what then cannot be proven.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";

export interface Cgroup {
  readonly path: string;
  /** Runs the rest of the command line inside. */
  readonly enter: readonly string[];
}

export function makeCgroup(): Cgroup | string {
  const line = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((one) => one.split(" ")[2] === "cgroup2");
  const top = line?.split(" ")[1];
  if (top === undefined) return "no cgroup v2 is mounted";
  const path = `${top}/chaos-${process.pid}-${Date.now()}`;
  const script = [
    'mount --bind "$1" "$2" || exit 97',
    'echo $$ >"$2/programs/cgroup.procs" || exit 97',
    'shift 2; exec "$@"',
  ];
  const enter = ["unshare", "-m", "sh", "-c", script.join("\n"), "sh", path, top];
  try {
    mkdirSync(path);
    mkdirSync(`${path}/programs`);
  } catch {
    return `${top} may not be written`;
  }
  const [file = "", ...args] = [...enter, "true"];
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status === 0) return { path, enter };
  removeCgroup(path);
  return `nobody may enter a cgroup in ${top}: ${stderr?.trim() ?? "no unshare"}`;
}

/** The folders below; only `programs` is the run's own. */
export function leavesIn(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => `${parentPath}/${name}`)
    .filter((one) => one !== `${path}/programs`);
}

/** Deepest first. One that still holds a process stays, and has been told by the audit. */
export function removeCgroup(path: string): void {
  const deepest = [...leavesIn(path), `${path}/programs`].sort((a, b) => b.length - a.length);
  for (const one of [...deepest, path]) {
    try {
      rmdirSync(one);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    }
  }
}
