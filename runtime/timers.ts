// The named timers of one actor: one of a name at a time; starting replaces.
//
// A timer that fires becomes a letter in the actor's own mailbox, and until that letter is taken
// the timer is still current: cancelling or replacing it in between takes the letter's force away.
// So a `step` never sees a timer that an effect performed before has cancelled. It may still see
// one that a turn *not yet on disk* cancels; the tables call that `"ignore"`.

import type { Clock } from "./clock.ts";

export interface Timer<M> {
  readonly name: string;
  readonly message: M;
  cancel: () => void;
}

export class Timers<M> {
  readonly #clock: Clock;
  readonly #fire: (timer: Timer<M>) => void;
  readonly #current = new Map<string, Timer<M>>();

  constructor(clock: Clock, fire: (timer: Timer<M>) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  start(name: string, ms: number, message: M): void {
    this.cancel(name);
    const timer: Timer<M> = { name, message, cancel: () => {} };
    this.#current.set(name, timer);
    timer.cancel = this.#clock.after(ms, () => {
      if (this.#current.get(name) === timer) this.#fire(timer);
    });
  }

  cancel(name: string): void {
    this.#current.get(name)?.cancel();
    this.#current.delete(name);
  }

  cancelAll(): void {
    for (const timer of this.#current.values()) timer.cancel();
    this.#current.clear();
  }

  /** Whether a timer that fired still counts; if so it is over now. */
  claim(timer: Timer<M>): boolean {
    return this.#current.get(timer.name) === timer && this.#current.delete(timer.name);
  }

  names(): readonly string[] {
    return [...this.#current.keys()];
  }
}
