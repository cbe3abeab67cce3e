// An object cut by size: the ranges cover it, and the manifest holds them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import {
  chunkBytesFor,
  cutBySize,
  cutBytesMax,
  cutBytesMin,
  cutBytesUsual,
  objectBytesMax,
} from "../../transfer/chunks/cut.ts";
import { manifestChunksMax } from "../../transfer/chunks/manifest.ts";
import { sealedPayloadBytesMax } from "../../transfer/chunks/seal.ts";
import { fc } from "../support/property.ts";

const mib = 1024 * 1024;

test("cut by size: the ranges follow each other and cover the object", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 37 }), (objectBytes) => {
      let at = 0;
      for (const range of cutBySize(objectBytes)) {
        assert.equal(range.at, at);
        assert.ok(range.bytes >= 1 && range.bytes <= cutBytesMax);
        at += range.bytes;
      }
      assert.equal(at, objectBytes);
    }),
  );
});

test("cut by size: the size of chunks stays in its bounds and their count fits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: objectBytesMax }), (objectBytes) => {
      const chunkBytes = chunkBytesFor(objectBytes);
      assert.ok(chunkBytes >= cutBytesMin && chunkBytes <= cutBytesMax);
      assert.equal(chunkBytes % mib, 0);
      assert.ok(Math.ceil(objectBytes / chunkBytes) <= manifestChunksMax);
    }),
    { examples: [[objectBytesMax], [manifestChunksMax * cutBytesUsual + 1]] },
  );
});

test("cut by size: known sizes, on which stores and peers agree", () => {
  const tib = 1024 ** 4;
  const sizes = [1, mib, 16 * mib, 17 * mib, 128 * mib, 1024 * mib, 3 * tib, 4 * tib, 6 * tib];
  assert.deepEqual(
    sizes.map((bytes) => chunkBytesFor(bytes) / mib),
    [1, 1, 1, 2, 8, 8, 8, 10, 14],
  );
});

test("cut by size: a chunk of any size can be sealed, and an object too large is refused", () => {
  assert.ok(cutBytesMax <= sealedPayloadBytesMax);
  assert.throws(
    () => cutBySize(objectBytesMax + 1),
    (error) => isSkyError(error, "object/too-large"),
  );
});
