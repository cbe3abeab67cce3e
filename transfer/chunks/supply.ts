// The supplier of a fetch: it is asked for chunks, and gives what it has.

import type { ChunkRef, Digest } from "./chunk.ts";
import type { MissingChunk } from "./exchange.ts";
import { SupplierHalf, type SupplierOptions } from "./supplier.ts";
import { openChunksMax } from "./taker.ts";

/** What was served over a channel. */
export interface SupplyResult {
  /** Chunks that went out, each time they did, and their bytes before compression. */
  readonly sent: number;
  readonly sentBytes: number;
  /** Those that the taker said are safe. */
  readonly safe: number;
  readonly missing: readonly MissingChunk[];
}

export interface ServeOptions extends SupplierOptions {
  /** Hears of each chunk that the channel has taken; also of those of a fetch that then fails. */
  readonly onSent?: (ref: ChunkRef) => void;
}

/**
 * Serves a fetch, over a channel that the taker opened, until the taker ends.
 * @throws SkyError `stream/closed` when the channel breaks, `stream/protocol`, what the source
 *   throws, what `signal` says. The taker hears of it.
 */
export async function serveChunks(options: ServeOptions): Promise<SupplyResult> {
  const missing = new Map<Digest, MissingChunk>();
  let sent = 0;
  let sentBytes = 0;
  let safe = 0;
  const supplier = new SupplierHalf(
    { ...options, role: "answers" },
    {
      mayGive: () => true,
      sent: (ref) => {
        sent += 1;
        sentBytes += ref.bytes;
        options.onSent?.(ref);
      },
      missing: (ref, why) => {
        // A bound: whoever asks for what is not here, over and over, makes no list grow.
        if (missing.size < openChunksMax) missing.set(ref.digest, { ...ref, why });
      },
      safe: (digests) => {
        safe += digests.length;
      },
      delivered: (digests) => {
        safe += digests.length;
      },
      ended: () => undefined,
    },
  );
  await supplier.run();
  return { sent, sentBytes, safe, missing: [...missing.values()] };
}
