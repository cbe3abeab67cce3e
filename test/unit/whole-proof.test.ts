// What is read of an object by ranges is what its store has, in whatever order the ranges come.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { Crc32c } from "../../transfer/stores/crc32c.ts";
import type { ObjectStore, StoredObject } from "../../transfer/stores/object-store.ts";
import { compositeTag, md5Hex } from "../../transfer/stores/s3-text.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";
import { provenReads, type ReadRange } from "../../transfer/stores/whole-proof.ts";
import { noise } from "../support/noise.ts";
import { fc } from "../support/property.ts";

const signal = new AbortController().signal;
const content = noise("whole", 10_000);

const crcOf = (bytes: Uint8Array): string => {
  const crc = new Crc32c();
  crc.add(bytes.subarray(0, 3));
  crc.add(bytes.subarray(3));
  return crc.hex();
};

type Said = Partial<Pick<StoredObject, "checksum" | "partBytes" | "version" | "bytes">>;

function partsSaid(partBytes: number): Said {
  const count = Math.ceil(content.length / partBytes);
  const parts = Array.from({ length: count }, (_, i) =>
    md5Hex(content.subarray(i * partBytes, (i + 1) * partBytes)),
  );
  return { partBytes, version: compositeTag(parts) };
}

const kinds: Readonly<Record<string, Said>> = {
  md5: { checksum: { algorithm: "md5", value: md5Hex(content) } },
  sha256: {
    checksum: { algorithm: "sha256", value: createHash("sha256").update(content).digest("hex") },
  },
  crc32c: { checksum: { algorithm: "crc32c", value: crcOf(content) } },
  "parts of 3,000": partsSaid(3_000),
  "parts of 5,000": partsSaid(5_000),
  "one part": partsSaid(10_000),
};

function storeThatSays(said: Said | undefined): ObjectStore {
  const cloud = new MemoryCloud();
  cloud.add("bucket");
  const store = createMemoryObjectStore({ bucket: { store: "s3", bucket: "bucket" }, cloud });
  const usual = { key: "k", bytes: content.length, modifiedMs: 1, version: "v", attributes: {} };
  store.head = async () => (said === undefined ? undefined : { ...usual, ...said });
  return store;
}

/** Ranges of `size`, asked for in order, that come when `delays` says. */
async function readAll(
  store: ObjectStore,
  how: { readonly size: number; readonly delays: readonly number[]; readonly flip?: number },
): Promise<Buffer> {
  const read: ReadRange = async ({ at, bytes }) => {
    for (let i = how.delays[(at / how.size) % how.delays.length] ?? 0; i > 0; i -= 1) {
      await Promise.resolve();
    }
    const piece = Buffer.from(content.subarray(at, at + bytes));
    const flip = (how.flip ?? -1) - at;
    if (flip >= 0 && flip < bytes) piece[flip] = (piece[flip] ?? 0) ^ 1;
    return piece;
  };
  const proven = provenReads({ store, key: "k", bytes: content.length }, read);
  const ranges = Array.from({ length: Math.ceil(content.length / how.size) }, (_, i) => ({
    at: i * how.size,
    bytes: Math.min(how.size, content.length - i * how.size),
  }));
  return Buffer.concat(await Promise.all(ranges.map((range) => proven(range, signal))));
}

const isDamaged = (error: unknown): boolean => isSkyError(error, "objects/damaged");

test("CRC-32C is that of the RFC", () => {
  assert.equal(crcOf(Buffer.from("123456789")), "e3069283");
  assert.equal(crcOf(Buffer.alloc(32)), "8a9136aa");
  assert.equal(crcOf(Buffer.alloc(32, 0xff)), "62a8ab43");
});

for (const [name, said] of Object.entries(kinds)) {
  test(`any order passes, and any flipped byte is found: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.integer({ min: 500, max: 9_999 }),
          delays: fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }),
        }),
        fc.nat(content.length - 1),
        async (how, flip) => {
          const store = storeThatSays(said);
          assert.ok((await readAll(store, how)).equals(content));
          await assert.rejects(readAll(store, { ...how, flip }), isDamaged);
        },
      ),
      { numRuns: 30 },
    );
  });
}

test("a store that says nothing, or of another object, proves nothing", async () => {
  const how = { size: 3_000, delays: [0], flip: 17 };
  const others = [undefined, {}, { ...kinds["md5"], bytes: 9_999 }, { version: "x-3" }];
  for (const said of others) {
    assert.equal((await readAll(storeThatSays(said), how)).length, content.length);
  }
  const otherParts = { ...partsSaid(3_000), partBytes: 7_000 };
  assert.equal((await readAll(storeThatSays(otherParts), how)).length, content.length);
});

test("who skips a range, or reads one again, waits for nothing", async () => {
  const store = storeThatSays(kinds["md5"]);
  const bytes = content.length;
  const read: ReadRange = async (range) => content.subarray(range.at, range.at + range.bytes);
  const skipping = provenReads({ store, key: "k", bytes }, read);
  await skipping({ at: 0, bytes: 1_000 }, signal);
  assert.equal((await skipping({ at: 5_000, bytes: 5_000 }, signal)).length, 5_000);
  assert.equal((await skipping({ at: 1_000, bytes: 4_000 }, signal)).length, 4_000);
  const again = provenReads({ store, key: "k", bytes }, read);
  await again({ at: 0, bytes: 9_000 }, signal);
  await again({ at: 0, bytes: 9_000 }, signal);
  assert.equal((await again({ at: 9_000, bytes: 1_000 }, signal)).length, 1_000);
});

test("a range that fails lets those behind it go on, without a proof", async () => {
  const store = storeThatSays(kinds["md5"]);
  const read: ReadRange = async ({ at, bytes }) => {
    if (at === 0) throw new Error("not now");
    return content.subarray(at, at + bytes);
  };
  const proven = provenReads({ store, key: "k", bytes: content.length }, read);
  const first = proven({ at: 0, bytes: 5_000 }, signal);
  const second = proven({ at: 5_000, bytes: 5_000 }, signal);
  await assert.rejects(first, /not now/);
  assert.equal((await second).length, 5_000);
});
