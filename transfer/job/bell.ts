// Wakes whoever waits for a change. Who looks after each ring misses nothing.

export class Bell {
  #waiting = Promise.withResolvers<void>();

  /** Wakes all that wait now. */
  ring(): void {
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers();
  }

  /** Resolves with the next ring. */
  next(): Promise<void> {
    return this.#waiting.promise;
  }
}
