// Whom a run kills, and when: decided by its seed before anything starts. Pure.
//
// A moment is a count of chunks that are safe at the sink, and some milliseconds after that; or the
// start of a party, and some milliseconds after that, when it reads what an earlier life left and
// shakes hands. The last count lies beyond all data: then the sink proves, renames and tells.

import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";
import type { Role } from "./processes.ts";

export interface Kill {
  readonly victim: Role;
  /** When so many chunks are safe at the sink… */
  readonly atSafe: number;
  /** …and so long after. */
  readonly afterMs: number;
  /** It is killed again so long after it was started again; `undefined` = it is not. */
  readonly againMs: number | undefined;
}

export interface PlanOptions {
  readonly seed: number;
  readonly transfer: number;
  readonly roles: readonly Role[];
  readonly chunks: number;
  /** How often somebody is killed, the second kills counted. */
  readonly kills: number;
}

const afterMsMax = 60;
/** A party is up in some hundreds of milliseconds. */
const againMsMax = 500;

export function killsOf({ seed, transfer, roles, chunks, kills }: PlanOptions): readonly Kill[] {
  const random = createMemoryRandom(`${seed}/kills/${transfer}`);
  const planned: Kill[] = [];
  for (let left = kills; left > 0; ) {
    const isAgain = left > 1 && random.below(4) === 0;
    planned.push({
      victim: one(random, roles),
      atSafe: random.below(chunks + 1),
      afterMs: random.below(afterMsMax),
      againMs: isAgain ? random.below(againMsMax) : undefined,
    });
    left -= isAgain ? 2 : 1;
  }
  return planned.sort((a, b) => a.atSafe - b.atSafe);
}

export function killText({ victim, atSafe, afterMs, againMs }: Kill): string {
  const again = againMs === undefined ? "" : `, and again ${againMs} ms after its start`;
  return `${victim} at ${atSafe} chunks + ${afterMs} ms${again}`;
}

function one<T>(random: MemoryRandom, from: readonly T[]): T {
  const found = from[random.below(from.length)];
  if (found === undefined) throw new Error("nothing to choose from");
  return found;
}
