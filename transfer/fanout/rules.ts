// What the coordinator of a fan-out hears and decides, and the numbers that it goes by.
//
// Every number has a reason to be what it is and none is known to be best; the simulation of
// fan-outs runs with these. Bytes decide, not chunks: chunks differ in size.

import type { SinkId } from "./tree.ts";

/** What happened. `at` is a monotonic clock's time. */
export type FanOutEvent = { readonly at: number } & (
  | {
      readonly type: "joined";
      readonly sink: SinkId;
      /** Whether others can take from it: it listens and was reached before. */
      readonly serves: boolean;
      /** Bytes that it has safe already. */
      readonly safe: number;
    }
  /** All bytes that it has safe; fewer than before if some were found damaged. All = done. */
  | {
      readonly type: "progress";
      readonly sink: SinkId;
      readonly safe: number;
      /** It was on its disk already: this says nothing of its pace. */
      readonly found?: boolean;
    }
  /** What it was told to do in `move` cannot go on. */
  | {
      readonly type: "parent-failed";
      readonly sink: SinkId;
      readonly move: number;
      readonly why: string;
    }
  | { readonly type: "left"; readonly sink: SinkId; readonly why: string }
  /** Somebody more is to have the bytes. */
  | { readonly type: "expected"; readonly sink: SinkId }
  /** Time has passed: at least once in `rules.windowMs / 5`. */
  | { readonly type: "tick" }
);

/** An event as it is told, before its time is taken. */
export type WithoutTime<E> = E extends unknown ? Omit<E, "at"> : never;

export type Decision =
  /** Take from `parent`: a sink, `source`, or for now nobody. */
  | {
      readonly type: "follow";
      readonly sink: SinkId;
      readonly parent: SinkId | undefined;
      /** Counts the moves of this sink; what it answers of an earlier one is of the past. */
      readonly move: number;
    }
  /** Serve these and nobody else. Comes before the `follow` of those that are new. */
  | { readonly type: "serve"; readonly sink: SinkId; readonly children: readonly SinkId[] }
  /** It is given up: what it lacked, it does not get here. */
  | { readonly type: "drop"; readonly sink: SinkId; readonly why: string }
  /** Everybody who is expected has everything or is given up. */
  | { readonly type: "finished" };

export interface Rules {
  readonly totalBytes: number;
  /** Whoever is this close behind another keeps up with it. A few chunks. */
  readonly slackBytes: number;
  /** Sinks that the source feeds at a time… */
  readonly sourceChildren: number;
  /** …and as many more of those that no sink can feed. */
  readonly lastResorts: number;
  /** Sinks that one sink feeds at a time… */
  readonly children: number;
  /** …and as many more that nobody else has room for: before the source must feed them. */
  readonly spareChildren: number;
  /** Over how long a pace is taken. */
  readonly windowMs: number;
  /** Who makes less than this share of what others make, and falls behind, is slow. */
  readonly slowShare: number;
  /** For how long a slow one is not asked to feed others. */
  readonly slowMs: number;
  /** Another sink in the place of one must be so many times as fast to prove that one slow. */
  readonly trialGain: number;
  /** How far behind one may be that is tried higher up: a share of all bytes. */
  readonly overlapShare: number;
  /** The wait before the second trial of one place; it doubles, up to the second number. */
  readonly trialWaitMs: number;
  readonly trialWaitMsMax: number;
  /** No progress for so long, though the parent has more: it is given another. Doubles. */
  readonly stallMs: number;
  /** Without any progress for so long, though fed, a sink is given up. */
  readonly giveUpMs: number;
  /** So many moves of one sink within `movesMs`, half of them at our own will. */
  readonly movesMax: number;
  readonly movesMs: number;
  /** For so long nobody is sent again to whom it could not reach. */
  readonly unreachedMs: number;
  /** Who is expected and has not joined, or has left and not come back, is given up. */
  readonly absentMs: number;
  readonly sinksMax: number;
}

export const rulesDefault: Omit<Rules, "totalBytes" | "slackBytes"> = {
  sourceChildren: 1,
  lastResorts: 4,
  children: 2,
  spareChildren: 1,
  windowMs: 4_000,
  slowShare: 0.5,
  slowMs: 60_000,
  trialGain: 1.25,
  overlapShare: 0.1,
  trialWaitMs: 8_000,
  trialWaitMsMax: 120_000,
  stallMs: 20_000,
  giveUpMs: 600_000,
  movesMax: 8,
  movesMs: 60_000,
  unreachedMs: 60_000,
  absentMs: 120_000,
  sinksMax: 10_000,
};
