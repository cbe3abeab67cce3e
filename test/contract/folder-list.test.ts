// A tree of files is listed as objects: each once, whatever it is called, and what is no object is
// told with its reason.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import {
  type ListNote,
  type ListPage,
  type LocalListing,
  listLocal,
} from "../../transfer/stores/folder-list-os.ts";
import type { ListedObject } from "../../transfer/stores/object-store.ts";
import { asUser } from "../support/as-user.ts";
import { sow } from "../support/trees.ts";

const signal = new AbortController().signal;

function inFolder(what: string, run: (root: string) => Promise<void>): void {
  test(`folder listing: ${what}`, { timeout: 30_000 }, async () => {
    const root = mkdtempSync(join(tmpdir(), "sky list "));
    try {
      await run(root);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

interface Seen {
  readonly objects: readonly ListedObject[];
  readonly keys: readonly string[];
  readonly notes: readonly ListNote[];
}

async function pagesOf(listing: LocalListing | undefined): Promise<readonly ListPage[]> {
  const pages: ListPage[] = [];
  for await (const page of listing?.pages ?? []) pages.push(page);
  return pages;
}

async function all(path: string, recursive = true, prefix = ""): Promise<Seen> {
  const listing = await listLocal(path, { recursive, prefix }, signal);
  assert.ok(listing !== undefined);
  const pages = await pagesOf(listing);
  const objects = pages.flatMap((page) => page.objects);
  const keys = objects.map(({ key }) => key).sort();
  return { objects, keys, notes: pages.flatMap(({ notes }) => notes) };
}

inFolder("every file of a deep and a wide tree is there once, with odd names", async (root) => {
  const wide = Array.from({ length: 1_500 }, (_, i) => `wide/f${i}`);
  const odd = ["a b?#%&+", "new\nline", "ü\u0308", "日本", "🦆", " ", "..x", "%2e%2e", "\\", "'\""];
  const deep = [`${"d/".repeat(40)}bottom`, ".hidden/.file"];
  const expected = [...wide, ...deep, ...odd];
  for (const key of expected) {
    mkdirSync(join(root, key, ".."), { recursive: true });
    writeFileSync(`${root}/${key}`, key);
  }
  mkdirSync(`${root}/empty/er`, { recursive: true });
  const { objects, keys, notes } = await all(root);
  assert.deepEqual(keys, expected.sort());
  assert.deepEqual(notes, []);
  for (const { key, bytes } of objects) assert.equal(bytes, Buffer.byteLength(key));
});

inFolder("size, time to the microsecond, mode and version are those of the file", async (root) => {
  writeFileSync(`${root}/a`, "1234");
  chmodSync(`${root}/a`, 0o4751);
  utimesSync(`${root}/a`, 1, 1_600_000_000.123456);
  const [before] = (await all(root)).objects;
  assert.equal(before?.bytes, 4);
  assert.equal(before?.mode, 0o751);
  assert.ok(Math.abs((before?.modifiedMs ?? 0) - 1_600_000_000_123.456) < 0.002);
  utimesSync(`${root}/a`, 1, 1_600_000_000.123457);
  assert.notEqual((await all(root)).objects[0]?.version, before?.version);
});

inFolder(
  "links: to a file it is the file, to a folder it is told, to nothing it fails",
  async (root) => {
    sow(`${root}/tree`, [
      ["file", { kind: "file", content: "content" }],
      ["to-file", { kind: "link", target: "file" }],
      ["out", { kind: "link", target: "../outside" }],
      ["to-folder", { kind: "link", target: "." }],
      ["broken", { kind: "link", target: "nowhere" }],
      ["around", { kind: "link", target: "around" }],
    ]);
    writeFileSync(`${root}/outside`, "out");
    const { objects, keys, notes } = await all(`${root}/tree`);
    assert.deepEqual(keys, ["file", "out", "to-file"]);
    assert.equal(objects.find(({ key }) => key === "to-file")?.bytes, 7);
    const told = new Map(notes.map(({ path, failed }) => [path.slice(root.length), failed]));
    assert.deepEqual(
      told,
      new Map([
        ["/tree/to-folder", false],
        ["/tree/broken", true],
        ["/tree/around", true],
      ]),
    );
  },
);

inFolder("sockets and pipes are told, and so is what a transfer left unfinished", async (root) => {
  writeFileSync(`${root}/a`, "");
  execFileSync("mkfifo", [`${root}/pipe`]);
  const server = createServer().listen(`${root}/socket`);
  await new Promise((resolve) => server.once("listening", resolve));
  const left = [".a.sky-t7-partial", ".a.sky-t7-journal", ".sky-tmp-1"];
  for (const name of left) writeFileSync(`${root}/${name}`, "");
  mkdirSync(`${root}/.b.sky-t8-partial`);
  writeFileSync(`${root}/.b.sky-t8-partial/part-1`, "");
  const { keys, notes } = await all(root);
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(keys, ["a"]);
  const names = notes.map(({ path }) => path.slice(root.length + 1)).sort();
  assert.deepEqual(names, [...left, ".b.sky-t8-partial", "pipe", "socket"].sort());
  assert.ok(notes.every(({ failed }) => !failed));
});

inFolder("a name that is no UTF-8 fails by name, and nothing else with it", async (root) => {
  sow(root, [
    [Buffer.from("bad\xff", "latin1"), { kind: "file", content: "1" }],
    [
      Buffer.from("fol\xfe", "latin1"),
      { kind: "folder", entries: [["in", { kind: "file", content: "2" }]] },
    ],
    ["good", { kind: "file", content: "3" }],
  ]);
  const { keys, notes } = await all(root);
  assert.deepEqual(keys, ["good"]);
  const told = notes.map(({ path, failed }) => [path.slice(root.length + 1), failed]).sort();
  assert.deepEqual(told, [
    ["bad\\xff", true],
    ["fol\\xfe", true],
  ]);
});

inFolder("a single file, nothing, and what is neither", async (root) => {
  writeFileSync(`${root}/one`, "1");
  symlinkSync("one", `${root}/link`);
  for (const name of ["one", "link"]) {
    const listing = await listLocal(`${root}/${name}`, { recursive: false }, signal);
    assert.deepEqual([listing?.kind, listing?.root], ["file", root]);
    const pages = await pagesOf(listing);
    assert.deepEqual(
      pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
      [name],
    );
  }
  for (const name of ["none", "none/deeper", "one/", "one/below"]) {
    assert.equal(await listLocal(`${root}/${name}`, { recursive: true }, signal), undefined);
  }
  await assert.rejects(listLocal("/dev/null", { recursive: true }, signal), (error) =>
    isSkyError(error, "objects/refused"),
  );
});

inFolder(
  "without recursion folders are told; a prefix leaves out what has another",
  async (root) => {
    for (const key of ["a", "b/c", "b/d/e", "bb/f"]) {
      mkdirSync(join(root, key, ".."), { recursive: true });
      writeFileSync(`${root}/${key}`, "");
    }
    const flat = await all(root, false);
    assert.deepEqual(flat.keys, ["a"]);
    assert.deepEqual(flat.notes.map(({ path }) => path).sort(), [`${root}/b`, `${root}/bb`]);
    assert.deepEqual((await all(root, true, "b")).keys, ["b/c", "b/d/e", "bb/f"]);
    assert.deepEqual((await all(root, true, "b/")).keys, ["b/c", "b/d/e"]);
    assert.deepEqual((await all(root, true, "b/d/e")).keys, ["b/d/e"]);
  },
);

inFolder("who stops listening, or gives up, leaves no folder open", async (root) => {
  for (let i = 0; i < 40; i += 1) {
    mkdirSync(`${root}/d${i}`);
    for (let k = 0; k < 30; k += 1) writeFileSync(`${root}/d${i}/${k}`, "");
  }
  // What listed the folder of descriptors is in it, and gone.
  const opened = (): number =>
    readdirSync("/proc/self/fd")
      .filter((fd) => existsSync(`/proc/self/fd/${fd}`))
      .filter((fd) => readlinkSync(`/proc/self/fd/${fd}`).startsWith(root)).length;
  const listing = await listLocal(root, { recursive: true }, signal);
  for await (const _ of listing?.pages ?? []) break;
  const giveUp = new AbortController();
  const second = await listLocal(root, { recursive: true }, giveUp.signal);
  await assert.rejects(async () => {
    for await (const _ of second?.pages ?? []) giveUp.abort(new Error("enough"));
  }, /enough/);
  assert.equal(opened(), 0);
});

inFolder("a folder that cannot be read fails by name; the root ends the listing", async (root) => {
  mkdirSync(`${root}/tree/locked`, { recursive: true });
  writeFileSync(`${root}/tree/good`, "");
  chmodSync(`${root}/tree/locked`, 0);
  await asUser(root, async () => {
    const { keys, notes } = await all(`${root}/tree`);
    assert.deepEqual(keys, ["good"]);
    assert.deepEqual(
      notes.map(({ path, failed }) => [path, failed]),
      [[`${root}/tree/locked/`, true]],
    );
    await assert.rejects(all(`${root}/tree/locked`), (e) => isSkyError(e, "objects/denied"));
  });
});
