// The lanes of one session: frames go out on any of them and are handed on in order.
//
// Pure: no clock, no sockets. The session gives frames and hears of frames; connections join,
// bring frames, have room again, or break; time comes in with each call. What is wrong with a
// lane (a number out of bounds, a count that cannot be) breaks that lane alone: what it carried
// goes out on the others.
//
// What must always hold: between two sessions that both live, every frame is handed on once and
// in order, however lanes come and go; what is kept stays within `LaneLimits`.

import { errorText, isSkyError } from "../model/errors.ts";
import type { AckFrame, Frame } from "./framing.ts";
import { frameCost, type LaneLimits } from "./lane.ts";
import { LaneReceiver } from "./lanes-receiver.ts";
import { LaneSender } from "./lanes-sender.ts";
import type { SendingLane } from "./sending-lane.ts";
import { faultOf, type StreamFault } from "./stream-fault.ts";
import type { FrameLink } from "./stream-session.ts";

export interface LanesHost {
  /** The next frame of the peer's session. */
  deliver(frame: Frame): void;
  /** There may be room for more. */
  resume(): void;
  /** A lane broke the rules; it is no longer one of ours and is to be closed. */
  breach(lane: Lane, why: string, fault: StreamFault): void;
}

export interface LanesOptions {
  readonly host: LanesHost;
  readonly limits: LaneLimits;
  readonly sender?: LaneSender;
  readonly receiver?: LaneReceiver;
}

/** What came on a lane. */
export interface Came {
  readonly frame: Frame;
  /** Absent in what is about the lane alone. */
  readonly number: number | undefined;
}

interface Numbered extends Came {
  readonly number: number;
}

/** One lane, from the time it joined. */
export class Lane {
  readonly link: FrameLink;
  readonly sending: SendingLane;
  /** Numbered frames that came on it. */
  here = 0;
  unacknowledgedBytes = 0;
  ackDueAtMs: number | undefined;

  constructor(link: FrameLink, sending: SendingLane) {
    this.link = link;
    this.sending = sending;
  }
}

export class Lanes {
  readonly sender: LaneSender;
  readonly receiver: LaneReceiver;
  readonly #host: LanesHost;
  readonly #limits: LaneLimits;
  readonly #lanes = new Set<Lane>();
  #checkAtMs: number | undefined;

  constructor({ host, limits, sender, receiver }: LanesOptions) {
    this.#host = host;
    this.#limits = limits;
    this.sender = sender ?? new LaneSender(limits);
    this.receiver = receiver ?? new LaneReceiver(limits, (frame) => host.deliver(frame));
  }

  live(): ReadonlySet<Lane> {
    return this.#lanes;
  }

  /** Of the session: it goes out as soon as there is a lane for it. */
  send(frame: Frame, nowMs: number): void {
    this.sender.give(frame, nowMs);
    this.#planCheck(nowMs);
  }

  /**
   * A connection has joined; its peer has everything up to `received`.
   * @throws SkyError `stream/protocol` if that cannot be.
   */
  join(link: FrameLink, received: number, nowMs: number): Lane {
    const lane = new Lane(link, this.sender.join(link, received));
    this.#lanes.add(lane);
    this.#resume(nowMs);
    return lane;
  }

  /** A lane's connection is gone. */
  broken(lane: Lane, nowMs: number): void {
    if (!this.#lanes.delete(lane)) return;
    this.sender.broken(lane.sending);
    // What it was to acknowledge, and perhaps did in vain, is said on the others.
    for (const other of this.#lanes) other.ackDueAtMs = nowMs;
    this.#acknowledge(nowMs);
    this.#resume(nowMs);
  }

  /** What came on a lane: a numbered frame of the peer's session, or an acknowledgement. */
  take(lane: Lane, came: Came, nowMs: number): void {
    if (!this.#lanes.has(lane)) return;
    const { frame, number } = came;
    try {
      if (frame.type === "ack") this.#takeAck(lane, frame, nowMs);
      else if (number !== undefined) this.#takeFrame(lane, { frame, number }, nowMs);
    } catch (error) {
      if (!isSkyError(error, "stream/protocol")) throw error;
      this.broken(lane, nowMs);
      this.#host.breach(lane, errorText(error), faultOf(error));
    }
  }

  #takeFrame(lane: Lane, { frame, number }: Numbered, nowMs: number): void {
    this.receiver.take(frame, number);
    lane.here += 1;
    lane.unacknowledgedBytes += frameCost(frame);
    const { ackBytes, ackMs } = this.#limits;
    if (lane.unacknowledgedBytes >= ackBytes) lane.ackDueAtMs = nowMs;
    else lane.ackDueAtMs ??= nowMs + ackMs;
    this.#acknowledge(nowMs);
  }

  #takeAck(lane: Lane, ack: AckFrame, nowMs: number): void {
    this.sender.takeAck(lane.sending, ack, nowMs);
    this.#resume(nowMs);
  }

  /** A lane has room again. */
  room(nowMs: number): void {
    this.#acknowledge(nowMs);
    this.#resume(nowMs);
  }

  /** Time has passed. */
  tick(nowMs: number): void {
    this.#acknowledge(nowMs);
    if (this.#checkAtMs === undefined || nowMs < this.#checkAtMs) return;
    this.#checkAtMs = undefined;
    this.sender.check(nowMs);
    this.#resume(nowMs);
  }

  /** When `tick` has something to do. */
  dueAtMs(): number | undefined {
    let dueAtMs = this.#checkAtMs;
    for (const lane of this.#lanes) {
      if (this.#isFull(lane) || lane.ackDueAtMs === undefined) continue;
      if (dueAtMs === undefined || lane.ackDueAtMs < dueAtMs) dueAtMs = lane.ackDueAtMs;
    }
    return dueAtMs;
  }

  /** Says what was received, wherever that is due. */
  #acknowledge(nowMs: number): void {
    for (const lane of this.#lanes) {
      // One whose peer does not read is told when it does.
      if (lane.ackDueAtMs === undefined || lane.ackDueAtMs > nowMs || this.#isFull(lane)) continue;
      lane.ackDueAtMs = undefined;
      lane.unacknowledgedBytes = 0;
      lane.link.send({ type: "ack", received: this.receiver.received, here: lane.here });
    }
  }

  /** Says at once what was received, because nothing more will be. */
  acknowledgeNow(nowMs: number): void {
    for (const lane of this.#lanes) lane.ackDueAtMs = nowMs;
    this.#acknowledge(nowMs);
  }

  #isFull(lane: Lane): boolean {
    return lane.link.queuedBytes() >= 2 * this.#limits.laneBytesHigh;
  }

  #resume(nowMs: number): void {
    this.sender.pump(nowMs);
    this.#planCheck(nowMs);
    this.#host.resume();
  }

  #planCheck(nowMs: number): void {
    if (!this.sender.needsChecks()) this.#checkAtMs = undefined;
    else this.#checkAtMs ??= nowMs + this.#limits.idleLateMs / 2;
  }
}
