// What is told when a folder tree cannot be packed or unpacked: paths that the user knows.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Digest } from "../../transfer/chunks/chunk.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { packTree } from "../../transfer/tree/pack.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { asUser } from "../support/as-user.ts";

const mib = 1024 * 1024;

/** A folder to pack with `in/file` in it, and a target that is not there yet. */
function stage(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "sky-tree-"));
  context.after(() => {
    execFileSync("chmod", ["-R", "u+rwx", root]);
    rmSync(root, { recursive: true });
  });
  const [from, to] = [`${root}/from`, `${root}/to`];
  mkdirSync(`${from}/in`, { recursive: true });
  writeFileSync(`${from}/in/file`, "content");
  const store = createMemoryContentStore();
  const nothing = (): void => {};
  const pack = (onEntry: (name: string) => void = nothing, onKeep = nothing) =>
    packTree(
      { path: from, isFile: false },
      {
        keep: async (chunks) => {
          onKeep();
          for (const { ref, bytes } of chunks) await store.put(ref.digest, bytes);
        },
        reading: createInlineReading({ newCutter: () => new ContentCutter(), onEntry }),
        work: createInlineWork(),
      },
    );
  const unpack = async (onGet = nothing) => {
    const get = (digest: Digest) => {
      onGet();
      return store.get(digest);
    };
    const source = { get };
    const { signal } = new AbortController();
    await unpackTree(to, { source, tree: (await pack()).tree, signal });
  };
  return { root, from, to, pack, unpack };
}

/** The system's reason and its code, and the user's path. */
function refusal(code: string, path: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Error && "code" in error && "path" in error);
    assert.deepEqual([error.code, error.path], [code, path]);
    assert.ok(error.message.startsWith(`${code}: `), error.message);
    assert.ok(error.message.endsWith(` '${path}'`), error.message);
    return true;
  };
}

function failure(text: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isSkyError(error, "process/failed"), String(error));
    assert.equal(error.message, text);
    return true;
  };
}

test("who packs is told what cannot be read", async (context) => {
  for (const [path, bytes] of [
    ["in", undefined],
    ["in/file", 10],
    ["in/large", 2 * mib],
  ] as const) {
    const { root, from, pack } = stage(context);
    if (bytes !== undefined) writeFileSync(`${from}/${path}`, Buffer.alloc(bytes));
    chmodSync(`${from}/${path}`, 0);
    const refused = refusal("EACCES", `${from}/${path}`);
    await asUser(root, () => assert.rejects(pack(), refused));
  }
});

test("what goes wrong in packing is told of the user's path", async (context) => {
  const { from, pack } = stage(context);
  writeFileSync(`${from}/big`, Buffer.alloc(20 * mib));
  // It was seen as a folder, and is a file when it is opened.
  const packing = pack(undefined, () => {
    rmSync(`${from}/in`, { recursive: true });
    writeFileSync(`${from}/in`, "");
  });
  await assert.rejects(packing, refusal("ENOTDIR", `${from}/in`));
});

test("likewise what goes wrong while it is unpacked", async (context) => {
  const { to, unpack } = stage(context);
  // The content is asked for when the folders are there.
  const unpacking = unpack(() => {
    if (existsSync(`${to}/in`)) rmSync(to, { recursive: true });
  });
  await assert.rejects(unpacking, refusal("ENOENT", `${to}/in/file`));
});

test("a full folder in the way of a file is named", async (context) => {
  const { to, unpack } = stage(context);
  mkdirSync(`${to}/in/file/full`, { recursive: true });
  const why = "a folder that is not empty is in the way of a file; remove it";
  await assert.rejects(unpack(), failure(`unpacking ${to}/in/file: ${why}`));
});

test("a target that cannot be made is named", async (context) => {
  const { root, to, unpack } = stage(context);
  chmodSync(root, 0o555);
  await asUser(root, () => assert.rejects(unpack(), refusal("EACCES", to)));
});

const wholeWhy = "it was removed or replaced while it was read; try again";

for (const [path, onName, isReplaced] of [
  ["from", "in", false],
  ["from", "in", true],
  ["from", "file", true],
  ["from/in", "in", false],
  ["from/in", "file", false],
  ["from/in", "file", true],
] as const) {
  const what = `${path} ${isReplaced ? "is replaced" : "goes"} at ${onName}`;
  test(`a folder is packed whole or refused by name: ${what}`, async (context) => {
    const { root, pack } = stage(context);
    const packing = pack((name) => {
      if (name !== onName) return;
      renameSync(`${root}/${path}`, `${root}/away`);
      if (isReplaced) mkdirSync(`${root}/${path}`);
    });
    await assert.rejects(packing, failure(`packing ${root}/${path}: ${wholeWhy}`));
  });
}

test("a folder that is emptied and removed while it is packed is refused", async (context) => {
  const { from, pack } = stage(context);
  const packing = pack((name) => {
    if (name === "file") rmSync(from, { recursive: true });
  });
  await assert.rejects(packing, failure(`packing ${from}/in: ${wholeWhy}`));
});

test("a single file that goes is just gone", async (context) => {
  const { from, pack } = stage(context);
  const { files } = await pack((name) => {
    if (name === "file") rmSync(`${from}/in/file`);
  });
  assert.equal(files, 0);
});
