// Whether a nats-server that gives no answer is ended, and when the next one is started. Pure.
//
// A server that is frozen or stuck is ended after a patience; one that is only slow is not. What
// tells them apart is whether it gets on: it wants the processor, or has used some since the last
// look. Silence is added up from looks, each of which counts for no more than it was meant to last:
// when it is we who stood still, that is not held against the server.
//
// What must always hold: one slow answer never ends it; within a period it is ended only so often,
// because a server that falls silent again and again is not helped by another start, and each one
// makes everybody connect anew.

import type { Backoff } from "./backoff.ts";
import { backoff, backoffMs } from "./backoff.ts";
import type { Random } from "./random.ts";

export interface WatchLimits {
  /** How long after one look the next one is taken. */
  readonly lookMs: number;
  /** How long an answer may take. */
  readonly answerMs: number;
  /** How long it may be silent while it does nothing. */
  readonly stillMs: number;
  /** How long it may be silent while it is busy. */
  readonly busyMs: number;
  /** It is ended for its silence so often at most within `endsPeriodMs`. */
  readonly endsMax: number;
  readonly endsPeriodMs: number;
  /** How long a restart waits for the port of before, when somebody else has it. */
  readonly portMs: number;
}

export const watchDefaults: WatchLimits = {
  lookMs: 1_000,
  answerMs: 2_000,
  stillMs: 10_000,
  busyMs: 60_000,
  endsMax: 3,
  endsPeriodMs: 600_000,
  portMs: 10_000,
};

/** What one look found. */
export interface Look {
  readonly answered: boolean;
  /** Since the look before. */
  readonly elapsedMs: number;
  /** It wants to run, waits for a disk, or has used processor time since the look before. */
  readonly getsOn: boolean;
}

/** How long it has been silent: in all, and while it did nothing; and over how many looks. */
export interface Silence {
  readonly allMs: number;
  readonly stillMs: number;
  readonly looks: number;
}

export const noSilence: Silence = { allMs: 0, stillMs: 0, looks: 0 };

/** Fewer looks without an answer in a row never end it. */
export const silentLooksMin = 3;

export function afterLook(silence: Silence, look: Look, limits: WatchLimits): Silence {
  if (look.answered) return noSilence;
  const ms = Math.min(look.elapsedMs, limits.lookMs + 2 * limits.answerMs);
  const stillMs = look.getsOn ? 0 : silence.stillMs + ms;
  return { allMs: silence.allMs + ms, stillMs, looks: silence.looks + 1 };
}

/** Why it should be ended, or `undefined`. */
export function whyToEnd(silence: Silence, limits: WatchLimits): string | undefined {
  const { allMs, stillMs, looks } = silence;
  if (looks < silentLooksMin) return undefined;
  if (stillMs >= limits.stillMs) return `it did nothing and gave no answer for ${seconds(stillMs)}`;
  if (allMs >= limits.busyMs) return `it was busy and gave no answer for ${seconds(allMs)}`;
  return undefined;
}

// ---- starting again

/** A server that ran this long starts its waits anew. */
export const steadyMs = 10_000;

const restartWaits: Backoff = backoff({ initialMs: 100, capMs: 5_000 });

export interface Restarts {
  /** Starts in a row that did not come to anything lasting. */
  readonly failures: number;
  /** When it was ended for its silence, within the last period. */
  readonly endedAt: readonly number[];
}

export const noRestarts: Restarts = { failures: 0, endedAt: [] };

/** It ended, or did not start, after `ranMs`. */
export function afterEnd(restarts: Restarts, ranMs: number): Restarts {
  return { ...restarts, failures: ranMs >= steadyMs ? 1 : restarts.failures + 1 };
}

export function restartWaitMs({ failures }: Restarts, random: Random): number {
  return backoffMs(restartWaits, Math.max(1, failures), random);
}

/** Whether it may be ended for its silence now; with the record of that, if it may. */
export function endsNow(
  restarts: Restarts,
  atMs: number,
  { endsMax, endsPeriodMs }: WatchLimits,
): Restarts | undefined {
  const recent = restarts.endedAt.filter((endedMs) => atMs - endedMs < endsPeriodMs);
  if (recent.length >= endsMax) return undefined;
  return { ...restarts, endedAt: [...recent, atMs] };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
