// Finding and ending whatever is left of a rank, and the looks at /proc behind it.
//
// Kill, look again, until a look finds nothing: a process that forks while we look is found by the
// next one. Bounded; what is still there then is reported as a survivor. Processes older than the
// rank are not even looked into, so a sweep costs what the machine's newest processes cost.

import { realpathSync } from "node:fs";
import type { SweepRecord } from "../model/job.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Cgroups } from "./cgroup-os.ts";
import type { ProcStat } from "./proc.ts";
import { isDead } from "./proc.ts";
import {
  childrenOf,
  isAbsent,
  isAlive,
  isDenied,
  linkOf,
  namesIn,
  processIds,
  readText,
  signalProcess,
  statOf,
} from "./proc-os.ts";
import type { Claim } from "./rank-files.ts";
import type { ProcessView } from "./sweep.ts";
import { holdsOf, membersOf } from "./sweep.ts";

export interface SweepOptions {
  readonly claim: Claim;
  readonly rankDir: string;
  readonly cgroups: Cgroups | undefined;
  readonly clock: Clock;
}

const roundsMax = 40;
const roundDelayMsMax = 50;
/** Let the event loop breathe after so many processes. */
const viewsPerTurn = 24;
/** O_WRONLY | O_RDWR. Source: open(2), Linux. */
const writingFlags = 0o3;

/** Kills everything of the rank, and looks until nothing is left. */
export async function sweepRank(options: SweepOptions): Promise<Omit<SweepRecord, "node">> {
  const found = new Set<string>();
  const unproven = new Set<string>();
  let left = await findMembers(options, unproven);
  for (let round = 0; left.length > 0 && round < roundsMax; round += 1) {
    for (const { pid, startTicks } of left) found.add(`${pid} ${startTicks}`);
    killMembers(options, left);
    await passed(options.clock, Math.min(2 ** round, roundDelayMsMax));
    left = await findMembers(options, unproven);
  }
  const isProven = leafOf(options) !== undefined || options.claim.emptied;
  if (!isProven) unproven.add("no cgroup: only what /proc shows was looked at");
  const survivors = left.length;
  return { found: found.size, killed: found.size - survivors, survivors, unproven: [...unproven] };
}

/** Sends one signal to every process of the rank that can be found now. */
export async function signalRank(options: SweepOptions, signal: "TERM" | "KILL"): Promise<number> {
  const signalled = new Set(shimOf(options.claim));
  const sparedCount = signalled.size;
  const leaf = leafOf(options);
  // Twice, for what was forked while we looked.
  for (let look = 0; look < 2; look += 1) {
    const pids =
      leaf === undefined
        ? (await findMembers(options, new Set())).map((view) => view.pid)
        : (options.cgroups?.processes(leaf) ?? []);
    for (const pid of pids) {
      if (signalled.has(pid)) continue;
      signalled.add(pid);
      signalProcess(pid, signal);
      // A stopped process takes its TERM only when it goes on.
      if (signal === "TERM") signalProcess(pid, "CONT");
    }
  }
  return signalled.size - sparedCount;
}

/**
 * The end of those who hold the output of a rank that ended, and of the rest of it. Once the output
 * is closed, its cgroup may be the next rank's: so each look asks whether it still is open first.
 */
export async function endHolders(options: SweepOptions, isOpen: () => boolean): Promise<void> {
  const leaf = leafOf(options);
  if (leaf === undefined) return await endMembers(options);
  for (let round = 0; round < roundsMax && isOpen(); round += 1) {
    const spared = shimOf(options.claim);
    const left = options.cgroups?.processes(leaf).filter((pid) => !spared.has(pid));
    if (left === undefined || left.length === 0) return;
    options.cgroups?.killAll(leaf, spared);
    await passed(options.clock, Math.min(2 ** round, roundDelayMsMax));
  }
}

/** The clean-up after a rank whose shim has ended: its cgroup, or else what /proc shows. */
export async function clearLeaf(options: SweepOptions): Promise<boolean> {
  const { cgroups, claim } = options;
  if (leafOf(options) === undefined && !claim.emptied) await endMembers(options);
  return await removeLeaf(options, claim.leaf ?? claim.token, cgroups);
}

/** Ends whoever is in a leaf, and removes it. */
export async function removeLeaf(
  { clock }: { readonly clock: Clock },
  leaf: string,
  cgroups: Cgroups | undefined,
): Promise<boolean> {
  if (cgroups === undefined) return true;
  for (let round = 0; round < roundsMax; round += 1) {
    if (await cgroups.remove(leaf)) return true;
    cgroups.killAll(leaf);
    await passed(clock, Math.min(2 ** round, roundDelayMsMax));
  }
  return false;
}

/** Without a cgroup: whoever /proc shows to be of the rank, also in a session of its own. */
async function endMembers(options: SweepOptions): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    const left = await findMembers(options, new Set());
    if (left.length === 0) return;
    killMembers(options, left);
    await passed(options.clock, Math.min(2 ** round, roundDelayMsMax));
  }
}

/** The cgroup that still is this rank's alone, but for its shim. */
function leafOf({ claim, cgroups }: SweepOptions): string | undefined {
  return cgroups === undefined || claim.emptied ? undefined : claim.leaf;
}

/** The keeper, the writer of the log, and what they run: they end when the rank has. */
function shimOf({ keeper, logger, runner }: Claim): ReadonlySet<number> {
  const own = [keeper, logger].filter(isAlive).map(({ pid }) => pid);
  const below = own.flatMap(childrenOf).filter((pid) => pid !== runner.pid);
  return new Set([...own, ...below]);
}

function killMembers(options: SweepOptions, members: readonly ProcessView[]): void {
  const leaf = leafOf(options);
  if (leaf !== undefined) options.cgroups?.killAll(leaf, shimOf(options.claim));
  for (const { pid, startTicks } of members) {
    if (isAlive({ pid, startTicks })) signalProcess(pid, "KILL");
  }
}

async function findMembers(
  options: SweepOptions,
  unproven: Set<string>,
): Promise<readonly ProcessView[]> {
  const { claim } = options;
  const views = await lookAtAll(options, unproven);
  const spared = new Set([process.pid, process.ppid, claim.logger.pid]);
  // The keeper is in our launcher's session; its number may be another's once it is gone.
  if (isAlive(claim.keeper)) spared.add(claim.keeper.pid);
  // What the shim runs beside the rank, such as the cat that reads its output, is ours as well.
  for (const { pid, parent, session } of views) {
    const isShims = parent === claim.logger.pid || parent === claim.keeper.pid;
    if (isShims && session !== claim.runner.pid) spared.add(pid);
  }
  const members = membersOf(views, { token: claim.token, leader: claim.runner, spared });
  return views.filter((view) => members.has(view.pid));
}

async function lookAtAll(
  options: SweepOptions,
  unproven: Set<string>,
): Promise<readonly ProcessView[]> {
  const name = leafOf(options);
  const leaf = new Set(name === undefined ? [] : options.cgroups?.processes(name));
  const places = { rankDir: realPath(options.rankDir) };
  const views: ProcessView[] = [];
  let looked = 0;
  for (const pid of processIds()) {
    const stat = statOf(pid);
    if (stat === undefined) continue;
    const young = stat.startTicks >= options.claim.runner.startTicks && !isDead(stat.state);
    const details = young ? lookInto(stat, { ...places, ...options.claim }, unproven) : nothing;
    views.push({ ...stat, dead: isDead(stat.state), inLeaf: leaf.has(pid), ...details });
    looked += 1;
    if (looked % viewsPerTurn === 0) await passed(options.clock, 0);
  }
  return views;
}

type Details = Pick<ProcessView, "marker" | "holds">;
const nothing: Details = { marker: undefined, holds: undefined };

function lookInto(
  { pid, startTicks }: ProcStat,
  rank: { readonly rankDir: string; readonly output: string | undefined; readonly token: string },
  unproven: Set<string>,
): Details {
  const environment = readText(`/proc/${pid}/environ`);
  if (environment === undefined) {
    const isKept = isDenied(`/proc/${pid}/environ`) && isAlive({ pid, startTicks });
    if (isKept) unproven.add("processes of other users were not looked into");
    return nothing;
  }
  const variable = environment.split("\0").find((text) => text.startsWith("SKYLET_RANK="));
  const files = namesIn(`/proc/${pid}/fd`).flatMap((fd) => {
    const path = linkOf(`/proc/${pid}/fd/${fd}`);
    if (path === undefined || (!path.startsWith("/") && path !== rank.output)) return [];
    return [{ path, writing: isWriting(readText(`/proc/${pid}/fdinfo/${fd}`)) }];
  });
  const holds = holdsOf({
    cwd: linkOf(`/proc/${pid}/cwd`),
    files,
    rankDir: rank.rankDir,
    outPath: rank.output,
  });
  return { marker: variable?.slice("SKYLET_RANK=".length), holds };
}

function isWriting(fdinfo: string | undefined): boolean {
  const flags = /^flags:\s+([0-7]+)$/m.exec(fdinfo ?? "");
  return flags !== null && (Number.parseInt(flags[1] ?? "0", 8) & writingFlags) !== 0;
}

/** /proc shows paths without symbolic links. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isAbsent(error)) return path;
    throw error;
  }
}

export function passed(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0) setImmediate(resolve);
    else clock.after(ms, resolve);
  });
}
