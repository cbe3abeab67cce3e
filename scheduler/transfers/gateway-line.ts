// One gateway of a round, as the head speaks with it: orders out, words in, until the channel ends.
//
// Orders go out in the order in which they are said; what cannot be said any more is no error here,
// because the end of the channel tells it. A gateway that says nothing for long while it has work
// is given up: its process may be there and its machine not.

import { errorText } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { GatewayObject, GatewayOrder, GatewayWord } from "../../transfer/gateway/orders.ts";
import { batches, encodeLine, wordParser } from "../../transfer/gateway/orders-codec.ts";

export interface GatewayLineOptions {
  readonly channel: StreamChannel;
  readonly clock: Clock;
  /** Must not throw. */
  readonly hear: (word: GatewayWord) => void;
}

/** How long a gateway may say nothing. It says how it does every few seconds. */
export const silenceMsMax = 60_000;
/** Between the order to stop and the end of the channel. */
const stopMsMax = 30_000;
const endedText = "it has ended";

export class GatewayLine {
  readonly #channel: StreamChannel;
  readonly #clock: Clock;
  readonly #hear: (word: GatewayWord) => void;
  /** Why the channel is over. Never rejects. */
  readonly closed: Promise<string>;
  #last: Promise<void> = Promise.resolve();
  #stopSilence: () => void = () => {};
  #isOver = false;

  constructor({ channel, clock, hear }: GatewayLineOptions) {
    this.#channel = channel;
    this.#clock = clock;
    this.#hear = hear;
    this.#expectWord();
    this.closed = this.#listen().finally(() => {
      this.#isOver = true;
      this.#stopSilence();
    });
  }

  say(order: GatewayOrder): void {
    const line = encodeLine(order);
    // The end of the channel says why.
    this.#last = this.#last.then(() => this.#channel.write(line)).catch(() => {});
  }

  tell(objects: readonly GatewayObject[]): void {
    for (const batch of batches(objects)) this.say({ kind: "objects", objects: batch });
  }

  /** Whether the gateway has let go; it is not waited for for ever. */
  async stop(leave: "keep" | "remove"): Promise<boolean> {
    if (this.#isOver) return false;
    this.say({ kind: "stop", leave });
    void this.#last.then(() => this.#channel.end());
    const cancel = this.#clock.after(stopMsMax, () => this.abort("it does not stop"));
    const why = await this.closed;
    cancel();
    return why === endedText;
  }

  abort(why: string): void {
    this.#channel.abort(why);
  }

  async #listen(): Promise<string> {
    const parser = wordParser();
    try {
      for await (const part of this.#channel) {
        this.#expectWord();
        for (const word of parser.push(part)) this.#hear(word);
      }
      return endedText;
    } catch (error) {
      this.#channel.abort("the head has given it up");
      return errorText(error);
    }
  }

  #expectWord(): void {
    this.#stopSilence();
    const seconds = silenceMsMax / 1_000;
    const giveUp = (): void => this.abort(`nothing was heard of it for ${seconds} s`);
    this.#stopSilence = this.#clock.after(silenceMsMax, giveUp);
  }
}
