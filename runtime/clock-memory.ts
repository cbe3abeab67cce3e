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
   * The same, and calls `settle` first and after each timer, so that actors and promises get to do
   * what they would have done by then.
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
  readonly wake: () => void;
}

type Goal = Pick<Instant, "monoMs" | "bootId">;

export function createMemoryClock(start: Partial<Instant> = {}): MemoryClock {
  return new StandingClock({
    ...{ wallMs: 1_700_000_000_000, monoMs: 1_000_000, bootId: "boot-1" },
    ...start,
  });
}

class StandingClock implements MemoryClock {
  #now: Instant;
  #rate = 1;
  readonly #timers = new Set<Waiting>();

  constructor(start: Instant) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  after(ms: number, wake: () => void): () => void {
    const timer = { dueMs: this.#now.monoMs + Math.max(0, ms), wake };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const goal = this.#goal(ms);
    while (this.#fireOne(goal));
  }

  async pass(ms: number, settle: () => Promise<void>): Promise<void> {
    const goal = this.#goal(ms);
    await settle();
    while (this.#fireOne(goal)) await settle();
  }

  advanceToNext(): boolean {
    const next = earliest(this.#timers);
    return next !== undefined && this.#fireOne({ ...this.#now, monoMs: next.dueMs });
  }

  jump(wallMs: number): void {
    this.#now = { ...this.#now, wallMs };
  }

  drift(rate: number): void {
    assert(rate > 0, "a clock moves forward");
    this.#rate = rate;
  }

  reboot(bootId: string): void {
    assert(bootId !== this.#now.bootId, "a new boot has a new id");
    this.#timers.clear();
    this.#now = { wallMs: this.#now.wallMs, monoMs: 0, bootId };
  }

  waiting(): { readonly count: number; readonly nextMs: number | undefined } {
    const next = earliest(this.#timers);
    const nextMs = next === undefined ? undefined : Math.max(0, next.dueMs - this.#now.monoMs);
    return { count: this.#timers.size, nextMs };
  }

  #goal(ms: number): Goal {
    assert(ms >= 0, "a clock moves forward");
    return { monoMs: this.#now.monoMs + ms * this.#rate, bootId: this.#now.bootId };
  }

  /** Fires the next timer that is due by the goal; false, and at the goal, when there is none. */
  #fireOne(goal: Goal): boolean {
    // A reboot on the way takes the goal away: it was a reading of another boot.
    if (goal.bootId !== this.#now.bootId) return false;
    const next = earliest(this.#timers);
    if (next === undefined || next.dueMs > goal.monoMs) {
      this.#moveTo(goal.monoMs);
      return false;
    }
    this.#timers.delete(next);
    this.#moveTo(next.dueMs);
    next.wake();
    return true;
  }

  #moveTo(monoMs: number): void {
    const ms = Math.max(0, monoMs - this.#now.monoMs);
    const { wallMs, bootId } = this.#now;
    this.#now = { wallMs: wallMs + ms, monoMs: this.#now.monoMs + ms, bootId };
  }
}

function earliest(timers: ReadonlySet<Waiting>): Waiting | undefined {
  let best: Waiting | undefined;
  for (const timer of timers) {
    if (best === undefined || timer.dueMs < best.dueMs) best = timer;
  }
  // A set keeps the order of insertion, so among equals the oldest was met first.
  return best;
}
