// The lines of leases on disk, as the watchdog reads them (`watchdog.ts`). Pure: texts and facts.
//
// Times are hundredths of a second since the boot, rounded so that a lease is never longer than it
// was given.

import type { ProcessId } from "./rank-files.ts";

/** One rank's lease, and how everything of the rank is found. */
export interface LeaseLine {
  /** Where it is counted from, and how long it is, in milliseconds. */
  readonly bootMs: number;
  readonly leaseMs: number;
  readonly bootId: string;
  readonly token: string;
  readonly leader: ProcessId;
  /** Its keeper and its logger: they are ours, and say how it ended. */
  readonly shim: readonly [keeper: number, logger: number];
  /** The folder of its cgroup, if it is in one. */
  readonly leaf: string | undefined;
}

const msPerTick = 10;
const digits = 16;

export function leaseText(line: LeaseLine): string {
  const { bootMs, leaseMs, bootId, token, leader, shim, leaf = "" } = line;
  const times = [bootMs, leaseMs].map((ms) => Math.floor(ms / msPerTick));
  const pids = [leader.pid, leader.startTicks, ...shim];
  return `${[...times, bootId, token, ...pids, leaf].join(" ")}\n`;
}

/** `undefined` for an empty file: the watchdog has dealt with it. */
export function parseLease(text: string): LeaseLine | undefined {
  const [from, length, bootId, token, ...words] = text.trimEnd().split(" ");
  if (bootId === undefined || token === undefined) return undefined;
  const [pid, startTicks, keeper, logger] = words.slice(0, 4).map(Number);
  const leaf = words.slice(4).join(" ");
  return {
    ...{ bootMs: Number(from) * msPerTick, leaseMs: Number(length) * msPerTick },
    ...{ bootId, token, leader: { pid: pid ?? 0, startTicks: startTicks ?? 0 } },
    shim: [keeper ?? 0, logger ?? 0],
    leaf: leaf === "" ? undefined : leaf,
  };
}

/** Always as long: it is written over in place. */
export function baseText(bootMs: number, bootId: string): string {
  const ticks = String(Math.floor(bootMs / msPerTick)).padStart(digits, "0");
  return `${ticks} ${ticks} ${bootId}\n`;
}

export function parseBase(text: string, bootId: string): number | undefined {
  const [one, two, of] = text.trimEnd().split(" ");
  if (one === undefined || one !== two || of !== bootId) return undefined;
  return Number(one) * msPerTick;
}
