// One channel of a stream session: what waits to be sent, what waits to be read, and the credit.
//
// The session moves frames; a channel decides. Credit counts each DATA frame's bytes and a fixed
// cost per frame, so that a peer that sends very small frames cannot make us hold more memory than
// one that sends large ones.
//
// What must always hold: what was received and not yet read never costs more than was granted;
// an iteration ends normally only if the peer's END was received and all before it was read.

import { SkyError } from "../model/errors.ts";
import type { StreamChannel } from "./stream.ts";

/** What each DATA frame costs beside its bytes. */
export const frameCostBytes = 64;
/** Credit of either side when a channel opens. Part of the wire version. */
export const windowInitialBytes = 64 * 1024;
/** The most credit that a peer may hold; more is a breach of the protocol. */
export const creditBytesMax = 2 ** 30;

/** What a channel asks of its session. */
export interface ChannelHost {
  /** There is something to send and the credit to send it. */
  ready(core: ChannelCore): void;
  sendEnd(core: ChannelCore): void;
  sendAbort(core: ChannelCore, why: string): void;
  sendCredit(core: ChannelCore, bytes: number): void;
  /** Nothing of this channel is left to do. */
  finished(core: ChannelCore): void;
}

interface PendingWrite {
  readonly bytes: Uint8Array;
  readonly taken: () => void;
  readonly failed: (error: unknown) => void;
}

interface Received {
  readonly part: Uint8Array;
  /** Returned to the peer when this part is read. */
  readonly cost: number;
}

interface Waiter {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** The state of one end of a channel. Its members are for the session; users get `face`. */
export class ChannelCore {
  readonly id: number;
  readonly header: Uint8Array;
  readonly face: StreamChannel;
  /** Whether the session has it in its list of those that may send. */
  queued = false;

  readonly #host: ChannelHost;
  #pending: PendingWrite[] = [];
  /** How much of the first pending write has been taken. */
  #taken = 0;
  #credit = windowInitialBytes;
  #endWanted = false;
  #endSent = false;

  #received: Received[] = [];
  #waiters: Waiter[] = [];
  #window = windowInitialBytes;
  #granted = windowInitialBytes;
  #unreturned = 0;
  #endReceived = false;
  #failure: SkyError | undefined;
  #finished = false;

  constructor(options: {
    readonly id: number;
    readonly header: Uint8Array;
    readonly host: ChannelHost;
  }) {
    this.id = options.id;
    this.header = options.header;
    this.#host = options.host;
    this.face = faceOf(this);
  }

  // ---- sending

  write(bytes: Uint8Array): Promise<void> {
    const over = this.#failure ?? (this.#endWanted ? closedError("ended by us") : undefined);
    if (over !== undefined) return Promise.reject(over);
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((taken, failed) => {
      this.#pending.push({ bytes, taken, failed });
      if (this.maySend()) this.#host.ready(this);
    });
  }

  end(): void {
    if (this.#endWanted || this.#failure !== undefined) return;
    this.#endWanted = true;
    if (this.#pending.length === 0) this.#sendEnd();
  }

  abort(why: string): void {
    if (this.#finished) return;
    this.#host.sendAbort(this, why);
    this.fail(why, "drop");
  }

  maySend(): boolean {
    return this.#pending.length > 0 && this.#credit > frameCostBytes;
  }

  /** The parts of the next frame, within the credit and `bytesMax`. */
  takeFrame(bytesMax: number): readonly Uint8Array[] {
    let room = Math.min(bytesMax, this.#credit - frameCostBytes);
    const parts: Uint8Array[] = [];
    this.#credit -= frameCostBytes;
    let whole = 0;
    for (const { bytes, taken } of this.#pending) {
      const count = Math.min(room, bytes.length - this.#taken);
      parts.push(bytes.subarray(this.#taken, this.#taken + count));
      room -= count;
      this.#credit -= count;
      this.#taken += count;
      if (this.#taken < bytes.length) break;
      this.#taken = 0;
      whole += 1;
      taken();
      if (room === 0) break;
    }
    this.#pending.splice(0, whole);
    return parts;
  }

  /** After a frame went out. */
  afterFrame(): void {
    if (this.#pending.length === 0 && this.#endWanted) this.#sendEnd();
  }

  #sendEnd(): void {
    this.#endSent = true;
    this.#host.sendEnd(this);
    this.#finishIfDone();
  }

  /** @throws SkyError `stream/protocol` if the peer grants more than anybody may hold. */
  takeCredit(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > creditBytesMax) throw new SkyError("stream/protocol", { why: "credit" });
    if (this.maySend()) this.#host.ready(this);
  }

  // ---- receiving

  /** @throws SkyError `stream/protocol` if the peer had no credit for it, or had ended. */
  takeData(parts: readonly Uint8Array[], bytes: number): void {
    this.#granted -= bytes + frameCostBytes;
    if (this.#granted < 0) throw new SkyError("stream/protocol", { why: "data beyond the credit" });
    if (this.#endReceived) throw new SkyError("stream/protocol", { why: "data after the end" });
    for (const [index, part] of parts.entries()) {
      const cost = part.length + (index === 0 ? frameCostBytes : 0);
      this.#received.push({ part, cost });
    }
    this.#serve();
  }

  /** @throws SkyError `stream/protocol` if the peer had ended before. */
  takeEnd(): void {
    if (this.#endReceived) throw new SkyError("stream/protocol", { why: "two ends" });
    this.#endReceived = true;
    this.#serve();
    this.#finishIfDone();
  }

  /** Lets the peer send more ahead of the reader than at the start. */
  widen(windowBytes: number): void {
    const more = windowBytes - this.#window;
    if (more <= 0) return;
    this.#window = windowBytes;
    this.#granted += more;
    this.#host.sendCredit(this, more);
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Ends it in both directions. What was received stays readable unless it is to be dropped. */
  fail(why: string, received: "drop" | "keep"): void {
    if (this.#finished) return;
    const failure = closedError(why);
    this.#failure = failure;
    if (received === "drop") {
      this.#received = [];
      this.#endReceived = false;
    }
    for (const { failed } of this.#pending.splice(0)) failed(failure);
    this.#serve();
    this.#finish();
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const first = this.#received.shift();
      if (first === undefined && !this.#endReceived && this.#failure === undefined) return;
      const waiter = this.#waiters.shift();
      if (first !== undefined) {
        waiter?.resolve({ value: first.part, done: false });
        this.#giveBack(first.cost);
      } else if (this.#endReceived) waiter?.resolve({ value: undefined, done: true });
      else waiter?.reject(this.#failure);
    }
    this.#finishIfDone();
  }

  #giveBack(cost: number): void {
    this.#unreturned += cost;
    if (this.#endReceived || this.#finished || this.#unreturned < this.#window / 4) return;
    this.#granted += this.#unreturned;
    this.#host.sendCredit(this, this.#unreturned);
    this.#unreturned = 0;
  }

  #finishIfDone(): void {
    if (this.#endSent && this.#endReceived && this.#received.length === 0) this.#finish();
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#host.finished(this);
  }
}

/**
 * What users see. Leaving a `for await` by `break` keeps the channel open: a later iteration goes
 * on with the next bytes. Who wants no more calls `abort`.
 */
function faceOf(core: ChannelCore): StreamChannel {
  return {
    header: core.header,
    write: (bytes) => core.write(bytes),
    end: () => core.end(),
    abort: (why) => core.abort(why),
    [Symbol.asyncIterator]: () => ({ next: () => core.next() }),
  };
}

function closedError(why: string): SkyError {
  return new SkyError("stream/closed", { why });
}
