// A clock that stands still until it is told to move.
//
// Timers fire while the clock moves, each at its own moment, in the order of their moments and,
// where these are equal, of their making: the same moves give the same run. A clock may drift
// against the one that moves it, its wall time may jump, and its machine may be rebooted.
//
// What must always hold: `monoMs` never runs backwards within one boot id; a timer never fires
// early by its own clock.

import { assert } from "../model/errors.ts";
import type { Clock, Instant } from "./clock.ts";

export interface MemoryClock extends Clock {
  /** Moves by `ms` and fires what falls due, also what is only started on the way. */
  advance(ms: number): void;
  /**
   * The same, and calls `settle` after each timer and at the end, so that actors and promises get
   * to do what they would have done by then.
   */
  pass(ms: number, settle: () => Promise<void>): Promise<void>;
  /** Moves to the next timer and fires it; false if there is none. */
  advanceToNext(): boolean;
  /** Sets the wall clock alone, as an administrator or NTP does. */
  jump(wallMs: number): void;
  /** From now on this clock runs at `rate` of the moves it is told; 1 is true. */
  drift(rate: number): void;
  /** A new boot: every timer is gone and the monotonic clock begins again. */
  reboot(bootId: string): void;
  /** How many timers wait, and for how long the next one does. */
  waiting(): { readonly count: number; readonly nextMs: number | undefined };
}

interface Waiting {
  readonly dueMs: number;
  readonly order: number;
  readonly wake: () => void;
}

export function createMemoryClock(start: Partial<Instant> = {}): MemoryClock {
  let { wallMs = 1_700_000_000_000, monoMs = 1_000_000, bootId = "boot-1" } = start;
  let rate = 1;
  let orders = 0;
  const timers = new Set<Waiting>();

  const move = (ms: number): void => {
    wallMs += ms;
    monoMs += ms;
  };
  /** Fires the next timer due by `untilMs`; false, at `untilMs`, when there is none. */
  const fireOne = (untilMs: number): boolean => {
    const next = earliest(timers);
    if (next === undefined || next.dueMs > untilMs) {
      move(Math.max(0, untilMs - monoMs));
      return false;
    }
    timers.delete(next);
    move(Math.max(0, next.dueMs - monoMs));
    next.wake();
    return true;
  };
  const goalOf = (ms: number): number => {
    assert(ms >= 0, "a clock moves forward");
    return monoMs + ms * rate;
  };

  return {
    now: () => ({ wallMs, monoMs, bootId }),
    after: (ms, wake) => {
      orders += 1;
      const timer = { dueMs: monoMs + Math.max(0, ms), order: orders, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      const goalMs = goalOf(ms);
      const boot = bootId;
      while (boot === bootId && fireOne(goalMs));
    },
    pass: async (ms, settle) => {
      const goalMs = goalOf(ms);
      const boot = bootId;
      await settle();
      while (boot === bootId && fireOne(goalMs)) await settle();
      await settle();
    },
    advanceToNext: () => {
      const next = earliest(timers);
      return next !== undefined && fireOne(next.dueMs);
    },
    jump: (to) => {
      wallMs = to;
    },
    drift: (to) => {
      assert(to > 0, "a clock moves forward");
      rate = to;
    },
    reboot: (id) => {
      assert(id !== bootId, "a new boot has a new id");
      timers.clear();
      monoMs = 0;
      bootId = id;
    },
    waiting: () => {
      const next = earliest(timers);
      const nextMs = next === undefined ? undefined : Math.max(0, next.dueMs - monoMs);
      return { count: timers.size, nextMs };
    },
  };
}

function earliest(timers: ReadonlySet<Waiting>): Waiting | undefined {
  let best: Waiting | undefined;
  for (const timer of timers) {
    if (best === undefined || timer.dueMs < best.dueMs) best = timer;
  }
  // A set keeps the order of insertion, so among equals the oldest was met first.
  return best;
}
