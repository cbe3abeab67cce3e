// What a sender knows of one lane: what it carries, how quick it is, and how much it is given.
//
// A lane is given more while it wants more and its frames come through in about their shortest
// time; less when they wait behind one another, so that no frame waits long on one lane while
// another could have brought it. Kernels queue megabytes and do not tell; the round trip does.
//
// What must always hold: what was carried is remembered, in order, until the peer counts it.

import { Fifo } from "./fifo.ts";
import type { Frame } from "./framing.ts";
import type { LaneLimits } from "./lane.ts";
import type { FrameLink } from "./stream-session.ts";

export interface Held {
  readonly number: number;
  /** Let go of once it is acknowledged, whoever still carries it. */
  frame: Frame | undefined;
  readonly cost: number;
  state: "waiting" | "sent" | "arrived" | "acknowledged";
  /** The lanes that carry it. */
  carriers: readonly SendingLane[];
}

interface Carried {
  readonly held: Held;
  readonly atMs: number;
}

/** What a lane may carry at first; more as it proves to be quick, less when it is slow. */
const firstBytes = 512 * 1024;
const leastBytes = 64 * 1024;
/** A rate is measured over no less than this. */
const sampleMsMin = 10;
/** The shortest round trip is that of so long: paths change. */
const tripsMs = 10_000;

/** What the sender knows of one lane. */
export class SendingLane {
  readonly link: FrameLink;
  readonly carried = new Fifo<Carried>();
  /** Numbered frames that the peer says came on it. */
  arrived = 0;
  inFlightBytes = 0;
  /** What it is given at a time, where there are others. */
  allowedBytes = firstBytes;
  /** Bytes a millisecond; 0 = not known yet. */
  rate = 0;
  late = false;
  /** It could have been given more since the last sample. */
  pressed = false;
  /** It had to wait because it may not carry more. */
  blocked = false;
  /** The round trip of what arrived last. */
  lastTripMs = 0;
  #tripMs = Number.POSITIVE_INFINITY;
  #tripMsSince = Number.POSITIVE_INFINITY;
  #tripsFromMs = 0;
  #sampleBytes = 0;
  #sampleFromMs = 0;

  constructor(link: FrameLink) {
    this.link = link;
  }

  /** The shortest round trip of late, with what waited before it. */
  get roundTripMs(): number | undefined {
    return Number.isFinite(this.#tripMs) ? this.#tripMs : undefined;
  }

  /** A frame goes out on it. */
  carry(held: Held, nowMs: number): void {
    if (this.inFlightBytes === 0) {
      this.#sampleFromMs = nowMs;
      this.#sampleBytes = 0;
    }
    this.carried.push({ held, atMs: nowMs });
    this.inFlightBytes += held.cost;
  }

  /** The peer says that the oldest has come. */
  arrive(nowMs: number, { queueMs, heldBytesMax }: LaneLimits): Held | undefined {
    const carried = this.carried.shift();
    if (carried === undefined) return undefined;
    const { held, atMs } = carried;
    const tripMs = nowMs - atMs;
    this.lastTripMs = tripMs;
    this.arrived += 1;
    this.inFlightBytes -= held.cost;
    this.#measure(held.cost, nowMs);
    this.#tookTrip(tripMs, nowMs);
    // What takes much longer than it could has waited behind too much.
    const spanMs = this.#tripMs + queueMs;
    if (tripMs > spanMs) this.allowedBytes = Math.max(leastBytes, this.rate * spanMs);
    else if (this.blocked) {
      this.allowedBytes = Math.min(heldBytesMax, this.allowedBytes + held.cost);
    }
    return held;
  }

  /** It carries less than it was taken for. */
  isLate(late: boolean): void {
    if (late && !this.late) {
      this.rate /= 2;
      this.allowedBytes = leastBytes;
    }
    this.late = late;
    this.pressed ||= late;
  }

  #tookTrip(tripMs: number, nowMs: number): void {
    if (nowMs - this.#tripsFromMs > tripsMs) {
      this.#tripMs = this.#tripMsSince;
      this.#tripMsSince = Number.POSITIVE_INFINITY;
      this.#tripsFromMs = nowMs;
    }
    this.#tripMs = Math.min(this.#tripMs, tripMs);
    this.#tripMsSince = Math.min(this.#tripMsSince, tripMs);
  }

  #measure(bytes: number, nowMs: number): void {
    this.#sampleBytes += bytes;
    const elapsedMs = nowMs - this.#sampleFromMs;
    if (elapsedMs < sampleMsMin) return;
    const sample = this.#sampleBytes / elapsedMs;
    if (sample > this.rate) this.rate = sample;
    else if (this.pressed) this.rate = this.rate * 0.75 + sample * 0.25;
    this.pressed = false;
    this.#sampleBytes = 0;
    this.#sampleFromMs = nowMs;
  }
}
