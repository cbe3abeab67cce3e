// The content store of a process: opened when something is first kept in it.
//
// A node that runs no job with a workdir, and a home that never had one, need none of its threads
// and files; and a head whose disk is full starts, and says so to whoever wants to keep something.

import { existsSync } from "node:fs";
import type { ContentCounts, ContentStore } from "../../transfer/chunks/content-store.ts";
import type { ContentStoreOptions } from "../../transfer/chunks/content-store-os.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";

/**
 * What stays free of the disk: a home may be on a small one. The journal has its ballast beside
 * this, and where nodes are on the head's disk, what the head leaves is theirs.
 */
export const headReserveBytes = 25_165_824;
export const nodeReserveBytes = 4_194_304;

const nothing: ContentCounts = {
  ...{ chunks: 0, bytes: 0, pinnedBytes: 0, stored: 0, known: 0, damaged: 0, evicted: 0 },
};

export function chunksAt(options: ContentStoreOptions): ContentStore {
  let opening: Promise<ContentStore> | undefined;
  let opened: ContentStore | undefined;
  const open = (): Promise<ContentStore> => {
    if (opening !== undefined) return opening;
    const store = openContentStore(options);
    opening = store;
    store.then(
      (ready) => {
        opened = ready;
      },
      () => {
        opening = undefined; // Whoever wanted it hears of it; the next one tries again.
      },
    );
    return store;
  };
  const isThere = (): boolean => opening !== undefined || existsSync(options.dir);
  return {
    has: async (digests) => (isThere() ? (await open()).has(digests) : new Set()),
    put: async (digest, bytes, put) => (await open()).put(digest, bytes, put),
    get: async (digest) => (await open()).get(digest),
    pin: async (name, chunks) => (await open()).pin(name, chunks),
    unpin: async (name) => (isThere() ? (await open()).unpin(name) : undefined),
    pinned: async (name) => (isThere() ? (await open()).pinned(name) : undefined),
    pins: async (prefix) => (isThere() ? (await open()).pins(prefix) : []),
    counts: () => opened?.counts() ?? nothing,
    close: async () => {
      // One that does not open has told whoever wanted it, and holds nothing.
      const [settled] = await Promise.allSettled([opening]);
      if (settled.status === "fulfilled") await settled.value?.close();
    },
  };
}
