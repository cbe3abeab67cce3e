// What was counted on a path: commits, transactions, process starts, polls.
//
// A head reports its counters in `sky debug`; the difference over a run, divided by its jobs, does
// not depend on the machine. A counter that no part of the system reports is said to be unknown
// rather than 0.

import type { Sky } from "../client/index.ts";

const names = ["commits", "transactions", "spawns", "published", "polls"] as const;

export type Counts = ReadonlyMap<(typeof names)[number], number>;

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

/** `2.0 commits, 1.0 spawns a job`. */
export function countsText(counts: Counts, jobs: number): string {
  const known = [...counts].map(([name, count]) => `${(count / jobs).toFixed(2)} ${name}`);
  const unknown = names.filter((name) => !counts.has(name));
  const rest = unknown.length === 0 ? "" : `; not reported: ${unknown.join(", ")}`;
  return `a job costs ${known.join(", ") || "nothing that is counted"}${rest}`;
}

/** Every counter in the report, wherever it stands; those of one name are added up. */
function read(report: unknown): Counts {
  const found = new Map<(typeof names)[number], number>();
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
  return found;
}
