// What two parties do with chunks: one supplies, one takes, over a channel of the bulk wire.
//
// *Fetch*: the taker opens the channel and says what it wants. *Push*: the supplier opens it and
// offers; the taker says which of these it lacks. Both then run the same frames
// (`chunk-frames.ts`). Who dialled the session does not matter, so the receiver dials wherever it
// can. The taker proves every chunk before it keeps it and acknowledges it only when it is safe:
// what was not acknowledged is sent again, and what is sent twice is kept once.

import type { ChunkRef, Digest } from "./chunk.ts";

/** Where a supplier takes chunks from. A content store is one. */
export interface ChunkSource {
  /**
   * The chunk, proven. A source that is itself still receiving waits for what is yet to come.
   * @throws SkyError `chunk/missing`, `chunk/damaged`; what `signal` says when it aborts.
   */
  get(digest: Digest, signal: AbortSignal): Promise<Uint8Array>;
}

/** Where a taker puts them. */
export interface ChunkSink {
  /** Those that need not be sent. */
  known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>>;
  /** Resolves when the chunk is safe here; it is acknowledged then. The bytes are proven. */
  put(ref: ChunkRef, bytes: Uint8Array): Promise<void>;
}

/**
 * What a channel is for, in its header: `chunks fetch SCOPE` or `chunks push SCOPE`. The scope
 * says what the chunks belong to (a pin's name); whoever is asked decides by it, and by the proven
 * identity of the peer, whether to take part at all.
 */
export interface ExchangeHeader {
  readonly verb: "fetch" | "push";
  readonly scope: string;
}

/** What an exchange came to. */
export interface ExchangeResult {
  /** Chunks that travelled, and their bytes before compression. */
  readonly moved: number;
  readonly movedBytes: number;
  /** Chunks that were there already. */
  readonly known: number;
  /** What the supplier does not have, or has damaged: to be fetched from somebody else. */
  readonly missing: readonly ChunkRef[];
}
