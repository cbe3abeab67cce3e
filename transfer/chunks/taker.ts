// The taker's half of an exchange: asks, proves, puts, acknowledges.
//
// It asks for as many bytes at a time as it may hold, so that a long path is full and its memory
// is bounded whatever the supplier does: a chunk that was not asked for is refused before a byte
// of it is held. Each chunk is proven, put, and only then acknowledged; several are at it at once.
// One that arrives damaged is asked for again, a few times.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type ChunkFrame, type ChunkHead, type ExchangeMessage, listMax } from "./chunk-frames.ts";
import type { ChunkCodec, ChunkSink, MissingChunk, PutResult } from "./exchange.ts";
import { Party, type PartyEars } from "./exchange-channel.ts";
import { BytesShare, type SharedBytes } from "./shared-bytes.ts";
import { Slots } from "./slots.ts";

/** What may be asked for and not yet be safe, unless the caller says otherwise. */
export const inFlightBytesUsual = 64 * 1024 * 1024;
/** The most chunks that may be asked for, or be offered, and not yet be safe. */
export const openChunksMax = 4_096;
/** Chunks that are proven and put at a time; the others wait their turn. */
export const putsMax = 64;
/** How often a chunk may arrive damaged from one supplier before it counts as missing there. */
export const damagedMax = 3;

/** Where the taker's half gets its work, and what becomes of it. */
export interface TakerDesk {
  /** The next chunk to ask for, if it has at most so many bytes. */
  take(bytesMax: number): ChunkRef | undefined;
  /** The chunk is safe. */
  moved(ref: ChunkRef): void;
  /** The sink does not take it, and never will. Absent where sinks take all. */
  refused?(ref: ChunkRef): void;
  /** The supplier says that it does not have it. */
  lacking(ref: ChunkRef, why: MissingChunk["why"]): void;
  /** It arrived damaged, and is asked for again. */
  damaged(ref: ChunkRef): void;
  /** It arrived damaged for the last time. A throw ends the exchange. */
  hopeless(ref: ChunkRef): void;
  offered?(refs: readonly ChunkRef[]): void;
  /** The supplier ended. Throws if that is too early. */
  ended(): void;
}

export interface TakerOptions {
  readonly channel: StreamChannel;
  readonly role: "asks" | "answers";
  readonly sink: ChunkSink;
  readonly signal: AbortSignal;
  readonly work: ChunkCodec;
  readonly inFlightBytesMax?: number | undefined;
  /** With the other exchanges of this process: what is in flight beyond one chunk. */
  readonly shared?: SharedBytes | undefined;
  /** What a safe chunk is said to be. A destination says `delivered`. */
  readonly safeMeans?: "safe" | "delivered" | undefined;
}

interface Open {
  readonly ref: ChunkRef;
  phase: "wanted" | "arriving" | "kept";
  damaged: number;
  isOut: boolean;
  /** It waits for no other chunk: others may be waiting for it. */
  readonly isUrgent: boolean;
}

/** The taker's half: asks, proves, puts, acknowledges. What to ask for, its desk says. */
export class Taker implements PartyEars {
  readonly party: Party;
  readonly #options: TakerOptions;
  readonly #desk: TakerDesk;
  readonly #codec: ChunkCodec;
  readonly #inFlightBytesMax: number;
  readonly #open = new Map<Digest, Open>();
  #openBytes = 0;
  readonly #share: BytesShare;
  readonly #slots: Slots;
  #wants: ChunkRef[] = [];
  #safe: Digest[] = [];
  #delivered: Digest[] = [];
  #refused: Digest[] = [];

  constructor(options: TakerOptions, desk: TakerDesk) {
    this.#options = options;
    this.#desk = desk;
    this.#codec = options.work;
    this.#inFlightBytesMax = options.inFlightBytesMax ?? inFlightBytesUsual;
    this.#share = new BytesShare(options.shared);
    this.#slots = new Slots(options.sink.putsMax ?? putsMax);
    this.party = new Party(options, this);
  }

  async run(): Promise<void> {
    try {
      await this.party.run();
    } finally {
      this.#share.give(this.#openBytes);
    }
  }

  /** What was asked for and is not settled. */
  get open(): readonly ChunkRef[] {
    return [...this.#open.values()].map(({ ref }) => ref);
  }

  /** Asks for as much as there is room for. */
  pump(): void {
    while (!this.party.failed && this.#open.size < openChunksMax) {
      // One chunk may always be on its way, however large.
      const isIdle = this.#open.size === 0;
      const room = Math.min(this.#inFlightBytesMax - this.#openBytes, this.#share.spare);
      const ref = this.#desk.take(isIdle ? Number.POSITIVE_INFINITY : room);
      if (ref === undefined) break;
      if (!isIdle) this.#share.take(ref.bytes);
      this.#want(ref, false);
    }
    if (this.#wants.length > 0) this.party.wake();
  }

  /**
   * Asks for a chunk at once, beyond what may otherwise be open. For what was here before: the
   * caller has room for it, and sees to it that these are few.
   */
  urge(ref: ChunkRef): void {
    if (this.#open.has(ref.digest)) return;
    this.#want(ref, true);
    this.party.wake();
  }

  #want(ref: ChunkRef, isUrgent: boolean): void {
    this.#open.set(ref.digest, { ref, phase: "wanted", damaged: 0, isUrgent, isOut: false });
    this.#openBytes += ref.bytes;
    this.#wants.push(ref);
  }

  /** Tells the supplier what became of chunks. */
  acknowledge(means: "safe" | "delivered" | "refused", digests: Iterable<Digest>): void {
    const lists = { safe: this.#safe, delivered: this.#delivered, refused: this.#refused };
    const list = lists[means];
    for (const digest of digests) list.push(digest);
    this.party.wake();
  }

  next(): ExchangeMessage | undefined {
    // Acknowledgements first: they make room at the other end.
    if (this.#safe.length > 0) return { type: "safe", digests: this.#safe.splice(0, listMax) };
    if (this.#delivered.length > 0) {
      return { type: "delivered", digests: this.#delivered.splice(0, listMax) };
    }
    if (this.#refused.length > 0) {
      return { type: "refused", digests: this.#refused.splice(0, listMax) };
    }
    if (this.#wants.length > 0) return { type: "want", refs: this.#wants.splice(0, listMax) };
    return undefined;
  }

  head({ ref }: ChunkHead): void {
    const open = this.#open.get(ref.digest);
    if (open?.phase !== "wanted" || open.ref.bytes !== ref.bytes) {
      throw unasked(`chunk ${ref.digest}`);
    }
    open.phase = "arriving";
  }

  take(message: ExchangeMessage): void {
    switch (message.type) {
      case "chunk":
        this.#arrived(message);
        return;
      case "missing":
        this.#missing(message.ref, message.why);
        return;
      case "offer":
        if (this.#desk.offered === undefined) throw unasked("an offer");
        this.#desk.offered(message.refs);
        return;
      case "failed":
        throw message.error;
      case "want":
      case "safe":
      case "delivered":
      case "refused":
        throw unasked(`a message of type ${message.type}`);
    }
  }

  ended(): void {
    this.#desk.ended();
  }

  #missing(ref: ChunkRef, why: MissingChunk["why"]): void {
    const open = this.#open.get(ref.digest);
    if (open?.phase !== "wanted") throw unasked(`a word about chunk ${ref.digest}`);
    this.#close(open);
    this.#desk.lacking(open.ref, why);
    this.pump();
  }

  #arrived(frame: ChunkFrame): void {
    const open = this.#open.get(frame.ref.digest);
    if (open === undefined) throw unasked(`chunk ${frame.ref.digest}`);
    open.phase = "kept";
    this.party.work(async () => {
      if (open.isUrgent) await this.#keep(open, frame);
      else await this.#slots.use(() => this.#keep(open, frame));
      this.pump();
    });
  }

  async #keep(open: Open, frame: ChunkFrame): Promise<void> {
    const { ref } = open;
    let kept: unknown;
    try {
      const bytes = await this.#codec.decode(ref, frame);
      kept = await this.#put(open, bytes);
    } catch (error) {
      if (!isSkyError(error, "chunk/damaged")) throw error;
      this.#again(open);
      return;
    }
    this.#close(open);
    if (kept === "refused") {
      this.#desk.refused?.(ref);
      this.acknowledge("refused", [ref.digest]);
      return;
    }
    this.#desk.moved(ref);
    this.acknowledge(this.#options.safeMeans ?? "safe", [ref.digest]);
  }

  #again(open: Open): void {
    open.damaged += 1;
    this.#desk.damaged(open.ref);
    if (open.damaged < damagedMax) {
      open.phase = "wanted";
      this.#wants.push(open.ref);
      this.party.wake();
    } else {
      this.#close(open);
      this.#desk.hopeless(open.ref);
    }
  }

  #close(open: Open): void {
    this.#open.delete(open.ref.digest);
    this.#leave(open);
  }

  /** What is out of memory still counts as one chunk that is not safe. */
  #put(open: Open, bytes: Uint8Array): PutResult {
    return this.#options.sink.put(open.ref, bytes, this.party.signal, () => {
      if (this.#open.get(open.ref.digest) !== open) return;
      this.#leave(open);
      this.pump();
    });
  }

  #leave(open: Open): void {
    if (open.isOut) return;
    open.isOut = true;
    this.#openBytes -= open.ref.bytes;
    this.#share.give(open.ref.bytes);
  }
}

function unasked(what: string): SkyError {
  return new SkyError("stream/protocol", { why: `${what} that nobody asked for` });
}
