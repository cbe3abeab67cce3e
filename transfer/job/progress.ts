// How fast a transfer is, and how long it will take: what a progress bar says.
//
// The rate is that of the last seconds, so that it follows what happens and does not jump with
// each object. Bytes count when they are written; what a broken round had written and the next one
// has to write again is taken back, and a rate is never negative. There is no time left to be told
// before the listing is whole, or while nothing moves.

import type { TransferCounts } from "../../model/transfer.ts";

interface Sample {
  readonly monoMs: number;
  readonly bytes: number;
}

const windowMs = 10_000;
const samplesMax = 64;

export interface Pace {
  readonly samples: readonly Sample[];
}

export const noPace: Pace = { samples: [] };

/** With what is written by now. */
export function paced(pace: Pace, now: Sample): Pace {
  const last = pace.samples.at(-1);
  // What has to be written again is no progress, and what comes after it is.
  const kept = last !== undefined && now.bytes < last.bytes ? [] : pace.samples;
  const recent = kept.filter(({ monoMs }) => now.monoMs - monoMs <= windowMs);
  return { samples: [...recent, now].slice(-samplesMax) };
}

/** Bytes a second. */
export function rateOf({ samples }: Pace): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.monoMs <= first.monoMs) return 0;
  return ((last.bytes - first.bytes) * 1_000) / (last.monoMs - first.monoMs);
}

/** `undefined`: it cannot be said. */
export function secondsLeft(counts: TransferCounts, bytesPerSecond: number): number | undefined {
  if (!counts.isListed || bytesPerSecond <= 0) return undefined;
  return Math.max(0, counts.listedBytes - counts.doneBytes - counts.movingBytes) / bytesPerSecond;
}
