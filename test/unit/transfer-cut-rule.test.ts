// How objects are cut for stores: every cut is one that all of them take.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cutBySize, cutBytesMax } from "../../transfer/chunks/cut.ts";
import { cutRuleFor, largestFor } from "../../transfer/job/cut-rule.ts";
import { storeLimits } from "../../transfer/stores/limits.ts";
import { fc } from "../support/property.ts";

const mib = 1024 * 1024;
const kinds = ["s3", "gs", "azure", "r2", "cos"] as const;

test("files alone are cut as usual, and as large as their user asked for", () => {
  assert.equal(cutRuleFor({ multipart: true }, []), undefined);
  assert.deepEqual(cutRuleFor({ multipart: true, multipartBytes: 9 * mib }, []), {
    bytesMin: 9 * mib,
  });
});

test("without parts an object is one chunk", () => {
  const options = { multipart: false };
  assert.deepEqual(cutRuleFor(options, [storeLimits.s3]), { chunksMax: 1 });
  assert.equal(largestFor(options, storeLimits.s3).bytes, cutBytesMax);
});

test("whatever is asked for, every part but the last is one that each store takes", () => {
  const some = fc.subarray([...kinds], { minLength: 1 });
  const asked = fc.option(fc.integer({ min: 1, max: 200 * mib }), { nil: undefined });
  const size = fc.oneof(fc.nat(64 * mib), fc.integer({ min: 0, max: 9_999 * cutBytesMax }));
  fc.assert(
    fc.property(
      fc.record({ some, asked, size }),
      ({ some: names, asked: multipartBytes, size }) => {
        const limits = names.map((name) => storeLimits[name]);
        const options = { multipart: true, ...(multipartBytes && { multipartBytes }) };
        const parts = cutBySize(size, cutRuleFor(options, limits));
        for (const { partBytesMin, partBytesMax, partsMax } of limits) {
          assert.ok(parts.length <= partsMax);
          assert.ok(parts.slice(0, -1).every(({ bytes }) => bytes >= partBytesMin));
          assert.ok(parts.every(({ bytes }) => bytes <= partBytesMax));
        }
      },
    ),
  );
});
