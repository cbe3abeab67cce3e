// Cuts by content follow the bytes: however they come, and wherever they have moved to.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  ContentCutter,
  contentBytesMax,
  contentBytesMin,
  contentBytesUsual,
} from "../../transfer/chunks/cut-content.ts";
import { noise } from "../support/noise.ts";
import { fc } from "../support/property.ts";

const mib = 1024 * 1024;
const file = noise("cut-content", 12 * mib);

function cut(pieces: Iterable<Uint8Array>, cutter = new ContentCutter()): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (const piece of pieces) cutter.push(piece, (chunk) => chunks.push(chunk));
  cutter.end((chunk) => chunks.push(chunk));
  return chunks;
}

function lengthsOf(chunks: readonly Uint8Array[]): readonly number[] {
  return chunks.map(({ length }) => length);
}

function digestsOf(bytes: Uint8Array): ReadonlySet<string> {
  return new Set(cut([bytes]).map((chunk) => createHash("sha256").update(chunk).digest("hex")));
}

function* split(bytes: Buffer, sizes: Iterable<number>): Generator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function* always(size: number): Generator<number> {
  for (;;) yield size;
}

const whole = cut([file]);

/** The rule in its plainest form, to compare with. */
function lengthsByRule(bytes: Uint8Array): readonly number[] {
  const lengths: number[] = [];
  let [length, sum] = [0, 0];
  for (const byte of bytes) {
    length += 1;
    if (length > contentBytesMin) sum = ((sum << 1) + (gear[byte] ?? 0)) >>> 0;
    const zeros = length <= contentBytesUsual ? 22 : 18;
    const isCut = length > contentBytesMin && sum < 2 ** (32 - zeros);
    if (!isCut && length < contentBytesMax) continue;
    lengths.push(length);
    [length, sum] = [0, 0];
  }
  return length > 0 ? [...lengths, length] : lengths;
}

const gear = Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256").update(Uint8Array.of(byte)).digest().readUInt32BE(0),
);

test("cut by content: the cuts are those of the rule", () => {
  assert.deepEqual(lengthsOf(whole), lengthsByRule(file));
  const files = [noise("rule", 6 * mib), noise("rule", 5 * mib).map((byte) => byte & 1)];
  for (const bytes of files) assert.deepEqual(lengthsOf(cut([bytes])), lengthsByRule(bytes));
});

test("cut by content: what would be a cut is none within the minimum", () => {
  const [first = 0, second = 0] = ends(whole).filter((_, index) => lengthBelowUsual(whole[index]));
  for (const end of [first, second].filter((at) => at > 0)) {
    const [chunk] = cut([file.subarray(end - 32)]);
    assert.ok((chunk?.length ?? 0) > contentBytesMin);
  }
  assert.ok(first > 0, "a cut by the strict mask");
});

test("cut by content: nothing of a chunk is remembered in the next", () => {
  // A word that is a cut right behind the minimum, if it is hashed from the beginning.
  const word = wordThatCuts();
  const once = Buffer.concat([Buffer.alloc(contentBytesMin), word]);
  const twice = Buffer.concat([once, once, Buffer.alloc(100)]);
  const lengths = [once.length, once.length, 100];
  assert.deepEqual(lengthsOf(cut([twice])), lengths);
  assert.deepEqual(lengthsOf(cut(split(twice, [contentBytesMin + 1, mib]))), lengths);
});

/** Three bytes after which the strict mask is zero, begun with a sum of zero. */
function wordThatCuts(): Buffer {
  for (let word = 0; word < 2 ** 24; word += 1) {
    const [a = 0, b = 0, c = 0] = [gear[word >> 16], gear[(word >> 8) & 255], gear[word & 255]];
    if (((a << 2) + (b << 1) + c) >>> 10 === 0) return Buffer.from([word >> 16, word >> 8, word]);
  }
  throw new Error("no word of three bytes cuts");
}

function ends(chunks: readonly Uint8Array[]): readonly number[] {
  let at = 0;
  return chunks.map(({ length }) => {
    at += length;
    return at;
  });
}

function lengthBelowUsual(chunk: Uint8Array | undefined): boolean {
  return chunk !== undefined && chunk.length < contentBytesUsual;
}

test("cut by content: the chunks are the file, and their sizes keep their bounds", () => {
  assert.ok(Buffer.concat(whole).equals(file));
  for (const { length } of whole.slice(0, -1)) {
    assert.ok(length > contentBytesMin && length <= contentBytesMax);
  }
});

test("cut by content: the mean size is about the usual one", () => {
  const chunks = cut([noise("mean", 48 * mib)]);
  const mean = (48 * mib) / chunks.length;
  assert.ok(mean > contentBytesUsual * 0.9 && mean < contentBytesUsual * 1.4, `${mean}`);
});

test("cut by content: pieces of any size give the same chunks", () => {
  const size = fc.oneof(fc.nat(100), fc.nat(40_000), fc.nat(3 * mib));
  fc.assert(
    fc.property(fc.infiniteStream(size), (sizes) => {
      // Some pieces are empty; the rest of the file comes as one.
      const first = [...split(file, sizes.take(60))];
      const rest = file.subarray(first.reduce((sum, { length }) => sum + length, 0));
      const chunks = cut([...first, rest]);
      assert.deepEqual(lengthsOf(chunks), lengthsOf(whole));
      assert.ok(Buffer.concat(chunks).equals(file));
    }),
    { numRuns: 25 },
  );
});

for (const size of [1, 31, 4_096, 16_384, 65_536, contentBytesMin, contentBytesUsual]) {
  test(`cut by content: pieces of ${size} bytes give the same chunks`, () => {
    // One byte at a time is slow: two chunks are enough for that.
    const bytes = size === 1 ? file.subarray(0, 2 * mib) : file;
    const chunks = cut(split(bytes, always(size)));
    assert.deepEqual(lengthsOf(chunks), lengthsOf(cut([bytes])));
    assert.ok(Buffer.concat(chunks).equals(bytes));
  });
}

test("cut by content: a change of a few bytes makes few chunks new", () => {
  const known = digestsOf(file);
  const change = fc.record({
    at: fc.nat(file.length - 100),
    removed: fc.nat(100),
    added: fc.uint8Array({ maxLength: 100 }),
  });
  fc.assert(
    fc.property(change, ({ at, removed, added }) => {
      const changed = Buffer.concat([file.subarray(0, at), added, file.subarray(at + removed)]);
      const fresh = [...digestsOf(changed)].filter((digest) => !known.has(digest));
      assert.ok(fresh.length <= 4, `${fresh.length} of ${known.size} chunks are new`);
    }),
    { numRuns: 25 },
  );
});

test("cut by content: a file moved by one byte is soon cut as before", () => {
  const moved = digestsOf(Buffer.concat([Buffer.from("x"), file]));
  const fresh = [...moved].filter((digest) => !digestsOf(file).has(digest));
  assert.ok(fresh.length <= 2, `${fresh.length}`);
});

test("cut by content: a chunk within one piece is a view of it, not a copy", () => {
  assert.ok(whole.every(({ buffer }) => buffer === file.buffer));
});

test("cut by content: small pieces may be used again at once", () => {
  const piece = Buffer.alloc(4_096);
  const refilled = function* () {
    for (let at = 0; at < file.length; at += piece.length) {
      file.copy(piece, 0, at);
      yield piece;
    }
  };
  assert.ok(Buffer.concat(cut(refilled())).equals(file));
});

test("cut by content: an empty file has no chunks, a short one has one", () => {
  assert.deepEqual(cut([]), []);
  assert.deepEqual(cut([new Uint8Array(0)]), []);
  assert.deepEqual(lengthsOf(cut([Buffer.alloc(1)])), [1]);
  assert.deepEqual(lengthsOf(cut([file.subarray(0, contentBytesMin)])), [contentBytesMin]);
});

test("cut by content: a cutter begins anew with the next file", () => {
  const cutter = new ContentCutter();
  cut([file.subarray(0, 700_000)], cutter);
  assert.deepEqual(lengthsOf(cut([file], cutter)), lengthsOf(whole));
});

test("cut by content: bytes without content are cut at the maximum", () => {
  assert.deepEqual(lengthsOf(cut([Buffer.alloc(9 * mib)])), [4 * mib, 4 * mib, mib]);
});

// Never to be updated: with other cut points nothing that a store or a peer has would be known.
test("cut by content: the cut points are those that they have always been", () => {
  assert.deepEqual(
    lengthsOf(whole),
    [1_128_321, 1_146_642, 1_554_158, 1_340_789, 1_643_701, 1_400_430, 1_276_653, 1_408_586].concat(
      [313_526, 1_370_106],
    ),
  );
});
