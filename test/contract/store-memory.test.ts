// The memory version of the store port keeps the contract; the faulty one fails as it promises.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Batch } from "../../runtime/store.ts";
import { createFaultyStore } from "../../runtime/store-faulty.ts";
import { createMemoryDisk, createMemoryStore } from "../../runtime/store-memory.ts";
import { storeContract } from "./store.contract.ts";

storeContract("store-memory", async () => {
  const disk = createMemoryDisk();
  return { open: async () => createMemoryStore({ disk }), close: async () => {} };
});

storeContract("store-faulty, told nothing", async () => {
  const disk = createMemoryDisk();
  return {
    open: async () => createFaultyStore(createMemoryStore({ disk })),
    close: async () => {},
  };
});

const put = (key: string): Batch => ({ puts: [{ key, value: "" }], deletes: [], events: [] });
const failed = (error: unknown): boolean => isSkyError(error, "store/failed");

test("store-memory: after a failed commit every later one fails, and is not there", async () => {
  const disk = createMemoryDisk();
  const store = createMemoryStore({
    disk,
    beforeCommit: async ({ puts }) => {
      if (puts[0]?.key === "bad") throw new Error("no");
    },
  });
  const commits = ["good", "bad", "after"].map((key) => store.commit(put(key)));
  const ends = await Promise.allSettled(commits);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected"],
  );
  await assert.rejects(store.commit(put("later")), failed);
  assert.deepEqual([...disk.records.keys()], ["good"]);
});

test("store-faulty: a commit that fails may be on disk, and later ones fail too", async () => {
  for (const applied of [false, true]) {
    const disk = createMemoryDisk();
    const store = createFaultyStore(createMemoryStore({ disk }));
    await store.commit(put("a"));
    store.failNext("pulled the plug", { applied });
    await assert.rejects(store.commit(put("b")), /pulled the plug/);
    await assert.rejects(store.commit(put("c")), failed);
    assert.deepEqual([...disk.records.keys()], applied ? ["a", "b"] : ["a"]);
  }
});

test("store-faulty: held commits wait, then go on in order", async () => {
  const disk = createMemoryDisk();
  const store = createFaultyStore(createMemoryStore({ disk }));
  const release = store.hold();
  const done: string[] = [];
  const commits = ["a", "b"].map((key) => store.commit(put(key)).then(() => done.push(key)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([done, [...disk.records.keys()]], [[], []]);
  release();
  await Promise.all(commits);
  assert.deepEqual(done, ["a", "b"]);
});
