// Waiting for the world, with a deadline.
//
// Tests never sleep for a length of time: they wait until something holds and fail with a sentence
// when it does not. Looking again every few milliseconds is fine in a test; it is the deadline that
// keeps a broken program from hanging the run.

import { setTimeout as pause } from "node:timers/promises";

const lookEveryMs = 15;

/**
 * Resolves with the first value of `look` that is neither false nor undefined.
 * `describe` adds what was seen last to the failure.
 */
export async function until<T>(
  what: string,
  look: () => T | false | undefined | null | Promise<T | false | undefined | null>,
  options: { readonly deadlineMs?: number; readonly describe?: () => string } = {},
): Promise<T> {
  const { deadlineMs = 20_000, describe } = options;
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== undefined && seen !== null) return seen;
    if (performance.now() > endsAt) {
      const detail = describe === undefined ? "" : `\n${describe()}`;
      throw new Error(`after ${deadlineMs} ms still not: ${what}${detail}`);
    }
    await pause(lookEveryMs);
  }
}
