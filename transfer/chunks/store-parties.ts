// A content store as a party to exchanges: as a sink, and as a source of some of its chunks.
//
// Nobody gets a chunk by knowing its digest alone: a source that is served to others is limited to
// what belongs to the scope that the peer was admitted to.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { ContentStore } from "./content-store.ts";
import type { ChunkSink, ChunkSource } from "./exchange.ts";

/**
 * A sink that keeps chunks in a store. Pin them first: what nobody pins may be evicted between the
 * acknowledgement and its use.
 */
export function storeSink(store: ContentStore): ChunkSink {
  return {
    known: (refs) => store.has(refs.map(({ digest }) => digest)),
    put: async (ref, bytes) => {
      await store.put(ref.digest, bytes, { proven: true });
    },
  };
}

/** These chunks of a source, and no others: they are missing, whoever asks. */
export function scopedSource(source: ChunkSource, scope: Iterable<ChunkRef>): ChunkSource {
  const inside = new Set<Digest>();
  for (const { digest } of scope) inside.add(digest);
  return {
    get: async (digest, signal) => {
      if (inside.has(digest)) return await source.get(digest, signal);
      throw new SkyError("chunk/missing", { digest, where: "what the peer was admitted to" });
    },
  };
}
