// The gang's moves that leases make: a rank that asks for another one, and the end of those of a
// node that nobody hears.
//
// As in `gang-moves.ts`, one function for each cell of the table.

import type { Exit } from "../model/job.ts";
import { giveUpOn } from "./gang-drain.ts";
import type { Next, On } from "./gang-parts.ts";
import { inPlay, markReady } from "./gang-parts.ts";
import type { Draining, SettingUp, Starting } from "./gang-state.ts";
import { processOf } from "./gang-state.ts";

/** It was told to go too late: its lease counts from now. */
export function goAgain(state: SettingUp | Starting, event: On<"rank-prepared">): Next {
  const { key, askedAt } = event;
  const process = processOf(state, key);
  if (process?.asked !== true || process.pid !== undefined || process.exit !== undefined) {
    return [state, []];
  }
  if (askedAt === undefined || askedAt <= (process.preparedAt ?? 0)) return [state, []];
  return [markReady(state, event), [{ kind: "go", key, node: process.node }]];
}

/** As good as the node's word: whatever it ran of this gang, it has ended. */
export function leaseOver(state: Draining, { node, leaseMs, at }: On<"lease-over">): Next {
  if (state.outcome.kind === "end") return [state, []];
  const left = inPlay(state).filter(
    ({ process }) =>
      process.node === node && process.leaseMs !== undefined && process.leaseMs <= leaseMs,
  );
  if (left.length === 0) return [state, []];
  const exit: Exit = { kind: "stopped", why: "lease-expired" };
  const why = `${node} is lost, and ended it by itself when its lease was over`;
  // It may have run, so this is a restart like any other.
  const outcome = { kind: "requeue", why: state.outcome.why, counted: true } as const;
  return giveUpOn({ ...state, outcome }, left, { why, exit, wallMs: at.wallMs });
}
