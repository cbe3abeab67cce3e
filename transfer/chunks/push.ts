// A push: a party offers others what it has, and gives what they lack.
//
// What is offered may be a list or may still be coming (a relay offers what arrives). An offered
// chunk is settled when the taker says that it is safe there, or, for a push to the destination,
// that it is `delivered` there. Until then it may be asked for again: a chunk that a relay loses
// to its disk is had again from whoever has not heard that it was delivered.

import { SkyError } from "../../model/errors.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";
import {
  type ChunkCodec,
  type ChunkSource,
  type ExchangeResult,
  encodeExchangeHeader,
  type MissingChunk,
} from "./exchange.ts";
import { SupplierHalf } from "./supplier.ts";
import { openChunksMax } from "./taker.ts";

export interface PushOptions {
  readonly session: StreamSession;
  /** What the chunks belong to. The taker decides by it. */
  readonly scope: PinName;
  readonly offer: Iterable<ChunkRef> | AsyncIterable<ChunkRef>;
  readonly from: ChunkSource;
  readonly signal: AbortSignal;
  /** When a chunk is settled: safe at the taker, or at the destination beyond it. */
  readonly until: "safe" | "delivered";
  readonly work: ChunkCodec;
  readonly readAheadBytesMax?: number;
  /** Offered and not yet safe, as bytes: for one of several hops, so that each has its share. */
  readonly openBytesMax?: number;
  /** The channel has taken it: each time that it does. */
  readonly onSent?: ((ref: ChunkRef) => void) | undefined;
  /** Each chunk once: safe at the taker now. */
  readonly onSafe?: (ref: ChunkRef) => void;
  /** Each chunk once: safe at the destination. It was safe at the taker before. */
  readonly onDelivered?: (ref: ChunkRef) => void;
  /** Each chunk once: the destination does not take it. It is settled. */
  readonly onRefused?: (ref: ChunkRef) => void;
  /** Each chunk once: `from` does not have it any more. It is settled. */
  readonly onMissing?: (ref: ChunkRef) => void;
}

/**
 * Offers, and gives what the taker lacks, until all is settled. `missing` is what `from` does not
 * have undamaged, though it was offered.
 * @throws SkyError `stream/closed` when the channel breaks; what the taker says; what the offer or
 *   the source throws; what `signal` says. When it throws, nothing of it goes on.
 */
export async function pushChunks(options: PushOptions): Promise<ExchangeResult> {
  options.signal.throwIfAborted();
  const push = new Push(options);
  return await push.run();
}

interface Offered {
  readonly ref: ChunkRef;
  sent: boolean;
  safe: boolean;
}

class Push {
  readonly #options: PushOptions;
  readonly #half: SupplierHalf;
  readonly #offered = new Map<Digest, Offered>();
  /** Offered and not yet safe. The taker holds a name for each. */
  #unsafe = 0;
  #unsafeBytes = 0;
  #wakeOffer: () => void = () => {};
  #isWhole = false;
  #moved = 0;
  #movedBytes = 0;
  #known = 0;
  readonly #missing: MissingChunk[] = [];

  constructor(options: PushOptions) {
    this.#options = options;
    const { session, scope, from, signal, work, readAheadBytesMax } = options;
    const channel = session.open(encodeExchangeHeader({ verb: "push", scope }));
    this.#half = new SupplierHalf(
      { channel, role: "asks", from, signal, work, readAheadBytesMax },
      {
        mayGive: ({ digest, bytes }) => this.#offered.get(digest)?.ref.bytes === bytes,
        sent: ({ digest }) => {
          const offered = this.#offered.get(digest);
          if (offered === undefined) return;
          offered.sent = true;
          this.#options.onSent?.(offered.ref);
        },
        missing: (ref, why) => this.#lacking(ref, why),
        safe: (digests) => {
          for (const digest of digests) this.#safe(digest);
        },
        delivered: (digests) => {
          for (const digest of digests) this.#delivered(digest);
        },
        refused: (digests) => {
          for (const digest of digests) this.#refused(digest);
        },
        ended: () => {
          if (this.#isWhole && this.#offered.size === 0) return;
          throw new SkyError("stream/closed", { why: "the taker ended before it had all" });
        },
      },
    );
  }

  async run(): Promise<ExchangeResult> {
    const { party } = this.#half;
    party.work(() => this.#offer());
    await this.#half.run();
    return {
      moved: this.#moved,
      movedBytes: this.#movedBytes,
      known: this.#known,
      damaged: 0,
      missing: this.#missing,
    };
  }

  async #offer(): Promise<void> {
    const { signal } = this.#half.party;
    for await (const ref of untilOver(this.#options.offer, signal)) {
      if (this.#offered.has(ref.digest)) continue;
      this.#offered.set(ref.digest, { ref, sent: false, safe: false });
      this.#unsafe += 1;
      this.#unsafeBytes += ref.bytes;
      this.#half.offer([ref]);
      while (this.#isFull() && !signal.aborted) await this.#room();
      if (signal.aborted) return;
    }
    this.#isWhole = true;
    this.#endIfDone();
  }

  #isFull(): boolean {
    const { openBytesMax = Number.POSITIVE_INFINITY } = this.#options;
    return this.#unsafe >= openChunksMax || this.#unsafeBytes >= openBytesMax;
  }

  async #room(): Promise<void> {
    const { signal } = this.#half.party;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wakeOffer = wake;
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #safe(digest: Digest): void {
    const offered = this.#offered.get(digest);
    if (offered === undefined || offered.safe) return;
    offered.safe = true;
    if (offered.sent) {
      this.#moved += 1;
      this.#movedBytes += offered.ref.bytes;
    } else this.#known += 1;
    this.#options.onSafe?.(offered.ref);
    this.#makeRoom(offered.ref);
    if (this.#options.until === "safe") this.#settle(digest);
  }

  #delivered(digest: Digest): void {
    const offered = this.#offered.get(digest);
    if (offered === undefined) return;
    this.#safe(digest);
    this.#options.onDelivered?.(offered.ref);
    this.#settle(digest);
  }

  #lacking(ref: ChunkRef, why: MissingChunk["why"]): void {
    const offered = this.#offered.get(ref.digest);
    if (offered === undefined) return;
    this.#missing.push({ ...offered.ref, why });
    if (!offered.safe) this.#makeRoom(offered.ref);
    this.#options.onMissing?.(offered.ref);
    this.#settle(ref.digest);
  }

  #refused(digest: Digest): void {
    const offered = this.#offered.get(digest);
    if (offered === undefined) return;
    if (!offered.safe) this.#makeRoom(offered.ref);
    this.#options.onRefused?.(offered.ref);
    this.#settle(digest);
  }

  #makeRoom({ bytes }: ChunkRef): void {
    this.#unsafe -= 1;
    this.#unsafeBytes -= bytes;
    this.#wakeOffer();
  }

  #settle(digest: Digest): void {
    this.#offered.delete(digest);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#isWhole && this.#offered.size === 0) this.#half.party.end();
  }
}

/** The items of a list that may still be growing; it ends early when `signal` aborts. */
async function* untilOver(
  items: Iterable<ChunkRef> | AsyncIterable<ChunkRef>,
  signal: AbortSignal,
): AsyncGenerator<ChunkRef> {
  if (Symbol.iterator in items) {
    yield* items;
    return;
  }
  const iterator = items[Symbol.asyncIterator]();
  while (!signal.aborted) {
    const next = await new Promise<IteratorResult<ChunkRef>>((resolve, reject) => {
      const stop = (): void => resolve({ done: true, value: undefined });
      signal.addEventListener("abort", stop, { once: true });
      iterator
        .next()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener("abort", stop));
    });
    if (next.done === true) return;
    yield next.value;
  }
}
