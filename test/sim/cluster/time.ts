// Time in a simulated cluster: one timeline, a clock for each machine, a life for each process.
//
// The timeline alone moves; whatever waits, waits on it, in whole milliseconds. A machine's clock
// is a view of it that may drift, jump and begin again with another boot. A life is a process: when
// it ends, its timers are gone, and whatever it was in the middle of never comes back. While it is
// stopped, as by SIGSTOP, whatever would happen to it waits, and happens in one burst afterwards.

import type { Clock, Instant } from "../../../runtime/clock.ts";

/** The clock of one machine. */
export class MachineClock implements Clock {
  readonly #timeline: Clock;
  readonly #rate: number;
  readonly #name: string;
  #boots = 1;
  #bootedAt: number;
  #wallOffset = 0;
  readonly #waiting = new Set<() => void>();

  /** A rate of 1.02 gains 2 % on the timeline. */
  constructor(timeline: Clock, { name, rate }: { readonly name: string; readonly rate: number }) {
    this.#timeline = timeline;
    this.#rate = rate;
    this.#name = name;
    // A machine has been up for a while when the world begins.
    this.#bootedAt = timeline.now().monoMs - 1_000;
  }

  now(): Instant {
    const { wallMs, monoMs } = this.#timeline.now();
    return {
      wallMs: wallMs + this.#wallOffset,
      monoMs: Math.floor((monoMs - this.#bootedAt) * this.#rate + epsilon),
      bootId: `${this.#name}-boot-${this.#boots}`,
    };
  }

  after(ms: number, wake: () => void): () => void {
    return tracked(this.#waiting, (fire) =>
      this.#timeline.after(Math.ceil(Math.max(0, ms) / this.#rate), fire),
    )(wake);
  }

  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  reboot(): void {
    cancelAll(this.#waiting);
    this.#boots += 1;
    this.#bootedAt = this.#timeline.now().monoMs;
  }
}

/** One process: from its start to its `kill -9`. */
export class Life {
  readonly clock: Clock;
  #alive = true;
  #held: (() => void)[] | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onEnd = new Set<() => void>();

  constructor(clock: Clock) {
    const start = tracked(this.#waiting, (fire, ms) => clock.after(ms, () => this.awake(fire)));
    this.clock = {
      now: () => clock.now(),
      after: (ms, wake) => (this.#alive ? start(wake, ms) : () => {}),
    };
  }

  get frozen(): boolean {
    return this.#held !== undefined;
  }

  /** Now, or in its turn when the process goes on. Never after its end. */
  awake(work: () => void): void {
    if (!this.#alive) return;
    if (this.#held === undefined) work();
    else this.#held.push(work);
  }

  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const work of held) this.awake(work);
  }

  /** Resolves when it is over. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#alive) this.#onEnd.add(resolve);
      else resolve();
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  end(): void {
    this.#alive = false;
    this.#held = undefined;
    cancelAll(this.#waiting);
    for (const tell of this.#onEnd) tell();
  }

  /** Never comes back when the life ends meanwhile. */
  pause(ms: number): Promise<void> {
    if (!this.#alive) return new Promise(() => {});
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  /** A port's method as a process of this life sees it: slow, and of no effect after its end. */
  through<A extends readonly unknown[], R>(
    latencyMs: () => number,
    work: (...args: A) => Promise<R>,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      await this.pause(latencyMs());
      const result = await work(...args);
      await this.pause(latencyMs());
      return result;
    };
  }
}

/** Against readings that fall short of a whole number by the last bit. */
const epsilon = 1e-6;

/** Timers that remember their cancels, so that all of them can be cancelled together. */
function tracked(
  waiting: Set<() => void>,
  start: (fire: () => void, ms: number) => () => void,
): (wake: () => void, ms?: number) => () => void {
  return (wake, ms = 0) => {
    const cancel = start(() => {
      // Cancelled while it was held back.
      if (waiting.delete(cancel)) wake();
    }, ms);
    waiting.add(cancel);
    return () => {
      waiting.delete(cancel);
      cancel();
    };
  };
}

function cancelAll(waiting: Set<() => void>): void {
  for (const cancel of waiting) cancel();
  waiting.clear();
}
