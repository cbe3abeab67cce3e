// How many bytes of chunks the transfers of a process may hold at a time, and who is next.
//
// A transfer may grow to half of what the others leave (three quarters, if its weight is three), so
// there is always room for one that comes later, and transfers that all want more come to have as
// much as their weights say. Whoever waits is served by turns: a transfer gets so many bytes, then
// the next one does, however many chunks of the first have waited for longer.
//
// What must always hold: all together hold at most `bytesMax`, but that each transfer may hold one
// chunk whatever the others do, or a slow one could stop all; what was taken is given back once.
// Pure.

import { assert } from "../../model/errors.ts";
import { Fifo } from "../../runtime/fifo.ts";

/** What a transfer is served in its turn; one chunk at least. */
const turnBytes = 4 * 1024 * 1024;

export interface AdmissionShare {
  /** What this transfer holds. */
  readonly bytes: number;
  /** Chunks that wait. */
  readonly waiting: number;
  /** Resolves with what gives the bytes back. Rejects with the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<() => void>;
  /**
   * Room for what counts for itself (a window of the wire): as much as may be taken now, at most
   * `bytesMax`, and never less than `bytesMin`. It is given back when the transfer leaves.
   */
  reserve(bytesMin: number, bytesMax: number): number;
  /** Nothing is taken any more; what is held may still be given back. */
  leave(): void;
}

export interface ShareOptions {
  /** 1, or what part it may have of all, beside others. */
  readonly weight?: number;
  /** Of this transfer alone. */
  readonly bytesMax?: number;
}

export class Admission {
  readonly #bytesMax: number;
  /** In the order of their turns. */
  readonly #shares: Share[] = [];
  #bytes = 0;
  /** Whose turn it is. */
  #turn = 0;
  #serving = false;

  constructor(bytesMax: number) {
    assert(bytesMax > 0, "something may be held");
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  share({ weight = 1, bytesMax = this.#bytesMax }: ShareOptions = {}): AdmissionShare {
    assert(weight > 0, "a weight is more than nothing");
    const share = new Share({
      serve: () => this.#serve(),
      moved: (bytes) => {
        this.#bytes += bytes;
      },
      most: (held) => Math.min(bytesMax, this.#partOfRest(held, weight)),
      left: (one) => this.#leave(one),
    });
    this.#shares.push(share);
    return share;
  }

  #partOfRest(held: number, weight: number): number {
    const others = this.#bytes - held;
    return ((this.#bytesMax - others) * weight) / (weight + 1);
  }

  /** Turn by turn, until nobody who waits can be served. */
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    let idle = 0;
    while (idle < this.#shares.length) {
      const share = this.#shares[this.#turn % this.#shares.length];
      const isServed = share?.serve(turnBytes) === true;
      idle = isServed ? 0 : idle + 1;
      this.#turn = (this.#turn + 1) % Math.max(1, this.#shares.length);
    }
    this.#serving = false;
  }

  #leave(share: Share): void {
    const at = this.#shares.indexOf(share);
    if (at < 0) return;
    this.#shares.splice(at, 1);
    if (at < this.#turn) this.#turn -= 1;
    this.#serve();
  }
}

interface ShareHost {
  readonly serve: () => void;
  readonly moved: (bytes: number) => void;
  /** What a share that holds so much may hold. */
  readonly most: (held: number) => number;
  readonly left: (share: Share) => void;
}

interface Waiter {
  readonly bytes: number;
  enter: (() => void) | undefined;
}

class Share implements AdmissionShare {
  readonly #host: ShareHost;
  readonly #line = new Fifo<Waiter>();
  #bytes = 0;
  #reserved = 0;
  #waiting = 0;

  constructor(host: ShareHost) {
    this.#host = host;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): number {
    return this.#waiting;
  }

  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const entered = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, enter: entered.resolve };
    this.#line.push(waiter);
    this.#waiting += 1;
    const leave = (): void => {
      if (waiter.enter === undefined) return;
      waiter.enter = undefined;
      this.#waiting -= 1;
      entered.reject(signal.reason);
      this.#host.serve();
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#host.serve();
    try {
      await entered.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
    return this.#giveBack(bytes);
  }

  /** Its turn. Gives whether anybody got in. */
  serve(quantum: number): boolean {
    let served = 0;
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      const isAlone = this.#bytes === 0;
      const most = this.#host.most(this.#bytes);
      if (!isAlone && this.#bytes + first.bytes > most) break;
      if (served > 0 && served + first.bytes > quantum) break;
      this.#line.shift();
      this.#waiting -= 1;
      this.#move(first.bytes);
      first.enter?.();
      first.enter = undefined;
      served += first.bytes;
    }
    return served > 0;
  }

  reserve(bytesMin: number, bytesMax: number): number {
    const most = this.#host.most(this.#bytes) - this.#bytes;
    const bytes = Math.max(bytesMin, Math.min(bytesMax, Math.floor(most)));
    this.#reserved += bytes;
    this.#move(bytes);
    return bytes;
  }

  leave(): void {
    this.#move(-this.#reserved);
    this.#reserved = 0;
    this.#host.left(this);
  }

  /** Of those who have not given up. */
  #first(): Waiter | undefined {
    for (;;) {
      const first = this.#line.at(0);
      if (first === undefined || first.enter !== undefined) return first;
      this.#line.shift();
    }
  }

  #move(bytes: number): void {
    this.#bytes += bytes;
    this.#host.moved(bytes);
  }

  #giveBack(bytes: number): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#move(-bytes);
      this.#host.serve();
    };
  }
}
