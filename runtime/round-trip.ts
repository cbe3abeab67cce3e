// How long a round trip to the peer takes, by pings whose token comes back.
//
// The smallest of the last seconds counts: a ping that stands in a queue behind data, or that
// meets an event loop that was busy, says something about queues and not about the path. There is
// one ping under way at a time, and none while nothing is to be learnt.
//
// What must always hold: an answer counts once, and only to a question of ours. Pure.

import { pingTokenBytes } from "./framing.ts";

/** Between two questions. */
const askMs = 250;
/** A question that nobody answered in this time is asked again. */
const patienceMs = 10_000;
/** The smallest counts for at least one such period and at most two. */
const periodMs = 5_000;

export class RoundTrip {
  #asked: { readonly token: string; readonly atMs: number } | undefined;
  #lastAskedMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #periodBegan = Number.NEGATIVE_INFINITY;
  #earlier: number | undefined;
  #current: number | undefined;

  /** The smallest round trip lately; `undefined` before the first. */
  get ms(): number | undefined {
    if (this.#current === undefined) return this.#earlier;
    return Math.min(this.#current, this.#earlier ?? this.#current);
  }

  /** The token of a ping to be sent now; `undefined` if it is not time for one. */
  ask(nowMs: number): Uint8Array | undefined {
    if (this.#asked !== undefined && nowMs - this.#asked.atMs < patienceMs) return undefined;
    if (nowMs - this.#lastAskedMs < askMs) return undefined;
    this.#count += 1;
    const token = Buffer.alloc(pingTokenBytes);
    token.writeUInt32BE(this.#count, 4);
    this.#asked = { token: token.toString("hex"), atMs: nowMs };
    this.#lastAskedMs = nowMs;
    return token;
  }

  /** A pong came back. Gives its round trip; `undefined` if nobody asked for it. */
  answer(token: Uint8Array, nowMs: number): number | undefined {
    const asked = this.#asked;
    if (asked === undefined || asked.token !== Buffer.from(token).toString("hex")) return undefined;
    this.#asked = undefined;
    const ms = Math.max(0, nowMs - asked.atMs);
    if (nowMs - this.#periodBegan >= periodMs) {
      this.#earlier = this.#current;
      this.#current = undefined;
      this.#periodBegan = nowMs;
    }
    this.#current = Math.min(ms, this.#current ?? ms);
    return ms;
  }
}
