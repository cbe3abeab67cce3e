// Moments of the monotonic clock as the watchdog counts them: by the time since the boot.
//
// The two clocks differ by the time in which the machine slept, which only the second one counts. A
// moment is translated with the difference as it was at or before that moment: it may come out too
// early by a sleep since, which shortens a lease, and never too late. Pure.

export interface ClockPair {
  readonly monoMs: number;
  /** Since the boot, sleep included. */
  readonly bootMs: number;
}

/** Enough for the moments of a few seconds, looked at about once a second. */
const pairsMax = 16;

export class BootClock {
  readonly #pairs: ClockPair[] = [];

  /** Both clocks, read now. */
  saw(pair: ClockPair): void {
    this.#pairs.push(pair);
    if (this.#pairs.length > pairsMax) this.#pairs.shift();
  }

  /** The time since the boot at a moment; `undefined` if it was before the first look. */
  bootMsOf(monoMs: number): number | undefined {
    const before = this.#pairs.findLast((pair) => pair.monoMs <= monoMs);
    return before === undefined ? undefined : before.bootMs + monoMs - before.monoMs;
  }

  /** The inverse, by the newest look: a lease read from disk counts from this moment or earlier. */
  monoMsOf(bootMs: number): number | undefined {
    const last = this.#pairs.at(-1);
    return last === undefined ? undefined : last.monoMs + bootMs - last.bootMs;
  }
}

/** What `/proc/uptime` says, in milliseconds. Source: proc(5). */
export function parseUptime(text: string): number | undefined {
  const seconds = Number.parseFloat(text);
  return Number.isFinite(seconds) ? Math.round(seconds * 1_000) : undefined;
}
