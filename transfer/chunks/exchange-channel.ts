// One party's end of an exchange: messages out and in over a channel, and how it ends.
//
// A party runs until the peer has ended and nothing of its own is still at work, or until the
// first thing goes wrong. Then the channel is given up at once, whatever waits is told to stop,
// and `run` rejects only when all of it has stopped: nothing goes on behind the caller's back.
//
// Who asked for the exchange leaves it by `abort`; who was asked says why it cannot go on
// (`failed`), and then ends, so that the reason arrives.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import {
  type ExchangeMessage,
  encodeMessage,
  MessageParser,
  type MessageTaker,
} from "./chunk-frames.ts";

export interface PartyOptions {
  readonly channel: StreamChannel;
  /** Whether this side opened the channel. */
  readonly role: "asks" | "answers";
  readonly signal: AbortSignal;
}

/** What a party does with what it hears. A throw ends the exchange. */
export interface PartyEars extends MessageTaker {
  /** More may be sent: gives the next message, or `undefined` for now. */
  next(): ExchangeMessage | undefined;
  /** A message that `next` gave was taken by the channel. */
  sent?(message: ExchangeMessage): void;
  /** The peer ended, and nothing went wrong before. Throws if something is left to be done. */
  ended(): void;
}

export class Party {
  /** Aborts when this exchange is over, for whatever reason. */
  readonly signal: AbortSignal;
  readonly #channel: StreamChannel;
  readonly #role: "asks" | "answers";
  readonly #ears: PartyEars;
  readonly #stop = new AbortController();
  readonly #outer: AbortSignal;
  readonly #work = new Set<Promise<void>>();
  #sending = false;
  #endWanted = false;
  #over = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: PartyOptions, ears: PartyEars) {
    this.#channel = options.channel;
    this.#role = options.role;
    this.#outer = options.signal;
    this.#ears = ears;
    this.signal = this.#stop.signal;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the peer ended and all work is done. @throws what made it fail first. */
  async run(): Promise<void> {
    const cancel = (): void => this.#cancel();
    if (this.#outer.aborted) cancel();
    this.#outer.addEventListener("abort", cancel, { once: true });
    try {
      await this.#read();
      if (this.#failure === undefined) this.#finish();
    } catch (error) {
      this.fail(error);
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#outer.removeEventListener("abort", cancel);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #finish(): void {
    this.#ears.ended();
    this.#over = true;
    this.#channel.end();
    this.#stop.abort(new SkyError("core/cancelled", { what: "an exchange that is over" }));
  }

  /** Promptly, also where it waits for a peer to hear why it failed. */
  #cancel(): void {
    this.fail(this.#outer.reason);
    this.#channel.abort(errorText(this.#outer.reason));
  }

  /** Work that belongs to the exchange: if it throws, so does the exchange. */
  work(run: () => Promise<void>): void {
    const running = run()
      .catch((error: unknown) => {
        // What is told to stop because all is done fails nothing.
        if (!this.#over) this.fail(error);
      })
      .finally(() => this.#work.delete(running));
    this.#work.add(running);
  }

  /** There may be something to send. Messages of one turn leave together. */
  wake(): void {
    if (this.#sending || this.#over || this.#failure !== undefined) return;
    this.#sending = true;
    this.work(async () => {
      // By the next microtask, what is to be said in this turn has been gathered.
      await Promise.resolve();
      await this.#send();
    });
  }

  /** Ends our direction when all has been sent. */
  end(): void {
    this.#endWanted = true;
    this.wake();
  }

  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#stop.abort(error);
    const isBroken = isSkyError(error, "stream/closed");
    if (this.#role === "asks" || isBroken) this.#channel.abort(errorText(error));
    else if (!this.#outer.aborted) this.#sayFailed(error);
  }

  async #send(): Promise<void> {
    try {
      for (let message = this.#next(); message !== undefined; message = this.#next()) {
        // Pieces of one message must be neighbors: nothing is awaited between the calls.
        await Promise.all(encodeMessage(message).map((piece) => this.#channel.write(piece)));
        this.#ears.sent?.(message);
      }
    } finally {
      this.#sending = false;
    }
    if (this.#endWanted) this.#channel.end();
  }

  #next(): ExchangeMessage | undefined {
    return this.#over || this.#failure !== undefined ? undefined : this.#ears.next();
  }

  async #read(): Promise<void> {
    const parser = new MessageParser(this.#ears);
    await this.#channel.lend((part) => {
      // After a failure the rest is read and dropped, until the peer has heard of it and ends.
      if (this.#failure === undefined) this.#push(parser, part);
    });
    if (this.#failure === undefined && !parser.idle()) {
      throw new SkyError("stream/protocol", { why: "an exchange ended inside a message" });
    }
  }

  #push(parser: MessageParser, part: Uint8Array): void {
    try {
      parser.push(part);
    } catch (error) {
      this.fail(error);
    }
  }

  #sayFailed(error: unknown): void {
    const said = isSkyError(error)
      ? error
      : new SkyError("core/broken-invariant", { what: errorText(error) });
    const pieces = encodeMessage({ type: "failed", error: said });
    for (const piece of pieces) {
      // A channel that cannot carry it any more has told the peer by that.
      this.#channel.write(piece).catch(() => undefined);
    }
    this.#channel.end();
  }
}
