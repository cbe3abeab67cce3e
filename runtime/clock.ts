// The clock port: time as three readings taken together, and timers.
//
// Deadlines and leases use `monoMs`, which neither jumps nor runs backwards while the boot id
// stays the same; records that people read use `wallMs`.

/** One moment. */
export interface Instant {
  /** Milliseconds since the Unix epoch. May jump. */
  readonly wallMs: number;
  /** Milliseconds of a monotonic clock. Comparable only within one `bootId`. */
  readonly monoMs: number;
  readonly bootId: string;
}

export interface Clock {
  now(): Instant;
  /**
   * Calls `wake` once, `ms` from now (any length, also over 24.8 days). Returns what cancels it;
   * cancelling twice, or after it has fired, is harmless. A timer keeps no process alive.
   */
  after(ms: number, wake: () => void): () => void;
}
