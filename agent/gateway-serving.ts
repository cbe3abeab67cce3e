// The channels that the head of a transfer opens on this node, given to what serves gateways here.
//
// Whoever is at the other end of the session has proven to be our head: it decides for which
// transfers this node works. What serves them is made when the first channel comes, so that a node
// which takes part in none loads none of it.

import { errorText, SkyError } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { StreamChannel } from "../runtime/stream.ts";
import type { GatewayHost } from "../transfer/gateway/doors.ts";

/** Makes it, once; absent where nodes take part in no transfer. */
export type OpenGateways = () => Promise<GatewayHost>;

export class GatewayServing {
  readonly #open: OpenGateways | undefined;
  readonly #log: Log;
  readonly #closing = new AbortController();
  #host: Promise<GatewayHost> | undefined;

  constructor(open: OpenGateways | undefined, log: Log) {
    this.#open = open;
    this.#log = log;
  }

  /** Never throws: whoever opened the channel hears of what is wrong. */
  take(channel: StreamChannel): void {
    this.#serve(channel).catch((error: unknown) => {
      const why = errorText(error);
      this.#log.info("a channel of the head was refused", { why });
      channel.abort(why);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "the agent" }));
    const [opened] = await Promise.allSettled([this.#host]);
    if (opened.status === "fulfilled") await opened.value?.close();
  }

  async #serve(channel: StreamChannel): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const host = await this.#opened();
    await host.serve(channel, signal);
  }

  /** One that could not be made is tried again by the next channel. */
  #opened(): Promise<GatewayHost> {
    if (this.#host !== undefined) return this.#host;
    if (this.#open === undefined) {
      throw new SkyError("stream/protocol", { why: "this node takes part in no transfer" });
    }
    const host = this.#open();
    this.#host = host;
    host.catch(() => {
      this.#host = undefined;
    });
    return host;
  }
}
