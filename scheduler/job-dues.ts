// What follows when a timer of a job is due (`job-timers.ts`). Pure.
//
// What must always hold: one that fires late, of a phase or an attempt that is over, changes
// nothing.

import { advance } from "./advance.ts";
import { startDeadline } from "./job-timers.ts";
import type { SchedulerTimer } from "./messages.ts";
import { drainMsOf } from "./stops.ts";
import type { SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";

type Due<K extends SchedulerTimer["kind"]> = Extract<SchedulerTimer, { readonly kind: K }>;

export function deadlinePassed(
  state: SchedulerState,
  draft: Draft,
  { job, attempt, name }: Due<"job-deadline">,
): void {
  const entry = state.jobs.get(job);
  if (entry === undefined || entry.gang.attempt !== attempt || !entry.deadline) return;
  const isDraining = entry.gang.phase === "draining";
  if (isDraining !== (name === "drain")) return;
  const { prepareMs, prepareMaxMs } = state.options;
  // A node that said that it is at it (a large workdir) gets more time, within a limit.
  const { preparingAt, movedAt } = entry;
  const isAtIt = draft.at.monoMs - preparingAt < prepareMs && preparingAt > 0;
  if (!isDraining && isAtIt && draft.at.monoMs - movedAt < prepareMaxMs) {
    startDeadline(state, draft, { entry, name: "prepare" });
    return;
  }
  const waited = `${(isDraining ? drainMsOf(state, entry.spec) : prepareMs) / 1000} s`;
  advance(state, draft, { entry, event: { kind: "deadline-passed", waited } });
}

export function timeoutDue(
  state: SchedulerState,
  draft: Draft,
  { job, attempt }: Due<"timeout-due">,
): void {
  const entry = state.jobs.get(job);
  if (entry?.gang.attempt !== attempt) return;
  advance(state, draft, { entry, event: { kind: "timeout-passed" } });
}
