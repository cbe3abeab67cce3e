// How the processes of a job are stopped: what a node is told, and how long that may take. Pure.

import type { RankKey, StopCause } from "../model/job.ts";
import type { AgentMessage } from "../proto/messages.ts";
import type { JobSpec } from "./records.ts";
import type { SchedulerState } from "./table.ts";

/** The grace is the job's own, if its task says one. */
export function stopOrder(state: SchedulerState, key: RankKey, why: StopCause): AgentMessage {
  const graceMs = graceOf(state, state.jobs.get(key.job)?.spec);
  // A node of an earlier version would not understand that cause; the head knows it anyway.
  return { kind: "stop", key, graceMs, why: why === "timed-out" ? "cancelled" : why };
}

/** How long a job's processes may take to be stopped and swept; a long grace comes on top. */
export function drainMsOf(state: SchedulerState, spec: JobSpec): number {
  const { drainMs, graceMs } = state.options;
  return drainMs + Math.max(0, graceOf(state, spec) - graceMs);
}

function graceOf({ options }: SchedulerState, spec: JobSpec | undefined): number {
  return spec?.task.config?.graceMs ?? options.graceMs;
}
