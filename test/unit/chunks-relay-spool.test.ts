// What a relay's spool holds while the journal is written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import type { ChunkJournal, JournalEntry } from "../../transfer/chunks/journal.ts";
import { RelaySpool } from "../../transfer/chunks/relay-spool.ts";
import { nameAndSeal } from "../../transfer/chunks/seal.ts";
import { chunkOf, neverAborts } from "./chunks-stage.ts";

/** A spool with one chunk, over a journal that records when it is released. */
async function spoolOfOne() {
  const secret = { transfer: Buffer.alloc(16, 7), key: Buffer.alloc(32, 9) };
  const { bytes } = chunkOf(1, 2_000);
  const { sealed, sealedRef: ref } = nameAndSeal(bytes, { secret, place: { object: 0, index: 0 } });
  const store = createMemoryContentStore();
  const disk = { isDamaged: false, isWritable: Promise.resolve() };
  const get: typeof store.get = (digest) => {
    if (!disk.isDamaged) return store.get(digest);
    throw new SkyError("chunk/damaged", { digest, where: "a test", why: "a bit flipped" });
  };
  const put: typeof store.put = async (digest, some, options) => {
    await disk.isWritable;
    return await store.put(digest, some, options);
  };
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const known = new Map<string, JournalEntry>();
  const journal: ChunkJournal = {
    entries: () => known.values(),
    get: () => undefined,
    find: (digest) => known.get(digest),
    record: async (entries) => {
      await released;
      for (const entry of entries) known.set(entry.ref.digest, entry);
    },
    damaged: 0,
    close: async () => {},
  };
  const transfer = secret.transfer.toString("hex");
  const spool = new RelaySpool({
    transfer,
    store: { ...store, get, put },
    journal,
    bytesMax: 10_000,
  });
  await spool.put(ref, sealed, neverAborts());
  return { spool, ref, sealed, disk, release };
}

test("a chunk that is found damaged while its delivery is recorded is let go", async () => {
  const { spool, ref, disk, release } = await spoolOfOne();
  await spool.get(ref.digest);
  const delivered = spool.delivered([ref.digest]);
  disk.isDamaged = true;
  await assert.rejects(spool.get(ref.digest), { code: "chunk/missing" });
  release();
  await delivered;
  assert.deepEqual([spool.bytes, spool.held], [0, []]);
});

test("likewise one that comes in once more meanwhile", async () => {
  const { spool, ref, sealed, disk, release } = await spoolOfOne();
  await spool.get(ref.digest);
  const delivered = spool.delivered([ref.digest]);
  disk.isDamaged = true;
  await assert.rejects(spool.get(ref.digest), { code: "chunk/missing" });
  const { promise: isWritable, resolve: goOn } = Promise.withResolvers<void>();
  disk.isWritable = isWritable;
  const put = spool.put(ref, sealed, neverAborts());
  release();
  await delivered;
  goOn();
  await put;
  assert.deepEqual([spool.bytes, spool.held], [0, []]);
});
