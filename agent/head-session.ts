// The node's one session with its head on the bulk wire: for logs, for chunks that it fetches, and
// for what the head opens here.
//
// Dialled when somebody needs it, the head included (`connect` on the bus), and again after it has
// ended: whoever used it has its own way to go on where it was.

import { errorText } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { StreamPort, StreamSession, StreamTarget } from "../runtime/stream.ts";
import { GatewayServing, type OpenGateways } from "./gateway-serving.ts";

export interface HeadSessionOptions {
  readonly streams: StreamPort;
  readonly streamTarget: StreamTarget;
  /** Takes the channels that the head opens. */
  readonly gateways?: OpenGateways;
  readonly log: Log;
}

export class HeadSession {
  readonly #options: HeadSessionOptions;
  readonly #gateways: GatewayServing;
  readonly #closing = new AbortController();
  #session: Promise<StreamSession> | undefined;

  constructor(options: HeadSessionOptions) {
    this.#options = options;
    this.#gateways = new GatewayServing(options.gateways, options.log);
  }

  /** Has a session, if one can be had. Never rejects: the head asks as long as it needs one. */
  async connect(): Promise<void> {
    await this.get().catch((error: unknown) => {
      this.#options.log.info("the head was not reached", { why: errorText(error) });
    });
  }

  /** @throws SkyError `stream/closed`, `stream/denied`. */
  get(): Promise<StreamSession> {
    if (this.#session) return this.#session;
    const dialling = this.#dial();
    this.#session = dialling;
    const forgetIt = (): void => {
      if (this.#session === dialling) this.#session = undefined;
    };
    dialling.then((session) => session.closed.then(forgetIt), forgetIt);
    return dialling;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#gateways.close();
    // A dial that fails after this has told whoever waited for it.
    this.#session?.then((session) => session.close()).catch(() => {});
  }

  async #dial(): Promise<StreamSession> {
    const { streams, streamTarget } = this.#options;
    const session = await streams.dial(streamTarget, this.#closing.signal);
    session.onChannel((channel) => this.#gateways.take(channel));
    return session;
  }
}
