// Channels to the nodes of a cluster on hosts: through the head of the cluster, which joins each to
// one of its own (`../gateways/relayed.ts`).
//
// All of them share one session, which is there as long as one of them is open, and a little
// longer: a transfer that begins its next round finds it.

import { SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { openWatched } from "../gateways/channels.ts";
import { type Relayed, relayedHeader } from "../gateways/relayed.ts";
import { type BulkSession, type BulkSessionOptions, openBulkSession } from "./bulk-session-os.ts";
import type { HeadLine } from "./head-line-grpc.ts";

export interface NodeWireOptions extends BulkSessionOptions {
  readonly line: (signal: AbortSignal) => Promise<HeadLine>;
}

const lingerMs = 30_000;

export class NodeWire {
  readonly #options: NodeWireOptions;
  readonly #over = new AbortController();
  #opening: Promise<BulkSession> | undefined;
  #channels = 0;
  #stopLingering = (): void => {};

  constructor(options: NodeWireOptions) {
    this.#options = options;
  }

  /** @throws SkyError `head/unreachable`, `transfer/no-gateway`, `stream/closed`. */
  async open(relayed: Relayed, signal: AbortSignal): Promise<StreamChannel> {
    this.#stopLingering();
    this.#channels += 1;
    const over = (): void => this.#leave();
    try {
      const { session } = await this.#session(relayed, signal);
      signal.throwIfAborted();
      return openWatched(session, relayedHeader(relayed), over);
    } catch (error) {
      over();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#stopLingering();
    this.#over.abort(new SkyError("core/cancelled", { what: "this head" }));
    await this.#end();
  }

  #session(relayed: Relayed, signal: AbortSignal): Promise<BulkSession> {
    if (this.#opening !== undefined) return this.#opening;
    const opening = this.#dial(relayed, signal);
    this.#opening = opening;
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    opening.then(async (bulk) => {
      await bulk.session.closed;
      forget();
      await bulk.close();
    }, forget);
    return opening;
  }

  async #dial({ node }: Relayed, signal: AbortSignal): Promise<BulkSession> {
    const { cluster, line } = this.#options;
    const until = AbortSignal.any([signal, this.#over.signal]);
    const known = await line(until);
    if (!known.bulk.capabilities.includes("gateways")) {
      const why = "the head of its cluster is of an older version: upgrade it";
      throw new SkyError("transfer/no-gateway", { gateway: `${cluster}/${node}`, why });
    }
    return await openBulkSession(this.#options, known, until);
  }

  #leave(): void {
    this.#channels -= 1;
    if (this.#channels > 0 || this.#over.signal.aborted) return;
    this.#stopLingering();
    this.#stopLingering = this.#options.clock.after(lingerMs, () => void this.#end());
  }

  async #end(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    const [opened] = await Promise.allSettled([opening]);
    if (opened.status === "fulfilled") await opened.value?.close();
  }
}
