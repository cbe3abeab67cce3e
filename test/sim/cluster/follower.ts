// A user who follows a log of a simulated cluster, from the head's keeper of the logs.
//
// It goes on from its own offset whenever the head is gone and back, and holds what it gets against
// what was written. What must always hold: it never waits for a head that has ended.

import { errorText } from "../../../model/errors.ts";
import type { RankKey } from "../../../model/job.ts";
import { rankKeyText } from "../../../model/job.ts";
import type { OpenHead } from "./head.ts";
import type { Sim } from "./sim.ts";

const againMs = 700;

export class Follower {
  readonly name: string;
  readonly #sim: Sim;
  readonly #key: RankKey;
  /** How long it takes to read each piece. */
  readonly #readMs: number;
  readonly #stop = new AbortController();
  #offset = 0;
  done = false;

  constructor(sim: Sim, key: RankKey, readMs: number) {
    this.#sim = sim;
    this.#key = key;
    this.#readMs = readMs;
    this.name = rankKeyText(key);
  }

  /** The cluster is gone, or nobody wants to know any more. */
  stop(): void {
    this.done = true;
    this.#stop.abort(new Error("the follower has gone"));
  }

  async run(): Promise<void> {
    while (!this.done) {
      const head = this.#sim.head.open;
      const isWhole = head !== undefined && (await this.#follow(head));
      if (isWhole && !this.done) {
        this.done = true;
        this.#sim.say(`follower of ${this.name} has all ${this.#offset} bytes`);
        this.#sim.truth.followed(this.name, this.#offset);
      }
      if (!this.done) await this.#pause(againMs);
    }
  }

  /** Until the log or the head ends; true if it was the log. */
  async #follow({ life, logs }: OpenHead): Promise<boolean> {
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, gone.signal]);
    const ended = life.ended().then(() => {
      gone.abort(new Error("the head has gone"));
      return "gone" as const;
    });
    const options = { key: this.#key, offset: this.#offset, wait: true, signal };
    const pieces = logs.follow(options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([pieces.next(), ended]);
        if (next === "gone") return false;
        if (next.done) return true;
        this.#take(next.value.offset, next.value.bytes);
        if (this.#readMs > 0) await this.#pause(this.#readMs);
      }
    } catch (error) {
      this.#sim.say(`follower of ${this.name} is told: ${errorText(error)}`);
      return false;
    }
  }

  #take(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#offset) {
      const what = `a follower of ${this.name} at ${this.#offset} gets bytes of ${offset}`;
      this.#sim.truth.broken("whole log", what);
    }
    this.#sim.truth.shipped("a follower", this.name, { offset: this.#offset, bytes });
    this.#offset = offset + bytes.length;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#sim.timeline.after(ms, resolve));
  }
}
