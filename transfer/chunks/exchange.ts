// What two parties do with chunks: one supplies, one takes, over a channel of the bulk wire.
//
// *Fetch*: the taker opens the channel and says what it wants. *Push*: the supplier opens it and
// offers; the taker says which of these it lacks. Both then run the same messages
// (`chunk-frames.ts`). Who dialled the session does not matter, so the receiver dials wherever it
// can. The taker proves every chunk before it keeps it and acknowledges it only when it is safe:
// what was not acknowledged is sent again, and what is sent twice is kept once.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { type PinName, pinPattern } from "./content-store.ts";
import type { Encoded } from "./encoding.ts";

/** Where a supplier takes chunks from. A content store is one. */
export interface ChunkSource {
  /**
   * The chunk, proven, in memory that is the caller's own from then on. A source that is itself
   * still receiving waits for what is yet to come.
   * @throws SkyError `chunk/missing`, `chunk/damaged`; what `signal` says when it aborts.
   */
  get(digest: Digest, signal: AbortSignal): Promise<Uint8Array>;
}

// biome-ignore lint/suspicious/noConfusingVoidType: most sinks have nothing to say.
export type PutResult = Promise<void | "refused">;

/** Where a taker puts them. `storeSink` makes one of a content store. */
export interface ChunkSink {
  /** Those that need not be sent. At most `listMax` (`chunk-frames.ts`) are asked at a time. */
  known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>>;
  /**
   * Resolves when the chunk is safe here; it is acknowledged then. The bytes are proven, and
   * several chunks are put at a time. A sink that waits for room stops when `signal` aborts; one
   * that only writes need not look at it. What it throws ends the exchange, but for
   * `chunk/damaged`: then the chunk is asked for again. `refused`: what it belongs to has failed
   * here, so the chunk is of no use, and the exchange goes on without it. `out` may be called when
   * the bytes are out of memory before they are safe: more is asked for then.
   */
  put(ref: ChunkRef, bytes: Uint8Array, signal: AbortSignal, out?: () => void): PutResult;
  /** Puts at a time, where more than `putsMax` (`taker.ts`) go together better. */
  readonly putsMax?: number;
}

/**
 * What a chunk's bytes are put through on their way. `ChunkWork` is one. Bytes that go in are given
 * away.
 */
export interface ChunkCodec {
  /** The chunk as it travels. */
  encode(bytes: Uint8Array): Promise<Encoded>;
  /** The chunk that travelled, proven. @throws SkyError `chunk/damaged`. */
  decode(ref: ChunkRef, chunk: Encoded): Promise<Uint8Array>;
}

/** The same codec for what is known not to compress: sealed chunks. */
export function rawCodec(codec: ChunkCodec): ChunkCodec {
  return {
    encode: async (payload) => ({ encoding: "raw", payload }),
    decode: (ref, chunk) => codec.decode(ref, chunk),
  };
}

/**
 * What a channel is for, in its header: `chunks fetch SCOPE` or `chunks push SCOPE`. The scope
 * says what the chunks belong to (a pin's name); whoever is asked decides by it, and by the proven
 * identity of the peer, whether to take part at all.
 */
export interface ExchangeHeader {
  readonly verb: "fetch" | "push";
  readonly scope: PinName;
}

/** What an exchange came to. */
export interface ExchangeResult {
  /** Chunks that travelled and are safe, and their bytes before compression. */
  readonly moved: number;
  readonly movedBytes: number;
  /** Chunks that were there already. */
  readonly known: number;
  /** Chunks that arrived damaged, each time they did. Those asked for again in time are moved. */
  readonly damaged: number;
  /** What no supplier has undamaged: to be fetched from somebody else. */
  readonly missing: readonly MissingChunk[];
}

export interface MissingChunk extends ChunkRef {
  /** `damaged`: a supplier has it, but what arrives never has the digest. */
  readonly why: "missing" | "damaged";
}

const headerStart = "chunks ";

/** Whether a channel is for an exchange at all, well-formed or not. */
export function isExchange(header: Uint8Array): boolean {
  return Buffer.from(header.subarray(0, headerStart.length)).toString() === headerStart;
}

export function encodeExchangeHeader({ verb, scope }: ExchangeHeader): Uint8Array {
  return Buffer.from(`${headerStart}${verb} ${scope}`);
}

/** @throws SkyError `stream/protocol` if it is none. */
export function parseExchangeHeader(header: Uint8Array): ExchangeHeader {
  const [start, verb, scope, ...more] = Buffer.from(header).toString("latin1").split(" ");
  const isVerb = verb === "fetch" || verb === "push";
  const fits = `${start} ` === headerStart && more.length === 0;
  if (fits && isVerb && scope !== undefined && pinPattern.test(scope)) return { verb, scope };
  throw new SkyError("stream/protocol", { why: "the header of an exchange" });
}
