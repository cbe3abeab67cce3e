// What earlier agents left behind, and what this one would: files of slots, and cgroups.
//
// Whatever belongs to a rank that still lives is left alone; everything else is removed, and a
// process that still sits in a cgroup of ours without a rank is killed first.

import type { Clock } from "../runtime/clock.ts";
import type { Cgroups } from "./cgroup-os.ts";
import { tokenPattern } from "./cgroup-os.ts";
import { removeGate, removeSlotDir } from "./pool-os.ts";
import { namesIn } from "./proc-os.ts";
import { passed } from "./sweep-os.ts";

export interface LeftoverOptions {
  readonly slotsDir: string;
  readonly cgroups: Cgroups | undefined;
  readonly clock: Clock;
  /** Whether a living rank has this slot. */
  readonly isUsed: (token: string) => boolean;
}

const roundsMax = 20;
const roundDelayMsMax = 64;

/** Before the first slot of this agent. */
export async function clearLeftovers(options: LeftoverOptions): Promise<void> {
  const { slotsDir, cgroups, isUsed } = options;
  const tokens = new Set([...namesIn(slotsDir), ...(cgroups?.leaves() ?? [])]);
  const unused = [...tokens].filter((token) => tokenPattern.test(token) && !isUsed(token));
  for (const token of unused) removeSlotDir(slotsDir, token);
  await Promise.all(unused.map((token) => clearLeaf(options, token)));
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
  await Promise.all(unused.map((token) => clearLeaf(options, token)));
  cgroups?.removeParent();
}

async function clearLeaf({ cgroups, clock }: LeftoverOptions, token: string): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    if (cgroups === undefined || (await cgroups.remove(token))) return;
    cgroups.killAll(token);
    await passed(clock, Math.min(2 ** round, roundDelayMsMax));
  }
}
