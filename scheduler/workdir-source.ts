// What the head gives to nodes, tried once more where the store could be mended meanwhile.
//
// For one exchange, or one fan-out: what is still missing after one mending is missing, and the
// node is told. The next try of the job that needs it is another exchange.

import { isSkyError } from "../model/errors.ts";
import type { Digest } from "../transfer/chunks/chunk.ts";
import type { ChunkSource } from "../transfer/chunks/exchange.ts";

/** Mends the tree of that digest as far as it can be; never rejects. */
export type MendTree = (cluster: string, tree: Digest) => Promise<void>;

export function mendedSource(from: ChunkSource, mend: () => Promise<void>): ChunkSource {
  let mended: Promise<void> | undefined;
  return {
    get: async (digest, signal) => {
      try {
        return await from.get(digest, signal);
      } catch (error) {
        if (!isLost(error)) throw error;
        mended ??= mend();
        await unlessAborted(mended, signal);
        return await from.get(digest, signal);
      }
    },
  };
}

/** Whether a chunk is not there, or was not as it should be and is therefore there no more. */
export function isLost(error: unknown): boolean {
  return isSkyError(error, "chunk/missing") || isSkyError(error, "chunk/damaged");
}

/** @throws what `signal` says, at once. */
export async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
