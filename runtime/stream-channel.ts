// One channel of a stream session: what waits to be sent, what waits to be read, and the credit.
//
// The session moves frames; a channel decides. Credit counts each DATA frame's bytes and a fixed
// cost per frame, so that a peer that sends very small frames cannot make us hold more memory than
// one that sends large ones; small parts that nobody waits for are put together for the same
// reason. How much credit a peer gets is the window's affair (`credit-window.ts`).
//
// What must always hold: what was received and not yet read never costs more than was granted;
// an iteration ends normally only if the peer's END was received and all before it was read.

import { SkyError } from "../model/errors.ts";
import { CreditWindow, type WindowLimits, windowInitialBytes } from "./credit-window.ts";
import { Fifo } from "./fifo.ts";
import { landingPool } from "./frame-parser.ts";
import type { BudgetShare } from "./memory-budget.ts";
import type { StreamChannel } from "./stream.ts";
import { streamFault } from "./stream-fault.ts";

/** What each DATA frame costs beside its bytes. */
export const frameCostBytes = 64;
/** The most credit that a peer may hold; more is a breach of the protocol. */
export const creditBytesMax = 2 ** 30;
/** Parts up to this length are put together while nobody waits for them… */
const smallPartBytes = 4 * 1024;
/** …to parts of this length. */
const joinedPartBytes = 16 * 1024;

/** What a channel asks of its session. */
export interface ChannelHost {
  readonly window: WindowLimits;
  readonly share: BudgetShare;
  /** The time, and the round trip to the peer where it is measured. */
  tripNow(): { readonly nowMs: number; readonly roundTripMs: number | undefined };
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
  part: Uint8Array;
  /** Returned to the peer when this part is read. */
  cost: number;
  /** Where more can be put behind the part; the part is its front. */
  readonly room: Buffer | undefined;
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
  readonly #pending = new Fifo<PendingWrite>();
  /** How much of the first pending write has been taken. */
  #taken = 0;
  #credit = windowInitialBytes;
  #endWanted = false;
  #endSent = false;

  #received = new Fifo<Received>();
  readonly #waiters = new Fifo<Waiter>();
  readonly #window: CreditWindow;
  #wasRead = false;
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
    this.#window = new CreditWindow(options.host.window, options.host.share);
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
    for (let first = this.#pending.at(0); first !== undefined; first = this.#pending.at(0)) {
      const { bytes, taken } = first;
      const count = Math.min(room, bytes.length - this.#taken);
      parts.push(bytes.subarray(this.#taken, this.#taken + count));
      room -= count;
      this.#credit -= count;
      this.#taken += count;
      if (this.#taken < bytes.length) break;
      this.#taken = 0;
      this.#pending.shift();
      taken();
      if (room === 0) break;
    }
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
    if (this.#credit + bytes > creditBytesMax) throw streamFault("credit", "credit beyond measure");
    this.#credit += bytes;
    if (this.maySend()) this.#host.ready(this);
  }

  // ---- receiving

  /** @throws SkyError `stream/protocol` if the peer had no credit for it, or had ended. */
  takeData(parts: readonly Uint8Array[], bytes: number): void {
    if (this.#endReceived) throw streamFault("out-of-order", "data after the end");
    const isCovered = this.#window.arrived(bytes + frameCostBytes);
    if (!isCovered) throw streamFault("credit", "data beyond the credit");
    // To be held too much may have ended the session, and this with it.
    if (this.#failure !== undefined) return;
    let frameCost = frameCostBytes;
    for (const part of parts) {
      this.#keep(part, part.length + frameCost);
      frameCost = 0;
    }
    this.#serve();
  }

  #keep(part: Uint8Array, cost: number): void {
    if (part.length > smallPartBytes || this.#waiters.length > 0) {
      this.#received.push({ part, cost, room: undefined });
      return;
    }
    const last = this.#received.at(this.#received.length - 1);
    const { room } = last ?? {};
    if (last !== undefined && room !== undefined && room.length >= last.part.length + part.length) {
      room.set(part, last.part.length);
      last.part = room.subarray(0, last.part.length + part.length);
      last.cost += cost;
      return;
    }
    // The first small part is kept as it came; only when they pile up is there room for more.
    if (this.#received.length === 0) this.#received.push({ part, cost, room: undefined });
    else this.#received.push(withRoom(part, cost));
  }

  /** @throws SkyError `stream/protocol` if the peer had ended before. */
  takeEnd(): void {
    if (this.#endReceived) throw streamFault("out-of-order", "two ends");
    this.#endReceived = true;
    this.#serve();
    this.#finishIfDone();
  }

  /** Lets the peer send more ahead of the reader than at the start. */
  widen(): void {
    this.#window.widen();
    this.#grant();
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
    });
  }

  async lend(use: (part: Uint8Array) => void | Promise<void>): Promise<void> {
    for (let one = await this.next(); !one.done; one = await this.next()) {
      await use(one.value);
      landingPool.recycle(one.value);
    }
  }

  /** Ends it in both directions. What was received stays readable unless it is to be dropped. */
  fail(why: string, received: "drop" | "keep"): void {
    if (this.#finished) return;
    const failure = closedError(why);
    this.#failure = failure;
    if (received === "drop") {
      this.#received = new Fifo();
      this.#endReceived = false;
      this.#window.drop();
    } else this.#window.close();
    for (let one = this.#pending.shift(); one !== undefined; one = this.#pending.shift()) {
      one.failed(failure);
    }
    this.#serve();
    this.#finish();
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const first = this.#received.shift();
      if (first === undefined && !this.#endReceived && this.#failure === undefined) {
        this.#window.waits();
        return;
      }
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
    // Somebody reads: from now on the peer may be further ahead.
    if (!this.#wasRead) this.#window.widen();
    this.#wasRead = true;
    this.#window.read(cost);
    if (this.#endReceived || this.#failure !== undefined) this.#window.close();
    else if (this.#window.isDue()) this.#grant();
  }

  #grant(): void {
    const { nowMs, roundTripMs } = this.#host.tripNow();
    this.#window.adapt(nowMs, roundTripMs);
    const credit = this.#window.due();
    if (credit > 0) this.#host.sendCredit(this, credit);
  }

  #finishIfDone(): void {
    if (this.#endSent && this.#endReceived && this.#received.length === 0) this.#finish();
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#window.close();
    this.#host.finished(this);
  }
}

/** A part with room behind it. The memory is its own: a view would keep all of its neighbors. */
function withRoom(part: Uint8Array, cost: number): Received {
  const room = Buffer.allocUnsafeSlow(joinedPartBytes);
  room.set(part);
  return { part: room.subarray(0, part.length), cost, room };
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
    lend: (use) => core.lend(use),
    [Symbol.asyncIterator]: () => ({ next: () => core.next() }),
  };
}

function closedError(why: string): SkyError {
  return new SkyError("stream/closed", { why });
}
