// Puts the frames of a session in order again, in which they came on its lanes.
//
// A frame that came before its turn waits; one that came before is dropped. What waits is bounded
// by bytes and by frames: a sender that keeps to the limits of the capability never meets them.
//
// What must always hold: each number is handed on once and in order, and `received` never runs
// ahead of what was handed on.

import type { Frame } from "./framing.ts";
import { frameCost, type LaneLimits } from "./lane.ts";
import { streamFault } from "./stream-fault.ts";

export class LaneReceiver {
  /** Frames that came again. */
  duplicates = 0;
  readonly #limits: LaneLimits;
  readonly #deliver: (frame: Frame) => void;
  readonly #early = new Map<number, Frame>();
  #earlyBytes = 0;
  #received = 0;

  constructor(limits: LaneLimits, deliver: (frame: Frame) => void) {
    this.#limits = limits;
    this.#deliver = deliver;
  }

  /** All numbers up to this one have been handed on. */
  get received(): number {
    return this.#received;
  }

  /** What waits for its turn. */
  held(): { readonly bytes: number; readonly frames: number } {
    return { bytes: this.#earlyBytes, frames: this.#early.size };
  }

  /** @throws SkyError `stream/protocol` if the number is beyond what the peer may have sent. */
  take(frame: Frame, number: number): void {
    if (number <= this.#received || this.#early.has(number)) {
      this.duplicates += 1;
      return;
    }
    if (number > this.#received + 1) {
      this.#keep(frame, number);
      return;
    }
    this.handOn(frame);
    for (;;) {
      const next = this.#early.get(this.#received + 1);
      if (next === undefined) return;
      this.#early.delete(this.#received + 1);
      this.#earlyBytes -= frameCost(next);
      this.handOn(next);
    }
  }

  /** The next one in order. Whatever the session makes of it, its turn is over. */
  protected handOn(frame: Frame): void {
    this.#deliver(frame);
    this.#received += 1;
  }

  #keep(frame: Frame, number: number): void {
    const { heldBytesMax, heldFramesMax } = this.#limits;
    const bytes = this.#earlyBytes + frameCost(frame);
    if (number > this.#received + heldFramesMax || bytes > heldBytesMax) {
      const why = `frame ${number} while ${this.#received + 1} is awaited: too far ahead`;
      throw streamFault(bytes > heldBytesMax ? "memory" : "out-of-order", why);
    }
    this.#early.set(number, compact(frame));
    this.#earlyBytes = bytes;
  }
}

/** Without a hold on buffers much larger than the frame: those that it was read from. */
function compact(frame: Frame): Frame {
  switch (frame.type) {
    case "data":
      return { ...frame, parts: frame.parts.map(owned) };
    case "open":
      return { ...frame, header: owned(frame.header) };
    default:
      return frame;
  }
}

function owned(part: Uint8Array): Uint8Array {
  return part.buffer.byteLength > part.length * 2 ? Uint8Array.from(part) : part;
}
