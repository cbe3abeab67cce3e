// Work that goes on side by side, so much at a time; the first failure is everybody's.
//
// Whoever hands out work waits for `room` first: that bounds what is under way and what it holds
// in memory. After a failure nothing new begins, and `all` still waits for what had begun, so
// that nobody works on in a folder that is being given up.

export class Crew {
  readonly #max: number;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Resolves when more may begin. @throws what the first failure threw. */
  async room(): Promise<void> {
    while (this.#underWay.size >= this.#max && this.#failure === undefined) {
      await Promise.race(this.#underWay);
    }
    this.#demand();
  }

  /** Begins. What becomes of it is told by `room` and `all`; the answer resolves in any case. */
  begin(work: () => Promise<void>): Promise<void> {
    const done = (async () => work())().catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#underWay.add(done);
    return done.then(() => {
      this.#underWay.delete(done);
    });
  }

  /** Resolves when nothing is under way. @throws what the first failure threw. */
  async all(): Promise<void> {
    await this.settled();
    this.#demand();
  }

  /** The same, whatever became of it. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #demand(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
