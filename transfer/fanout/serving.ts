// How a sink of a fan-out serves its children: a listener of its own, while the fan-out runs.
//
// Only peers that the coordinator named are served, by their proven identity. A child may be
// quicker than the word that it comes, so a stranger waits a little, with nothing served to him; a
// child that was moved elsewhere has a little to leave by itself.
//
// What must always hold: nobody gets a byte who is not named; strangers who wait are few; after
// `close` nothing listens and nothing is served.

import { errorText, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type {
  StreamChannel,
  StreamListener,
  StreamPort,
  StreamSession,
} from "../../runtime/stream.ts";
import type { PinName } from "../chunks/content-store.ts";
import { type ChunkCodec, type ChunkSource, parseExchangeHeader } from "../chunks/exchange.ts";
import { serveChunks } from "../chunks/supply.ts";
import type { SinkId } from "./tree.ts";

/**
 * Chunks that are read for one child and have not left: few, because what was read for a child
 * that then follows another was read in vain.
 */
export const servedAheadBytes = 8_388_608;

export interface ServingOptions {
  readonly streams: StreamPort;
  /** The address to listen at. */
  readonly host: string;
  readonly scope: PinName;
  readonly from: ChunkSource;
  readonly clock: Clock;
  readonly work: ChunkCodec;
  readonly log?: Log | undefined;
}

export interface Serving {
  readonly port: number;
  /** These and nobody else. */
  admit(children: readonly SinkId[]): void;
  /** Bytes that went out to children, before compression. */
  bytes(): number;
  close(): Promise<void>;
}

/** For so long a stranger may wait to be named, and a former child may take to leave. */
const graceMs = 10_000;
/** Sessions of peers that are not named. */
export const strangersMax = 32;

export async function startServing(options: ServingOptions): Promise<Serving> {
  const server = new Server(options);
  await server.listen();
  return {
    port: server.port,
    admit: (children) => server.admit(children),
    bytes: () => server.bytes,
    close: () => server.close(),
  };
}

interface Guest {
  readonly session: StreamSession;
  /** Channels that wait for their peer to be named. */
  readonly waiting: StreamChannel[];
  readonly serving: Set<Promise<void>>;
  /** Stops the grace of one who is not named. */
  stopGrace: (() => void) | undefined;
}

const waitingChannelsMax = 4;

class Server {
  port = 0;
  bytes = 0;
  readonly #options: ServingOptions;
  readonly #log: Log;
  readonly #guests = new Set<Guest>();
  readonly #stop = new AbortController();
  #children: ReadonlySet<SinkId> = new Set();
  #listener: StreamListener | undefined;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  async listen(): Promise<void> {
    const { streams, host } = this.#options;
    const target = { host, port: 0 };
    this.#listener = await streams.listen({ target, onSession: (one) => this.#take(one) });
    this.port = this.#listener.target.port;
  }

  admit(children: readonly SinkId[]): void {
    this.#children = new Set(children);
    for (const guest of this.#guests) this.#look(guest);
  }

  async close(): Promise<void> {
    this.#stop.abort(new SkyError("stream/closed", { why: "the fan-out is over here" }));
    for (const guest of this.#guests) {
      guest.stopGrace?.();
      await Promise.all(guest.serving);
      guest.session.close();
    }
    await this.#listener?.close();
  }

  #take(session: StreamSession): void {
    const strangers = [...this.#guests].filter(({ stopGrace }) => stopGrace !== undefined).length;
    if (this.#stop.signal.aborted || strangers >= strangersMax) {
      session.close();
      return;
    }
    const guest: Guest = { session, waiting: [], serving: new Set(), stopGrace: undefined };
    this.#guests.add(guest);
    void session.closed.then(() => {
      guest.stopGrace?.();
      this.#guests.delete(guest);
    });
    session.onChannel((channel) => {
      guest.waiting.push(channel);
      if (guest.waiting.length > waitingChannelsMax) session.close();
      else this.#look(guest);
    });
    this.#look(guest);
  }

  #look(guest: Guest): void {
    const { session } = guest;
    if (!this.#children.has(session.peer)) {
      guest.stopGrace ??= this.#options.clock.after(graceMs, () => session.close());
      return;
    }
    guest.stopGrace?.();
    guest.stopGrace = undefined;
    for (const channel of guest.waiting.splice(0)) {
      const serving = this.#serve(session.peer, channel).finally(() => {
        guest.serving.delete(serving);
      });
      guest.serving.add(serving);
    }
  }

  async #serve(peer: SinkId, channel: StreamChannel): Promise<void> {
    const { scope, work, from } = this.#options;
    try {
      const header = parseExchangeHeader(channel.header);
      if (header.verb !== "fetch" || header.scope !== scope) {
        channel.abort("only this fan-out is served here");
        return;
      }
      await serveChunks({
        ...{ channel, from, work, signal: this.#stop.signal },
        readAheadBytesMax: servedAheadBytes,
        onSent: ({ bytes }) => {
          this.bytes += bytes;
        },
      });
    } catch (error) {
      // The child hears of it too, and asks for another parent.
      channel.abort(errorText(error));
      this.#log.info("an exchange of a fan-out ended early", { peer, why: errorText(error) });
    }
  }
}
