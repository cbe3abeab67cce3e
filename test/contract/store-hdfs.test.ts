// HDFS keeps the contract, over a small name node and data node that speak WebHDFS.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Code, isSkyError } from "../../model/errors.ts";
import { keyFault } from "../../transfer/stores/file-keys.ts";
import type { ObjectStore } from "../../transfer/stores/object-store.ts";
import { openHdfsStore } from "../../transfer/stores/store-hdfs-os.ts";
import { startWebHdfsEmulator, type WebHdfsEmulator } from "../support/webhdfs-emulator.ts";
import { content, objectStoreContract } from "./object-store-suite.ts";

const signal = new AbortController().signal;
const is = (code: Code) => (error: unknown) => isSkyError(error, code);

function openAt({ endpoint }: WebHdfsEmulator, user = "tester"): Promise<ObjectStore> {
  const bucket = { store: "hdfs", bucket: new URL(endpoint).host } as const;
  return openHdfsStore({ bucket, credentials: { user }, connections: 4 });
}

objectStoreContract("object-store-hdfs", async () => {
  const emulator = await startWebHdfsEmulator();
  return {
    pageKeys: 3,
    open: () => openAt(emulator),
    // Below the file `a` there can be none.
    refuses: (key) => {
      return keyFault(key) !== undefined || /:|\/$/.test(key) || key.startsWith("a/");
    },
    bytesOnly: true,
    noBuckets: true,
    deny: () => {
      emulator.denied = true;
    },
    close: () => emulator.close(),
  };
});

type Run = (emulator: WebHdfsEmulator, store: ObjectStore) => Promise<void>;

function atEmulator(what: string, run: Run): void {
  test(`store-hdfs: ${what}`, { timeout: 30_000 }, async () => {
    const emulator = await startWebHdfsEmulator();
    const store = await openAt(emulator);
    try {
      await run(emulator, store);
    } finally {
      await store.close();
      await emulator.close();
    }
  });
}

atEmulator("mode and time go in by metadata and come out again", async (_, store) => {
  const metadata = { "skylet-mode": "0751", "skylet-mtime": "1600000000.123000" };
  const version = await store.put("d/run.sh", content(3), { attributes: { metadata }, signal });
  const seen = await store.head("d/run.sh", signal);
  assert.deepEqual(seen?.attributes.metadata, metadata);
  assert.equal(seen?.mode, 0o751);
  assert.equal(seen?.version, version);
});

atEmulator(
  "parts are put together without their bytes, unless a name has a comma",
  async (emulator, store) => {
    for (const key of ["deep/whole", "with, comma/whole"]) {
      const upload = await store.begin(key, { signal });
      const numbers = Array.from({ length: 300 }, (_, i) => i + 1);
      const parts = [];
      for (const number of numbers) {
        parts.push(await store.putPart(upload, { number, bytes: content(3, number) }, signal));
      }
      await store.complete(upload, parts, { signal });
      const whole = Buffer.concat(numbers.map((number) => content(3, number)));
      assert.deepEqual(Buffer.from(await store.get({ key }, signal)), whole);
      const moved = emulator.operations.filter((operation) => operation === "POST APPEND").length;
      assert.equal(moved, key.includes(",") ? 299 : 0);
    }
    const concats = emulator.operations.filter((operation) => operation === "POST CONCAT").length;
    assert.ok(concats > 1 && concats < 10, `${concats} for 300 parts`);
    const left = emulator.paths().filter((path) => path.includes(".sky-"));
    assert.deepEqual(left, []);
  },
);

atEmulator("putting together is gone on with where it was cut off", async (emulator, store) => {
  for (const op of ["RENAME", "CONCAT", "SETPERMISSION"]) {
    const key = `cut/${op}`;
    const upload = await store.begin(key, { signal });
    const parts = [];
    for (const number of [1, 2, 3]) {
      parts.push(await store.putPart(upload, { number, bytes: content(3, number) }, signal));
    }
    emulator.cutNext(op);
    await assert.rejects(store.complete(upload, parts, { signal }), is("objects/failed"), op);
    assert.equal(await store.head(key, signal), undefined);
    await store.complete(upload, parts, { signal });
    const whole = Buffer.concat([1, 2, 3].map((number) => content(3, number)));
    assert.deepEqual(Buffer.from(await store.get({ key }, signal)), whole, op);
  }
});

atEmulator("an abort and a failed put leave no file of theirs", async (emulator, store) => {
  for (const key of ["x", "new/deep/x"]) {
    const upload = await store.begin(key, { signal });
    await store.putPart(upload, { number: 1, bytes: content(3) }, signal);
    await store.abort(upload, signal);
    await store.abort(upload, signal);
    assert.deepEqual(emulator.paths(), []);
  }
  await store.put("file", content(1), { signal });
  await assert.rejects(store.put("file/below", content(1), { signal }), is("objects/refused"));
  emulator.cutNext("RENAME");
  await assert.rejects(store.put("other", content(1), { signal }), is("objects/failed"));
  // Of the one that was cut off, the rename was done: it is the whole object.
  assert.deepEqual(emulator.paths(), ["/file", "/other"]);
});

atEmulator(
  "what an HttpFS cannot do is refused, and a stranger is denied",
  async (emulator, store) => {
    await store.put("a", content(1), { signal });
    emulator.isHttpFs = true;
    await store.put("b", content(1), { signal });
    await assert.rejects(store.put("a", content(2), { signal }), is("objects/refused"));
    assert.equal((await store.get({ key: "a" }, signal)).length, 1);
    const stranger = await openAt(emulator, "stranger");
    await assert.rejects(stranger.head("a", signal), is("objects/denied"));
    await stranger.close();
    await assert.rejects(store.createBucket(signal), is("objects/refused"));
  },
);
