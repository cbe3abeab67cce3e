// The gateway of this process, reached as all others are: by channels.
//
// A session in memory stands for the wire. What serves it is made for the first channel.

import { errorText, SkyError } from "../../model/errors.ts";
import { given } from "../../proto/fields.ts";
import type { Defer } from "../../runtime/deferral.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import type { GatewayHost } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";

export interface OwnGateway {
  open(header: string, signal: AbortSignal): Promise<StreamChannel>;
  close(): Promise<void>;
}

const ownTarget = { host: homeGateway, port: 0 };
const headPort = "home/head";

export function ownGateway(make: () => Promise<GatewayHost>, defer?: Defer): OwnGateway {
  return new Own(make, defer);
}

interface Made {
  readonly host: GatewayHost;
  readonly session: StreamSession;
}

class Own implements OwnGateway {
  readonly #make: () => Promise<GatewayHost>;
  readonly #defer: Defer | undefined;
  readonly #closing = new AbortController();
  #made: Promise<Made> | undefined;

  constructor(make: () => Promise<GatewayHost>, defer: Defer | undefined) {
    this.#make = make;
    this.#defer = defer;
  }

  async open(header: string, signal: AbortSignal): Promise<StreamChannel> {
    this.#closing.signal.throwIfAborted();
    const { session } = await this.#opened();
    signal.throwIfAborted();
    return session.open(Buffer.from(header));
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "this head" }));
    const [made] = await Promise.allSettled([this.#made]);
    if (made.status !== "fulfilled" || made.value === undefined) return;
    await made.value.host.close();
    made.value.session.close();
  }

  /** One that could not be made is tried again by the next channel. */
  #opened(): Promise<Made> {
    if (this.#made !== undefined) return this.#made;
    const made = this.#join();
    this.#made = made;
    made.catch(() => {
      this.#made = undefined;
    });
    return made;
  }

  async #join(): Promise<Made> {
    const host = await this.#make();
    const { signal } = this.#closing;
    const hub = createStreamHub(given("defer", this.#defer));
    const serve = (channel: StreamChannel): void => {
      host.serve(channel, signal).catch((error: unknown) => channel.abort(errorText(error)));
    };
    const listening = hub.connect(homeGateway).listen({
      target: ownTarget,
      onSession: (session) => session.onChannel(serve),
    });
    await listening;
    const session = await hub.connect(headPort).dial(ownTarget, signal);
    return { host, session };
  }
}
