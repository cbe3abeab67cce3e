// What earlier agents left behind, and what this one would: files of slots, and cgroups.
//
// Whatever belongs to a rank that still lives is left alone; everything else is removed, and a
// process that still sits in a cgroup of ours without a rank is killed first.

import type { Clock } from "../runtime/clock.ts";
import type { Cgroups } from "./cgroup-os.ts";
import { tokenPattern } from "./cgroup-os.ts";
import { removeGate, removeSlotDir } from "./gates-os.ts";
import type { LiveRank } from "./live-rank.ts";
import { namesIn } from "./proc-os.ts";
import { keeperLives, readClaim, startedAt } from "./rank-dir-os.ts";
import { removeLeaf } from "./sweep-os.ts";

export interface LeftoverOptions {
  readonly slotsDir: string;
  readonly cgroups: Cgroups | undefined;
  readonly clock: Clock;
  /** Whether a living rank has this slot, or the seat of this name. */
  readonly isUsed: (token: string) => boolean;
}

/** A rank of an earlier agent whose shim still lives. */
export function livingRank(dir: string, bootId: string): LiveRank | undefined {
  const claim = readClaim(dir);
  if (claim === undefined || !keeperLives(claim, bootId)) return undefined;
  const { token } = claim;
  const phase = claim.started !== undefined ? "running" : "ready";
  const base = { dir, token, slot: undefined, claim, settle: undefined };
  const startedWallMs = startedAt(dir, claim);
  return { ...base, phase, startedWallMs, told: true, dropped: true, mourned: false };
}

/** Before the first slot of this agent. */
export async function clearLeftovers(options: LeftoverOptions): Promise<void> {
  const { slotsDir, cgroups, isUsed } = options;
  const tokens = new Set([...namesIn(slotsDir), ...(cgroups?.leaves() ?? [])]);
  const unused = [...tokens].filter((token) => tokenPattern.test(token) && !isUsed(token));
  for (const token of unused) removeSlotDir(slotsDir, token);
  await Promise.all(unused.map((token) => removeLeaf(options, token, cgroups)));
}

/** Gates of earlier agents, once nothing of theirs waits in one any more. */
export function clearGates(slotsDir: string, series: string): void {
  const gates = namesIn(slotsDir).filter((name) => /\.(go|spec)$/.test(name));
  for (const name of gates) {
    if (!name.startsWith(series)) removeGate(slotsDir, name.slice(0, name.lastIndexOf(".")));
  }
}

/** After the last: leaves of slots that nobody used, and the parent if none is left in it. */
export async function clearUnused(options: LeftoverOptions): Promise<void> {
  const { cgroups, isUsed } = options;
  const unused = (cgroups?.leaves() ?? []).filter((token) => !isUsed(token));
  await Promise.all(unused.map((token) => removeLeaf(options, token, cgroups)));
  cgroups?.removeParent();
}
