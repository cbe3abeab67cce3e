// Any commands leave in S3 what they leave in memory, whatever fails on the way: who tries again
// what may be tried again, and nothing else, ends with the same objects, and no upload is left.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { storeLimits } from "../../transfer/stores/limits.ts";
import type { ObjectStore, UploadedPart } from "../../transfer/stores/object-store.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";
import { openS3Store } from "../../transfer/stores/store-s3.ts";
import { fc } from "../support/property.ts";
import { startS3Emulator } from "../support/s3-emulator.ts";
import type { S3FaultKind } from "../support/s3-emulator-faults.ts";
import { content } from "./object-store-suite.ts";

const signal = new AbortController().signal;
const triesMax = 6;

const key = fc.constantFrom("a", "a/b", "a//c", "ü 🧪", "../d");
const command = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), key, seed: fc.nat(99), bytes: fc.nat(3_000) }),
  fc.record({ kind: fc.constant("get" as const), key }),
  fc.record({ kind: fc.constant("head" as const), key }),
  fc.record({ kind: fc.constant("list" as const), key }),
  fc.record({ kind: fc.constant("delete" as const), key }),
  fc.record({
    ...{ kind: fc.constant("upload" as const), key, seed: fc.nat(99) },
    parts: fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 4 }),
    end: fc.constantFrom("complete" as const, "abort" as const),
  }),
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

const faults = fc.array(
  fc.record({
    kind: fc.constantFrom<S3FaultKind>(
      ...["slow-down", "internal", "reset", "reset-mid-body", "lose-answer"].map(
        (kind) => kind as S3FaultKind,
      ),
      "corrupt-body",
      "short-page",
    ),
    skip: fc.nat(12),
  }),
  { maxLength: 6 },
);

test("s3: any commands leave what they leave in memory, whatever fails", async () => {
  const emulator = await startS3Emulator({ pageKeys: 2, partBytesMin: 1 });
  const { accessKeyId, secretAccessKey } = emulator;
  const store = await openS3Store({
    bucket: { store: "s3", bucket: "bucket", endpoint: emulator.url },
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 12 }), faults, async (commands, failing) => {
        emulator.addBucket("bucket");
        const cloud = new MemoryCloud();
        cloud.add("bucket");
        const limits = { ...storeLimits.s3, partBytesMin: 1 };
        const model = createMemoryObjectStore({ bucket: store.bucket, cloud, limits });
        emulator.faults.clear();
        for (const fault of failing) emulator.faults.add(fault);
        for (const one of commands) assert.deepEqual(await run(store, one), await run(model, one));
        emulator.faults.clear();
        assert.deepEqual(await all(store, ""), await all(model, ""));
        assert.deepEqual(await store.uploads?.("", signal), []);
      }),
      { numRuns: 25 },
    );
  } finally {
    await store.close();
    await emulator.close();
  }
});

/** Again while its error says that it may help. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await call();
    } catch (error) {
      if (!isSkyError(error) || error.remedy !== "retry" || count >= triesMax) throw error;
    }
  }
}

async function run(store: ObjectStore, one: Command): Promise<unknown> {
  switch (one.kind) {
    case "put":
      await insist(() => store.put(one.key, content(one.bytes, one.seed), { signal }));
      return "put";
    case "get":
      return insist(async () => digestOf(await store.get({ key: one.key }, signal))).catch(
        (error: unknown) => (isSkyError(error) ? error.code : error),
      );
    case "head":
      return insist(async () => (await store.head(one.key, signal))?.bytes);
    case "list":
      return all(store, one.key);
    case "delete":
      await insist(() => store.delete([one.key, "none"], signal));
      return "deleted";
    case "upload":
      return upload(store, one);
  }
}

async function upload(
  store: ObjectStore,
  one: Extract<Command, { kind: "upload" }>,
): Promise<string> {
  const begun = await insist(() => store.begin(one.key, { signal }));
  const parts: UploadedPart[] = [];
  for (const [index, bytes] of one.parts.entries()) {
    const part = { number: index + 1, bytes: content(bytes, one.seed + index) };
    parts.push(await insist(() => store.putPart(begun, part, signal)));
  }
  if (one.end === "abort") await insist(() => store.abort(begun, signal));
  else await insist(() => store.complete(begun, parts, { signal }));
  // One whose answer was lost, of which nobody knows: what a sweep is for.
  const left = await insist(async () => (await store.uploads?.(one.key, signal)) ?? []);
  for (const stranger of left) await insist(() => store.abort(stranger, signal));
  return one.end;
}

async function all(store: ObjectStore, prefix: string): Promise<unknown> {
  return insist(async () => {
    const found: (readonly [string, number])[] = [];
    for await (const page of store.list(prefix, signal)) {
      found.push(...page.map((object) => [object.key, object.bytes] as const));
    }
    return found.toSorted();
  });
}

function digestOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
