// What is true of the bytes of each channel, whatever the ends believe.
//
// A flow is one direction of one channel. Its bytes are a function of its label, so that a reader
// knows what must come next without anybody having kept it.

import { BrokenWire } from "./promises.ts";

export interface FlowPlan {
  readonly label: string;
  readonly total: number;
  /** The writer gives up after this many bytes. */
  readonly abortAt: number | undefined;
}

export class Flow {
  readonly plan: FlowPlan;
  readonly bytes: Buffer;
  ended = false;
  aborted = false;
  received = 0;
  /** How writing and reading came to an end, if they did. */
  wrote: "all" | "failed" | undefined;
  read: "end" | "failed" | undefined;

  constructor(plan: FlowPlan) {
    this.plan = plan;
    this.bytes = patternOf(plan.label, plan.total);
  }

  arrived(part: Uint8Array): void {
    const { label } = this.plan;
    const wanted = this.bytes.subarray(this.received, this.received + part.length);
    if (!wanted.equals(part)) {
      const what = `${label}: other bytes than were written at ${this.received}`;
      throw new BrokenWire("every byte", what);
    }
    this.received += part.length;
  }

  endedNormally(): void {
    this.read = "end";
    const { label, total } = this.plan;
    if (this.ended && this.received === total) return;
    throw new BrokenWire("true end", `${label} ended after ${this.received} of ${total} bytes`);
  }
}

/** Bytes that tell which channel they are of, and where they belong. */
function patternOf(label: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 7;
  for (const code of Buffer.from(label)) state = (state * 31 + code) | 0;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

/** What one end has sent and the other has said of it, as seen on the connections. */
export class SeenEnd {
  /** Frames that its session has been handed. */
  delivered = 0;
  /** The highest number that it sent, and what each one that is not acknowledged cost. */
  readonly #costs = new Map<number, number>();
  #underWayBytes = 0;
  #numberMax = 0;
  #acknowledged = 0;

  sent(number: number, cost: number): void {
    if (number <= this.#acknowledged || this.#costs.has(number)) return;
    this.#costs.set(number, cost);
    this.#underWayBytes += cost;
    this.#numberMax = Math.max(this.#numberMax, number);
  }

  acknowledged(number: number): void {
    while (this.#acknowledged < number) {
      this.#acknowledged += 1;
      this.#underWayBytes -= this.#costs.get(this.#acknowledged) ?? 0;
      this.#costs.delete(this.#acknowledged);
    }
  }

  /** Sent and, as far as the other end has said, not received. */
  underWay(): { readonly bytes: number; readonly frames: number } {
    return { bytes: this.#underWayBytes, frames: this.#numberMax - this.#acknowledged };
  }
}
