// A machine of the simulated wire: its clock, its ends of connections, and how it dies.
//
// What must always hold: nothing of a machine that has crashed happens any more.

import type { Clock } from "../../../runtime/clock.ts";
import type { End } from "./network.ts";

export class Machine {
  readonly name: string;
  readonly clock: Clock;
  crashed = false;
  readonly #ends = new Set<End>();
  readonly #timers = new Set<() => void>();

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.clock = {
      now: () => clock.now(),
      after: (ms, wake) => this.#after(clock, ms, wake),
    };
  }

  /** How many timers wait here. */
  timers(): number {
    return this.#timers.size;
  }

  owns(end: End): End {
    this.#ends.add(end);
    return end;
  }

  crash(): void {
    this.crashed = true;
    for (const end of this.#ends) end.die();
    for (const cancel of [...this.#timers]) cancel();
  }

  #after(clock: Clock, ms: number, wake: () => void): () => void {
    if (this.crashed) return () => {};
    const cancel = clock.after(ms, () => {
      this.#timers.delete(forget);
      wake();
    });
    const forget = (): void => {
      this.#timers.delete(forget);
      cancel();
    };
    this.#timers.add(forget);
    return forget;
  }
}
