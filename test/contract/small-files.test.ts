// Small files in groups, on a real disk: written, read, and what goes wrong with one of many.

import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createSmallFiles } from "../../transfer/chunks/small-files-os.ts";
import { createSmallReads } from "../../transfer/chunks/small-reads-os.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { tellsWritesApart, WriteWatch } from "../../transfer/chunks/write-watch-os.ts";

const folder = mkdtempSync(join(tmpdir(), "small-files-"));
after(() => rmSync(folder, { recursive: true }));
const transfer = "ab".repeat(16);
const contentOf = (index: number): Buffer => Buffer.alloc(index * 7, `content ${index} `);

test("many files get their names, bytes, modes and times; nothing else is left", async () => {
  const to = join(folder, "many");
  const group = createSmallFiles();
  const writes = Array.from({ length: 300 }, async (_, index) => {
    const place = join(to, String(index % 20));
    mkdirSync(place, { recursive: true });
    const attributes = { mode: index % 2 === 0 ? 0o640 : 0o444, mtimeMs: 5_000 + index };
    const bytes = contentOf(index);
    await group.write({ path: join(place, `f${index}`), transfer, bytes, attributes });
    const path = join(place, `f${index}`);
    assert.ok(readFileSync(path).equals(contentOf(index)));
    const { mode, mtimeMs } = statSync(path);
    assert.deepEqual([mode & 0o777, Math.round(mtimeMs)], [attributes.mode, attributes.mtimeMs]);
  });
  await Promise.all(writes);
  await group.close();
  const names = readdirSync(to, { recursive: true, encoding: "utf8" });
  assert.equal(names.filter((name) => /\/f\d+$/.test(name)).length, 300);
  assert.equal(names.length, 320);
});

test("a name that is a folder, or in none, fails alone; a file there is replaced", async () => {
  const to = join(folder, "odd");
  mkdirSync(join(to, "folder", "in it"), { recursive: true });
  writeFileSync(join(to, "old"), "what was there");
  const group = createSmallFiles();
  const write = (name: string) =>
    group.write({ path: join(to, name), transfer, bytes: Buffer.from(name) });
  const [folderEnd, nowhere, old, fresh] = await Promise.allSettled(
    ["folder", "nowhere/x", "old", "new"].map(write),
  );
  assert.ok(folderEnd?.status === "rejected" && isSkyError(folderEnd.reason, "objects/refused"));
  assert.ok(nowhere?.status === "rejected" && isSkyError(nowhere.reason, "objects/no-object"));
  assert.deepEqual([old?.status, fresh?.status], ["fulfilled", "fulfilled"]);
  assert.equal(readFileSync(join(to, "old"), "utf8"), "old");
  assert.deepEqual(readdirSync(to).toSorted(), ["folder", "new", "old"]);
  await group.close();
  await assert.rejects(write("late"), (error) => isSkyError(error, "core/cancelled"));
});

test("small files are packed as they are read, and named if they changed", async () => {
  const path = join(folder, "source");
  writeFileSync(path, contentOf(1_000));
  const reads = createSmallReads();
  const secret = { transfer: Buffer.from(transfer, "hex") };
  const place = { object: 3, index: 0 };
  const request = { bytes: 7_000, secret, place, compress: false };
  const { sealed, sealedRef, ref } = await reads.pack({ path }, request);
  const work = createInlineWork();
  const from = { name: sealedRef.digest, transfer: secret.transfer };
  const opened = await work.unpack(sealed, from);
  assert.deepEqual([opened.place, opened.ref], [place, ref]);
  assert.ok(Buffer.from(opened.bytes).equals(contentOf(1_000)));
  const shorter = reads.pack({ path }, { ...request, bytes: 6_999 });
  await assert.rejects(shorter, (error) => isSkyError(error, "objects/changed"));
  const other = reads.pack({ path, version: "7-7-7" }, request);
  await assert.rejects(other, (error) => isSkyError(error, "objects/changed"));
  const gone = reads.pack({ path: join(folder, "gone") }, request);
  await assert.rejects(gone, (error) => isSkyError(error, "objects/no-object"));
  await reads.close();
});

test("somebody else's write to a file is noticed; ours are not taken for that", async (context) => {
  assert.equal(tellsWritesApart(folder, "6.12.1"), false);
  if (!tellsWritesApart(folder)) {
    context.skip("this kernel or file system gives writes of one tick the same time");
    return;
  }
  const path = join(folder, "watched");
  const file = await open(path, "w+");
  const stranger = await open(path, "r+");
  context.after(() => Promise.all([file.close(), stranger.close()]));
  const write = (at: number) => async (): Promise<void> => void (await file.write("ours", at));
  const watch = new WriteWatch(file, true);
  await watch.begin();
  await Promise.all([0, 4, 8, 12].map((at) => watch.write(write(at))));
  assert.equal(await watch.isUntouched(), true);
  await stranger.write("x", 5);
  // A write of ours after it does not hide it.
  await watch.write(write(16));
  assert.equal(await watch.isUntouched(), false);
});
