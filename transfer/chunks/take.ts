// The taker of a push: it is offered chunks, and asks for those that it lacks.
//
// Every offered chunk is answered: with `delivered` if it is known to be safe at the destination,
// with `safe` if it is safe here, and else with a want. How much may be offered and not yet be safe
// is bounded, and so is what is asked for; an offer costs its name.

import { SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { ChunkCodec, ChunkSink, ExchangeResult, MissingChunk } from "./exchange.ts";
import type { SharedBytes } from "./shared-bytes.ts";
import { damagedMax, openChunksMax, Taker } from "./taker.ts";

export interface TakeOptions {
  readonly channel: StreamChannel;
  readonly into: ChunkSink;
  readonly signal: AbortSignal;
  /** What a chunk that is safe here is said to be. A destination says `delivered`. */
  readonly safeMeans: "safe" | "delivered";
  readonly work: ChunkCodec;
  readonly inFlightBytesMax?: number | undefined;
  readonly shared?: SharedBytes | undefined;
  /** For a relay: those of these that are safe at the destination, and not needed here. */
  readonly delivered?: ((refs: readonly ChunkRef[]) => ReadonlySet<Digest>) | undefined;
  readonly onSafe?: ((ref: ChunkRef) => void) | undefined;
}

/** A push that is being taken. */
export interface Take {
  /**
   * Until the supplier ends. `missing` is what it offered and does not have undamaged.
   * @throws SkyError as `serveChunks`; `chunk/damaged` if a chunk arrives damaged each time.
   */
  run(): Promise<ExchangeResult>;
  /** Tells the supplier that these are safe at the destination. */
  delivered(digests: Iterable<Digest>): void;
  /** Tells the supplier that the destination does not take these. */
  refused(digests: Iterable<Digest>): void;
  /**
   * A chunk that was safe is lost here: asks for it again, at once, if the supplier still offers
   * it. It passes the bounds of what is in flight, for all of that may wait for room behind it.
   */
  again(ref: ChunkRef): void;
}

export function takeChunks(options: TakeOptions): Promise<ExchangeResult> {
  return openTake(options).run();
}

export function openTake(options: TakeOptions): Take {
  return new OfferTaker(options);
}

class OfferTaker implements Take {
  readonly #options: TakeOptions;
  readonly #taker: Taker;
  #queue: ChunkRef[] = [];
  /** Offered, or to be had again, and neither safe nor missing. */
  readonly #pending = new Set<Digest>();
  readonly #missing: MissingChunk[] = [];
  #moved = 0;
  #movedBytes = 0;
  #known = 0;
  #damaged = 0;

  constructor(options: TakeOptions) {
    this.#options = options;
    const { channel, into: sink, signal, work, inFlightBytesMax, shared, safeMeans } = options;
    this.#taker = new Taker(
      { channel, role: "answers", sink, signal, work, inFlightBytesMax, shared, safeMeans },
      {
        take: (bytesMax) => this.#next(bytesMax),
        moved: (ref) => this.#safe(ref),
        refused: ({ digest }) => void this.#pending.delete(digest),
        lacking: (ref, why) => this.#lacking(ref, why),
        damaged: () => {
          this.#damaged += 1;
        },
        hopeless: ({ digest }) => {
          // The supplier waits for it to be safe: it has to hear that it never will be.
          const why = `it arrived damaged ${damagedMax} times`;
          throw new SkyError("chunk/damaged", { digest, where: "on arrival", why });
        },
        offered: (refs) => this.#offered(refs),
        ended: () => this.#ended(),
      },
    );
  }

  async run(): Promise<ExchangeResult> {
    await this.#taker.run();
    return {
      moved: this.#moved,
      movedBytes: this.#movedBytes,
      known: this.#known,
      damaged: this.#damaged,
      missing: this.#missing,
    };
  }

  delivered(digests: Iterable<Digest>): void {
    this.#taker.acknowledge("delivered", digests);
  }

  refused(digests: Iterable<Digest>): void {
    this.#taker.acknowledge("refused", digests);
  }

  again(ref: ChunkRef): void {
    if (this.#pending.has(ref.digest)) return;
    this.#pending.add(ref.digest);
    this.#taker.urge(ref);
  }

  #next(bytesMax: number): ChunkRef | undefined {
    const ref = this.#queue[0];
    return ref === undefined || ref.bytes > bytesMax ? undefined : this.#queue.shift();
  }

  #offered(refs: readonly ChunkRef[]): void {
    const fresh = refs.filter(({ digest }) => !this.#pending.has(digest));
    for (const { digest } of fresh) this.#pending.add(digest);
    if (this.#pending.size > 2 * openChunksMax) {
      throw new SkyError("stream/protocol", { why: `more than ${openChunksMax} open offers` });
    }
    this.#taker.party.work(() => this.#answer(fresh));
  }

  async #answer(refs: readonly ChunkRef[]): Promise<void> {
    const delivered = this.#options.delivered?.(refs) ?? new Set();
    const open = refs.filter(({ digest }) => !delivered.has(digest));
    const known = open.length === 0 ? new Set() : await this.#options.into.known(open);
    for (const ref of refs) {
      const { digest } = ref;
      const isKnown = delivered.has(digest) || known.has(digest);
      if (!isKnown) this.#queue.push(ref);
      if (!isKnown || !this.#pending.delete(digest)) continue;
      this.#known += 1;
      const means = delivered.has(digest) ? "delivered" : this.#options.safeMeans;
      this.#taker.acknowledge(means, [digest]);
    }
    this.#taker.pump();
  }

  #safe(ref: ChunkRef): void {
    this.#pending.delete(ref.digest);
    this.#moved += 1;
    this.#movedBytes += ref.bytes;
    this.#options.onSafe?.(ref);
  }

  #lacking(ref: ChunkRef, why: MissingChunk["why"]): void {
    this.#pending.delete(ref.digest);
    // A bound: a supplier that offers what it does not have, over and over, makes no list grow.
    if (this.#missing.length < openChunksMax) this.#missing.push({ ...ref, why });
  }

  #ended(): void {
    if (this.#pending.size === 0) return;
    throw new SkyError("stream/closed", { why: "the supplier ended before it gave all" });
  }
}
