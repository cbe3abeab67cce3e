// Which processes belong to a rank. Pure: a look at all processes in, the rank's own out.
//
// A process is the rank's if it is in the rank's cgroup, in its session, carries its marker, holds
// one of its files, has its working directory in the rank's directory, or descends from one that
// is. Never by name. Nothing that is older than the rank can be its own, so a pid, session or
// folder that was used before proves nothing.

import type { ProcessId } from "./rank-files.ts";
import { pipeNameOf } from "./rank-files.ts";

/** What one look at /proc told about one process. */
export interface ProcessView {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly startTicks: number;
  /** Ended, and only waits for its parent to notice. */
  readonly dead: boolean;
  readonly inLeaf: boolean;
  /** The value of `SKYLET_RANK` in its environment at exec. */
  readonly marker: string | undefined;
  /** What of the rank it holds. */
  readonly holds: "working directory" | "open file" | undefined;
}

export interface SweepTarget {
  readonly token: string;
  /** The leader of the rank's session. */
  readonly leader: ProcessId;
  /** The agent, and the rank's own shim: they are ours and end by themselves. */
  readonly spared: ReadonlySet<number>;
}

export type Evidence =
  | "cgroup"
  | "session"
  | "marker"
  | "working directory"
  | "open file"
  | "child";

/** The rank's living processes, each with what proves it. */
export function membersOf(
  views: readonly ProcessView[],
  target: SweepTarget,
): ReadonlyMap<number, Evidence> {
  const candidates = views.filter(
    (view) =>
      !view.dead && !target.spared.has(view.pid) && view.startTicks >= target.leader.startTicks,
  );
  const sessionProves = leaderIsTrue(views, target);
  const members = new Map<number, Evidence>();
  for (const view of candidates) {
    const evidence = evidenceOf(view, target, sessionProves);
    if (evidence) members.set(view.pid, evidence);
  }
  addDescendants(candidates, members);
  return members;
}

/** False once the leader's number belongs to another process: then its session is another's too. */
function leaderIsTrue(views: readonly ProcessView[], { leader }: SweepTarget): boolean {
  const holder = views.find((view) => view.pid === leader.pid);
  return holder === undefined || holder.startTicks === leader.startTicks;
}

function evidenceOf(
  view: ProcessView,
  target: SweepTarget,
  sessionProves: boolean,
): Evidence | undefined {
  if (view.inLeaf) return "cgroup";
  if (view.marker === target.token) return "marker";
  if (sessionProves && view.session === target.leader.pid) return "session";
  return view.holds;
}

/** Children of members are members, whatever they did to themselves. */
function addDescendants(views: readonly ProcessView[], members: Map<number, Evidence>): void {
  for (let added = -1; added !== 0; ) {
    added = 0;
    for (const view of views) {
      if (members.has(view.pid) || !members.has(view.parent)) continue;
      members.set(view.pid, "child");
      added += 1;
    }
  }
}

/** Whether an open descriptor shows that its process belongs to a rank. */
export function holdsOf(options: {
  readonly cwd: string | undefined;
  /** Targets of its descriptors, and whether each is open for writing. */
  readonly files: readonly { readonly path: string; readonly writing: boolean }[];
  readonly rankDir: string;
  /** The pipe that is the rank's output, as /proc names it: while it is held, nobody else's. */
  readonly outPath: string | undefined;
}): ProcessView["holds"] {
  const { cwd, files, rankDir } = options;
  const pipe = pipeNameOf(options.outPath);
  if (cwd !== undefined && isInside(rankDir, cwd)) return "working directory";
  // Whoever only reads a log (a person, our own log shipping) does not belong to it.
  const held = files.some(
    ({ path, writing }) =>
      (pipe !== undefined && path === pipe) || (writing && isInside(rankDir, withoutDeleted(path))),
  );
  return held ? "open file" : undefined;
}

function isInside(dir: string, path: string): boolean {
  return path === dir || path.startsWith(`${dir}/`);
}

function withoutDeleted(path: string): string {
  return path.endsWith(" (deleted)") ? path.slice(0, -" (deleted)".length) : path;
}
