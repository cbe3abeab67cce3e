// The gang's move when an attempt has taken as long as its task may.
//
// As in `gang-moves.ts`, one function for each cell of the table. It counts from the moment that
// the attempt was told to go, its setup included, and is kept by the head: what ended before its
// stop came ended by itself (`gang-drain.ts`), also where the head was away meanwhile.

import { assert } from "../model/errors.ts";
import type { Reason } from "../model/reason.ts";
import type { Instant } from "../runtime/clock.ts";
import { elapsedMs } from "./autostop.ts";
import { fail } from "./gang-moves.ts";
import type { Next, On } from "./gang-parts.ts";
import type { GangState, Running, SettingUp, Starting } from "./gang-state.ts";

export function out(state: SettingUp | Starting | Running, event: On<"timeout-passed">): Next {
  const { timeoutMs } = state.terms;
  assert(timeoutMs !== undefined, `job ${state.terms.job} has a timeout`);
  const reason: Reason = { code: "timed-out", params: { timeout: timeoutText(timeoutMs) } };
  return fail(state, reason, { why: "timed-out", wallMs: event.at.wallMs });
}

/** What is left of an attempt's time, in milliseconds; `undefined` if it is not counted. */
export function timeLeft(gang: GangState, at: Instant): number | undefined {
  const { timeoutMs } = gang.terms;
  if (gang.phase === "queued" || gang.begunAt === undefined || timeoutMs === undefined) {
    return undefined;
  }
  // After a boot only the wall clock goes on, and it may have been put back.
  const elapsed = Math.max(0, elapsedMs(gang.begunAt, at));
  return Math.max(0, timeoutMs - elapsed);
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

/** As it is written in a task: `1h30m`. */
export function timeoutText(ms: number): string {
  let left = ms;
  let text = "";
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}
