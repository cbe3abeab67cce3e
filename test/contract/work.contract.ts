// What every version of the work port promises, for chunks of every size and form.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { openChunk, readSealHeader } from "../../transfer/chunks/seal.ts";
import type { ChunkWork } from "../../transfer/chunks/work.ts";

const random = createMemoryRandom("work");
const secret = { transfer: random.bytes(16), key: random.bytes(32) };
const place = { object: 3, index: 7 };
const sizes = [1, 1_000, 32 * 1024, 32 * 1024 + 1, 100_000, 3_000_000];

/** Chunks that compress and such that do not; each time it is asked, in a buffer of its own. */
const samples = sizes.flatMap((bytes) => {
  const noise = Buffer.from(random.fork(`${bytes}`).bytes(bytes));
  return [
    { name: `${bytes} random bytes`, make: () => Buffer.from(noise) },
    { name: `${bytes} zeros`, make: () => Buffer.alloc(bytes) },
    {
      name: `${bytes} bytes of words`,
      make: () => Buffer.alloc(bytes, "one word after the other "),
    },
  ];
});

export function workContract(version: string, open: () => ChunkWork): void {
  const using = (context: TestContext): ChunkWork => {
    const work = open();
    context.after(() => work.close());
    return work;
  };

  for (const { name, make } of samples) {
    test(`${version}: ${name} get their name, travel, and arrive proven`, async (context) => {
      const work = using(context);
      const named = await work.name(make());
      assert.deepEqual(named.ref, refOf(make()));
      assert.deepEqual(plain(named.bytes), make());
      const proven = await work.prove(named.ref, named.bytes);
      const chunk = await work.encode(proven);
      if (make().length > 1_000) assert.equal(chunk.encoding, /random/.test(name) ? "raw" : "zstd");
      assert.deepEqual(plain(await work.decode(named.ref, chunk)), make());
    });

    test(`${version}: ${name} are sealed and opened`, async (context) => {
      const work = using(context);
      const sealed = await work.seal(make(), { secret, place });
      assert.deepEqual(sealed.ref, refOf(make()));
      assert.deepEqual(sealed.sealedRef, refOf(sealed.sealed));
      assert.deepEqual(readSealHeader(sealed.sealed).place, place);
      assert.deepEqual(plain(openChunk(sealed.sealed, { secret }).bytes), make());
      const opened = await work.open(sealed.sealed, { secret, place });
      assert.deepEqual(
        { ...opened, bytes: plain(opened.bytes) },
        {
          ...{ place, ref: sealed.ref, bytes: make() },
        },
      );
    });

    test(`${version}: ${name} that were damaged are refused`, async (context) => {
      const work = using(context);
      const ref = refOf(make());
      await refused(work.prove(ref, flipped(make())));
      await refused(work.prove({ ...ref, bytes: ref.bytes + 1 }, make()));
      const chunk = await work.encode(make());
      await refused(work.decode(ref, { ...chunk, payload: flipped(chunk.payload) }));
      await refused(work.decode({ ...ref, digest: "ab".repeat(32) }, await work.encode(make())));
      const { sealed } = await work.seal(make(), { secret, place });
      await refused(work.open(flipped(Buffer.from(sealed)), { secret }));
      await refused(work.open(sealed, { secret, place: { object: 3, index: 8 } }));
    });
  }

  test(`${version}: many calls at once each get their own answer`, async (context) => {
    const work = using(context);
    const all = Array.from({ length: 60 }, (_, index) => Buffer.alloc(50_000 + index, index));
    const refs = all.map(refOf);
    const named = await Promise.all(all.map((bytes) => work.name(bytes)));
    assert.deepEqual(
      named.map(({ ref }) => ref),
      refs,
    );
  });

  test(`${version}: a chunk that was given away cannot be given again`, async (context) => {
    const work = using(context);
    const bytes = Buffer.alloc(100_000, 1);
    await work.name(bytes);
    assert.equal(bytes.length, 0);
    await assert.rejects(work.name(bytes), (error) => isSkyError(error, "core/broken-invariant"));
  });

  test(`${version}: a part of a larger buffer leaves the rest to its owner`, async (context) => {
    const work = using(context);
    const whole = Buffer.alloc(200_000, 5);
    const named = await work.name(whole.subarray(50_000, 150_000));
    assert.deepEqual(named.ref, refOf(Buffer.alloc(100_000, 5)));
    assert.ok(whole.every((byte) => byte === 5) && whole.length === 200_000);
  });

  test(`${version}: after close every call is refused`, async () => {
    const work = open();
    await work.name(Buffer.alloc(100_000));
    await work.close();
    await work.close();
    for (const bytes of [100_000, 10]) {
      const late = work.name(Buffer.alloc(bytes));
      await assert.rejects(late, (error) => isSkyError(error, "core/cancelled"));
    }
  });
}

function refOf(bytes: Uint8Array): { digest: string; bytes: number } {
  return { digest: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
}

function plain(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function flipped(bytes: Uint8Array): Uint8Array {
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 16;
  return bytes;
}

async function refused(answer: Promise<unknown>): Promise<void> {
  await assert.rejects(answer, (error) => isSkyError(error, "chunk/damaged"));
}
