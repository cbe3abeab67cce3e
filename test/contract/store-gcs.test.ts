// Google Cloud Storage keeps the contract, over an emulator of its two APIs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Code, isSkyError } from "../../model/errors.ts";
import type { ObjectStore, OpenStore } from "../../transfer/stores/object-store.ts";
import { openGcsStore } from "../../transfer/stores/store-gcs.ts";
import { type GcsEmulator, startGcsEmulator } from "../support/gcs-emulator.ts";
import { content, objectStoreContract } from "./object-store-suite.ts";

const signal = new AbortController().signal;
const is = (code: Code) => (error: unknown) => isSkyError(error, code);

function openAt({ endpoint, token }: GcsEmulator, bucket = "bucket"): Promise<ObjectStore> {
  const credentials = { token, project: "p" };
  return openGcsStore({ bucket: { store: "gs", bucket, endpoint }, credentials, connections: 8 });
}

objectStoreContract("object-store-gcs", async () => {
  const emulator = await startGcsEmulator();
  emulator.addBucket("bucket");
  return {
    pageKeys: 7,
    open: ({ bucket } = {}) => openAt(emulator, bucket),
    refuses: (key) => key === "." || key.includes("\n"),
    deny: () => {
      emulator.denied = true;
    },
    damage: (key) => emulator.damage("bucket", key),
    close: () => emulator.close(),
  };
});

function atEmulator(what: string, run: (emulator: GcsEmulator) => Promise<void>): void {
  test(`store-gcs: ${what}`, { timeout: 30_000 }, async () => {
    const emulator = await startGcsEmulator();
    emulator.addBucket("bucket");
    try {
      await run(emulator);
    } finally {
      await emulator.close();
    }
  });
}

atEmulator("metadata of any Unicode is kept, also of an object in parts", async (emulator) => {
  const store = await openAt(emulator);
  const attributes = { contentType: "text/plain", metadata: { name: "Zoë 🧪\n", plain: " a " } };
  await store.put("small", content(1), { signal, attributes });
  const upload = await store.begin("parts", { signal, attributes });
  const part = await store.putPart(upload, { number: 1, bytes: content(9) }, signal);
  const version = await store.complete(upload, [part], { signal, attributes });
  for (const key of ["small", "parts"]) {
    assert.deepEqual((await store.head(key, signal))?.attributes, attributes, key);
  }
  assert.equal((await store.head("parts", signal))?.version, version);
  await store.close();
});

atEmulator("a completion whose answer was lost is known for what it was", async (emulator) => {
  const store = await openAt(emulator);
  const upload = await store.begin("late", { signal });
  const part = await store.putPart(upload, { number: 1, bytes: content(100) }, signal);
  emulator.cutNext(/^POST .*uploadId=/);
  await assert.rejects(store.complete(upload, [part], { signal }), is("objects/failed"));
  const version = await store.complete(upload, [part], { signal });
  assert.equal((await store.head("late", signal))?.version, version);
  // Of another size it is somebody else's.
  await store.put("late", content(7), { signal });
  await assert.rejects(store.complete(upload, [part], { signal }), is("objects/no-object"));
  await store.close();
});

atEmulator("an object that says it is packed comes as it is kept", async (emulator) => {
  const store = await openAt(emulator);
  const attributes = { contentEncoding: "gzip" };
  await store.put("packed", content(500), { signal, attributes });
  assert.deepEqual(
    Buffer.from(await store.get({ key: "packed" }, signal)),
    Buffer.from(content(500)),
  );
  await store.close();
});

atEmulator("an object in parts is proven by its CRC32C", async (emulator) => {
  const store = await openAt(emulator);
  const upload = await store.begin("parts", { signal });
  const parts = [];
  for (const number of [1, 2, 3]) {
    parts.push(await store.putPart(upload, { number, bytes: content(1_000, number) }, signal));
  }
  assert.equal((await store.parts(upload, signal)).length, 3, "over two pages");
  await store.complete(upload, parts, { signal });
  assert.equal((await store.head("parts", signal))?.checksum?.algorithm, "crc32c");
  assert.equal((await store.get({ key: "parts" }, signal)).length, 3_000);
  emulator.damage("bucket", "parts");
  await assert.rejects(store.get({ key: "parts" }, signal), is("objects/damaged"));
  await store.close();
});

atEmulator("who pays is said with every request, and nothing goes without", async (emulator) => {
  const { endpoint, token } = emulator;
  emulator.requesterPays = true;
  const bucket = { store: "gs", bucket: "bucket", endpoint } as const;
  const stingy = await openGcsStore({ bucket, credentials: { token } });
  await assert.rejects(stingy.put("a", content(1), { signal }), is("objects/denied"));
  const open = { bucket, credentials: { token }, requesterPays: true };
  await assert.rejects(openGcsStore(open), is("objects/denied"));
  const paying = await openGcsStore({ ...open, credentials: { token, project: "p-1" } });
  await paying.put("a", content(1), { signal });
  const upload = await paying.begin("b", { signal });
  await paying.abort(upload, signal);
  for await (const page of paying.list("", signal)) assert.equal(page.length, 1);
  await paying.delete(["a"], signal);
  for (const store of [stingy, paying]) await store.close();
});

atEmulator("a cut connection and a refused token are told without the token", async (emulator) => {
  const store = await openAt(emulator);
  await store.put("a", content(1), { signal });
  emulator.cutNext(/^GET/);
  const told = (error: unknown, code: Code): boolean => {
    assert.ok(!`${error}${JSON.stringify(error)}`.includes(emulator.token));
    return isSkyError(error, code);
  };
  await assert.rejects(store.get({ key: "a" }, signal), (e) => told(e, "objects/failed"));
  await store.close();
  const other = await openAt({ ...emulator, endpoint: emulator.endpoint, token: "wrong-one" });
  await assert.rejects(other.head("a", signal), (e) => told(e, "objects/denied"));
  await other.close();
  const account = { bucket: { store: "gs", bucket: "b" }, credentials: { serviceAccount: "k3y{" } };
  await assert.rejects(openGcsStore(account as OpenStore), (error: Error) => {
    return isSkyError(error, "objects/denied") && !error.message.includes("k3y");
  });
});
