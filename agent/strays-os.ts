// What ranks that succeeded left running, where no cgroup holds it.
//
// A rank that ended by itself is not swept: its cgroup is emptied, and without one its session is.
// A daemon that left the session lives on then, and no later job minds it. It must not outlive the
// node, though, so whoever carries the mark of one of this node's slots is ended with the agent.
// A rank that still runs keeps everything of its own.

import type { Clock } from "../runtime/clock.ts";
import { markName } from "./launcher-os.ts";
import { isAlive, linkOf, processIds, readText, signalProcess, statOf } from "./proc-os.ts";
import { passed } from "./sweep-os.ts";

export interface StrayOptions {
  /** The HOME of this node's ranks, which tells them from those of other nodes. */
  readonly home: string;
  /** What tells them where nodes share a HOME. */
  readonly mark?: string;
  readonly clock: Clock;
  /** Whether a living rank has this slot. */
  readonly isUsed: (token: string) => boolean;
}

const roundsMax = 10;
const roundDelayMs = 5;
const viewsPerTurn = 200;

/** Ends them, and looks again until none is found. */
export async function clearStrays(options: StrayOptions): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    const found = await strays(options);
    if (found.length === 0) return;
    for (const pid of found) signalProcess(pid, "KILL");
    await passed(options.clock, roundDelayMs);
  }
}

async function strays(options: StrayOptions): Promise<readonly number[]> {
  const found: number[] = [];
  for (const [index, pid] of processIds().entries()) {
    if (index % viewsPerTurn === viewsPerTurn - 1) await passed(options.clock, 0);
    if (isStray(pid, options)) found.push(pid);
  }
  return found;
}

function isStray(pid: number, { home, mark, isUsed }: StrayOptions): boolean {
  const variables = readText(`/proc/${pid}/environ`)?.split("\0") ?? [];
  const marker = variables.find((text) => text.startsWith("SKYLET_RANK="));
  if (marker === undefined || isUsed(marker.slice("SKYLET_RANK=".length))) return false;
  const isOurs =
    mark === undefined
      ? variables.includes(`HOME=${home}`) || isBelow(linkOf(`/proc/${pid}/cwd`), home)
      : variables.includes(`${markName}=${mark}`);
  const stat = isOurs ? statOf(pid) : undefined;
  return stat !== undefined && isAlive({ pid, startTicks: stat.startTicks });
}

function isBelow(path: string | undefined, dir: string): boolean {
  return path === dir || path?.startsWith(`${dir}/`) === true;
}
