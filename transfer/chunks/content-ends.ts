// The content store as the two ends of an exchange: what a supplier takes from, what a taker fills.

import type { ContentStore } from "./content-store.ts";
import type { ChunkSink, ChunkSource } from "./exchange.ts";

export function contentSource(store: ContentStore): ChunkSource {
  return {
    get: async (digest, signal) => {
      signal.throwIfAborted();
      return store.get(digest);
    },
  };
}

/** Pin what is to come before it is taken, or it may be evicted again meanwhile. */
export function contentSink(store: ContentStore): ChunkSink {
  return {
    known: (refs) => store.has(refs.map(({ digest }) => digest)),
    put: async ({ digest }, bytes) => {
      await store.put(digest, bytes, { proven: true });
    },
  };
}
