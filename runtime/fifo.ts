// A queue that gives back what was put in first, however much is in it.
//
// `Array.shift` moves all that remains; this one forgets the taken front in large steps instead.
// What must always hold: nothing that was taken is kept alive for longer than the next step.

/** Below this many taken entries nothing is moved. */
const stepMin = 256;

export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #start = 0;

  get length(): number {
    return this.#items.length - this.#start;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The one at a place, counted from the front. */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.#items[this.#start + index];
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#start];
    this.#items[this.#start] = undefined;
    this.#start += 1;
    if (this.#start >= stepMin && this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }
}
