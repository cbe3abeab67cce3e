// A lane: one of the connections that carry a session of the bulk wire together.
//
// Frames of a session with lanes are numbered from 1 in the order in which the session sent them,
// and each goes out on any lane. The receiver puts them in order again and says, on each lane, up
// to which number it has everything and how many numbered frames came on this lane: so the sender
// knows what each lane still holds, which one is slow, and what is lost when one breaks.
//
// What must always hold: both ends keep to the same limits, because what a sender may have under
// way is what a receiver must have room for. They are part of the capability `lanes`.

import type { Frame } from "./framing.ts";

export interface LaneLimits {
  /** What is kept until it is acknowledged, and what is kept until it is its turn. */
  readonly heldBytesMax: number;
  readonly heldFramesMax: number;
  /** From here on the session is told to wait. Less than all of it, for what cannot wait. */
  readonly waitBytes: number;
  /** No frame is given to a lane that holds this much. */
  readonly laneBytesHigh: number;
  /** An acknowledgement is due after so many bytes, or so long after the first of them. */
  readonly ackBytes: number;
  readonly ackMs: number;
  /** A lane gets less when its frames take so much longer than its shortest round trip. */
  readonly queueMs: number;
  /** What a lane has not carried in so long, or in four round trips, goes out on another too… */
  readonly lateMs: number;
  /** …and already after this where there is nothing else to send. */
  readonly idleLateMs: number;
}

export const laneLimits: LaneLimits = {
  heldBytesMax: 32 * 1024 * 1024,
  heldFramesMax: 16_384,
  waitBytes: 512 * 1024,
  laneBytesHigh: 512 * 1024,
  ackBytes: 512 * 1024,
  ackMs: 20,
  queueMs: 100,
  lateMs: 500,
  idleLateMs: 100,
};

/** What a frame costs beside its bytes while it is kept. */
export const heldFrameCostBytes = 256;

export function frameCost(frame: Frame): number {
  switch (frame.type) {
    case "data":
      return heldFrameCostBytes + frame.bytes;
    case "open":
      return heldFrameCostBytes + frame.header.length;
    case "abort":
      return heldFrameCostBytes + frame.why.length;
    default:
      return heldFrameCostBytes;
  }
}
