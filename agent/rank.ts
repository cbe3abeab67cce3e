// One rank on its node, as a full table. Pure.
//
//     preparing ──▶ ready ──▶ running ──▶ exited        what the head asks for: prepare, go, stop
//         │  └────────┼─ refused  │          ▲          what the node answers: prepared, refused,
//         └───────────┴───────────┴─▶ stopping ─▶ …     started, exited, swept
//                                         └────▶ stopped (it never ran)
//
// The head's messages may be lost or come twice, so every question that was answered before is
// answered again, and an exit or a sweep is repeated until it is acknowledged. A stopped rank is
// reported once both are known, its exit first, so that the head never ends a job without it.
//
// What must always hold: a rank is ended only by itself or by a stop; whatever was stopped is
// swept, and swept again while a survivor is seen; the first exit stands.

import type { Exit, RankKey, SweepRecord } from "../model/job.ts";
import type { AgentReport, RankReport } from "../proto/messages.ts";
import type { Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";

export type StopCause = "peer-failed" | "cancelled" | "node-lost";

export type RankState =
  /** `go`: asked to start already. */
  | { readonly phase: "preparing"; readonly key: RankKey; readonly go: boolean }
  | { readonly phase: "ready"; readonly key: RankKey }
  | { readonly phase: "running"; readonly key: RankKey; readonly start: Start }
  | Stopping
  | Exited
  /** Ended by a stop before it ran. It never will. */
  | {
      readonly phase: "stopped";
      readonly key: RankKey;
      readonly sweep: SweepRecord;
      readonly acknowledged: boolean;
    }
  | { readonly phase: "refused"; readonly key: RankKey; readonly why: string };

interface Stopping {
  readonly phase: "stopping";
  readonly key: RankKey;
  readonly why: StopCause;
  readonly graceMs: number;
  readonly start: Start | undefined;
  readonly end: End | undefined;
  readonly sweep: SweepRecord | undefined;
  /** `wait`: for the grace, or for a prepare that is under way. */
  readonly doing: "wait" | "sweep" | "nothing";
}

interface Exited {
  readonly phase: "exited";
  readonly key: RankKey;
  readonly start: Start | undefined;
  readonly end: End;
  readonly sweep: SweepRecord | undefined;
  readonly sweeping: boolean;
  readonly acknowledged: boolean;
}

export interface Start {
  readonly pid: number;
  readonly startedAt: number;
}

export interface End {
  readonly exit: Exit;
  readonly endedAt: number;
  readonly logBytes: number;
}

export type RankEvent =
  | { readonly kind: "prepare-asked" }
  | { readonly kind: "go-asked" }
  | { readonly kind: "stop-asked"; readonly graceMs: number; readonly why: StopCause }
  | { readonly kind: "acknowledged" }
  | { readonly kind: "prepared" }
  | { readonly kind: "refused"; readonly why: string }
  | ({ readonly kind: "started" } & Start)
  | ({ readonly kind: "exited" } & End)
  | { readonly kind: "swept"; readonly sweep: SweepRecord }
  | { readonly kind: "grace-over" }
  | { readonly kind: "repeat-due" };

export type RankEffect =
  | { readonly kind: "go"; readonly key: RankKey }
  /** Writes down that it was stopped, so that nothing starts it later, and sends TERM. */
  | {
      readonly kind: "terminate";
      readonly key: RankKey;
      readonly why: StopCause;
      readonly graceMs: number;
    }
  /** Kills and looks until nothing is left. Answered by `swept`. */
  | { readonly kind: "sweep"; readonly key: RankKey }
  | { readonly kind: "start-grace"; readonly key: RankKey; readonly ms: number }
  | { readonly kind: "stop-grace"; readonly key: RankKey }
  | { readonly kind: "ship-log"; readonly key: RankKey }
  | { readonly kind: "end-log"; readonly key: RankKey; readonly logBytes: number }
  | { readonly kind: "report"; readonly report: AgentReport };

type Next = Transition<RankState, RankEffect>;

/** How soon a sweep that saw survivors is repeated. */
export const resweepMs = 2_000;

export const rankStep = machine<RankState, RankEvent, RankEffect>({
  preparing: {
    "prepare-asked": "ignore",
    "go-asked": (s): Next => [{ ...s, go: true }, []],
    "stop-asked": (s, event): Next => stop(s, event, []),
    acknowledged: "ignore",
    prepared: ({ key, go }): Next => [
      { phase: "ready", key },
      [go ? { kind: "go", key } : report({ kind: "rank-prepared", key })],
    ],
    refused: ({ key }, { why }): Next => refuse(key, why),
    started: (s, event): Next => run(s.key, event),
    exited: (s, event): Next => exit(s.key, undefined, event),
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  ready: {
    "prepare-asked": (s): Next => [s, [report({ kind: "rank-prepared", key: s.key })]],
    "go-asked": (s): Next => [s, [{ kind: "go", key: s.key }]],
    "stop-asked": (s, event): Next => stop(s, event, [sweep(s.key)]),
    acknowledged: "ignore",
    prepared: "ignore",
    refused: ({ key }, { why }): Next => refuse(key, why),
    started: (s, event): Next => run(s.key, event),
    exited: (s, event): Next => exit(s.key, undefined, event),
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  running: {
    "prepare-asked": (s): Next => [s, [startReport(s.key, s.start)]],
    "go-asked": (s): Next => [s, [startReport(s.key, s.start)]],
    "stop-asked": (s, event): Next =>
      stop(s, event, [{ kind: "start-grace", key: s.key, ms: event.graceMs }]),
    acknowledged: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: (s, event): Next => exit(s.key, s.start, event),
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  stopping: {
    "prepare-asked": "ignore",
    "go-asked": "ignore",
    "stop-asked": (s, { graceMs }): Next =>
      s.doing === "nothing" || (s.doing === "wait" && s.start && graceMs === 0)
        ? sweepNow(s)
        : [s, []],
    acknowledged: "ignore",
    // It was about to be prepared when it was stopped; now there is something to sweep.
    prepared: (s): Next => (s.start === undefined && s.doing === "wait" ? sweepNow(s) : [s, []]),
    refused: (s): Next => (s.start === undefined && s.doing === "wait" ? sweepNow(s) : [s, []]),
    started: startedWhileStopping,
    exited: exitedWhileStopping,
    swept: sweptWhileStopping,
    "grace-over": (s): Next => (s.doing === "sweep" ? [s, []] : sweepNow(s)),
    "repeat-due": "ignore",
  },
  exited: {
    "prepare-asked": (s): Next => [s, endReports(s)],
    "go-asked": (s): Next => [s, endReports(s)],
    "stop-asked": (s): Next => {
      if (s.sweep) return [{ ...s, acknowledged: false }, endReports(s)];
      return s.sweeping ? [s, []] : [{ ...s, sweeping: true }, [sweep(s.key)]];
    },
    acknowledged: (s): Next => [{ ...s, acknowledged: !s.sweeping }, []],
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: (s, event): Next => {
      if (!s.sweeping) return [s, []];
      const clean = event.sweep.survivors === 0;
      const next: Exited = {
        ...s,
        sweeping: false,
        acknowledged: false,
        sweep: clean ? event.sweep : undefined,
      };
      return [next, [report({ kind: "rank-swept", key: s.key, sweep: event.sweep })]];
    },
    "grace-over": "ignore",
    "repeat-due": (s): Next => [s, s.acknowledged ? [] : endReports(s)],
  },
  stopped: {
    "prepare-asked": (s): Next => [
      s,
      [report({ kind: "rank-refused", key: s.key, why: wasStopped })],
    ],
    "go-asked": "ignore",
    "stop-asked": (s): Next => [{ ...s, acknowledged: false }, [sweptReport(s.key, s.sweep)]],
    acknowledged: (s): Next => [{ ...s, acknowledged: true }, []],
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": (s): Next => [s, s.acknowledged ? [] : [sweptReport(s.key, s.sweep)]],
  },
  refused: {
    "prepare-asked": (s): Next => refuse(s.key, s.why),
    "go-asked": "ignore",
    "stop-asked": (s, event): Next => stop(s, event, [sweep(s.key)]),
    acknowledged: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
});

const wasStopped = "it was stopped before it was prepared";

/** A stop of a rank that nobody heard of: it is written down, so that none starts later. */
export function stopUnheard(
  key: RankKey,
  event: { readonly graceMs: number; readonly why: StopCause },
): Next {
  return stop({ key }, event, [sweep(key)]);
}

/** Whether nothing more will happen to it by itself. */
export function isOver(state: RankState): boolean {
  return state.phase === "exited" || state.phase === "stopped" || state.phase === "refused";
}

/** Whether the head has yet to confirm that it heard of the end. */
export function isUnheard(state: RankState): boolean {
  return (state.phase === "exited" || state.phase === "stopped") && !state.acknowledged;
}

/** What an inventory says of it. What never ran and never will is not in there. */
export function rankReport(state: RankState): RankReport | undefined {
  const { key } = state;
  switch (state.phase) {
    case "preparing":
    case "ready":
      return { phase: state.phase, key };
    case "running":
      return { phase: "running", key, ...state.start };
    case "stopping":
      return state.start ? { phase: "running", key, ...state.start } : { phase: "preparing", key };
    case "exited": {
      const swept = state.sweep ? { sweep: state.sweep } : {};
      return { phase: "exited", key, ...state.end, ...state.start, ...swept };
    }
    case "stopped":
    case "refused":
      return undefined;
  }
}

// ---- moves

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

function run(key: RankKey, { pid, startedAt }: Start): Next {
  const start = { pid, startedAt };
  return [{ phase: "running", key, start }, [startReport(key, start), { kind: "ship-log", key }]];
}

function exit(key: RankKey, start: Start | undefined, { exit: how, endedAt, logBytes }: End): Next {
  const state: Exited = {
    phase: "exited",
    key,
    start,
    end: { exit: how, endedAt, logBytes },
    sweep: undefined,
    sweeping: false,
    acknowledged: false,
  };
  return [state, [...endReports(state), { kind: "end-log", key, logBytes }]];
}

function refuse(key: RankKey, why: string): Next {
  return [{ phase: "refused", key, why }, [report({ kind: "rank-refused", key, why })]];
}

function sweepNow(state: Stopping): Next {
  return [{ ...state, doing: "sweep" }, [{ kind: "stop-grace", key: state.key }, sweep(state.key)]];
}

/** It got away between the order to prepare and the stop. */
function startedWhileStopping(state: Stopping, { pid, startedAt }: Start): Next {
  const { key, why, graceMs } = state;
  const start = { pid, startedAt };
  const told: readonly RankEffect[] = [startReport(key, start), { kind: "ship-log", key }];
  if (state.doing === "sweep") return [{ ...state, start }, told];
  return [
    { ...state, start, doing: "wait" },
    [...told, { kind: "terminate", key, why, graceMs }, { kind: "start-grace", key, ms: graceMs }],
  ];
}

function exitedWhileStopping(state: Stopping, event: End): Next {
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

function sweptWhileStopping(
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

// ---- effects

function report(content: AgentReport): RankEffect {
  return { kind: "report", report: content };
}

function sweep(key: RankKey): RankEffect {
  return { kind: "sweep", key };
}

function startReport(key: RankKey, { pid, startedAt }: Start): RankEffect {
  return report({ kind: "rank-started", key, pid, startedAt });
}

function sweptReport(key: RankKey, record: SweepRecord): RankEffect {
  return report({ kind: "rank-swept", key, sweep: record });
}

function endReports({ key, end, sweep: record }: Exited): readonly RankEffect[] {
  const ended = report({ kind: "rank-exited", key, ...end });
  return record ? [ended, sweptReport(key, record)] : [ended];
}
