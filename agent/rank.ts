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

import type { Exit, RankKey, StopCause, SweepRecord } from "../model/job.ts";
import type { AgentReport, RankPlace, RankReport } from "../proto/messages.ts";
import type { Table, Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";
import {
  exit,
  exitedWhileStopping,
  hurry,
  keepPlace,
  refuse,
  run,
  sayEnded,
  sayEndedUnlessHeard,
  sayReady,
  sayStarted,
  standReady,
  startedWhileStopping,
  stopAtOnce,
  stopOncePrepared,
  stopWithGrace,
  sweepNow,
  sweepTheEnded,
  sweepWhatWasPrepared,
  sweptAfterExit,
  sweptReport,
  sweptWhileStopping,
} from "./rank-moves.ts";

export type RankState =
  | { readonly phase: "preparing"; readonly key: RankKey; readonly place?: RankPlace }
  | { readonly phase: "ready"; readonly key: RankKey; readonly place?: RankPlace }
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
  | {
      readonly phase: "refused";
      readonly key: RankKey;
      readonly why: string;
      /** It is the job's own doing. */
      readonly fault?: "job";
    };

export interface Stopping {
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

export interface Exited {
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
  /** Absent: in `~/sky_workdir`, or under an earlier agent. */
  readonly place?: RankPlace;
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
  /** It will start in a folder of its job's own. */
  | { readonly kind: "laid"; readonly place: RankPlace }
  | { readonly kind: "prepared" }
  | { readonly kind: "refused"; readonly why: string; readonly fault?: "job" }
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

export const rankTable: Table<RankState, RankEvent, RankEffect> = {
  preparing: {
    "prepare-asked": "ignore",
    "go-asked": "ignore",
    "stop-asked": stopOncePrepared,
    acknowledged: "ignore",
    laid: keepPlace,
    prepared: standReady,
    refused: refuse,
    started: run,
    exited: exit,
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  ready: {
    "prepare-asked": sayReady,
    "go-asked": (s): Next => [s, [{ kind: "go", key: s.key }]],
    "stop-asked": stopAtOnce,
    acknowledged: "ignore",
    laid: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: run,
    exited: exit,
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  running: {
    "prepare-asked": sayStarted,
    "go-asked": sayStarted,
    "stop-asked": stopWithGrace,
    acknowledged: "ignore",
    laid: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: exit,
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
  stopping: {
    "prepare-asked": "ignore",
    "go-asked": "ignore",
    "stop-asked": hurry,
    acknowledged: "ignore",
    laid: "ignore",
    prepared: sweepWhatWasPrepared,
    refused: sweepWhatWasPrepared,
    started: startedWhileStopping,
    exited: exitedWhileStopping,
    swept: sweptWhileStopping,
    "grace-over": (s): Next => (s.doing === "sweep" ? [s, []] : sweepNow(s)),
    "repeat-due": "ignore",
  },
  exited: {
    "prepare-asked": sayEnded,
    "go-asked": sayEnded,
    "stop-asked": sweepTheEnded,
    acknowledged: (s): Next => [{ ...s, acknowledged: !s.sweeping }, []],
    laid: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: sweptAfterExit,
    "grace-over": "ignore",
    "repeat-due": sayEndedUnlessHeard,
  },
  stopped: {
    "prepare-asked": "ignore",
    "go-asked": "ignore",
    "stop-asked": (s): Next => [{ ...s, acknowledged: false }, [sweptReport(s.key, s.sweep)]],
    acknowledged: (s): Next => [{ ...s, acknowledged: true }, []],
    laid: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": (s): Next => [s, s.acknowledged ? [] : [sweptReport(s.key, s.sweep)]],
  },
  refused: {
    "prepare-asked": (s): Next => refuse(s, s),
    "go-asked": "ignore",
    "stop-asked": stopAtOnce,
    acknowledged: "ignore",
    laid: "ignore",
    prepared: "ignore",
    refused: "ignore",
    started: "ignore",
    exited: "ignore",
    swept: "ignore",
    "grace-over": "ignore",
    "repeat-due": "ignore",
  },
};

export const rankStep = machine(rankTable);

/** Whether nothing more will happen to it by itself. */
export function isOver(state: RankState): boolean {
  return state.phase === "exited" || state.phase === "stopped" || state.phase === "refused";
}

/** Whether a rank that is over has yet to be swept. One that succeeded may never be. */
export function mayBeLeft(state: RankState): boolean {
  if (state.phase !== "exited" || state.sweep !== undefined) return false;
  const { exit: how } = state.end;
  return how.kind !== "code" || how.code !== 0;
}

/** Whether it was a setup that succeeded: the run that is to follow finds what it did. */
export function mayBeFollowed(state: RankState): boolean {
  if (state.phase !== "exited" || state.key.phase !== "setup") return false;
  const { exit: how } = state.end;
  return how.kind === "code" && how.code === 0;
}

/** Whether its directory is being written to, although it is over. */
export function isSweeping(state: RankState): boolean {
  return state.phase === "exited" && state.sweeping;
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
