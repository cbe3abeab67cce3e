// How far the peer of a channel may be ahead of the channel's reader, and when it gets credit.
//
// The window is wide enough if the reader never waits for bytes that the peer had no credit to
// send: that takes what the reader takes in a round trip, and as much again for the credit on its
// way. So a window doubles while its reader waits for bytes and takes at least half of it in a
// round trip, and shrinks when it takes much less. What is to be widened comes from the budget of
// the process (`memory-budget.ts`); when that is short, a window gets less back than was read.
//
// What must always hold: granted and not yet used, plus received and not yet read, is at most
// what the budget was asked for, beside what every channel has at its start. Time comes in. Pure.

import type { BudgetShare } from "./memory-budget.ts";

/** Credit of either side when a channel opens. Part of the wire version. */
export const windowInitialBytes = 64 * 1024;

export interface WindowLimits {
  /** How far a peer may be ahead of the reader of one channel, once it has sent anything… */
  readonly windowBytes: number;
  /** …and where its round trip is known and long, and its reader fast. */
  readonly windowBytesMax: number;
}

/** A round trip is never taken for less: a turn of two busy event loops takes as long. */
const roundTripMsMin = 2;
/** A window that was too wide for this long is halved. */
const shrinkMs = 2_000;

export class CreditWindow {
  readonly #limits: WindowLimits;
  readonly #share: BudgetShare;
  /** What it is meant to be. */
  #target = windowInitialBytes;
  /** What the peer may still send. */
  #granted = windowInitialBytes;
  /** What has arrived and was not read. */
  #held = 0;
  /** What the budget was asked for. */
  #reserved = 0;
  #periodBegan: number | undefined;
  #taken = 0;
  #hasWaited = false;
  #wideSince: number | undefined;

  constructor(limits: WindowLimits, share: BudgetShare) {
    this.#limits = limits;
    this.#share = share;
  }

  get bytes(): number {
    return this.#target;
  }

  /** Something arrived that costs so much. Gives whether the peer had the credit for it. */
  arrived(cost: number): boolean {
    if (cost > this.#granted) return false;
    this.#granted -= cost;
    this.#held += cost;
    this.#share.hold(cost);
    return true;
  }

  /** The reader took so much of it. */
  read(cost: number): void {
    this.#held -= cost;
    this.#taken += cost;
    this.#share.hold(-cost);
  }

  /** The reader waits for bytes. */
  waits(): void {
    this.#hasWaited = true;
  }

  /** The window is to be as wide as limits allow without a measured round trip. */
  widen(): void {
    this.#target = Math.max(this.#target, this.#limits.windowBytes);
  }

  /** Looks at what was read lately. `roundTripMs` is `undefined` where nobody measures it. */
  adapt(nowMs: number, roundTripMs: number | undefined): void {
    if (roundTripMs === undefined) return;
    const tripMs = Math.max(roundTripMs, roundTripMsMin);
    this.#periodBegan ??= nowMs;
    const elapsedMs = nowMs - this.#periodBegan;
    if (elapsedMs < tripMs) return;
    const perTrip = (this.#taken * tripMs) / elapsedMs;
    if (perTrip >= this.#target / 2) this.#grow();
    else if (perTrip < this.#target / 8) this.#maybeShrink(nowMs);
    else this.#wideSince = undefined;
    this.#periodBegan = nowMs;
    this.#taken = 0;
    this.#hasWaited = this.#held === 0;
  }

  #grow(): void {
    this.#wideSince = undefined;
    // A reader that always found something to read is slower than the window.
    if (!this.#hasWaited) return;
    const { windowBytes, windowBytesMax } = this.#limits;
    this.#target = Math.min(2 * this.#target, Math.max(windowBytes, windowBytesMax));
  }

  #maybeShrink(nowMs: number): void {
    this.#wideSince ??= nowMs;
    if (nowMs - this.#wideSince < shrinkMs) return;
    this.#wideSince = nowMs;
    this.#target = Math.max(windowInitialBytes, Math.min(this.#target, this.#target / 2));
  }

  /** Whether it is time to look at the clock, and to ask what is due. */
  isDue(): boolean {
    return this.#target - this.#granted - this.#held >= this.#target / 4;
  }

  /** The credit that is to be sent now: none until a quarter of the window is due. */
  due(): number {
    const used = this.#granted + this.#held;
    this.#reserve(used);
    const beyond = windowInitialBytes + this.#reserved + this.#share.spare();
    const credit = Math.min(this.#target, beyond) - used;
    // A window that the budget keeps narrow is topped up in quarters of what it has.
    if (credit <= 0 || credit < Math.min(this.#target, beyond) / 4) return 0;
    this.#granted += credit;
    this.#reserve(used + credit);
    return credit;
  }

  /** Nothing of it is of use any more: the channel is over. What is held may still be read. */
  close(): void {
    this.#granted = 0;
    this.#reserve(this.#held);
  }

  /** What was held is dropped unread. */
  drop(): void {
    this.#share.hold(-this.#held);
    this.#held = 0;
    this.close();
  }

  #reserve(used: number): void {
    const wanted = Math.max(0, used - windowInitialBytes);
    this.#share.widen(wanted - this.#reserved);
    this.#reserved = wanted;
  }
}
