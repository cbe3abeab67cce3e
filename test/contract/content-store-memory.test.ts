// The memory content store keeps the contract, and its scripted faults do what they say.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import {
  type ContentWorld,
  contentStoreContract,
  putSample,
  sample,
} from "./content-store.contract.ts";
import { modelHolds } from "./content-store-model.ts";

async function makeWorld(): Promise<ContentWorld> {
  const disk = new MemoryContentDisk();
  return {
    open: async (options = {}) => createMemoryContentStore({ ...options, disk }),
    damage: (digest) => assert.ok(disk.damage(digest)),
    fill: (full) => {
      disk.full = full;
    },
    close: async () => {},
  };
}

contentStoreContract("content-store-memory", makeWorld);

test("content-store-memory: any commands leave what they leave in the model", async () => {
  await modelHolds(makeWorld, 200);
});

test("content-store-memory: puts wait for a slow disk, and fail with a failing one", async () => {
  const gate = Promise.withResolvers<void>();
  const store = createMemoryContentStore({ beforePut: () => gate.promise });
  const put = putSample(store, sample(1));
  assert.equal((await store.has([sample(1).digest])).size, 0);
  gate.resolve();
  assert.equal(await put, "stored");
  const failing = createMemoryContentStore({
    beforePut: () => Promise.reject(new Error("broken")),
  });
  await assert.rejects(putSample(failing, sample(1)), /broken/);
  await failing.close();
});
