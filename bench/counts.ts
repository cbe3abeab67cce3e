// What was counted on a path: commits, transactions, turns of the head's actors, forks.
//
// A head reports its counters in `sky debug`; forks are the kernel's count for the whole machine,
// so they are right only when nothing else runs. The difference over a run, divided by its jobs,
// does not depend on how fast the machine is. A turn is one message taken: the hops of a job
// inside its head. A counter that nobody reports is left out rather than shown as 0.

import { readFileSync } from "node:fs";
import type { Sky } from "../client/index.ts";

const names = ["commits", "transactions", "turns"] as const;

export type Counts = ReadonlyMap<string, number>;

/** The counters' growth while `work` ran. */
export async function counted(
  sky: Sky,
  cluster: string,
  work: () => Promise<void>,
): Promise<Counts> {
  const before = read(await sky.debug(cluster));
  await work();
  const after = read(await sky.debug(cluster));
  return new Map([...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]));
}

/** `a job costs 2.00 commits, 1.00 transactions, …`. */
export function countsText(counts: Counts, jobs: number): string {
  const shares = [...counts].map(([name, count]) => `${(count / jobs).toFixed(2)} ${name}`);
  return `a job costs ${shares.join(", ")}`;
}

/** Every counter in the report, wherever it stands; those of one name are added up. */
function read(report: unknown): Counts {
  const found = new Map<string, number>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, below] of Object.entries(value)) {
      const name = names.find((known) => known === key);
      if (name !== undefined && typeof below === "number") {
        found.set(name, (found.get(name) ?? 0) + below);
      } else visit(below);
    }
  };
  visit(report);
  return found.set("forks on this machine", forks());
}

/** Processes and threads that were made since the machine started. */
function forks(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1] ?? 0);
}
