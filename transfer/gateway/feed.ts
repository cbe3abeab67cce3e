// Objects that were told and wait to be taken: those who take them wait for more until the end.
//
// What must always hold: each is taken once, in order; what waits is bounded by the credit that
// whoever tells them has. Pure.

import { Fifo } from "../../runtime/fifo.ts";

export class Feed<T> implements AsyncIterable<T> {
  readonly #items = new Fifo<T>();
  #takers: ((result: IteratorResult<T>) => void)[] = [];
  #isOver = false;

  get waiting(): number {
    return this.#items.length;
  }

  add(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker({ done: false, value: item });
  }

  /** What is there is still taken. */
  end(): void {
    this.#isOver = true;
    for (const taker of this.#takers.splice(0)) taker({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return { done: false, value: item };
    if (this.#isOver) return { done: true, value: undefined };
    return await new Promise((resolve) => this.#takers.push(resolve));
  }
}
