// Numbers the frames of a session, spreads them over its lanes, and keeps each until the peer has
// it.
//
// A frame waits, is sent (on one lane or on several), has arrived (a lane's count says so), or is
// acknowledged (everything up to it has been handed on) and forgotten. A lane that breaks makes
// what only it carried wait again; one that is late does so too, as long as another is not: a
// frame may come twice, which the receiver sorts out by number.
//
// What must always hold: no frame is forgotten before it is acknowledged; the lowest number that
// waits goes first; what is under way stays within what the peer has room for.

import { Fifo } from "./fifo.ts";
import type { AckFrame, Frame } from "./framing.ts";
import { frameCost, type LaneLimits } from "./lane.ts";
import { type Held, SendingLane } from "./sending-lane.ts";
import { streamFault } from "./stream-fault.ts";
import type { FrameLink } from "./stream-session.ts";

export class LaneSender {
  readonly #limits: LaneLimits;
  /** From the first that is not acknowledged on. */
  readonly #held = new Fifo<Held>();
  readonly #lanes = new Set<SendingLane>();
  #acknowledged = 0;
  #numberLast = 0;
  #heldBytes = 0;
  /** No lower number waits. */
  #waitingFrom = 1;
  /** The highest number that was ever sent, and what all up to it cost. */
  #reached = 0;
  #reachedBytes = 0;
  /** Frames that went out again. */
  resent = 0;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** Everything that was given is acknowledged. */
  isDone(): boolean {
    return this.#acknowledged === this.#numberLast;
  }

  /** The highest number that was ever sent. */
  get reached(): number {
    return this.#reached;
  }

  held(): { readonly bytes: number; readonly frames: number } {
    return { bytes: this.#heldBytes, frames: this.#held.length };
  }

  /** What a session takes for the queue of its link: it stops at a mark below `heldBytesMax`. */
  queuedBytes(): number {
    const { heldBytesMax, heldFramesMax, waitBytes } = this.#limits;
    const unsent = this.#heldBytes - this.#reachedBytes;
    const beyond = Math.max(0, this.#heldBytes - (heldBytesMax - waitBytes));
    const framesFull = this.#held.length >= heldFramesMax ? waitBytes : 0;
    return Math.max(unsent, beyond, framesFull);
  }

  give(frame: Frame, nowMs: number): void {
    const cost = frameCost(frame);
    this.#numberLast += 1;
    const number = this.#numberLast;
    this.#held.push({ number, frame, cost, state: "waiting", carriers: [] });
    this.#heldBytes += cost;
    this.pump(nowMs);
  }

  // ---- lanes

  /** @throws SkyError `stream/protocol` if the peer cannot have what it says. */
  join(link: FrameLink, received: number): SendingLane {
    this.acknowledge(received);
    const lane = new SendingLane(link);
    this.#lanes.add(lane);
    return lane;
  }

  /** Whatever only this lane carried goes out again. */
  broken(lane: SendingLane): void {
    if (!this.#lanes.delete(lane)) return;
    for (let index = 0; index < lane.carried.length; index += 1) {
      const held = lane.carried.at(index)?.held;
      if (held === undefined) continue;
      held.carriers = held.carriers.filter((one) => one !== lane);
      if (held.carriers.length === 0) this.wait(held);
    }
  }

  /** @throws SkyError `stream/protocol` if the peer cannot have what it says. */
  takeAck(lane: SendingLane, { received, here }: AckFrame, nowMs: number): void {
    if (here < lane.arrived || here > lane.arrived + lane.carried.length) {
      throw streamFault("out-of-order", `${here} frames of a lane are acknowledged`);
    }
    while (lane.arrived < here) this.#arrive(lane, nowMs);
    lane.blocked = false;
    this.acknowledge(received);
    const oldest = lane.carried.at(0);
    if (oldest === undefined || nowMs - oldest.atMs <= this.#lateMs(lane)) lane.late = false;
  }

  #arrive(lane: SendingLane, nowMs: number): void {
    const held = lane.arrive(nowMs, this.#limits);
    if (held === undefined) return;
    if (held.state !== "acknowledged") held.state = "arrived";
    held.carriers = held.carriers.filter((one) => one !== lane);
  }

  /** @throws SkyError `stream/protocol` for numbers that were never sent. */
  protected acknowledge(received: number): void {
    if (received > this.#reached) {
      throw streamFault("out-of-order", `frame ${received} was never sent`);
    }
    while (this.#acknowledged < received) {
      const held = this.#held.shift();
      if (held === undefined) return;
      this.#acknowledged += 1;
      held.state = "acknowledged";
      held.frame = undefined;
      this.#heldBytes -= held.cost;
      this.#reachedBytes -= held.cost;
    }
    this.#waitingFrom = Math.max(this.#waitingFrom, this.#acknowledged + 1);
  }

  /** Sends it (again) as soon as there is a lane for it. */
  protected wait(held: Held): void {
    if (held.state !== "sent") return;
    held.state = "waiting";
    this.#waitingFrom = Math.min(this.#waitingFrom, held.number);
  }

  // ---- sending

  /** Gives the lanes what they have room for. */
  pump(nowMs: number): void {
    while (this.#waitingFrom <= this.#numberLast) {
      const held = this.#held.at(this.#waitingFrom - this.#acknowledged - 1);
      if (held?.state === "waiting") {
        if (!this.mayReach(held)) return;
        const lane = this.#laneFor(held);
        if (lane === "later") return;
        // Those that carry it already are all that there is.
        if (lane === "none") held.state = "sent";
        else this.#put(lane, held, nowMs);
      }
      this.#waitingFrom += 1;
    }
  }

  /** Whether the peer has room for it. */
  protected mayReach({ number, cost }: Held): boolean {
    if (number <= this.#reached) return true;
    const { heldBytesMax, heldFramesMax } = this.#limits;
    if (number > this.#acknowledged + heldFramesMax) return false;
    return this.#reachedBytes === 0 || this.#reachedBytes + cost <= heldBytesMax;
  }

  /** The lane that has the least to do among those that have room. */
  #laneFor(held: Held): SendingLane | "later" | "none" {
    const isFresh = held.carriers.length === 0;
    const others = [...this.#lanes].filter((lane) => !held.carriers.includes(lane));
    const timely = others.filter(({ late }) => !late);
    const able = timely.length > 0 || !isFresh ? timely : others;
    if (able.length === 0) return isFresh ? "later" : "none";
    let best: SendingLane | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    const rateMax = Math.max(1, ...able.map(({ rate }) => rate));
    for (const lane of able) {
      if (!this.#hasRoom(lane, held.cost)) continue;
      const doneMs = (lane.inFlightBytes + held.cost) / (lane.rate === 0 ? rateMax : lane.rate);
      if (doneMs >= bestMs) continue;
      best = lane;
      bestMs = doneMs;
    }
    return best ?? "later";
  }

  #hasRoom(lane: SendingLane, cost: number): boolean {
    const { laneBytesHigh, heldFramesMax } = this.#limits;
    // A peer that acknowledges and never counts would make us remember what it carries.
    if (lane.carried.length >= heldFramesMax) return false;
    if (lane.link.queuedBytes() >= laneBytesHigh) {
      lane.pressed = true;
      return false;
    }
    if (lane.inFlightBytes === 0 || this.#lanes.size === 1) return true;
    if (lane.inFlightBytes + cost <= lane.allowedBytes) return true;
    lane.pressed = true;
    lane.blocked = true;
    return false;
  }

  #put(lane: SendingLane, held: Held, nowMs: number): void {
    if (held.frame === undefined) return;
    if (held.number > this.#reached) {
      this.#reached = held.number;
      this.#reachedBytes += held.cost;
    } else this.resent += 1;
    held.state = "sent";
    held.carriers = [...held.carriers, lane];
    lane.carry(held, nowMs);
    lane.link.send(held.frame, held.number);
  }

  // ---- late lanes

  /** Looks for lanes that carry something for too long; what they alone carry waits again. */
  check(nowMs: number): void {
    for (const lane of this.#lanes) {
      const oldest = lane.carried.at(0);
      lane.isLate(oldest !== undefined && nowMs - oldest.atMs > this.#lateMs(lane));
    }
    if ([...this.#lanes].some(({ late }) => !late)) {
      for (const lane of this.#lanes) if (lane.late) this.#carryAgain(lane);
    }
    this.pump(nowMs);
  }

  /** Whether `check` may find something later. */
  needsChecks(): boolean {
    return this.#lanes.size > 1 && [...this.#lanes].some(({ carried }) => carried.length > 0);
  }

  #carryAgain(lane: SendingLane): void {
    for (let index = 0; index < lane.carried.length; index += 1) {
      const held = lane.carried.at(index)?.held;
      if (held?.carriers.every(({ late }) => late) === true) this.wait(held);
    }
  }

  /**
   * How long a frame may take on a lane. One that is new may take as long as the others; and where
   * frames wait long on all others too, it is the way beneath them all that is slow, or one of the
   * two machines: to send them again would make that worse.
   */
  #lateMs(lane: SendingLane): number {
    const { roundTripMs } = lane;
    const { lateMs, idleLateMs } = this.#limits;
    const leastMs = this.#isIdle() ? idleLateMs : lateMs;
    let tripMs = roundTripMs;
    if (tripMs === undefined) {
      for (const lane of this.#lanes) tripMs = Math.max(tripMs ?? 0, lane.roundTripMs ?? 0);
    }
    let lastMs = Number.POSITIVE_INFINITY;
    for (const other of this.#lanes) {
      if (other !== lane && !other.late) lastMs = Math.min(lastMs, other.lastTripMs);
    }
    const usualMs = Math.max(leastMs, 4 * (tripMs ?? leastMs / 2));
    return Number.isFinite(lastMs) ? Math.max(usualMs, 2 * lastMs) : usualMs;
  }

  /** There is nothing that could go out. */
  #isIdle(): boolean {
    const next = this.#held.at(this.#waitingFrom - this.#acknowledged - 1);
    return next === undefined || !this.mayReach(next);
  }
}
