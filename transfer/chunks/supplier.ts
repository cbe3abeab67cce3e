// The supplier's half of an exchange: reads what is wanted, and sends it.
//
// It reads ahead of the channel within a bound: chunks that are read, or being read, and not yet
// taken by the channel. A taker that stops reading costs that much and no more. Chunks go out as
// they are ready, which for a store is the order of the wants; one that has yet to come holds up
// nothing but its share of the bound. What is not here, or damaged, is said and not waited for.

import { assert, isSkyError, SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type ExchangeMessage, listMax } from "./chunk-frames.ts";
import type { ChunkCodec, ChunkSource, MissingChunk } from "./exchange.ts";
import { Party, type PartyEars } from "./exchange-channel.ts";
import { BytesShare, type SharedBytes } from "./shared-bytes.ts";
import { openChunksMax } from "./taker.ts";

/** Chunks that are read and not yet taken by the channel, unless the caller says otherwise. */
export const readAheadBytesUsual = 32 * 1024 * 1024;
/** Chunks that are read at a time. */
export const readsMax = 16;

export interface SupplierOptions {
  readonly channel: StreamChannel;
  readonly from: ChunkSource;
  readonly signal: AbortSignal;
  readonly work: ChunkCodec;
  readonly readAheadBytesMax?: number | undefined;
  /** With the other exchanges of this process: what is read ahead beyond one chunk. */
  readonly shared?: SharedBytes | undefined;
}

/** What the supplier's half hears. */
export interface SupplierDesk {
  /** Whether that chunk may be given. */
  mayGive(ref: ChunkRef): boolean;
  sent(ref: ChunkRef): void;
  missing(ref: ChunkRef, why: MissingChunk["why"]): void;
  safe(digests: readonly Digest[]): void;
  delivered(digests: readonly Digest[]): void;
  /** Absent where nothing that is given can be refused. */
  refused?(digests: readonly Digest[]): void;
  /** The taker ended. Throws if that is too early. */
  ended(): void;
}

/** The supplier's half: reads what is wanted, and sends it. */
export class SupplierHalf implements PartyEars {
  readonly party: Party;
  readonly #options: SupplierOptions;
  readonly #desk: SupplierDesk;
  readonly #codec: ChunkCodec;
  readonly #readAheadBytesMax: number;
  readonly #share: BytesShare;
  /** Wanted, and not yet being read. */
  readonly #wanted: ChunkRef[] = [];
  /** Wanted, and not yet sent. */
  #open = 0;
  /** Being read, or read and not yet sent. */
  #aheadBytes = 0;
  #ahead = 0;
  #ready: ExchangeMessage[] = [];
  #offers: ChunkRef[] = [];

  constructor(
    options: SupplierOptions & { readonly role: "asks" | "answers" },
    desk: SupplierDesk,
  ) {
    this.#options = options;
    this.#desk = desk;
    this.#codec = options.work;
    this.#readAheadBytesMax = options.readAheadBytesMax ?? readAheadBytesUsual;
    this.#share = new BytesShare(options.shared);
    this.party = new Party(options, this);
  }

  async run(): Promise<void> {
    try {
      await this.party.run();
    } finally {
      this.#share.give(this.#aheadBytes);
    }
  }

  offer(refs: readonly ChunkRef[]): void {
    this.#offers.push(...refs);
    this.party.wake();
  }

  next(): ExchangeMessage | undefined {
    if (this.#offers.length > 0) return { type: "offer", refs: this.#offers.splice(0, listMax) };
    return this.#ready.shift();
  }

  sent(message: ExchangeMessage): void {
    if (message.type !== "chunk" && message.type !== "missing") return;
    this.#open -= 1;
    this.#ahead -= 1;
    this.#aheadBytes -= message.ref.bytes;
    this.#share.give(message.ref.bytes);
    if (message.type === "chunk") this.#desk.sent(message.ref);
    else this.#desk.missing(message.ref, message.why);
    this.#pump();
  }

  head(): void {
    throw unexpected("a chunk");
  }

  take(message: ExchangeMessage): void {
    switch (message.type) {
      case "want":
        this.#want(message.refs);
        return;
      case "safe":
        this.#desk.safe(message.digests);
        return;
      case "delivered":
        this.#desk.delivered(message.digests);
        return;
      case "refused":
        if (this.#desk.refused === undefined) throw unexpected("a refusal");
        this.#desk.refused(message.digests);
        return;
      case "failed":
        throw message.error;
      case "offer":
      case "chunk":
      case "missing":
        throw unexpected(`a message of type ${message.type}`);
    }
  }

  ended(): void {
    this.#desk.ended();
  }

  #want(refs: readonly ChunkRef[]): void {
    this.#open += refs.length;
    // Twice: a taker that lost chunks asks for them beside what it still gets.
    if (this.#open > 2 * openChunksMax) throw unexpected(`${this.#open} wants at a time`);
    this.#wanted.push(...refs);
    this.#pump();
  }

  #pump(): void {
    for (;;) {
      const ref = this.#wanted[0];
      if (ref === undefined) return;
      // One chunk may always be read, however large.
      const isFirst = this.#ahead === 0;
      if (!isFirst && !this.#hasRoom(ref)) return;
      if (!isFirst) this.#share.take(ref.bytes);
      this.#wanted.shift();
      this.#ahead += 1;
      this.#aheadBytes += ref.bytes;
      this.party.work(async () => {
        this.#ready.push(await this.#read(ref));
        this.party.wake();
      });
    }
  }

  #hasRoom({ bytes }: ChunkRef): boolean {
    const fits = this.#aheadBytes + bytes <= this.#readAheadBytesMax;
    return fits && this.#ahead < readsMax && bytes <= this.#share.spare;
  }

  async #read(ref: ChunkRef): Promise<ExchangeMessage> {
    if (!this.#desk.mayGive(ref)) return { type: "missing", ref, why: "missing" };
    try {
      const bytes = await this.#options.from.get(ref.digest, this.party.signal);
      assert(bytes.length > 0, "a source gives bytes that it did not give to anybody before");
      // Who names it with another length does not mean this chunk.
      if (bytes.length !== ref.bytes) return { type: "missing", ref, why: "missing" };
      return { type: "chunk", ref, ...(await this.#codec.encode(bytes)) };
    } catch (error) {
      if (isSkyError(error, "chunk/missing")) return { type: "missing", ref, why: "missing" };
      if (isSkyError(error, "chunk/damaged")) return { type: "missing", ref, why: "damaged" };
      throw error;
    }
  }
}

function unexpected(what: string): SkyError {
  return new SkyError("stream/protocol", { why: `${what} from a taker` });
}
