// A region while it is written: what is taken back is out of it, and what came before stays in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf } from "../../transfer/chunks/work.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { RegionWriter } from "../../transfer/tree/region-writer.ts";

const contents = ["first", "taken back", "last"].map((text) => Buffer.from(text));

test("what is taken back is out of the region, and all else is in it, in order", async () => {
  const kept = new Set<string>();
  const region = new RegionWriter({
    keep: async (chunks) => {
      for (const { ref } of chunks) kept.add(ref.digest);
    },
    work: createInlineWork(),
  });
  const refs = contents.map(nameOf);
  for (const content of contents) {
    if (content === contents[2]) await region.takeBack(1);
    await region.add(Uint8Array.from(content));
  }
  const known = { digest: "ab".repeat(32), bytes: 7 };
  await region.adopt([known]);
  assert.deepEqual(await region.end(), [refs[0], refs[2], known]);
  kept.add(known.digest);
  for (const { digest } of await region.end()) assert.ok(kept.has(digest));
});

test("a chunk that cannot be named fails the region, and its batch is not kept", async () => {
  const why = new Error("no thread");
  const kept: unknown[] = [];
  const region = new RegionWriter({
    keep: async (chunks) => void kept.push(...chunks),
    work: { name: () => Promise.reject(why) },
  });
  await region.add(Uint8Array.of(1, 2, 3));
  // It is heard of at the end, and is nothing that nobody handled until then.
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(region.end(), (error) => error === why);
  assert.deepEqual(kept, []);
});

test("what cannot be kept fails the region, with the next batch or at its end", async () => {
  const why = new Error("no room");
  const region = new RegionWriter({
    keep: () => Promise.reject(why),
    work: createInlineWork(),
  });
  await region.add(Uint8Array.of(1));
  await assert.rejects(region.end(), (error) => error === why);
});
