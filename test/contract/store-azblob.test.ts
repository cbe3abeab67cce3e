// Azure Blob Storage keeps the contract, over Microsoft's own emulator.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { type Code, isSkyError } from "../../model/errors.ts";
import type { ObjectStore, StoreCredentials } from "../../transfer/stores/object-store.ts";
import { openAzureStore } from "../../transfer/stores/store-azblob.ts";
import { type Azurite, startAzurite } from "../support/azurite.ts";
import { content, objectStoreContract } from "./object-store-suite.ts";

const pageKeys = 7;
const is = (code: Code) => (error: unknown) => isSkyError(error, code);
const signal = new AbortController().signal;
let azurite: Azurite | undefined;
let worlds = 0;

before(async () => {
  azurite = await startAzurite();
});
after(() => azurite?.close());

function openAt(bucket: string, credentials?: StoreCredentials): Promise<ObjectStore> {
  const { endpoint = "", account = "", accountKey = "" } = azurite ?? {};
  const at = { store: "azure", account, bucket, endpoint } as const;
  const open = { bucket: at, credentials: credentials ?? { accountKey }, connections: 8 };
  return openAzureStore(open, { pageKeys });
}

async function newContainer(): Promise<string> {
  worlds += 1;
  const name = `world-${worlds}`;
  await (await openAt(name)).createBucket(signal);
  return name;
}

objectStoreContract("object-store-azblob", async () => {
  const name = await newContainer();
  return {
    pageKeys,
    open: ({ bucket = name } = {}) => openAt(bucket),
    refuses: (key) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant.
      return /[\\\0-\x1f]/.test(key) || key.split("/").some((part) => part.endsWith("."));
    },
    close: async () => {},
  };
});

function inContainer(what: string, run: (store: ObjectStore, name: string) => Promise<void>): void {
  test(`store-azblob: ${what}`, { timeout: 30_000 }, async () => {
    const name = await newContainer();
    await run(await openAt(name), name);
  });
}

inContainer("metadata of any name and any Unicode comes back as it was", async (store) => {
  const metadata = { "skylet-mode": "0644", a__2d__b: "1", "0x": "Zoë 🧪", ä: " b ", e: "" };
  const attributes = { contentType: "text/plain", metadata };
  await store.put("small", content(1), { signal, attributes });
  const upload = await store.begin("parts", { signal, attributes });
  const part = await store.putPart(upload, { number: 1, bytes: content(9) }, signal);
  await store.complete(upload, [part], { signal, attributes });
  for (const key of ["small", "parts"]) {
    assert.deepEqual((await store.head(key, signal))?.attributes, attributes, key);
  }
  const much = { metadata: { a: "x".repeat(9_000) } };
  const refused = is("objects/refused");
  await assert.rejects(store.put("k", content(1), { signal, attributes: much }), refused);
  await assert.rejects(store.begin("k", { signal, attributes: much }), refused);
});

inContainer(
  "a key of any length has parts, and those of two uploads are not mixed",
  async (store) => {
    const key = `${"0".repeat(200)}/${"1".repeat(800)}`;
    const [one, two] = [await store.begin(key, { signal }), await store.begin(key, { signal })];
    for (const number of [1, 10, 100]) {
      await store.putPart(two, { number, bytes: content(5, 1) }, signal);
      await store.putPart(one, { number, bytes: content(3, number) }, signal);
    }
    const parts = await store.parts(one, signal);
    assert.deepEqual(
      parts.map(({ number, bytes }) => [number, bytes]),
      [
        [1, 3],
        [10, 3],
        [100, 3],
      ],
    );
    await store.complete(one, parts, { signal });
    const whole = Buffer.concat([content(3, 1), content(3, 10), content(3, 100)]);
    assert.deepEqual(Buffer.from(await store.get({ key }, signal)), whole);
    // Said again, after its answer was lost.
    await store.complete(one, parts, { signal });
    await assert.rejects(store.complete(two, [{ number: 1, bytes: 5, tag: "x" }], { signal }));
    assert.deepEqual(Buffer.from(await store.get({ key }, signal)), whole);
  },
);

inContainer("an abort leaves no block, and does not touch what stands there", async (store) => {
  const upload = await store.begin("new", { signal });
  const part = await store.putPart(upload, { number: 1, bytes: content(50) }, signal);
  assert.deepEqual(await store.uploads?.("", signal), [upload]);
  await store.abort(upload, signal);
  assert.deepEqual(await store.parts(upload, signal), []);
  assert.deepEqual(await store.uploads?.("", signal), []);
  await assert.rejects(store.complete(upload, [part], { signal }), is("objects/no-object"));
  const version = await store.put("old", content(5), { signal });
  const over = await store.begin("old", { signal });
  const dropped = await store.putPart(over, { number: 1, bytes: content(50) }, signal);
  await store.abort(over, signal);
  await store.abort(over, signal);
  const gone = is("objects/no-object");
  await assert.rejects(store.parts(over, signal), gone);
  await assert.rejects(store.complete(over, [dropped], { signal }), gone);
  assert.equal((await store.head("old", signal))?.version, version);
});

inContainer("an object that says it is packed comes as it is kept", async (store) => {
  await store.put("packed", content(500), { signal, attributes: { contentEncoding: "gzip" } });
  const whole = Buffer.from(await store.get({ key: "packed" }, signal));
  assert.deepEqual(whole, Buffer.from(content(500)));
});

inContainer("what a signature or a key does not allow is denied", async (store, name) => {
  await store.put("a", content(3), { signal });
  const { account = "", accountKey = "" } = azurite ?? {};
  const sas = generateBlobSASQueryParameters(
    {
      containerName: name,
      permissions: ContainerSASPermissions.parse("r"),
      expiresOn: new Date(Date.now() + 600_000),
    },
    new StorageSharedKeyCredential(account, accountKey),
  ).toString();
  const reader = await openAt(name, { sas: `?${sas}` });
  assert.equal((await reader.get({ key: "a" }, signal)).length, 3);
  const listed = async (from: ObjectStore): Promise<void> => {
    for await (const page of from.list("", signal)) assert.fail(`listed ${page.length}`);
  };
  const denied = (error: unknown): boolean => {
    assert.ok(!`${error}`.includes("sig="));
    return isSkyError(error, "objects/denied");
  };
  await assert.rejects(listed(reader), denied);
  await assert.rejects(reader.put("b", content(1), { signal }), denied);
  const other = Buffer.from("another key").toString("base64");
  await assert.rejects(listed(await openAt(name, { accountKey: other })), denied);
  await assert.rejects(openAt(name, { accountKey: "no base64!" }), denied);
});

test("store-azblob: bytes go with an MD5; no failure is swallowed or tried again", async (t) => {
  const seen: IncomingMessage[] = [];
  let status = 201;
  const server = createServer((request, response) => {
    seen.push(request);
    request.resume();
    request.on("end", () => response.writeHead(status, { etag: '"1"' }).end());
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acc`;
  const bucket = { store: "azure", account: "acc", bucket: "box", endpoint } as const;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const store = await openAzureStore({ bucket, credentials: {} });
  await store.put("a", Buffer.from("bytes"), { signal });
  const upload = { key: "a", id: "0123456789abcdef" };
  await store.putPart(upload, { number: 1, bytes: Buffer.from("bytes") }, signal);
  const md5 = createHash("md5").update("bytes").digest("base64");
  assert.deepEqual(
    seen.map(({ headers }) => headers["content-md5"]),
    [md5, md5],
  );
  status = 503;
  await assert.rejects(store.put("a", content(1), { signal }), is("objects/failed"));
  assert.equal(seen.length, 3);
  const listing = async (): Promise<void> => {
    for await (const _ of store.list("", signal)) assert.fail("a page");
  };
  await assert.rejects(listing(), is("objects/failed"));
  status = 403;
  await assert.rejects(listing(), is("objects/denied"));
  assert.equal(seen.length, 5);
});
