// A journal and a store that tell, at once, of every chunk that they have made safe; the store also
// of every one that comes.

import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import type { ChunkJournal } from "../../transfer/chunks/journal.ts";

export type Say = (says: string, about?: object) => void;

/** A chunk of an object is stored when it is on record as delivered; so is a manifest. */
export function tellingJournal(journal: ChunkJournal, say: Say): ChunkJournal {
  return {
    entries: (object) => journal.entries(object),
    get: (place) => journal.get(place),
    find: (digest) => journal.find(digest),
    record: async (entries) => {
      await journal.record(entries);
      for (const { state, ref, sealed = ref } of entries) {
        if (state === "delivered") say("safe", { index: sealed.digest, bytes: ref.bytes });
      }
    },
    damaged: journal.damaged,
    close: () => journal.close(),
  };
}

export function tellingStore(store: ContentStore, say: Say): ContentStore {
  return {
    has: (digests) => store.has(digests),
    put: async (digest, bytes, options) => {
      say("came", { index: digest });
      const outcome = await store.put(digest, bytes, options);
      if (outcome === "stored") say("safe", { index: digest });
      return outcome;
    },
    get: (digest) => store.get(digest),
    pin: (name, chunks) => store.pin(name, chunks),
    unpin: (name) => store.unpin(name),
    pinned: (name) => store.pinned(name),
    pins: (prefix) => store.pins(prefix),
    counts: () => store.counts(),
    close: () => store.close(),
  };
}
