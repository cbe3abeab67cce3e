// Reading trees: on this thread and on one of its own, by one suite; and what only threads have.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { packTree } from "../../transfer/tree/pack.ts";
import type { TreeReading } from "../../transfer/tree/reading.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { createThreadReading } from "../../transfer/tree/reading-threads-os.ts";
import type { KeepChunks } from "../../transfer/tree/region-writer.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { noise } from "../support/noise.ts";
import { sow, treeSeen } from "../support/trees.ts";

const mib = 1024 * 1024;
const work = createInlineWork();
const makers: Readonly<Record<string, () => TreeReading>> = {
  inline: () => createInlineReading({ newCutter: () => new ContentCutter() }),
  threads: () => createThreadReading({ idleMs: 50 }),
};

function stage(context: TestContext, reading: TreeReading) {
  const root = mkdtempSync(join(tmpdir(), "sky-reading-"));
  context.after(async () => {
    await reading.close();
    rmSync(root, { recursive: true, force: true });
  });
  const store = createMemoryContentStore();
  const keep: KeepChunks = async (chunks) => {
    for (const { ref, bytes } of chunks) await store.put(ref.digest, bytes);
  };
  const pack = (path: string, more: { keep?: KeepChunks; signal?: AbortSignal } = {}) =>
    packTree({ path, isFile: false }, { keep, work, reading, ...more });
  return { root, store, pack };
}

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: a tree of every kind of file arrives as it was`, async (context) => {
    const { root, store, pack } = stage(context, make());
    const many = Array.from({ length: 3_000 }, (_, index) => {
      return [`f${index}`, { kind: "file", content: `${index}`.repeat(index % 50) }] as const;
    });
    sow(`${root}/a`, [
      ["large", { kind: "file", content: noise(1, 40 * mib + 1) }],
      ["many", { kind: "folder", entries: many }],
      [Buffer.from([0xff, 0x0a]), { kind: "file", content: "raw" }],
      ["broken", { kind: "link", target: "nowhere" }],
      ["next large", { kind: "file", content: noise(2, mib) }],
    ]);
    const packed = await pack(`${root}/a`);
    assert.equal(packed.files, 3_003);
    const { signal } = new AbortController();
    await unpackTree(`${root}/b`, { source: store, tree: packed.tree, signal });
    assert.deepEqual(treeSeen(`${root}/b`), treeSeen(`${root}/a`));
    assert.deepEqual((await pack(`${root}/a`)).tree, packed.tree);
    const other = stage(context, createInlineReading({ newCutter: () => new ContentCutter() }));
    assert.deepEqual((await other.pack(`${root}/a`)).tree, packed.tree);
  });

  test(`${name}: what goes wrong keeps its code and the user's path`, async (context) => {
    const { root, pack } = stage(context, make());
    await assert.rejects(pack(`${root}/none`), { code: "ENOENT", path: `${root}/none` });
    mkdirSync(`${root}/a/.git/info`, { recursive: true });
    writeFileSync(`${root}/a/.gitignore`, Buffer.alloc(2 * mib, "x"));
    await assert.rejects(pack(`${root}/a`), (error) => isSkyError(error, "source/unreadable"));
    // And the next one is read.
    rmSync(`${root}/a/.gitignore`);
    assert.equal((await pack(`${root}/a`)).files, 0);
  });

  test(`${name}: chunks that cannot be kept end it, and so does who asked`, async (context) => {
    const { root, pack } = stage(context, make());
    sow(`${root}/a`, [["large", { kind: "file", content: noise(3, 64 * mib) }]]);
    const full = new SkyError("core/cancelled", { what: "keeping" });
    await assert.rejects(
      pack(`${root}/a`, { keep: () => Promise.reject(full) }),
      (error) => error === full,
    );
    const off = new AbortController();
    const why = new Error("called off");
    sow(`${root}/b`, [["x", { kind: "file", content: "x" }]]);
    off.abort(why);
    await assert.rejects(pack(`${root}/b`, { signal: off.signal }), (error) => error === why);
  });
}

test("a read is called off though its thread hangs, and others go on", async (context) => {
  const reading = createThreadReading();
  const { root, pack } = stage(context, reading);
  // Nobody ever takes its chunks: to the thread that is a reader that hangs.
  sow(`${root}/a`, [["large", { kind: "file", content: noise(4, 64 * mib) }]]);
  const off = new AbortController();
  const taken = Promise.withResolvers<void>();
  const hanging = pack(`${root}/a`, {
    signal: off.signal,
    keep: () => {
      taken.resolve();
      return new Promise(() => {});
    },
  });
  await taken.promise;
  assert.equal((await pack(`${root}/a`)).files, 1);
  const why = new Error("called off");
  off.abort(why);
  await assert.rejects(hanging, (error) => error === why);
});

test("more reads than threads take turns; after the end there is none", async (context) => {
  const reading = createThreadReading();
  const { root, pack } = stage(context, reading);
  sow(`${root}/a`, [["x", { kind: "file", content: "x" }]]);
  execFileSync("mkfifo", [`${root}/a/pipe`]);
  const packed = await Promise.all(Array.from({ length: 20 }, () => pack(`${root}/a`)));
  assert.deepEqual([...new Set(packed.map(({ tree }) => tree.digest))].length, 1);
  assert.deepEqual(packed[0]?.skipped, [`${root}/a/pipe`]);
  await reading.close();
  await assert.rejects(pack(`${root}/a`), (error) => isSkyError(error, "core/cancelled"));
});
