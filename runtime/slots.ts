// A number of places, and a line of those who wait for one. Pure.
//
// What must always hold: nobody passes another in the line; who gave up waiting has no place; there
// are never more inside than places, but for those who were in when the number was lowered.

export class Slots {
  #places: number;
  #inside = 0;
  readonly #line: Waiting[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  get inside(): number {
    return this.#inside;
  }

  get places(): number {
    return this.#places;
  }

  /** Resolves with what gives the place back, once or more. Rejects with the signal's reason. */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#inside < this.#places && this.#line.length === 0) return this.#take();
    return await new Promise((resolve, reject) => {
      const give = (): void => {
        signal.removeEventListener("abort", leave);
        resolve(this.#take());
      };
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(give), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#line.push(give);
    });
  }

  /** At most that many from now on. */
  narrow(places: number): void {
    this.#places = Math.max(1, Math.min(this.#places, places));
  }

  #take(): () => void {
    this.#inside += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#inside -= 1;
      if (this.#inside < this.#places) this.#line.shift()?.();
    };
  }
}

type Waiting = () => void;
