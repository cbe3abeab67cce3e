// A relay: takes sealed chunks from the previous hop and pushes them on to the next one.
//
// A chunk that is safe in its spool is acknowledged as `safe`; when the next hop says that it was
// delivered, that goes on record, is passed back, and the chunk is let go. Whoever is behind keeps
// a chunk until it hears that: if this disk loses one, it is had again from there. A full spool
// takes no more, so the previous hop waits; it is not a failure. After a crash the relay goes on
// from its spool and its journal: what it holds is offered to the next hop, and what is offered to
// it again is known.
//
// It sees sealed chunks only: it can tell their places, and can neither read nor make one.
//
// What must always hold: nothing is acknowledged that is not on this disk; nothing is let go that
// was not delivered.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";
import { type ChunkCodec, type ExchangeResult, rawCodec } from "./exchange.ts";
import type { Admitted } from "./exchange-channels.ts";
import { pushChunks } from "./push.ts";
import { RelaySpool, type SpoolOptions } from "./relay-spool.ts";
import { openTake, type Take } from "./take.ts";
import { inFlightBytesUsual } from "./taker.ts";

export interface RelayOptions extends SpoolOptions {
  /** Of the pushes to the next hop. */
  readonly scope: PinName;
  /** A session with the next hop. Its failures are tried again here, and nowhere below. */
  readonly next: (signal: AbortSignal) => Promise<StreamSession>;
  /** Waits before the next try, after so many in a row that moved nothing. */
  readonly pause: (failures: number, signal: AbortSignal) => Promise<void>;
  readonly work: ChunkCodec;
  readonly log?: Log;
}

export interface RelayCounts {
  /** Of the spool, now. */
  readonly heldChunks: number;
  readonly heldBytes: number;
  /** Since it was opened. */
  readonly taken: number;
  readonly delivered: number;
  /** Lost by this disk, and had again from the previous hop. */
  readonly lost: number;
  /** Tries to reach the next hop, or to go on with it, that failed. */
  readonly failures: number;
}

export interface Relay {
  /**
   * For the previous hop's push, once its identity was found to be right.
   * @throws what `run` failed with: the previous hop hears that.
   */
  admit(): Admitted;
  /** Takes a push of the previous hop, until it ends or `signal` aborts. Throws as `takeChunks`. */
  take(channel: StreamChannel, signal: AbortSignal): Promise<ExchangeResult>;
  /**
   * Pushes on until `signal` aborts, and then rejects with its reason.
   * @throws SkyError what the next hop cannot take for a reason that trying again does not change;
   *   what the spool or the journal throws. Pushes of the previous hop are broken off then, and
   *   it hears why when it tries again.
   */
  run(signal: AbortSignal): Promise<never>;
  counts(): RelayCounts;
  /** The transfer is over, or given up: lets go of what is held. `run` must have ended. */
  remove(): Promise<void>;
}

/** Opens a relay, with what is left of an earlier time. */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  const spool = new RelaySpool(options);
  await spool.open();
  return new SpoolRelay(options, spool);
}

class SpoolRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #spool: RelaySpool;
  readonly #log: Log;
  readonly #takes = new Set<Take>();
  readonly #failed = new AbortController();
  /** What the push that runs has yet to offer. */
  #feed: Feed | undefined;
  /** Those who wait for a chunk that this disk lost. */
  readonly #lost = new Map<Digest, PromiseWithResolvers<void>>();
  #delivered: Digest[] = [];
  #settling: Promise<void> | undefined;
  readonly #counts = { taken: 0, delivered: 0, lost: 0, failures: 0 };

  constructor(options: RelayOptions, spool: RelaySpool) {
    this.#options = options;
    this.#spool = spool;
    this.#log = options.log ?? silentLog;
  }

  counts(): RelayCounts {
    const { held, bytes } = this.#spool;
    return { heldChunks: held.length, heldBytes: bytes, ...this.#counts };
  }

  remove(): Promise<void> {
    return this.#spool.remove();
  }

  // ---- the previous hop

  admit(): Admitted {
    this.#failed.signal.throwIfAborted();
    return { run: (channel, signal) => this.take(channel, signal) };
  }

  async take(channel: StreamChannel, signal: AbortSignal): Promise<ExchangeResult> {
    const { bytesMax, work } = this.#options;
    const digestsOf = (refs: readonly ChunkRef[], holds: (digest: Digest) => boolean) =>
      new Set(refs.map(({ digest }) => digest).filter(holds));
    const take = openTake({
      channel,
      into: {
        known: async (refs) => digestsOf(refs, (digest) => this.#spool.has(digest)),
        put: (ref, bytes, stop) => this.#put(ref, bytes, stop),
      },
      delivered: (refs) => digestsOf(refs, (digest) => this.#spool.isDelivered(digest)),
      safeMeans: "safe",
      signal: AbortSignal.any([signal, this.#failed.signal]),
      work,
      inFlightBytesMax: Math.min(inFlightBytesUsual, bytesMax),
    });
    this.#takes.add(take);
    try {
      return await take.run();
    } finally {
      this.#takes.delete(take);
    }
  }

  async #put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    if (!(await this.#spool.put(ref, bytes, signal))) return;
    this.#counts.taken += 1;
    this.#lost.get(ref.digest)?.resolve();
    this.#lost.delete(ref.digest);
    this.#feed?.add(ref);
  }

  // ---- the next hop

  async run(signal: AbortSignal): Promise<never> {
    let failures = 0;
    for (;;) {
      signal.throwIfAborted();
      const before = this.#counts.delivered;
      try {
        await this.#push(signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#counts.failures += 1;
        if (!isSkyError(error) || error.remedy !== "retry") {
          this.#failed.abort(error);
          throw error;
        }
        this.#log.info("the next hop is tried again", { why: errorText(error) });
      }
      failures = this.#counts.delivered > before ? 1 : failures + 1;
      await this.#options.pause(failures, signal);
    }
  }

  async #push(signal: AbortSignal): Promise<void> {
    const { scope, work, next } = this.#options;
    const session = await next(signal);
    const stop = new AbortController();
    const feed = new Feed(this.#spool.held);
    this.#feed = feed;
    try {
      await pushChunks({
        session,
        scope,
        offer: feed,
        from: { get: (digest, over) => this.#get(digest, over) },
        until: "delivered",
        work: rawCodec(work),
        signal: AbortSignal.any([signal, stop.signal]),
        onDelivered: ({ digest }) => {
          feed.forget(digest);
          this.#delivered.push(digest);
          this.#settling ??= this.#settle().catch((error: unknown) => stop.abort(error));
        },
      });
    } finally {
      feed.end();
      this.#feed = undefined;
      await this.#settling;
    }
    throw new SkyError("stream/closed", { why: "the next hop wants no more" });
  }

  /** What this disk lost is had again from the previous hop, whenever that is there. */
  async #get(digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
    for (;;) {
      try {
        return await this.#spool.get(digest);
      } catch (error) {
        if (!isSkyError(error, "chunk/missing")) throw error;
        if (error.cause !== undefined) this.#counts.lost += 1;
        this.#log.warn("a chunk is had again", { digest, why: errorText(error.cause ?? error) });
      }
      await this.#again(digest, signal);
    }
  }

  async #again(digest: Digest, signal: AbortSignal): Promise<void> {
    const back = this.#lost.get(digest) ?? Promise.withResolvers<void>();
    this.#lost.set(digest, back);
    const bytes = this.#feed?.bytesOf(digest);
    if (bytes !== undefined) for (const take of this.#takes) take.again({ digest, bytes });
    const stop = Promise.withResolvers<never>();
    const leave = (): void => stop.reject(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", leave, { once: true });
    try {
      await Promise.race([back.promise, stop.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  // ---- back to the previous hop

  /** On record first, then told, many at a time. */
  async #settle(): Promise<void> {
    try {
      while (this.#delivered.length > 0) {
        const digests = this.#delivered.splice(0);
        await this.#spool.delivered(digests);
        this.#counts.delivered += digests.length;
        for (const take of this.#takes) take.delivered(digests);
      }
    } finally {
      this.#settling = undefined;
    }
  }
}

/** What one push offers: what was held when it began, and what comes while it runs. */
class Feed implements AsyncIterable<ChunkRef> {
  readonly #waiting: ChunkRef[];
  readonly #bytes: Map<Digest, number>;
  #wake: (() => void) | undefined;
  #isOver = false;

  constructor(held: readonly ChunkRef[]) {
    this.#waiting = [...held];
    this.#bytes = new Map(held.map(({ digest, bytes }) => [digest, bytes]));
  }

  bytesOf(digest: Digest): number | undefined {
    return this.#bytes.get(digest);
  }

  forget(digest: Digest): void {
    this.#bytes.delete(digest);
  }

  add(ref: ChunkRef): void {
    this.#waiting.push(ref);
    this.#bytes.set(ref.digest, ref.bytes);
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChunkRef> {
    while (!this.#isOver) {
      const ref = this.#waiting.shift();
      if (ref !== undefined) yield ref;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
