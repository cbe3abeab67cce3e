// What was encoded decodes to the same, it is compressed where that pays, and nothing unfolds to
// more than it should.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { isSkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax } from "../../transfer/chunks/chunk.ts";
import { decodeChunk, type Encoded, encodeChunk } from "../../transfer/chunks/encoding.ts";
import { noise } from "../support/noise.ts";
import { fc } from "../support/property.ts";

const mib = 1024 * 1024;
const words = Buffer.from("the quick brown fox jumps over the lazy dog; ".repeat(30_000));

function refOf(bytes: Uint8Array): ChunkRef {
  return { digest: hash("sha256", bytes), bytes: bytes.length };
}

function refused(chunk: Encoded, ref: ChunkRef, why: RegExp): void {
  assert.throws(
    () => decodeChunk(chunk, ref),
    (error) => isSkyError(error, "chunk/damaged") && why.test(error.message),
  );
}

/** A part that is random and one that is not, however large: all that sampling has to face. */
const mixed = fc
  .tuple(fc.nat(200_000), fc.nat(200_000), fc.nat(), fc.boolean())
  .map(([random, regular, seed, first]) => {
    const parts = [noise(seed, random), words.subarray(0, regular)];
    return Buffer.concat(first ? parts : parts.reverse());
  });

test("encoding: what was encoded decodes to the same, and is never longer", () => {
  const anyBytes = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), mixed);
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const chunk = encodeChunk(bytes);
      assert.ok(Buffer.from(decodeChunk(chunk, refOf(bytes))).equals(bytes));
      assert.ok(chunk.payload.length <= bytes.length);
      assert.deepEqual(encodeChunk(bytes), chunk);
    }),
    { numRuns: 60 },
  );
});

test("encoding: a payload that fills zlib's own room exactly decodes as well", () => {
  // Noise is stored as it is, so each byte more of it is one more of the payload.
  const room = 16_384;
  let exact = 0;
  for (let bytes = room - 128; bytes < room; bytes += 1) {
    const chunk = Buffer.concat([noise(7, bytes), Buffer.alloc(2 * room)]);
    const encoded = encodeChunk(chunk);
    assert.equal(encoded.encoding, "zstd");
    if (encoded.payload.length === room) exact += 1;
    assert.ok(chunk.equals(decodeChunk(encoded, refOf(chunk))), `${bytes} bytes of noise`);
  }
  assert.equal(exact, 1);
});

test("encoding: zstd where it pays, and the bytes themselves where it does not", () => {
  const random = noise("random", 2 * mib);
  const compressed = zstdCompressSync(Buffer.from(random.toString("hex")));
  for (const bytes of [random, compressed, random.subarray(0, 1), random.subarray(0, 49_153)]) {
    const { encoding, payload } = encodeChunk(bytes);
    assert.equal(encoding, "raw");
    assert.equal(payload, bytes);
  }
  for (const bytes of [words, Buffer.alloc(8 * mib), words.subarray(0, 1_000)]) {
    const { encoding, payload } = encodeChunk(bytes);
    assert.equal(encoding, "zstd");
    assert.ok(payload.length < bytes.length / 2);
  }
});

test("encoding: samples are taken from the beginning, the middle and the end", () => {
  // One third is regular: whichever it is, a sample sees it.
  for (const place of [0, 1, 2]) {
    const bytes = noise(place, 3 * mib);
    words.copy(bytes, place * mib, 0, mib);
    assert.equal(encodeChunk(bytes).encoding, "zstd", `third ${place}`);
  }
});

test("encoding: samples that promised too much are not followed", () => {
  const bytes = noise("deceiving", 4 * mib);
  words.copy(bytes, 0, 0, 20_000);
  words.copy(bytes, 2 * mib - 20_000, 0, 40_000);
  words.copy(bytes, 4 * mib - 20_000, 0, 20_000);
  assert.equal(encodeChunk(bytes).encoding, "raw");
});

test("encoding: a payload of another length is refused, raw or compressed", () => {
  for (const bytes of [noise("length", 5_000), Buffer.alloc(5_000)]) {
    const chunk = encodeChunk(bytes);
    const ref = refOf(bytes);
    for (const length of [1, 4_999, 5_001, chunkBytesMax]) {
      refused(chunk, { ...ref, bytes: length }, /comes to 5000 bytes|does not decode/);
    }
    refused(chunk, { ...ref, bytes: chunkBytesMax + 1 }, /no chunk/);
    refused({ ...chunk, payload: chunk.payload.subarray(1) }, ref, /comes to|does not decode/);
    refused({ ...chunk, payload: new Uint8Array(0) }, ref, /comes to|does not decode/);
    const longer = Buffer.concat([chunk.payload, Buffer.alloc(1)]);
    refused({ ...chunk, payload: longer }, ref, /comes to|does not decode/);
  }
});

test("encoding: damage gives the same length or an error, never more", () => {
  const bytes = words.subarray(0, 20_000);
  const { payload } = encodeChunk(bytes);
  fc.assert(
    fc.property(fc.nat(payload.length * 8 - 1), (bit) => {
      const changed = Buffer.from(payload);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const decoded = decodedOrUndefined({ encoding: "zstd", payload: changed }, refOf(bytes));
      assert.ok(decoded === undefined || decoded.length === bytes.length);
    }),
  );
});

test("encoding: a bomb is refused and never unfolds", () => {
  const ref = { digest: "ab".repeat(32), bytes: mib };
  const before = process.resourceUsage().maxRSS;
  refused({ encoding: "zstd", payload: bomb(20) }, ref, /does not decode/);
  // In frames of 1 MiB: each of them alone would be all right.
  const frames = Buffer.concat(Array.from({ length: 1024 }, () => bomb(20, mib)));
  refused({ encoding: "zstd", payload: frames }, ref, /does not decode/);
  const grownMib = (process.resourceUsage().maxRSS - before) / 1024;
  assert.ok(grownMib < 64, `${grownMib} MiB`);
});

test("encoding: a frame that asks for a larger window than any chunk is refused", () => {
  const ref = { digest: "ab".repeat(32), bytes: mib };
  assert.equal(decodeChunk({ encoding: "zstd", payload: bomb(24, mib) }, ref).length, mib);
  refused({ encoding: "zstd", payload: bomb(25, mib) }, ref, /does not decode/);
});

/**
 * A frame of zeros with a window of so many bits: blocks of 128 KiB, of four bytes each.
 * Source: RFC 8878, 3.1.1: the window's descriptor, and blocks of type RLE.
 */
function bomb(windowLog: number, bytes = 1024 * mib): Buffer {
  const blockBytes = 128 * 1024;
  const blocks = Buffer.alloc((bytes / blockBytes) * 4);
  for (let at = 0; at < blocks.length; at += 4) {
    const isLast = at + 4 === blocks.length ? 1 : 0;
    blocks.writeUIntLE((blockBytes << 3) | (1 << 1) | isLast, at, 3);
  }
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3]), blocks]);
}

function decodedOrUndefined(chunk: Encoded, ref: ChunkRef): Uint8Array | undefined {
  try {
    return decodeChunk(chunk, ref);
  } catch (error) {
    assert.ok(isSkyError(error, "chunk/damaged"), String(error));
    return undefined;
  }
}
