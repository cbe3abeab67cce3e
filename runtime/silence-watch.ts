// Whether a peer is still there: pings after a while without a word, and patience for a few.
//
// Any byte that comes is a word, and so is any byte of ours that has left: a peer whose machine
// still takes them may be slow, or stand behind a full queue, but it is not gone. A timer that
// fires late says that our own event loop was busy, and words may lie unread in the socket: then
// nobody is given up before there was time to read them.
//
// What must always hold: a peer that is gone is given up within the pings and their time; one that
// speaks is not.

import type { Clock } from "./clock.ts";

export interface SilenceLimits {
  readonly pingMs: number;
  readonly silentPingsMax: number;
}

export interface SilenceHost {
  readonly ping: () => void;
  readonly silent: (why: string) => void;
}

export class SilenceWatch {
  readonly #clock: Clock;
  readonly #limits: SilenceLimits;
  readonly #host: SilenceHost;
  #pings = 0;
  #dueMs = 0;
  #cancel: () => void = () => {};

  constructor(clock: Clock, limits: SilenceLimits, host: SilenceHost) {
    this.#clock = clock;
    this.#limits = limits;
    this.#host = host;
    this.#arm();
  }

  heard(): void {
    this.#pings = 0;
  }

  stop(): void {
    this.#cancel();
  }

  #arm(): void {
    const { pingMs } = this.#limits;
    this.#dueMs = this.#clock.now().monoMs + pingMs;
    this.#cancel = this.#clock.after(pingMs, () => this.#wake());
  }

  #wake(): void {
    const { pingMs, silentPingsMax } = this.#limits;
    const wasBusy = this.#clock.now().monoMs - this.#dueMs > pingMs / 2;
    if (this.#pings >= silentPingsMax && !wasBusy) {
      this.#host.silent(`the peer was silent for ${silentPingsMax * pingMs} ms`);
      return;
    }
    if (!wasBusy) this.#pings += 1;
    this.#arm();
    this.#host.ping();
  }
}
