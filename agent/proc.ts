// Parsing of Linux's /proc and of its mount table. Pure.
//
// Source: proc(5), cgroups(7). A process's name may hold spaces and parentheses, so the fields of
// `stat` are counted from the last closing one.

export interface ProcStat {
  readonly pid: number;
  /** One letter; `Z` and `X` are dead. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly startTicks: number;
}

/** The fields of `/proc/<pid>/stat` that we need, or `undefined` if it is not one. */
export function parseStat(text: string): ProcStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const stat = {
    pid: Number(text.slice(0, open)),
    state: fields[0] ?? "X",
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
  return Number.isSafeInteger(stat.startTicks) ? stat : undefined;
}

/** Whether a state letter is that of a process which runs no more. */
export function isDead(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}

export interface CgroupMount {
  readonly kind: "v2" | "freezer";
  readonly mountPoint: string;
  /** The cgroup that the mount shows as its root. */
  readonly root: string;
}

/** The cgroup hierarchies in `/proc/self/mountinfo` that we can use, the better ones first. */
export function parseCgroupMounts(mountinfo: string): readonly CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ");
    if (left === undefined || right === undefined) continue;
    const [, , , root, mountPoint] = left.split(" ");
    const [type, , options = ""] = right.split(" ");
    if (root === undefined || mountPoint === undefined) continue;
    const kind = kindOf(type, options);
    if (kind) mounts.push({ kind, root: unescapePath(root), mountPoint: unescapePath(mountPoint) });
  }
  return mounts.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "v2" ? -1 : 1));
}

function kindOf(type: string | undefined, options: string): CgroupMount["kind"] | undefined {
  if (type === "cgroup2") return "v2";
  return type === "cgroup" && options.split(",").includes("freezer") ? "freezer" : undefined;
}

/** Spaces and the like are octal escapes in mount tables. Source: proc(5), mounts. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Our own cgroup in one hierarchy, from `/proc/self/cgroup`. */
export function parseOwnCgroup(text: string, kind: CgroupMount["kind"]): string | undefined {
  for (const line of text.split("\n")) {
    const [id, controllers = "", ...path] = line.split(":");
    const ours = kind === "v2" ? id === "0" : controllers.split(",").includes("freezer");
    if (ours && path.length > 0) return path.join(":");
  }
  return undefined;
}

/** One counter of a flat-keyed cgroup file such as `memory.events`; 0 if it is not there. */
export function flatCounter(text: string, key: string): number {
  const match = new RegExp(`^${key} (\\d+)$`, "m").exec(text);
  return match === null ? 0 : Number(match[1]);
}
