// The mailbox of one actor: two queues and a bound.
//
// Letters from others wait in line up to a bound; one more is refused, and the sender is told, so
// that a flood stays with whoever makes it instead of in our memory. The system's own letters
// (timers that fired) overtake the line and are not counted: an actor has few of them, and a
// deadline that waits behind a thousand reports is no deadline.
//
// What must always hold: within one queue, first in is first out; `count` is what `take` will give.

/** How many letters of others an actor lets wait, unless it is spawned with another bound. */
export const mailboxLettersMax = 1_024;

/** A queue that grows by doubling and never moves what waits. The length is a power of two. */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(item: T): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#count) & (this.#slots.length - 1)] = item;
    this.#count += 1;
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.#slots[this.#first];
  }

  /** The oldest item. `undefined` when there is none. */
  shift(): T | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#slots[this.#first];
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#slots.length - 1);
    this.#count -= 1;
    return item;
  }

  #grow(): void {
    const old = this.#slots;
    const grown = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#count; i += 1) {
      grown[i] = old[(this.#first + i) & (old.length - 1)];
    }
    this.#slots = grown;
    this.#first = 0;
  }
}

export class Mailbox<T> {
  readonly #max: number;
  readonly #urgent = new Ring<T>();
  readonly #line = new Ring<T>();

  constructor(max: number = mailboxLettersMax) {
    this.#max = max;
  }

  get count(): number {
    return this.#urgent.count + this.#line.count;
  }

  /** Puts a letter of somebody else in line. False, and nothing changed, if the line is full. */
  offer(letter: T): boolean {
    if (this.#line.count >= this.#max) return false;
    this.#line.push(letter);
    return true;
  }

  /**
   * Puts a letter of the actor itself in line, beyond the bound if need be. What an actor tells
   * itself is the outcome of its own effects: refusing it would lose what nobody else knows.
   */
  offerOwn(letter: T): void {
    this.#line.push(letter);
  }

  /** Puts a letter of the system before all that wait in line. */
  offerUrgent(letter: T): void {
    this.#urgent.push(letter);
  }

  take(): T | undefined {
    return this.#urgent.count > 0 ? this.#urgent.shift() : this.#line.shift();
  }
}
