// A folder as an object store: what is true of files beside what is true of all stores.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Code, isSkyError } from "../../model/errors.ts";
import { keyFault } from "../../transfer/stores/file-keys.ts";
import type { ListNote } from "../../transfer/stores/folder-list-os.ts";
import { type FolderStore, openFolderStore } from "../../transfer/stores/store-files-os.ts";
import { objectStoreContract } from "./object-store-suite.ts";

objectStoreContract("object-store-files", async () => {
  const above = mkdtempSync(join(tmpdir(), "sky store "));
  mkdirSync(`${above}/bucket`);
  return {
    open: async ({ bucket = "bucket" } = {}) => {
      const store = openFolderStore({ root: `${above}/${bucket}` });
      return { ...store, bucket: { store: "hdfs", bucket: "a-folder" } };
    },
    // Below the file `a` there can be none.
    refuses: (key) => keyFault(key) !== undefined || key.endsWith("/") || key.startsWith("a/"),
    bytesOnly: true,
    close: async () => rmSync(above, { recursive: true }),
  };
});

const signal = new AbortController().signal;
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const is = (code: Code) => (error: unknown) => isSkyError(error, code);

function inFolder(what: string, run: (root: string, store: FolderStore) => Promise<void>): void {
  test(`store-files: ${what}`, { timeout: 30_000 }, async () => {
    const above = mkdtempSync(join(tmpdir(), "sky store "));
    const root = `${above}/root`;
    mkdirSync(root);
    try {
      await run(root, openFolderStore({ root }));
    } finally {
      rmSync(above, { recursive: true });
    }
  });
}

async function keysOf(store: FolderStore): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const page of store.list("", signal)) keys.push(...page.map(({ key }) => key));
  return keys.sort();
}

inFolder("mode and time go in by metadata and come out again", async (root, store) => {
  const metadata = { "skylet-mode": "0751", "skylet-mtime": "1600000000.123456", other: "x" };
  const version = await store.put("d/run.sh", bytesOf("#!"), { attributes: { metadata }, signal });
  const seen = statSync(`${root}/d/run.sh`);
  assert.equal(seen.mode & 0o7777, 0o751);
  assert.ok(Math.abs(seen.mtimeMs - 1_600_000_000_123.456) < 0.002);
  const head = await store.head("d/run.sh", signal);
  assert.equal(head?.version, version);
  assert.equal(head?.attributes.metadata?.["skylet-mode"], "0751");
  assert.equal(head?.attributes.metadata?.["other"], undefined);
});

inFolder("no link on the way leads out: to write, to read, to delete", async (root, store) => {
  mkdirSync(`${root}/../outside`);
  writeFileSync(`${root}/../outside/precious`, "1");
  symlinkSync("../outside", `${root}/way`);
  symlinkSync("../outside/precious", `${root}/file`);
  const refused = is("objects/refused");
  await assert.rejects(store.put("way/new", bytesOf("x"), { signal }), refused);
  await assert.rejects(store.begin("way/deep/new", { signal }), refused);
  await assert.rejects(store.get({ key: "way/precious" }, signal), refused);
  await assert.rejects(store.delete(["way/precious"], signal), refused);
  // A link that is the object is replaced, never written through.
  await store.put("file", bytesOf("x"), { signal });
  assert.equal(readFileSync(`${root}/../outside/precious`, "utf8"), "1");
  assert.deepEqual(readdirSync(`${root}/../outside`), ["precious"]);
});

inFolder("a put that fails leaves nothing, no folder that it made either", async (root, store) => {
  writeFileSync(`${root}/file`, "");
  await assert.rejects(store.put("file/below", bytesOf("x"), { signal }), is("objects/refused"));
  mkdirSync(`${root}/folder/in`, { recursive: true });
  await assert.rejects(store.put("folder", bytesOf("x"), { signal }), is("objects/refused"));
  const stop = AbortSignal.abort(new Error("enough"));
  await assert.rejects(store.put("new/x", bytesOf("x"), { signal: stop }), /enough/);
  assert.deepEqual(readdirSync(root, { recursive: true }).sort(), ["file", "folder", "folder/in"]);
});

inFolder("a key that ends in / is a folder, and goes as one", async (root, store) => {
  await store.put("a/b/", bytesOf(""), { signal });
  await store.put("a/b/", bytesOf(""), { signal });
  assert.ok(statSync(`${root}/a/b`).isDirectory());
  await assert.rejects(store.put("a/c/", bytesOf("x"), { signal }), is("objects/refused"));
  assert.deepEqual(await keysOf(store), []);
  await store.put("a/b/x", bytesOf("x"), { signal });
  await store.delete(["a/b/"], signal);
  assert.ok(existsSync(`${root}/a/b/x`), "what is not empty stays");
  await store.delete(["a/b/x"], signal);
  assert.deepEqual(readdirSync(root), []);
});

inFolder("a file that changes while it is read is told, never mixed", async (root, store) => {
  await store.put("a", bytesOf("old"), { signal });
  const { version = "" } = (await store.head("a", signal)) ?? {};
  writeFileSync(`${root}/a`, "new");
  utimesSync(`${root}/a`, 1, 1);
  const late = store.get({ key: "a", ifMatch: version }, signal);
  await assert.rejects(late, is("objects/changed"));
});

inFolder(
  "parts are kept for whoever goes on, and nothing of an abort stays",
  async (root, store) => {
    const upload = await store.begin("deep/er/a", { signal });
    await store.putPart(upload, { number: 2, bytes: bytesOf("second") }, signal);
    await store.putPart(upload, { number: 1, bytes: bytesOf("lost") }, signal);
    const again = openFolderStore({ root });
    await again.putPart(upload, { number: 1, bytes: bytesOf("first ") }, signal);
    const parts = await again.parts(upload, signal);
    assert.deepEqual(
      parts.map(({ number, bytes }) => [number, bytes]),
      [
        [1, 6],
        [2, 6],
      ],
    );
    assert.deepEqual(await keysOfNoted(root), []);
    await again.complete(upload, parts, { signal });
    assert.equal(readFileSync(`${root}/deep/er/a`, "utf8"), "first second");
    assert.deepEqual(readdirSync(`${root}/deep/er`), ["a"]);
    const other = await store.begin("else/b", { signal });
    await store.putPart(other, { number: 1, bytes: bytesOf("x") }, signal);
    await store.abort(other, signal);
    await store.abort(other, signal);
    assert.deepEqual(readdirSync(root), ["deep"]);
    const gone = store.putPart(other, { number: 2, bytes: bytesOf("x") }, signal);
    await assert.rejects(gone, is("objects/no-object"));
  },
);

async function keysOfNoted(root: string): Promise<readonly string[]> {
  const notes: ListNote[] = [];
  const keys = await keysOf(openFolderStore({ root, told: (note) => notes.push(note) }));
  assert.equal(notes.length, 1, "the upload is told");
  return keys;
}

inFolder("a folder that is not there is told as one, and not made by a put", async (root) => {
  const none = openFolderStore({ root: `${root}/none` });
  const missing = is("objects/no-bucket");
  assert.equal(await none.bucketExists(signal), false);
  await assert.rejects(keysOf(none), missing);
  await assert.rejects(none.put("a", bytesOf("x"), { signal }), missing);
  await assert.rejects(none.head("a", signal), missing);
  await assert.rejects(none.get({ key: "a" }, signal), missing);
  await none.createBucket(signal);
  await none.put("a", bytesOf("x"), { signal });
  await assert.rejects(none.deleteBucket(signal), is("objects/refused"));
  await none.delete(["a"], signal);
  await none.deleteBucket(signal);
  assert.equal(await none.bucketExists(signal), false);
});
