// Folder trees as chunks: what is packed and unpacked is the same tree, whatever is in it, and
// nothing that a tree says or somebody puts in the way leads out of the target.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
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
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { encodeManifest, objectDigest } from "../../transfer/chunks/manifest.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { encodeEntry, type TreeEntry } from "../../transfer/tree/entries.ts";
import { packTree } from "../../transfer/tree/pack.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import type { Cutter } from "../../transfer/tree/region-cut.ts";
import type { TreeChunk } from "../../transfer/tree/region-writer.ts";
import { encodeRoot, manifestOfTree } from "../../transfer/tree/tree.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { fc } from "../support/property.ts";
import { below, type Sown, type SownEntries, sow, treeSeen } from "../support/trees.ts";

const mib = 1024 * 1024;
const work = createInlineWork();

function placeFor(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "sky-tree-"));
  context.after(() => {
    execFileSync("chmod", ["-R", "u+rwx", root]);
    rmSync(root, { recursive: true, force: true });
  });
  return root;
}

function stage() {
  const store = createMemoryContentStore();
  let kept = 0;
  const keep = async (chunks: readonly TreeChunk[]): Promise<void> => {
    for (const { ref, bytes } of chunks) {
      if ((await store.put(ref.digest, bytes)) === "stored") kept += 1;
    }
  };
  const source = { get: (digest: Digest) => store.get(digest) };
  const { signal } = new AbortController();
  const reading = createInlineReading({ newCutter });
  return {
    store,
    pack: (path: string) => packTree({ path, isFile: false }, { keep, work, reading }),
    unpack: (target: string, tree: ChunkRef) => unpackTree(target, { source, tree, signal }),
    newChunks: () => {
      const count = kept;
      kept = 0;
      return count;
    },
  };
}

/** Every 64 KiB. */
function newCutter(): Cutter {
  const size = 64 * 1024;
  let rest = Buffer.alloc(0);
  return {
    push: (bytes, take) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= size) {
        // What is given may be taken from us, with its buffer.
        take(Buffer.from(rest.subarray(0, size)));
        rest = rest.subarray(size);
      }
    },
    end: (take) => {
      if (rest.length > 0) take(rest);
    },
  };
}

const odd: SownEntries = [
  ["plain", { kind: "file", content: "hello" }],
  ["run.sh", { kind: "file", content: "#!/bin/sh\n", mode: 0o755 }],
  ["empty file", { kind: "file", content: "", mode: 0o600 }],
  [Buffer.from([0xff, 0xfe, 0x0a]), { kind: "file", content: "raw" }],
  ["new\nline", { kind: "file", content: "n" }],
  ["ünï cödé", { kind: "file", content: "u" }],
  ["-rf *", { kind: "file", content: "dash" }],
  ["setuid", { kind: "file", content: "s", mode: 0o4755 }],
  ["unreadable later", { kind: "file", content: "r", mode: 0o400 }],
  ["dangling", { kind: "link", target: "/nowhere/at all" }],
  ["raw link", { kind: "link", target: Buffer.from([0xc3, 0x28]) }],
  ["up", { kind: "link", target: "../.." }],
  ["empty", { kind: "folder", entries: [], mode: 0o700 }],
  [
    "closed",
    {
      kind: "folder",
      mode: 0o555,
      entries: [["in it", { kind: "file", content: "i", mode: 0o444 }]],
    },
  ],
  ["large", { kind: "file", content: Buffer.alloc(3 * mib + 17, "large ") }],
  ["exactly large", { kind: "file", content: Buffer.alloc(mib, 7) }],
  ["nearly large", { kind: "file", content: Buffer.alloc(mib - 1, 8) }],
  [".git", { kind: "folder", entries: [["HEAD", { kind: "file", content: "ref" }]] }],
];

test("a tree arrives as it was, without version control", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  sow(`${root}/a`, odd);
  const packed = await pack(`${root}/a`);
  const result = await unpack(`${root}/b`, packed.tree);
  assert.deepEqual(
    treeSeen(`${root}/b`),
    treeSeen(`${root}/a`, (name) => name === ".git"),
  );
  assert.equal(timeOf(`${root}/b`), timeOf(`${root}/a`));
  assert.deepEqual([result.files, result.same], [packed.files, 0]);
  assert.equal(packed.bytes, result.bytes);
});

function timeOf(path: string): bigint {
  return lstatSync(path, { bigint: true }).mtimeNs / 1_000n;
}

test("the same tree has the same digest, wherever it is", async (context) => {
  const root = placeFor(context);
  const first = stage();
  sow(`${root}/a`, odd);
  const packed = await first.pack(`${root}/a`);
  await first.unpack(`${root}/b`, packed.tree);
  const again = stage();
  assert.equal((await again.pack(`${root}/b`)).tree.digest, (await pack0(root)).digest);

  async function pack0(at: string): Promise<ChunkRef> {
    rmSync(`${at}/a/.git`, { recursive: true });
    utimesSync(`${at}/a`, statSync(`${at}/b`).atime, statSync(`${at}/b`).mtimeMs / 1_000);
    return (await stage().pack(`${at}/a`)).tree;
  }
});

test("any change of content, name, mode, time or link is another digest", async (context) => {
  const root = placeFor(context);
  const { pack } = stage();
  sow(`${root}/a`, odd);
  const digests = new Set([(await pack(`${root}/a`)).tree.digest]);
  const keepTime = (change: () => void): void => {
    const { atime, mtime } = statSync(`${root}/a`);
    change();
    utimesSync(`${root}/a`, atime, mtime);
  };
  const changes: (() => void)[] = [
    () => appendFileSync(`${root}/a/plain`, "!"),
    () => utimesSync(`${root}/a/plain`, 1, 2),
    () => chmodSync(`${root}/a/run.sh`, 0o744),
    () => rmSync(`${root}/a/dangling`),
    () => mkdirSync(`${root}/a/empty/more`),
    () => chmodSync(`${root}/a`, 0o711),
  ];
  for (const change of changes) {
    keepTime(change);
    digests.add((await pack(`${root}/a`)).tree.digest);
  }
  assert.equal(digests.size, changes.length + 1);
});

test("a property: what is packed and unpacked is the same tree", async (context) => {
  const root = placeFor(context);
  let count = 0;
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte)))
    .filter((bytes) => ![".", ".."].includes(Buffer.from(bytes).toString("latin1")));
  const file = fc.record({
    kind: fc.constant("file" as const),
    mode: fc.integer({ min: 0o400, max: 0o777 }).map((mode) => mode | 0o400),
    content: fc.uint8Array({ maxLength: 200_000, size: "max" }),
  });
  const link = fc.record({ kind: fc.constant("link" as const), target: name });
  const { entries } = fc.letrec<{ sown: Sown; entries: SownEntries }>((tie) => ({
    sown: fc.oneof(
      { maxDepth: 4 },
      file,
      link,
      fc.record({
        kind: fc.constant("folder" as const),
        mode: fc.constant(0o755),
        entries: tie("entries"),
      }),
    ),
    entries: fc.uniqueArray(fc.tuple(name, tie("sown")), {
      maxLength: 6,
      selector: ([bytes]) => Buffer.from(bytes).toString("hex"),
    }),
  }));
  await fc.assert(
    fc.asyncProperty(entries, async (tree) => {
      const { pack, unpack } = stage();
      count += 1;
      const [from, to] = [`${root}/from-${count}`, `${root}/to-${count}`];
      sow(from, tree);
      const packed = await pack(from);
      await unpack(to, packed.tree);
      assert.deepEqual(treeSeen(to), treeSeen(from));
      assert.equal((await pack(to)).tree.digest, packed.tree.digest);
    }),
    { numRuns: 40 },
  );
});

test("over what is there: files are replaced, others stay, the same is kept", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  const [from, to] = [`${root}/a`, `${root}/b`];
  sow(from, odd);
  const { tree } = await pack(from);
  sow(to, [
    ["plain", { kind: "file", content: "other" }],
    ["mine", { kind: "file", content: "stays" }],
    ["empty", { kind: "file", content: "a file in a folder's place" }],
    ["dangling", { kind: "file", content: "a file in a link's place" }],
    ["run.sh", { kind: "folder", entries: [] }],
  ]);
  linkSync(`${to}/plain`, `${root}/other name`);
  await unpack(to, tree);
  const seen = treeSeen(to);
  const wanted = treeSeen(from, (name) => name === ".git");
  assert.deepEqual(
    [...wanted].filter(([path, look]) => seen.get(path) !== look),
    [],
  );
  assert.deepEqual(
    [...seen.keys()].filter((path) => !wanted.has(path)),
    ["mine"],
  );
  // Who still has the old file open, or another name of it, keeps it.
  assert.equal(readFileSync(`${root}/other name`, "utf8"), "other");

  const inode = statSync(`${to}/large`).ino;
  const again = await unpack(to, tree);
  assert.equal(again.same, again.files);
  assert.equal(statSync(`${to}/large`).ino, inode);
});

test("what looks the same and is not is replaced", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  const [from, to] = [`${root}/a`, `${root}/b`];
  sow(from, odd);
  const { tree } = await pack(from);
  await unpack(to, tree);
  for (const name of ["plain", "large"]) {
    const content = readFileSync(`${to}/${name}`);
    content[content.length - 1] = 0;
    const { mtimeNs } = statSync(`${to}/${name}`, { bigint: true });
    const time = (Number(mtimeNs / 1_000n) + 0.5) / 1e6;
    writeFileSync(`${to}/${name}`, content);
    utimesSync(`${to}/${name}`, time, time);
  }
  const again = await unpack(to, tree);
  assert.equal(again.files - again.same, 2);
  assert.deepEqual(
    treeSeen(to),
    treeSeen(from, (name) => name === ".git"),
  );
});

test("a full folder never makes way for a file", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  sow(`${root}/a`, [["x", { kind: "file", content: "x" }]]);
  const { tree } = await pack(`${root}/a`);
  mkdirSync(`${root}/b/x`, { recursive: true });
  writeFileSync(`${root}/b/x/precious`, "p");
  await assert.rejects(unpack(`${root}/b`, tree), { code: "process/failed" });
  assert.equal(readFileSync(`${root}/b/x/precious`, "utf8"), "p");
  assert.deepEqual(readdirSync(`${root}/b`), ["x"]);
});

test("links in the way are replaced, never followed", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  const [from, to, outside] = [`${root}/a`, `${root}/b`, `${root}/outside`];
  sow(from, [
    ["folder", { kind: "folder", entries: [["secret", { kind: "file", content: "new" }]] }],
    ["file", { kind: "file", content: "new" }],
  ]);
  sow(outside, [["secret", { kind: "file", content: "old" }]]);
  const { tree } = await pack(from);
  mkdirSync(to);
  symlinkSync(outside, `${to}/folder`);
  symlinkSync(`${outside}/secret`, `${to}/file`);
  const before = treeSeen(outside);
  await unpack(to, tree);
  assert.deepEqual(treeSeen(outside), before);
  assert.deepEqual(treeSeen(to), treeSeen(from));

  // The target itself may have become a link to somewhere else.
  rmSync(to, { recursive: true });
  symlinkSync(outside, to);
  await unpack(to, tree);
  assert.deepEqual(treeSeen(outside), before);
  assert.deepEqual(treeSeen(to), treeSeen(from));
});

/** A tree that nobody packed: these entries, and contents that may fit. */
async function forged(
  { store }: ReturnType<typeof stage>,
  entries: readonly TreeEntry[],
  small: readonly string[] = [],
): Promise<ChunkRef> {
  const put = async (bytes: Uint8Array): Promise<ChunkRef> => {
    const ref = { digest: objectDigest(bytes), bytes: bytes.length };
    await store.put(ref.digest, bytes);
    return ref;
  };
  const description = [await put(Buffer.concat(entries.map(encodeEntry)))];
  const contents: ChunkRef[] = [];
  for (const text of small) contents.push(await put(Buffer.from(text)));
  const regions = { description, small: contents, large: [] };
  const root = await put(encodeRoot(regions));
  return await put(encodeManifest(manifestOfTree(root, regions)));
}

const top: TreeEntry = { kind: "folder", name: Buffer.alloc(0), mode: 0o755, mtimeUs: 1 };
const leave: TreeEntry = { kind: "leave" };
const fileNamed = (name: string, bytes = 1): TreeEntry => {
  return { kind: "file", name: Buffer.from(name), mode: 0o644, mtimeUs: 1, bytes };
};
const linkNamed = (name: string, target: string): TreeEntry => {
  return { kind: "link", name: Buffer.from(name), mtimeUs: 1, target: Buffer.from(target) };
};
const folderNamed = (name: string): TreeEntry => ({ ...top, name: Buffer.from(name) });

const lies: readonly (readonly [what: string, entries: readonly TreeEntry[], small: string[]])[] = [
  ["a step up", [top, fileNamed(".."), leave], ["x"]],
  ["a file two steps away", [top, fileNamed("a/b"), leave], ["x"]],
  ["a file of the root", [top, fileNamed("/etc/x"), leave], ["x"]],
  ["a folder up", [top, folderNamed(".."), fileNamed("x"), leave, leave], ["x"]],
  ["a name with a NUL", [top, fileNamed("a\0b"), leave], ["x"]],
  ["no name", [top, fileNamed(""), leave], ["x"]],
  [
    "a link and a folder of one name",
    [top, linkNamed("a", "../out"), folderNamed("a"), fileNamed("x"), leave, leave],
    ["x"],
  ],
  ["two of one name", [top, fileNamed("a"), fileNamed("a"), leave], ["xy"]],
  ["names out of order", [top, fileNamed("b"), fileNamed("a"), leave], ["xy"]],
  ["no end", [top, fileNamed("a")], ["x"]],
  ["two ends", [top, leave, leave], []],
  ["a file alone", [fileNamed("a")], ["x"]],
  ["content of nobody", [top, fileNamed("a"), leave], ["xy"]],
  ["too little content", [top, fileNamed("a", 2), leave], ["x"]],
  ["a file of nothing that is large", [top, fileNamed("a", 5 * mib), leave], []],
  ["too deep", [top, ...Array.from({ length: 300 }, () => folderNamed("d")), leave], []],
];

for (const [what, entries, small] of lies) {
  test(`a tree that lies is refused: ${what}`, async (context) => {
    const root = placeFor(context);
    mkdirSync(`${root}/in`);
    const forge = stage();
    const tree = await forged(forge, entries, small);
    await assert.rejects(forge.unpack(`${root}/in/b`, tree), (error) =>
      isSkyError(error, "codec/invalid"),
    );
    assert.deepEqual(readdirSync(root), ["in"]);
  });
}

test("what is neither file, folder nor link is named and stays behind", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  sow(`${root}/a`, [["x", { kind: "file", content: "x" }]]);
  execFileSync("mkfifo", [`${root}/a/pipe`]);
  const packed = await pack(`${root}/a`);
  assert.deepEqual(packed.skipped, [`${root}/a/pipe`]);
  await unpack(`${root}/b`, packed.tree);
  assert.deepEqual(readdirSync(`${root}/b`), ["x"]);
});

test("a file that changes while it is read is read again, or named", async (context) => {
  const root = placeFor(context);
  mkdirSync(`${root}/a`);
  writeFileSync(`${root}/a/busy`, Buffer.alloc(4 * mib));
  const store = createMemoryContentStore();
  let changes = 0;
  const packing = (changesMax: number) =>
    packTree(
      { path: `${root}/a`, isFile: false },
      {
        ...{ reading: createInlineReading({ newCutter }), work },
        keep: async (chunks) => {
          if (changes < changesMax) {
            changes += 1;
            appendFileSync(`${root}/a/busy`, `${changes}`);
          }
          for (const { ref, bytes } of chunks) await store.put(ref.digest, bytes);
        },
      },
    );
  const packed = await packing(2);
  const source = { get: (digest: Digest) => store.get(digest) };
  const { signal } = new AbortController();
  await unpackTree(`${root}/b`, { source, tree: packed.tree, signal });
  assert.deepEqual(readFileSync(`${root}/b/busy`), readFileSync(`${root}/a/busy`));
  changes = 0;
  await assert.rejects(packing(1_000), (error) => {
    assert.ok(isSkyError(error, "process/failed"));
    assert.match(
      error.message,
      /a\/busy: it changed while it was read, 5 times; leave it out by \.skyignore/,
    );
    return true;
  });
});

test("a chunk that is missing leaves nothing partial under a final name", async (context) => {
  const root = placeFor(context);
  const { store, pack } = stage();
  sow(`${root}/a`, [
    [
      "large",
      { kind: "file", content: Buffer.from(Array.from({ length: 3 * mib }, (_, i) => i % 251)) },
    ],
    ["small", { kind: "file", content: "s" }],
  ]);
  const packed = await pack(`${root}/a`);
  const last = packed.chunks.at(-1)?.digest ?? "";
  const source = {
    get: async (digest: Digest) => {
      if (digest === last) throw new Error("no such chunk");
      return await store.get(digest);
    },
  };
  const { signal } = new AbortController();
  const unpacking = unpackTree(`${root}/b`, { source, tree: packed.tree, signal });
  await assert.rejects(unpacking, /no such chunk/);
  assert.deepEqual(readdirSync(`${root}/b`), []);
});

test("what a killed unpacking left aside is removed by the next", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  sow(`${root}/a`, [["x", { kind: "file", content: "x" }]]);
  const { tree } = await pack(`${root}/a`);
  mkdirSync(`${root}/b`);
  writeFileSync(`${root}/b/.sky-tmp-left`, "half");
  await unpack(`${root}/b`, tree);
  assert.deepEqual(treeSeen(`${root}/b`), treeSeen(`${root}/a`));
});

test("a tree deeper than a path may be long is packed and unpacked", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  const step = "d".repeat(100);
  const goDown = (folder: string, then: string, each: string): string => {
    const walk = `for (let i = 0; i < 60; i += 1) { ${each}; process.chdir("${step}"); }`;
    const script = `const fs = require("fs"); ${walk} process.stdout.write(${then});`;
    return execFileSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" });
  };
  mkdirSync(`${root}/a`);
  goDown(`${root}/a`, `String(fs.writeFileSync("f", "deep"))`, `fs.mkdirSync("${step}")`);
  const packed = await pack(`${root}/a`);
  await unpack(`${root}/b`, packed.tree);
  assert.equal((await pack(`${root}/b`)).tree.digest, packed.tree.digest);
  assert.equal(goDown(`${root}/b`, `fs.readFileSync("f")`, ""), "deep");
  // Node's own removal goes by paths.
  execFileSync("rm", ["-rf", `${root}/a`, `${root}/b`]);
});

test("names that sort by bytes, not by letters", async (context) => {
  const root = placeFor(context);
  const { pack, unpack } = stage();
  const names = ["Z", "a", "é", "\u{1f600}", "\uffee"];
  sow(
    `${root}/a`,
    names.map((name) => [name, { kind: "file", content: name }] as const),
  );
  writeFileSync(below(`${root}/a`, Buffer.from([0x80])), "raw");
  const { tree } = await pack(`${root}/a`);
  await unpack(`${root}/b`, tree);
  assert.deepEqual(treeSeen(`${root}/b`), treeSeen(`${root}/a`));
});
