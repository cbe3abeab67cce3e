// A cap on bytes a second: a bucket of tokens, one a byte, that fills at the rate.
//
// Whoever takes more than is there waits until it would have been there, and the next one after
// that. What is saved up while nothing moves is bounded, so a pause is no licence for a burst.
//
// What must always hold: over any length of time no more than rate × time + `burstSeconds` of it.

import type { Clock } from "../../runtime/clock.ts";
import type { SentObject } from "../chunks/send.ts";

const burstSeconds = 0.25;
/** At least a chunk of the usual size would else never fit; it is paid for afterwards. */
const msPerSecond = 1_000;

/** The arithmetic alone. Pure. */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerMs = bytesPerSecond / msPerSecond;
    this.#burst = bytesPerSecond * burstSeconds;
    this.#tokens = this.#burst;
    this.#at = nowMs;
  }

  /** Takes them, and says how long to wait before they are used. */
  take(bytes: number, nowMs: number): number {
    const earned = Math.max(0, nowMs - this.#at) * this.#bytesPerMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned) - bytes;
    this.#at = Math.max(this.#at, nowMs);
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#bytesPerMs);
  }
}

export interface Pace {
  /** Resolves when so many bytes may move. Rejects with the signal's reason. */
  wait(bytes: number, signal: AbortSignal): Promise<void>;
}

export function paceOf(bytesPerSecond: number, clock: Clock): Pace {
  const bucket = new TokenBucket(bytesPerSecond, clock.now().monoMs);
  return {
    wait: async (bytes, signal) => {
      const ms = bucket.take(bytes, clock.now().monoMs);
      if (ms > 0) await pause(clock, ms, signal);
    },
  };
}

/** The same object, read no faster than that, and by nobody else then. */
export function paced(source: SentObject, pace: Pace | undefined): SentObject {
  const { readInto } = source;
  if (pace === undefined) return source;
  return {
    ...{ object: source.object, bytes: source.bytes, cut: source.cut },
    read: async (range, signal) => {
      await pace.wait(range.bytes, signal);
      return await source.read(range, signal);
    },
    ...(readInto === undefined
      ? {}
      : {
          readInto: async (range, target, signal) => {
            await pace.wait(range.bytes, signal);
            await readInto.call(source, range, target, signal);
          },
        }),
    close: async () => await source.close?.(),
  };
}

/** Resolves after so long. Rejects with the signal's reason. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", leave);
      resolve();
    });
    signal.addEventListener("abort", leave, { once: true });
  });
}
