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
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type ChunkCodec, type ExchangeResult, rawCodec } from "./exchange.ts";
import type { Admitted } from "./exchange-channels.ts";
import { HopsPush, type SendHop } from "./push-hops.ts";
import { RelaySpool, type SpoolOptions } from "./relay-spool.ts";
import { openTake } from "./take.ts";
import { inFlightBytesUsual } from "./taker.ts";

export interface RelayOptions extends SpoolOptions {
  /** Each chunk goes to one of them, whichever has room. */
  readonly hops: readonly SendHop[];
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

/** What somebody who takes chunks for a relay hears of them. */
export interface RelayListener {
  delivered(digests: Iterable<Digest>): void;
  refused(digests: Iterable<Digest>): void;
  /** It was lost here, and is to be had again. */
  again(ref: ChunkRef): void;
}

/** A relay for those who take its chunks for it. */
export interface RelayParty {
  /** Safe here, and not delivered. */
  has(digest: Digest): boolean;
  isDelivered(digest: Digest): boolean;
  /** Safe here, or delivered, when it resolves. */
  put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  leave(): void;
}

export interface Relay {
  /** For whoever takes pushes for this relay and for others at once. */
  join(listener: RelayListener): RelayParty;
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
  readonly #takes = new Set<RelayListener>();
  readonly #failed = new AbortController();
  #push: HopsPush | undefined;
  /** Those who wait for a chunk that this disk lost. */
  readonly #lost = new Map<Digest, PromiseWithResolvers<void>>();
  #delivered: Digest[] = [];
  #refused: Digest[] = [];
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

  join(listener: RelayListener): RelayParty {
    this.#takes.add(listener);
    return {
      has: (digest) => this.#spool.has(digest),
      isDelivered: (digest) => this.#spool.isDelivered(digest),
      put: (ref, bytes, signal) => {
        this.#failed.signal.throwIfAborted();
        return this.#put(ref, bytes, AbortSignal.any([signal, this.#failed.signal]));
      },
      leave: () => void this.#takes.delete(listener),
    };
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
    this.#push?.add(ref);
  }

  // ---- the next hop

  async run(signal: AbortSignal): Promise<never> {
    const { hops, work, bytesMax } = this.#options;
    const stop = new AbortController();
    const push = new HopsPush({
      ...{ hops, work: rawCodec(work), log: this.#log },
      openBytesMax: Math.ceil(bytesMax / hops.length),
      from: { get: (digest, over) => this.#get(digest, over) },
      signal: AbortSignal.any([signal, stop.signal]),
      onBroken: () => {
        this.#counts.failures += 1;
      },
      onDelivered: (ref) => this.#settled(ref, "delivered", stop),
      onRefused: (ref) => this.#settled(ref, "refused", stop),
      // Never said: what is missing here is waited for.
      onMissing: () => undefined,
    });
    this.#push = push;
    for (const ref of this.#spool.held) push.add(ref);
    try {
      await push.run();
    } catch (error) {
      signal.throwIfAborted();
      this.#failed.abort(error);
      throw error;
    } finally {
      this.#push = undefined;
      await this.#settling;
    }
    throw new SkyError("core/broken-invariant", { what: "a relay's push ended by itself" });
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
    const bytes = this.#push?.open(digest)?.bytes;
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

  #settled({ digest }: ChunkRef, how: "delivered" | "refused", stop: AbortController): void {
    const list = how === "delivered" ? this.#delivered : this.#refused;
    list.push(digest);
    this.#settling ??= this.#settle().catch((error: unknown) => stop.abort(error));
  }

  /** On record first, then told, many at a time. What was refused is not on record: it is gone. */
  async #settle(): Promise<void> {
    try {
      while (this.#delivered.length + this.#refused.length > 0) {
        const delivered = this.#delivered.splice(0);
        await this.#spool.delivered(delivered);
        this.#counts.delivered += delivered.length;
        const refused = this.#refused.splice(0);
        await this.#spool.refused(refused);
        for (const take of this.#takes) {
          take.delivered(delivered);
          take.refused(refused);
        }
      }
    } finally {
      this.#settling = undefined;
    }
  }
}
