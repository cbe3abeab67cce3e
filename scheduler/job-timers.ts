// The timers of a job: the deadline of its phase, and the timeout of its attempt. Pure.
//
// One of each at a time, named by the job; a start replaces. What follows when they are due is in
// `job-dues.ts`.

import { timeLeft } from "./gang-timeout.ts";
import { drainMsOf } from "./stops.ts";
import type { JobEntry, SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";
import { startTimer } from "./turn.ts";

export function startDeadline(
  state: SchedulerState,
  draft: Draft,
  { entry, name }: { readonly entry: JobEntry; readonly name: "prepare" | "drain" },
): void {
  const { id } = entry.spec;
  const { attempt } = entry.gang;
  const ms = name === "prepare" ? state.options.prepareMs : drainMsOf(state, entry.spec);
  entry.deadline = true;
  const message = { kind: "job-deadline", job: id, attempt, name } as const;
  startTimer(draft, { name: `job-${id}`, ms, message });
}

export function stopDeadline(draft: Draft, entry: JobEntry): void {
  if (entry.deadline) draft.timers.push({ kind: "cancel-timer", name: `job-${entry.spec.id}` });
  entry.deadline = false;
}

/** Counts on from where a head before this one was. */
export function startTimeout(draft: Draft, { spec, gang }: JobEntry): void {
  const ms = timeLeft(gang, draft.at);
  if (ms === undefined || gang.phase === "draining" || gang.phase === "ended") return;
  const message = { kind: "timeout-due", job: spec.id, attempt: gang.attempt } as const;
  startTimer(draft, { name: `timeout-${spec.id}`, ms, message });
}

export function stopTimeout(draft: Draft, { spec }: JobEntry): void {
  draft.timers.push({ kind: "cancel-timer", name: `timeout-${spec.id}` });
}
