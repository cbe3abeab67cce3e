// Who may exchange chunks with this process: takes the channels that peers open for it.
//
// Whoever composes a program says, for a peer whose identity is proven and for what its header
// names, what the peer may have or give, or why not. A refusal is an answer that the peer hears,
// and is counted. So is more than can be served at a time.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import { encodeMessage } from "./chunk-frames.ts";
import {
  type ChunkCodec,
  type ChunkSink,
  type ChunkSource,
  type ExchangeHeader,
  isExchange,
  parseExchangeHeader,
} from "./exchange.ts";
import { SharedBytes } from "./shared-bytes.ts";
import { serveChunks } from "./supply.ts";
import { takeChunks } from "./take.ts";

/** Exchanges that are served at a time, of all peers and of one, unless it is said otherwise. */
export const exchangesMax = 256;
export const exchangesOfPeerMax = 64;
/** What all of them may hold, beyond one chunk each: read and not sent; asked for and not safe. */
export const aheadBytesMax = 256 * 1024 * 1024;
export const inFlightBytesMax = 512 * 1024 * 1024;

export interface ExchangeRequest extends ExchangeHeader {
  /** `<cluster>/<node>`, proven. */
  readonly peer: string;
}

/** What a peer may have (a fetch), or give (a push), or why it may not. */
export type Admitted =
  | { readonly source: ChunkSource; readonly work?: ChunkCodec }
  | {
      readonly sink: ChunkSink;
      readonly safeMeans: "safe" | "delivered";
      readonly work?: ChunkCodec;
    }
  /** For parties that run the exchange themselves: a relay. */
  | { readonly run: (channel: StreamChannel, signal: AbortSignal) => Promise<unknown> }
  | { readonly refused: string };

export interface ExchangeChannelsOptions {
  /** A throw refuses with that error. */
  readonly admit: (request: ExchangeRequest) => Admitted | Promise<Admitted>;
  readonly work: ChunkCodec;
  readonly exchangesMax?: number;
  readonly exchangesOfPeerMax?: number;
  readonly aheadBytesMax?: number;
  readonly inFlightBytesMax?: number;
  readonly log?: Log;
}

export interface ExchangeCounts {
  readonly running: number;
  /** Came to their ends, as both sides wanted. */
  readonly done: number;
  readonly failed: number;
  readonly refused: number;
}

export interface ExchangeChannels {
  /**
   * A channel that a peer opened. `false`, and nothing is done with it, if it is for something
   * else than an exchange.
   */
  take(session: StreamSession, channel: StreamChannel): boolean;
  counts(): ExchangeCounts;
  /** Ends all exchanges that run; resolves when nothing of them goes on. */
  close(): Promise<void>;
}

export function exchangeChannels(options: ExchangeChannelsOptions): ExchangeChannels {
  return new Desk(options);
}

class Desk implements ExchangeChannels {
  readonly #options: ExchangeChannelsOptions;
  readonly #log: Log;
  /** With their peers. */
  readonly #running = new Map<Promise<void>, string>();
  readonly #ahead: SharedBytes;
  readonly #inFlight: SharedBytes;
  readonly #stop = new AbortController();
  #done = 0;
  #failed = 0;
  #refused = 0;

  constructor(options: ExchangeChannelsOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#ahead = new SharedBytes(options.aheadBytesMax ?? aheadBytesMax);
    this.#inFlight = new SharedBytes(options.inFlightBytesMax ?? inFlightBytesMax);
  }

  take(session: StreamSession, channel: StreamChannel): boolean {
    if (!isExchange(channel.header)) return false;
    const running = this.#serve(session.peer, channel).finally(() => this.#running.delete(running));
    this.#running.set(running, session.peer);
    return true;
  }

  counts(): ExchangeCounts {
    const running = this.#running.size;
    return { running, done: this.#done, failed: this.#failed, refused: this.#refused };
  }

  async close(): Promise<void> {
    this.#stop.abort(new SkyError("stream/closed", { why: "no more chunks are exchanged here" }));
    await Promise.all(this.#running.keys());
  }

  async #serve(peer: string, channel: StreamChannel): Promise<void> {
    let admitted: Admitted;
    try {
      admitted = await this.#admit(peer, channel);
      if ("refused" in admitted) {
        throw new SkyError("stream/denied", { why: admitted.refused });
      }
    } catch (error) {
      await this.#refuse(channel, error);
      this.#log.warn("an exchange of chunks was refused", { peer, why: errorText(error) });
      return;
    }
    try {
      await this.#run(admitted, channel);
      this.#done += 1;
    } catch (error) {
      this.#failed += 1;
      this.#log.info("an exchange of chunks failed", { peer, why: errorText(error) });
    }
  }

  async #admit(peer: string, channel: StreamChannel): Promise<Admitted> {
    this.#stop.signal.throwIfAborted();
    const header = parseExchangeHeader(channel.header);
    this.#demandRoom(peer);
    const admitted = await this.#options.admit({ peer, ...header });
    const isFitting = header.verb === "fetch" ? !("sink" in admitted) : !("source" in admitted);
    if (isFitting) return admitted;
    throw new SkyError("stream/denied", { why: `${header.scope} is not for a ${header.verb}` });
  }

  /** The new one is not counted yet: it is when the first await of `#serve` is reached. */
  #demandRoom(peer: string): void {
    const options = this.#options;
    const all = this.#running.size;
    const ofPeer = [...this.#running.values()].filter((other) => other === peer).length;
    const isFull = all >= (options.exchangesMax ?? exchangesMax);
    if (!isFull && ofPeer < (options.exchangesOfPeerMax ?? exchangesOfPeerMax)) return;
    const why = `${ofPeer} exchanges of ${peer} run here already, and ${all} in all`;
    throw new SkyError("stream/closed", { why });
  }

  async #run(admitted: Exclude<Admitted, { refused: string }>, channel: StreamChannel) {
    const { signal } = this.#stop;
    const work = ("work" in admitted ? admitted.work : undefined) ?? this.#options.work;
    if ("run" in admitted) await admitted.run(channel, signal);
    else if ("source" in admitted) {
      const { source: from } = admitted;
      await serveChunks({ channel, from, signal, work, shared: this.#ahead });
    } else {
      const { sink: into, safeMeans } = admitted;
      await takeChunks({ channel, into, signal, safeMeans, work, shared: this.#inFlight });
    }
  }

  /** The peer hears why, and nothing that it says is heard. */
  async #refuse(channel: StreamChannel, error: unknown): Promise<void> {
    this.#refused += 1;
    const said = isSkyError(error)
      ? error
      : new SkyError("core/broken-invariant", { what: errorText(error) });
    const pieces = encodeMessage({ type: "failed", error: said });
    const isSaid = Promise.all(pieces.map((piece) => channel.write(piece)));
    channel.end();
    try {
      await isSaid;
    } catch (broken) {
      this.#log.info("a refusal was not heard", { why: errorText(broken) });
    }
  }
}
