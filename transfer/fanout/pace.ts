// How fast one sink gets on: its bytes per second over a short window of the past.
//
// Readings are thinned, so a window costs a few numbers however often a sink speaks. A pace is
// told only from a window that is at least half full: a young one would mislead.

interface Reading {
  readonly at: number;
  readonly bytes: number;
}

/** Readings in a full window. */
const readingsPerWindow = 5;

export class Pace {
  readonly #windowMs: number;
  #readings: Reading[] = [];
  #peak = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The fastest that it ever was, in bytes per second: what it can do when nobody holds it. */
  get peak(): number {
    return this.#peak;
  }

  /** Forgets what was, but for the peak: from now on it takes from somebody else. */
  restart({ at, bytes }: Reading): void {
    this.#readings = [{ at, bytes }];
  }

  note({ at, bytes }: Reading): void {
    const last = this.#readings.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#readings = [];
    // The newest reading is always true; those before it are a fifth of a window apart.
    const before = this.#readings.at(-2);
    const isClose = before !== undefined && at - before.at < this.#windowMs / readingsPerWindow;
    if (isClose) this.#readings.pop();
    this.#readings.push({ at, bytes });
    this.#forget(at);
    this.#peak = Math.max(this.#peak, this.rate(at) ?? 0);
  }

  /** Bytes per second up to `at`, silence included; `undefined` while too little is known. */
  rate(at: number): number | undefined {
    this.#forget(at);
    const [first] = this.#readings;
    const last = this.#readings.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const ms = at - first.at;
    if (ms < this.#windowMs / 2) return undefined;
    return ((last.bytes - first.bytes) * 1_000) / ms;
  }

  /** Drops what is older than a window, but for the one reading that the window begins with. */
  #forget(at: number): void {
    const from = at - this.#windowMs;
    const later = this.#readings.findIndex((reading) => reading.at > from);
    const keep = later < 0 ? this.#readings.length - 1 : later - 1;
    if (keep > 0) this.#readings.splice(0, keep);
  }
}
