// Many sources, one reader: items of several async iterables in the order in which they come.
//
// Each source is asked for its next item only when its last one was taken, so a slow reader slows
// the sources and nothing piles up: at most one item a source waits. Sources may be added while
// the reader reads. What must always hold: items of one source keep their order, and closing
// returns every source.

export class Gather<T> {
  readonly #ready: { readonly item: T; readonly source: AsyncIterator<T> }[] = [];
  readonly #sources = new Set<AsyncIterator<T>>();
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  add(iterable: AsyncIterable<T>): void {
    const source = iterable[Symbol.asyncIterator]();
    this.#sources.add(source);
    this.#pull(source);
  }

  /** Whether every source has ended and every item was taken. */
  get isDry(): boolean {
    return this.#sources.size === 0 && this.#ready.length === 0;
  }

  /** The next item that has come, if one has. @throws what a source threw. */
  take(): T | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    const first = this.#ready.shift();
    if (first === undefined) return undefined;
    this.#pull(first.source);
    return first.item;
  }

  /** Resolves when `take` or `isDry` may answer differently, or `nudge` was called. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  nudge(): void {
    this.#wake();
  }

  async close(): Promise<void> {
    const sources = [...this.#sources];
    this.#sources.clear();
    this.#ready.length = 0;
    await Promise.allSettled(sources.map((source) => source.return?.()));
  }

  #pull(source: AsyncIterator<T>): void {
    source.next().then(
      ({ done, value }) => {
        if (done === true) this.#sources.delete(source);
        else this.#ready.push({ item: value, source });
        this.#wake();
      },
      (error: unknown) => {
        this.#sources.delete(source);
        this.#failure ??= { error };
        this.#wake();
      },
    );
  }
}
