// `--retry-until-up`: a cluster that does not start is started again, as long as the user waits.
//
// Pure: the pause and the dice are passed in. Only what the world refused is tried again; what is
// wrong with the request stays wrong.
// Source of the numbers: SkyPilot 0.3.0, 60 s and then 1.6 times as long, 40 % more or less, at
// most five times the first.

import { errorText, isSkyError } from "../model/errors.ts";

export interface UntilUp {
  /** Rejects when the caller has given up. */
  pause(ms: number): Promise<void>;
  /** From 0 to 1, without 1. */
  random(): number;
}

const pauseMsFirst = 60_000;
const pauseFactor = 1.6;
const pauseTimesMax = 5;
const jitter = 0.4;

/** What `start` gives when it works at last. Throws what is not worth another attempt. */
export async function retriedUntilUp<T>(
  start: () => Promise<T>,
  { pause, random }: UntilUp,
  say: (text: string) => void,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (!isWorthAnother(error)) throw error;
      const ms = pauseMs(attempt, random());
      const tried = attempt === 1 ? "1 attempt" : `${attempt} attempts`;
      say(`${errorText(error)}. Tried ${tried}; again in ${Math.round(ms / 1_000)} s`);
      await pause(ms);
    }
  }
}

/** Before the attempt after this one, counted from 1. */
export function pauseMs(attempt: number, random: number): number {
  const times = Math.min(pauseFactor ** (attempt - 1), pauseTimesMax);
  return pauseMsFirst * times * (1 + jitter * (2 * random - 1));
}

/** A pool has room again when others leave it. */
function isWorthAnother(error: unknown): boolean {
  if (isSkyError(error, "cluster/start-failed") || isSkyError(error, "pool/no-fit")) return true;
  return isSkyError(error) && error.remedy === "retry";
}
