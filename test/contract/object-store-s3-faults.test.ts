// The S3 store against an S3 that fails: what is said, what is left, and that nothing is tried
// again.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { type Code, isSkyError } from "../../model/errors.ts";
import type { ObjectStore, OpenStore } from "../../transfer/stores/object-store.ts";
import { openS3Store } from "../../transfer/stores/store-s3.ts";
import { type S3Emulator, startS3Emulator } from "../support/s3-emulator.ts";
import type { S3Fault } from "../support/s3-emulator-faults.ts";
import { until } from "../support/until.ts";
import { content } from "./object-store-suite.ts";

const signal = new AbortController().signal;
const partBytesMin = 5 * 1024 ** 2;

interface Stage {
  readonly emulator: S3Emulator;
  readonly store: ObjectStore;
  open(given?: Partial<OpenStore>): Promise<ObjectStore>;
  /** How many requests there were of a call. */
  count(call?: string): number;
}

function check(what: string, run: (stage: Stage) => Promise<void>): void {
  test(`s3: ${what}`, { timeout: 60_000 }, async () => {
    const emulator = await startS3Emulator({ pageKeys: 7 });
    emulator.addBucket("bucket");
    const { accessKeyId, secretAccessKey } = emulator;
    const opened: ObjectStore[] = [];
    const open = async (given: Partial<OpenStore> = {}) => {
      const store = await openS3Store({
        bucket: { store: "s3", bucket: "bucket", endpoint: emulator.url },
        credentials: { accessKeyId, secretAccessKey },
        ...given,
      });
      opened.push(store);
      return store;
    };
    const count = (call?: string) =>
      emulator.seen.filter((one) => call === undefined || one.call === call).length;
    try {
      await run({ emulator, store: await open(), open, count });
    } finally {
      for (const store of opened) await store.close();
      await emulator.close();
    }
  });
}

const code = (expected: Code, retry: boolean) => (error: unknown) =>
  isSkyError(error, expected) && (error.remedy === "retry") === retry;

const getFaults: readonly (readonly [fault: S3Fault["kind"], code: Code, retry: boolean])[] = [
  ["slow-down", "objects/failed", true],
  ["internal", "objects/failed", true],
  ["reset", "objects/failed", true],
  ["reset-mid-body", "objects/failed", true],
  ["lose-answer", "objects/failed", true],
  ["corrupt-body", "objects/damaged", true],
  ["deny", "objects/denied", false],
];

for (const [kind, expected, retry] of getFaults) {
  check(`a read with ${kind} is ${expected}, once, and the next one is well`, async (stage) => {
    const { emulator, store } = stage;
    await store.put("k", content(100_000), { signal });
    emulator.faults.add({ kind, call: "GetObject" });
    await assert.rejects(store.get({ key: "k" }, signal), code(expected, retry));
    assert.equal(emulator.faults.made.get(kind), 1);
    assert.ok(stage.count("GetObject") <= 1, "it was not tried again");
    assert.equal((await store.get({ key: "k" }, signal)).length, 100_000);
  });
}

const putFaults: readonly (readonly [fault: S3Fault["kind"], code: Code, retry: boolean])[] = [
  ["slow-down", "objects/failed", true],
  ["reset", "objects/failed", true],
  ["corrupt-body", "objects/damaged", true],
  ["deny", "objects/denied", false],
  ["full", "objects/refused", false],
];

for (const [kind, expected, retry] of putFaults) {
  check(`a write with ${kind} is ${expected}, once, and shows nothing`, async (stage) => {
    const { emulator, store } = stage;
    emulator.faults.add({ kind, call: "PutObject" });
    await assert.rejects(store.put("k", content(9_999), { signal }), code(expected, retry));
    assert.equal(emulator.faults.made.get(kind), 1);
    assert.ok(stage.count("PutObject") <= 1, "it was not tried again");
    assert.equal(await store.head("k", signal), undefined);

    const upload = await store.begin("p", { signal });
    const part = { number: 1, bytes: content(5_000) };
    emulator.faults.add({ kind, call: "UploadPart" });
    await assert.rejects(store.putPart(upload, part, signal), code(expected, retry));
    assert.deepEqual(await store.parts(upload, signal), []);
  });
}

check("a refusal that breaks off in its middle may pass", async ({ emulator, store }) => {
  for (const kind of ["cut-page", "reset-mid-body"] as const) {
    emulator.faults.add({ kind, call: "GetObject" });
    await assert.rejects(store.get({ key: "none" }, signal), code("objects/failed", true), kind);
  }
});

check("what rotted in the store is found by who reads it whole", async ({ emulator, store }) => {
  emulator.faults.add({ kind: "corrupt-stored", call: "PutObject" });
  await store.put("k", content(4_000), { signal });
  await assert.rejects(store.get({ key: "k" }, signal), code("objects/damaged", true));
  const whole = { key: "k", range: { at: 0, bytes: 4_000 } };
  await assert.rejects(store.get(whole, signal), code("objects/damaged", true));
});

check("a completion whose answer was lost is said again, and is well", async (stage) => {
  const { emulator, store } = stage;
  const upload = await store.begin("k", { signal });
  const bytes = content(partBytesMin);
  const parts = [
    await store.putPart(upload, { number: 2, bytes: content(7, 7) }, signal),
    await store.putPart(upload, { number: 1, bytes }, signal),
  ];
  emulator.faults.add({ kind: "lose-answer", call: "CompleteMultipartUpload" });
  await assert.rejects(store.complete(upload, parts, { signal }), code("objects/failed", true));
  const version = await store.complete(upload, parts, { signal });
  const seen = await store.head("k", signal);
  assert.deepEqual([seen?.version, seen?.bytes], [version, partBytesMin + 7]);
  assert.equal(seen?.partBytes, partBytesMin);
  assert.equal(seen?.checksum, undefined);

  await store.put("k", content(3), { signal });
  const again = store.complete(upload, parts, { signal });
  await assert.rejects(again, code("objects/no-object", false), "another object is there now");
});

check("an upload that the store lost is said, by its object", async ({ emulator, store }) => {
  const upload = await store.begin("k", { signal });
  emulator.faults.add({ kind: "lose-upload", call: "UploadPart" });
  const part = store.putPart(upload, { number: 1, bytes: content(5) }, signal);
  await assert.rejects(part, /the upload of s3:\/\/bucket\/k does not exist/);
  await store.abort(upload, signal);
});

check("an abort is said again while the upload is there", async ({ emulator, store, count }) => {
  const upload = await store.begin("k", { signal });
  // The first one is answered well, and a part that was under way makes it anew.
  const kept = emulator.buckets.get("bucket")?.uploads.get(upload.id);
  assert.ok(kept !== undefined);
  const uploads = emulator.buckets.get("bucket")?.uploads;
  let aborts = 0;
  const remove = uploads?.delete.bind(uploads);
  Object.assign(uploads ?? {}, {
    delete: (id: string) => {
      aborts += 1;
      return aborts === 1 ? true : remove?.(id);
    },
  });
  await store.abort(upload, signal);
  assert.equal(count("AbortMultipartUpload"), 2);
  assert.deepEqual(await store.uploads?.("", signal), []);
});

check("parts and uploads come in as many pages as there are", async ({ store }) => {
  const upload = await store.begin("k", { signal });
  const numbers = Array.from({ length: 17 }, (_, i) => i + 1);
  for (const number of numbers) {
    await store.putPart(upload, { number, bytes: content(number) }, signal);
  }
  const parts = await store.parts(upload, signal);
  assert.deepEqual(
    parts.map(({ number, bytes }) => [number, bytes]),
    numbers.map((number) => [number, number]),
  );
  for (let i = 0; i < 16; i += 1) await store.begin(`u/${i % 4}`, { signal });
  assert.equal((await store.uploads?.("u/", signal))?.length, 16);
  assert.equal((await store.uploads?.("", signal))?.length, 17);
});

check(
  "a page that is cut ends a listing, and a short one does not",
  async ({ emulator, store }) => {
    const keys = Array.from({ length: 20 }, (_, i) => `l/${i}`);
    for (const key of keys) await store.put(key, content(1), { signal });
    const listed = async () => {
      const found: string[] = [];
      for await (const page of store.list("l/", signal)) found.push(...page.map(({ key }) => key));
      return found.toSorted();
    };
    emulator.faults.add({ kind: "short-page", call: "ListObjectsV2", times: 3 });
    assert.deepEqual(await listed(), keys.toSorted());
    for (const kind of ["cut-page", "slow-down", "reset-mid-body"] as const) {
      emulator.faults.add({ kind, call: "ListObjectsV2", skip: 1 });
      await assert.rejects(listed(), code("objects/failed", true), kind);
      emulator.faults.clear();
    }
  },
);

check("requester pays is said with every call", async ({ emulator, open }) => {
  const store = await open({ requesterPays: true });
  await store.put("k", content(5), { signal });
  await store.head("k", signal);
  await store.get({ key: "k" }, signal);
  for await (const _ of store.list("", signal)) assert.ok(_.length > 0);
  const upload = await store.begin("p", { signal });
  const part = await store.putPart(upload, { number: 1, bytes: content(5) }, signal);
  await store.parts(upload, signal);
  await store.uploads?.("", signal);
  await store.complete(upload, [part], { signal });
  await store.abort(await store.begin("q", { signal }), signal);
  await store.delete(["k", "p"], signal);
  assert.ok(emulator.seen.length >= 12);
  for (const { call, headers } of emulator.seen) {
    assert.equal(headers["x-amz-request-payer"], "requester", call);
  }
  // Stores of other makers demand it, and know no newer sum.
  const deletion = emulator.seen.find(({ call }) => call === "DeleteObjects");
  assert.ok(deletion?.headers["content-md5"] !== undefined);
});

check("no more requests are under way than connections", async ({ emulator, open }) => {
  const store = await open({ connections: 3 });
  emulator.faults.add({ kind: "delay", ms: 10, times: 30 });
  const keys = Array.from({ length: 30 }, (_, i) => `c/${i}`);
  await Promise.all(keys.map((key) => store.put(key, content(10), { signal })));
  assert.equal(emulator.busiest(), 3);
});

check("who has the wrong secret is denied, and no secret is told", async ({ emulator, open }) => {
  const { accessKeyId } = emulator;
  const secretAccessKey = "another/secret+key";
  const credentials = { accessKeyId, secretAccessKey, sessionToken: "session-token" };
  const store = await open({ credentials });
  const failed = await store.put("k", content(5), { signal }).catch((error: unknown) => error);
  assert.ok(isSkyError(failed, "objects/denied"));
  assert.match(failed.message, /^s3:\/\/bucket\/k: access denied: SignatureDoesNotMatch \(403\)/);
  await assert.rejects(
    store.head("k", signal),
    /SignatureDoesNotMatch/,
    "though a HEAD has no words",
  );
  await assert.rejects(store.bucketExists(signal), /SignatureDoesNotMatch/);
  const text = inspect(failed, { depth: 10, showHidden: true });
  for (const secret of [secretAccessKey, accessKeyId, "session-token"]) {
    assert.ok(!text.includes(secret), secret);
  }
  const anonymous = await open({ credentials: {} });
  await assert.rejects(anonymous.get({ key: "k" }, signal), code("objects/denied", false));
});

check("metadata of any text is kept, and too much of it is refused", async ({ store }) => {
  const metadata = {
    plain: "a b",
    umlaut: "ä ß 日本 🧪",
    line: "a\nb",
    edges: " x ",
    "skylet-mode": "0644",
  };
  await store.put("k", content(1), { signal, attributes: { metadata } });
  assert.deepEqual((await store.head("k", signal))?.attributes.metadata, metadata);
  const refused = code("objects/refused", false);
  for (const bad of [{ big: "x".repeat(2_048) }, { "no name": "x" }, { ümlaut: "x" }]) {
    const attributes = { metadata: bad };
    await assert.rejects(store.put("m", content(1), { signal, attributes }), refused);
    await assert.rejects(store.begin("m", { signal, attributes }), refused);
  }
});

check("names that XML cannot have are written, read, listed and deleted", async ({ store }) => {
  const names = ["bell\u0007", "\u0001", "esc\u001b[31m", "\ufffe", "cr\r"];
  for (const name of names) await store.put(name, content(2), { signal });
  const found: string[] = [];
  for await (const page of store.list("", signal)) found.push(...page.map(({ key }) => key));
  assert.deepEqual(found.toSorted(), names.toSorted());
  await store.delete(names, signal);
  for await (const page of store.list("", signal)) assert.deepEqual(page, []);
});

check("a call that is given up in the middle ends with its reason", async ({ emulator, store }) => {
  await store.put("k", content(50_000), { signal });
  emulator.faults.add({ kind: "delay", ms: 30_000, call: "GetObject" });
  const ends = new AbortController();
  const read = store.get({ key: "k" }, ends.signal);
  await until("the request is there", () => emulator.faults.made.get("delay") === 1);
  ends.abort(new Error("given up"));
  await assert.rejects(read, /given up/);
});

check("a store that nobody serves is a fault that may pass", async ({ open }) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const endpoint = `http://127.0.0.1:${port}`;
  const store = await open({ bucket: { store: "s3", bucket: "bucket", endpoint } });
  await assert.rejects(store.get({ key: "k" }, signal), code("objects/failed", true));
});
