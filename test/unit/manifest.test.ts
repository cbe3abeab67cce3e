// A manifest has one form in bytes, whatever order its chunks came in, and no other bytes pass.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax, type Manifest } from "../../transfer/chunks/chunk.ts";
import {
  decodeManifest,
  encodeManifest,
  ManifestBuilder,
  manifestChunksMax,
  objectDigest,
} from "../../transfer/chunks/manifest.ts";
import { sealedPayloadBytesMax } from "../../transfer/chunks/seal.ts";
import { fc } from "../support/property.ts";

const anyRef: fc.Arbitrary<ChunkRef> = fc.record(
  {
    digest: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString("hex")),
    bytes: fc.oneof(
      fc.constantFrom(1, 2, chunkBytesMax),
      fc.integer({ min: 1, max: chunkBytesMax }),
    ),
  },
  { noNullPrototype: true },
);

function manifestOf(chunks: readonly ChunkRef[]): Manifest {
  return { bytes: chunks.reduce((sum, { bytes }) => sum + bytes, 0), chunks };
}

const anyManifest = fc.array(anyRef, { maxLength: 40 }).map(manifestOf);
const isInvalid = (error: unknown): boolean => isSkyError(error, "codec/invalid");

test("manifest: what was encoded decodes to the same", () => {
  fc.assert(
    fc.property(anyManifest, (manifest) => {
      assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
    }),
  );
});

test("manifest: chunks in any order, some of them twice, come to the same bytes", () => {
  fc.assert(
    fc.property(anyManifest, fc.infiniteStream(fc.nat()), (manifest, draws) => {
      const order = manifest.chunks.map((ref, index) => ({ ref, index, key: draws.next().value }));
      const again = order.filter(({ key }) => key % 3 === 0);
      const builder = new ManifestBuilder();
      for (const { ref, index } of [...order.toSorted((a, b) => a.key - b.key), ...again]) {
        builder.add(index, ref);
      }
      const { encoded, digest, manifest: built } = builder.finish();
      assert.deepEqual(built, manifest);
      assert.deepEqual(Buffer.from(encoded), Buffer.from(encodeManifest(manifest)));
      assert.equal(digest, createHash("sha256").update(encoded).digest("hex"));
    }),
  );
});

test("manifest: any other bytes are refused or stand for another manifest", () => {
  fc.assert(
    fc.property(anyManifest, fc.nat(), (manifest, position) => {
      const encoded = encodeManifest(manifest);
      const bit = position % (encoded.length * 8);
      encoded[bit >> 3] = (encoded[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // Canonical: a change that decodes is the one form of another manifest.
      const decoded = decodedOrUndefined(encoded);
      if (decoded === undefined) return;
      assert.notDeepEqual(decoded, manifest);
      assert.deepEqual(Buffer.from(encodeManifest(decoded)), Buffer.from(encoded));
    }),
    { numRuns: 500 },
  );
});

test("manifest: what is cut short or goes on is refused", () => {
  const encoded = encodeManifest(manifestOf(fc.sample(anyRef, { numRuns: 3, seed: 1 })));
  for (let length = 0; length < encoded.length; length += 1) {
    assert.throws(() => decodeManifest(encoded.subarray(0, length)), isInvalid, `${length}`);
  }
  assert.throws(() => decodeManifest(Buffer.concat([encoded, Buffer.alloc(1)])), isInvalid);
  assert.throws(() => decodeManifest(Buffer.concat([encoded, Buffer.alloc(36)])), isInvalid);
});

test("manifest: random bytes with a true beginning give nothing and no other error", () => {
  const beginning = encodeManifest(manifestOf([])).subarray(0, 8);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      decodedOrUndefined(Buffer.concat([beginning, noise]));
    }),
    { numRuns: 500 },
  );
});

test("manifest: sums, empty chunks, long chunks and the reserved field are checked", () => {
  const wrong: readonly ((bytes: Buffer) => void)[] = [
    (bytes) => bytes.writeUInt32BE(0x53_4b_59_4e, 0),
    (bytes) => bytes.writeUInt16BE(2, 4),
    (bytes) => bytes.writeUInt16BE(1, 6),
    (bytes) => bytes.writeBigUInt64BE(4n, 8),
    (bytes) => bytes.writeBigUInt64BE(2n ** 64n - 1n, 8),
    (bytes) => bytes.writeUInt32BE(2, 16),
    (bytes) => bytes.writeUInt32BE(2 ** 32 - 1, 16),
    (bytes) => bytes.writeUInt32BE(4, 52),
    (bytes) => bytes.writeUInt32BE(0, 52),
    (bytes) => bytes.writeUInt32BE(chunkBytesMax + 1, 52),
  ];
  for (const [index, change] of wrong.entries()) {
    const bytes = Buffer.from(encodeManifest(manifestOf([{ digest: "ab".repeat(32), bytes: 5 }])));
    assert.equal(decodeManifest(bytes).bytes, 5);
    change(bytes);
    assert.throws(() => decodeManifest(bytes), isInvalid, `change ${index}`);
  }
  // A chunk of no bytes, though the sum is right.
  const none = Buffer.from(encodeManifest(manifestOf([{ digest: "ab".repeat(32), bytes: 5 }])));
  none.writeBigUInt64BE(0n, 8);
  none.writeUInt32BE(0, 52);
  assert.throws(() => decodeManifest(none), isInvalid);
});

test("manifest: a builder refuses gaps, other chunks at an index and what is no chunk", () => {
  const ref = { digest: "ab".repeat(32), bytes: 5 };
  const builder = new ManifestBuilder();
  builder.add(1, ref);
  assert.throws(() => builder.finish(), /1 of 2 chunks are not there/);
  assert.throws(() => builder.add(1, { ...ref, bytes: 6 }), isInvalid);
  assert.throws(() => builder.add(1, { ...ref, digest: "cd".repeat(32) }), isInvalid);
  assert.throws(() => builder.add(2, { ...ref, digest: "AB".repeat(32) }), isInvalid);
  for (const bytes of [0, -1, 1.5, Number.NaN, chunkBytesMax + 1]) {
    assert.throws(() => builder.add(2, { ...ref, bytes }), isInvalid);
  }
  for (const index of [-1, 0.5, Number.NaN]) {
    assert.throws(() => builder.add(index, ref), isInvalid);
  }
  builder.add(0, ref);
  assert.equal(builder.finish().manifest.bytes, 10);
});

test("manifest: the sums of encodeManifest's input are checked, too", () => {
  const chunks = [{ digest: "ab".repeat(32), bytes: 5 }];
  assert.throws(() => encodeManifest({ bytes: 6, chunks }), isInvalid);
});

test("manifest: the largest one fits into a chunk, sealed too; one chunk more is refused", () => {
  const ref = { digest: "ab".repeat(32), bytes: chunkBytesMax };
  const builder = new ManifestBuilder();
  builder.add(manifestChunksMax - 1, ref);
  assert.throws(
    () => builder.add(manifestChunksMax, ref),
    (error) => isSkyError(error, "object/too-large"),
  );
  const chunks = Array.from({ length: manifestChunksMax }, () => ref);
  const encoded = encodeManifest({ bytes: manifestChunksMax * chunkBytesMax, chunks });
  assert.ok(encoded.length <= sealedPayloadBytesMax);
  assert.equal(decodeManifest(encoded).chunks.length, manifestChunksMax);
  const more = Buffer.concat([encoded, encoded.subarray(20, 56)]);
  more.writeBigUInt64BE(BigInt((manifestChunksMax + 1) * chunkBytesMax), 8);
  more.writeUInt32BE(manifestChunksMax + 1, 16);
  assert.throws(() => decodeManifest(more), /465001 chunks; the limit is 465000/);
});

test("manifest: its form does not change: every store and every peer reads it", () => {
  const chunks = [
    { digest: "00ff".repeat(16), bytes: 1 },
    { digest: "ab".repeat(32), bytes: chunkBytesMax },
  ];
  assert.equal(
    Buffer.from(encodeManifest(manifestOf(chunks))).toString("hex"),
    "534b594d000100000000000001000001" +
      "00000002" +
      `${"00ff".repeat(16)}00000001` +
      `${"ab".repeat(32)}01000000`,
  );
  assert.equal(
    objectDigest(encodeManifest(manifestOf([]))),
    createHash("sha256")
      .update(Buffer.from("534b594d00010000".padEnd(40, "0"), "hex"))
      .digest("hex"),
  );
});

function decodedOrUndefined(encoded: Uint8Array): Manifest | undefined {
  try {
    return decodeManifest(encoded);
  } catch (error) {
    assert.ok(isInvalid(error), String(error));
    return undefined;
  }
}
