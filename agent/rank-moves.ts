// What each cell of the rank's table does (`rank.ts`). Pure: a state and an event in, the next
// state and the effects out.
//
// Three ways lead into `stopping`: before anything stands (wait for what is being prepared, then
// sweep it), while it waits for go (sweep at once), and while it runs (TERM and a grace first). One
// leads out: a clean sweep and, if it ever ran, its exit.

import type { RankKey, StopCause, SweepRecord } from "../model/job.ts";
import { given } from "../proto/fields.ts";
import type { AgentReport, RankPlace } from "../proto/messages.ts";
import type { Transition } from "../runtime/machine.ts";
import type { End, Exited, RankEffect, RankEvent, RankState, Start, Stopping } from "./rank.ts";

/** How soon a sweep that saw survivors is repeated. */
const resweepMs = 2_000;

type Next = Transition<RankState, RankEffect>;
type Preparing = Extract<RankState, { readonly phase: "preparing" }>;
type Waiting = Extract<RankState, { readonly phase: "preparing" | "ready" }>;
type Running = Extract<RankState, { readonly phase: "running" }>;
type StopAsked = Extract<RankEvent, { readonly kind: "stop-asked" }>;

/** The launcher may let it start before it is known to stand ready: this is known before both. */
export function keepPlace(state: Preparing, { place }: { readonly place: RankPlace }): Next {
  return [{ ...state, place }, []];
}

export function standReady({ key, place }: Preparing): Next {
  const next: RankState = { phase: "ready", key, ...given("place", place) };
  return [next, [report({ kind: "rank-prepared", key })]];
}

export function refuse(
  { key }: { readonly key: RankKey },
  { why, fault }: { readonly why: string; readonly fault?: "job" },
): Next {
  const about = { key, why, ...given("fault", fault) };
  return [{ phase: "refused", ...about }, [report({ kind: "rank-refused", ...about })]];
}

export function run({ key, place }: Waiting, { pid, startedAt }: Start): Next {
  const start = { pid, startedAt, ...given("place", place) };
  return [{ phase: "running", key, start }, [startReport(key, start), { kind: "ship-log", key }]];
}

export function exit(state: Waiting | Running, { exit: how, endedAt, logBytes }: End): Next {
  const { key } = state;
  const next: Exited = {
    phase: "exited",
    key,
    start: state.phase === "running" ? state.start : undefined,
    end: { exit: how, endedAt, logBytes },
    sweep: undefined,
    sweeping: false,
    acknowledged: false,
  };
  return [next, [...endReports(next), { kind: "end-log", key, logBytes }]];
}

/** A prepare is under way: what it lays down can only be swept once it is there. */
export function stopOncePrepared({ key }: Waiting, event: StopAsked): Next {
  return stop({ key }, event, []);
}

/** Nothing of it runs yet, so nothing needs a grace. */
export function stopAtOnce({ key }: { readonly key: RankKey }, event: StopAsked): Next {
  return stop({ key }, event, [sweep(key)]);
}

export function stopWithGrace({ key, start }: Running, event: StopAsked): Next {
  return stop({ key, start }, event, [{ kind: "start-grace", key, ms: event.graceMs }]);
}

function stop(
  { key, start }: { readonly key: RankKey; readonly start?: Start },
  { graceMs, why }: { readonly graceMs: number; readonly why: StopCause },
  then: readonly RankEffect[],
): Next {
  const doing = then.some((effect) => effect.kind === "sweep") ? "sweep" : "wait";
  const common = { key, why, graceMs, start, end: undefined, sweep: undefined };
  return [
    { phase: "stopping", ...common, doing },
    [{ kind: "terminate", key, why, graceMs }, ...then],
  ];
}

/** A stop of a rank that nobody heard of: it is written down, so that none starts later. */
export function stopUnheard(
  key: RankKey,
  event: { readonly graceMs: number; readonly why: StopCause },
): Next {
  return stop({ key }, event, [sweep(key)]);
}

/** Asked again: a survivor is looked for at once, and a grace may be cut to nothing. */
export function hurry(state: Stopping, { graceMs }: StopAsked): Next {
  const impatient = state.doing === "wait" && state.start !== undefined && graceMs === 0;
  return state.doing === "nothing" || impatient ? sweepNow(state) : [state, []];
}

export function sweepWhatWasPrepared(state: Stopping): Next {
  return state.start === undefined && state.doing === "wait" ? sweepNow(state) : [state, []];
}

export function sweepNow(state: Stopping): Next {
  return [{ ...state, doing: "sweep" }, [{ kind: "stop-grace", key: state.key }, sweep(state.key)]];
}

/** It got away between the order to prepare and the stop. */
export function startedWhileStopping(state: Stopping, { pid, startedAt }: Start): Next {
  const { key, why, graceMs } = state;
  const start = { pid, startedAt };
  const told: readonly RankEffect[] = [startReport(key, start), { kind: "ship-log", key }];
  if (state.doing === "sweep") return [{ ...state, start }, told];
  return [
    { ...state, start, doing: "wait" },
    [...told, { kind: "terminate", key, why, graceMs }, { kind: "start-grace", key, ms: graceMs }],
  ];
}

export function exitedWhileStopping(state: Stopping, event: End): Next {
  if (state.end) return [state, []];
  const end: End = {
    exit: { kind: "stopped", why: state.why },
    endedAt: event.endedAt,
    logBytes: event.logBytes,
  };
  const next: Stopping = { ...state, end };
  const closed: RankEffect = { kind: "end-log", key: state.key, logBytes: event.logBytes };
  const [after, effects] = next.doing === "sweep" || next.sweep ? conclude(next) : sweepNow(next);
  return [after, [closed, ...effects]];
}

export function sweptWhileStopping(
  state: Stopping,
  { sweep: record }: { readonly sweep: SweepRecord },
): Next {
  if (record.survivors === 0) return conclude({ ...state, sweep: record, doing: "nothing" });
  const { key } = state;
  return [
    { ...state, doing: "nothing" },
    [sweptReport(key, record), { kind: "start-grace", key, ms: resweepMs }],
  ];
}

/** Over once the sweep is clean and, if it ever ran, its exit is known. */
function conclude(state: Stopping): Next {
  const { key, start, end, sweep: record } = state;
  if (record === undefined || (start !== undefined && end === undefined)) return [state, []];
  if (end === undefined) {
    const stopped: RankState = { phase: "stopped", key, sweep: record, acknowledged: false };
    return [stopped, [sweptReport(key, record)]];
  }
  const common = { key, start, end, sweep: record };
  const next: Exited = { phase: "exited", ...common, sweeping: false, acknowledged: false };
  return [next, endReports(next)];
}

export function sweepTheEnded(state: Exited): Next {
  if (state.sweep) return [{ ...state, acknowledged: false }, endReports(state)];
  return state.sweeping ? [state, []] : [{ ...state, sweeping: true }, [sweep(state.key)]];
}

/** A sweep that saw a survivor settles nothing: the head hears of it and asks again. */
export function sweptAfterExit(
  state: Exited,
  { sweep: record }: { readonly sweep: SweepRecord },
): Next {
  if (!state.sweeping) return [state, []];
  const proof = record.survivors === 0 ? record : undefined;
  return [
    { ...state, sweeping: false, acknowledged: false, sweep: proof },
    [sweptReport(state.key, record)],
  ];
}

// ---- answers

export function sayReady(state: Waiting): Next {
  return [state, [report({ kind: "rank-prepared", key: state.key })]];
}

export function sayStarted(state: Running): Next {
  return [state, [startReport(state.key, state.start)]];
}

export function sayEnded(state: Exited): Next {
  return [state, endReports(state)];
}

export function sayEndedUnlessHeard(state: Exited): Next {
  return state.acknowledged ? [state, []] : sayEnded(state);
}

// ---- effects

function report(content: AgentReport): RankEffect {
  return { kind: "report", report: content };
}

function sweep(key: RankKey): RankEffect {
  return { kind: "sweep", key };
}

function startReport(key: RankKey, start: Start): RankEffect {
  return report({ kind: "rank-started", key, ...start });
}

export function sweptReport(key: RankKey, record: SweepRecord): RankEffect {
  return report({ kind: "rank-swept", key, sweep: record });
}

function endReports({ key, start, end, sweep: record }: Exited): readonly RankEffect[] {
  const isNever = start === undefined && end.exit.kind === "unknown";
  const never = isNever ? ({ neverStarted: true } as const) : {};
  const ended = report({ kind: "rank-exited", key, ...end, ...never });
  return record ? [ended, sweptReport(key, record)] : [ended];
}
