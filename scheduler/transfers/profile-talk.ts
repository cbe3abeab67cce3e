// The head's end of one gateway's control channel, while a link is measured.

import { SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { GatewayOrder, GatewayWord } from "../../transfer/gateway/orders.ts";
import { encodeLine, wordParser } from "../../transfer/gateway/orders-codec.ts";

/** So long it may take to take away what it has. */
const stopMs = 10_000;

type Said<K extends GatewayWord["kind"]> = Extract<GatewayWord, { readonly kind: K }>;

export class GatewayTalk {
  readonly #channel: StreamChannel;
  readonly #gateway: string;
  readonly #words: AsyncIterator<GatewayWord>;
  readonly #stopHearing: () => void;
  #isOver = false;

  constructor(channel: StreamChannel, gateway: string, signal: AbortSignal) {
    this.#channel = channel;
    this.#gateway = gateway;
    this.#words = wordsOf(channel);
    const giveUp = (): void => channel.abort("the head gave up");
    signal.addEventListener("abort", giveUp, { once: true });
    this.#stopHearing = () => signal.removeEventListener("abort", giveUp);
  }

  say(order: GatewayOrder): Promise<void> {
    return this.#channel.write(encodeLine(order));
  }

  /** What comes before it is passed over. @throws SkyError for what the gateway says failed. */
  async until<K extends GatewayWord["kind"]>(kind: K): Promise<Said<K>> {
    for (;;) {
      const word = await this.#next();
      if (isSaid(word, kind)) return word;
    }
  }

  /** Never resolves; rejects when it says that something failed, or when it is gone. */
  async untilFailed(): Promise<never> {
    for (;;) await this.#next();
  }

  /** It takes away what it has of the test, and the channel is over. */
  async stop(clock: Clock): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const forget = clock.after(stopMs, () => this.#channel.abort("it does not stop"));
    try {
      await this.say({ kind: "stop", leave: "remove" });
      this.#channel.end();
      await this.#untilEnd();
    } catch {
      // Its channel is over: it stops by itself.
    } finally {
      forget();
      this.#stopHearing();
    }
  }

  async #untilEnd(): Promise<void> {
    for (;;) if ((await this.#words.next()).done) return;
  }

  async #next(): Promise<GatewayWord> {
    const { done = false, value } = await this.#words.next();
    if (done) throw new SkyError("stream/closed", { why: `${this.#gateway} has stopped` });
    if (value.kind !== "failed") return value;
    throw new SkyError("stream/closed", { why: `${this.#gateway}: ${value.error.text}` });
  }
}

function isSaid<K extends GatewayWord["kind"]>(word: GatewayWord, kind: K): word is Said<K> {
  return word.kind === kind;
}

async function* wordsOf(channel: StreamChannel): AsyncGenerator<GatewayWord> {
  const parser = wordParser();
  for await (const part of channel) yield* parser.push(part);
}
