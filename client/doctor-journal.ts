// The checks of the head's journal: whether there is room for it, and how its replica is. From what
// a running head says of itself; without one there is nothing to say, as the next one looks itself.

import { at, bytesText, ok, problem, type Verdict, warning } from "./doctor.ts";

/** A replica that works is never as far behind. */
const lagMsMax = 10_000;

export function roomVerdict(inside: unknown): Verdict {
  const shortage = at(inside, "process", "store", "shortage");
  const [level, path, free] = [
    at(shortage, "level"),
    at(shortage, "path"),
    at(shortage, "freeBytes"),
  ];
  if (typeof level !== "string") return ok(inside === undefined ? "no head was asked" : "enough");
  const left = typeof free === "number" ? bytesText(free) : "nothing";
  return problem(
    `the disk of ${String(path)} is full: ${left} free`,
    "make room there: what waits goes on by itself, and what is refused now is taken again",
  );
}

export function replicaVerdict(inside: unknown, isBeside: boolean): Verdict {
  const replica = at(inside, "process", "replica");
  const [phase, dir, why] = [at(replica, "phase"), at(replica, "dir"), at(replica, "why")];
  const lagMs = at(replica, "lagMs");
  if (typeof phase !== "string" || typeof lagMs !== "number") {
    return ok(inside === undefined ? "no head was asked" : "none: journal.replica is not set");
  }
  const behind = `${(lagMs / 1_000).toFixed(1)} s behind`;
  const text = `${String(dir)}: ${phase}, ${behind}`;
  if (phase === "away") {
    const remedy = "mend or mount the folder: the head tries again every few seconds";
    return problem(`${text}: ${String(why)}`, remedy);
  }
  if (isBeside) {
    const remedy = "set journal.replica to a folder of another disk, or mount what belongs there";
    return warning(`${text}; on the disk of the journal: it goes with it`, remedy);
  }
  if (lagMs <= lagMsMax) return ok(text);
  return warning(text, "its disk is slow, or a large copy is being made: look again");
}
