// Virtual time: what is to happen, in the order of its time, and of its making where that is equal.

interface Due {
  readonly at: number;
  readonly order: number;
  act: (() => void) | undefined;
}

export class Timeline {
  now = 0;
  events = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  /** Gives what calls it off. */
  after(ms: number, act: () => void): () => void {
    const due: Due = { at: this.now + Math.max(0, ms), order: this.#order, act };
    this.#order += 1;
    this.#heap.push(due);
    this.#rise(this.#heap.length - 1);
    return () => {
      due.act = undefined;
    };
  }

  /** Until then, or until nothing is left to happen, or `stop` says so. */
  runUntil(at: number, stop: () => boolean = () => false): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > at) break;
      this.#take();
      if (next.act === undefined) continue;
      this.now = next.at;
      this.events += 1;
      next.act();
      if (stop()) return;
    }
    this.now = Math.max(this.now, at);
  }

  #take(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    for (let at = from; at > 0; ) {
      const up = (at - 1) >> 1;
      if (!this.#swapIfLater(up, at)) return;
      at = up;
    }
  }

  #sink(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const least = right < this.#heap.length && this.#isLater(left, right) ? right : left;
      if (!this.#swapIfLater(at, least)) return;
      at = least;
    }
  }

  #isLater(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.at > other.at || (one.at === other.at && one.order > other.order);
  }

  #swapIfLater(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined || !this.#isLater(a, b)) return false;
    this.#heap[a] = other;
    this.#heap[b] = one;
    return true;
  }
}
