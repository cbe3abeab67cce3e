// A pin's file: what was added is read, and what is damaged is seen and read as far as it goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import { pinFileName } from "../../transfer/chunks/content-layout.ts";
import { pinRecord, readPinText } from "../../transfer/chunks/content-pin-text.ts";
import { fc } from "../support/property.ts";

const ref = fc.record({
  digest: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
  bytes: fc.integer({ min: 1, max: 16 * 1024 ** 2 }),
});
const refs = fc.uniqueArray(ref, { selector: ({ digest }) => digest, maxLength: 12 });
const name = "train/workdir";
const fileName = pinFileName(name);

/** The file after so many calls. */
function written(records: readonly (readonly ChunkRef[])[]): string {
  return records.reduce((text, chunks) => {
    const proof = /= ([0-9a-f]{64})\n$/.exec(text)?.[1] ?? "";
    return text + pinRecord(name, chunks, proof);
  }, "");
}

test("what was added is read, in its order, and proves itself", () => {
  fc.assert(
    fc.property(fc.array(refs, { minLength: 1, maxLength: 4 }), (records) => {
      const seen = readPinText(written(records), fileName);
      const first = new Map<string, ChunkRef>();
      for (const one of records.flat())
        if (!first.has(one.digest)) first.set(one.digest, { ...one });
      assert.deepEqual(seen.legible, [...first.values()]);
      assert.deepEqual(seen.proven, seen.legible);
      assert.equal(seen.name, name);
      assert.ok(seen.whole);
    }),
  );
});

test("one flipped bit or a cut is seen, costs one chunk at most, and proves nothing wrong", () => {
  const damage = fc.record({ at: fc.nat(), bit: fc.nat({ max: 7 }), cut: fc.boolean() });
  fc.assert(
    fc.property(fc.array(refs, { minLength: 2, maxLength: 4 }), damage, (records, how) => {
      const bytes = Buffer.from(written(records), "latin1");
      const at = how.at % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << how.bit);
      const text = (how.cut ? bytes.subarray(0, at) : bytes).toString("latin1");
      const seen = readPinText(text, fileName);
      const all = new Map(records.flat().map(({ digest, bytes: size }) => [digest, size]));
      const isRight = ({ digest }: ChunkRef): boolean => all.has(digest);
      assert.ok(seen.proven.every(isRight));
      if (how.cut) return;
      assert.ok(!seen.whole);
      assert.equal(seen.name, name);
      assert.ok(seen.legible.filter(isRight).length >= all.size - 1);
    }),
    { numRuns: 500 },
  );
});

test("a text of nobody has no name, and an empty one is nothing", () => {
  const other = readPinText(pinRecord("other", [], ""), fileName);
  assert.equal(other.name, undefined);
  assert.equal(other.whole, false);
  const nothing = { name: undefined, proven: [], legible: [], whole: false };
  assert.deepEqual(readPinText("", fileName), nothing);
});
