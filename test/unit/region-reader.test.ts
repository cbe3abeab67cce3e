// Reading a region of a tree: the bytes are those of its chunks in order, whatever is skipped.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import { RegionReader } from "../../transfer/tree/region-reader.ts";
import { fc } from "../support/property.ts";

const { signal } = new AbortController();

function regionOf(chunks: readonly Uint8Array[]) {
  const byDigest = new Map<string, Uint8Array>();
  const read = new Set<string>();
  const refs = chunks.map((bytes): ChunkRef => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    byDigest.set(digest, bytes);
    return { digest, bytes: bytes.length };
  });
  const get = async (digest: string): Promise<Uint8Array> => {
    read.add(digest);
    return byDigest.get(digest) ?? new Uint8Array(0);
  };
  return { reader: new RegionReader({ get }, refs, signal), refs, read };
}

test("a property: what is read after skips is what is there", async () => {
  const chunk = fc.uint8Array({ minLength: 1, maxLength: 20 });
  const move = fc.record({ verb: fc.constantFrom("skip", "read"), bytes: fc.nat(30) });
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), fc.array(move), async (chunks, moves) => {
      const all = Buffer.concat(chunks);
      const { reader } = regionOf(chunks);
      let at = 0;
      for (const { verb, bytes } of moves) {
        const count = Math.min(bytes, all.length - at);
        if (verb === "skip") reader.skip(count);
        else
          assert.deepEqual(
            Buffer.from(await reader.readWhole(count)),
            all.subarray(at, at + count),
          );
        at += count;
        assert.equal(reader.isOver, at === all.length);
      }
      assert.throws(() => reader.skip(all.length - at + 1), /its contents are cut off/);
    }),
  );
});

test("a chunk of which nothing is wanted is not read", async () => {
  const chunks = [1, 2, 3, 4].map((byte) => new Uint8Array(10).fill(byte));
  const { reader, refs, read } = regionOf(chunks);
  reader.skip(15);
  reader.skip(10);
  assert.equal(reader.place, undefined);
  assert.deepEqual([...(await reader.readWhole(5))], [3, 3, 3, 3, 3]);
  assert.equal(reader.place, 3);
  assert.deepEqual(
    refs.map(({ digest }) => read.has(digest)),
    [false, false, true, true],
  );
});
