// Ignore files: what stays out of a tree is what git ignores, and `.skyignore` counts alone.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { ignoreBytesMax } from "../../transfer/tree/ignore-files-os.ts";
import { packTree } from "../../transfer/tree/pack.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { fc } from "../support/property.ts";
import { below, treeSeen } from "../support/trees.ts";

function placeFor(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "sky-ignore-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

type Files = Readonly<Record<string, string>>;

/** Names and contents are latin1: a character is a byte. */
function write(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const raw = below(root, Buffer.from(path, "latin1"));
    const folder = dirname(raw.toString("latin1"));
    mkdirSync(Buffer.from(folder, "latin1"), { recursive: true });
    writeFileSync(raw, content, "latin1");
  }
}

/** The paths of the files and links that arrive, in latin1. */
async function arrived(root: string): Promise<readonly string[]> {
  const source = createMemoryContentStore();
  const { tree } = await packTree(
    { path: root, isFile: false },
    {
      keep: async (chunks) => {
        for (const { ref, bytes } of chunks) await source.put(ref.digest, bytes);
      },
      work: createInlineWork(),
      reading: createInlineReading({ newCutter: () => new ContentCutter() }),
    },
  );
  const out = mkdtempSync(join(tmpdir(), "sky-ignore-out-"));
  try {
    await unpackTree(out, { source, tree, signal: new AbortController().signal });
    const seen = [...treeSeen(out)];
    return seen.flatMap(([path, look]) => (look.startsWith("folder") ? [] : [path])).sort();
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** What git would add of a new repository there, by the files of the repository alone. */
function added(root: string): readonly string[] {
  const env = { PATH: process.env["PATH"], HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" };
  const args = ["ls-files", "-z", "--others", "--exclude-standard"];
  const listed = execFileSync("git", ["-C", root, ...args], { env, encoding: "latin1" });
  return listed.split("\0").filter(Boolean).sort();
}

/** As little as git takes for one. */
function repository(root: string): void {
  for (const folder of ["objects", "refs"])
    mkdirSync(`${root}/.git/${folder}`, { recursive: true });
  writeFileSync(`${root}/.git/HEAD`, "ref: refs/heads/main\n");
}

const step = fc.constantFrom(
  ...["a", "b", "c", "ab", "a.log", "b.log", "build", "-x", "#h", "!n", "a b", "a "],
  ...["\xff\xfe", "\xc3\xa9", "n\nl", "[x]", "a*", "\\w"],
);
const path = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join("/"));
const piece = fc.constantFrom(
  ...["a", "b", "c", "ab", "build", "*", "?", "*.log", "[ab]", "[!a]", "[^b]*", "[a-c]", "**"],
  ...["\\#h", "\\!n", "a\\ ", "a ", "#h", "\xff*", "?\xa9", "[[:alpha:]]", "[", "\\", "\\w", "[]"],
  ...["[x]", "\\[x]", "a\\*", "-x", "n?l"],
);
const line = fc
  .tuple(
    fc.constantFrom("", "", "", "!"),
    fc.constantFrom("", "", "/", "**/"),
    fc.array(piece, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("", "", "/", "/**", "/*", " ", "\r"),
  )
  .map(([not, start, pieces, end]) => `${not}${start}${pieces.join("/")}${end}`);
const lines = fc.array(line, { minLength: 1, maxLength: 4 }).map((all) => `${all.join("\n")}\n`);

test("a property: what arrives is what git would add", async (context) => {
  const root = placeFor(context);
  let count = 0;
  const tree = fc.record({
    paths: fc.uniqueArray(path, { minLength: 3, maxLength: 14 }),
    ignores: fc.array(fc.tuple(fc.constantFrom("", "a/", "a/b/", "build/", "ab/"), lines), {
      maxLength: 3,
    }),
    exclude: fc.option(lines, { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(tree, async ({ paths, ignores, exclude }) => {
      count += 1;
      const folder = `${root}/${count}`;
      repository(folder);
      const isFolder = (one: string): boolean =>
        paths.some((other) => other.startsWith(`${one}/`)) ||
        ignores.some(([place]) => `${place}`.startsWith(`${one}/`));
      const files = paths.filter((one) => !isFolder(one)).map((one) => [one, "x"] as const);
      write(folder, Object.fromEntries(files));
      write(
        folder,
        Object.fromEntries(ignores.map(([place, text]) => [`${place}.gitignore`, text])),
      );
      if (exclude !== undefined) write(folder, { ".git/info/exclude": exclude });
      assert.deepEqual(await arrived(folder), added(folder));
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 100 },
  );
});

test(".skyignore counts alone, and takes back what it says", async (context) => {
  const root = placeFor(context);
  write(root, {
    ".skyignore": "*.log\n!keep.log\n/data/*\n!/data/small\nbuild/\n",
    ".gitignore": "secret\n",
    secret: "s",
    "x.log": "x",
    "in/keep.log": "k",
    "in/.gitignore": "*\n",
    "data/large": "l",
    "data/small/one": "1",
    "build/out": "o",
    "in/build": "a file",
    ".git/HEAD": "ref",
  });
  assert.deepEqual(
    await arrived(root),
    [
      ...[".gitignore", ".skyignore", "data/small/one", "in/.gitignore", "in/build"],
      ...["in/keep.log", "secret"],
    ].sort(),
  );
  write(root, { ".skyignore": "!.git\n" });
  assert.ok((await arrived(root)).includes(".git/HEAD"));
});

test("a folder that is left out is not entered, whatever is in it", async (context) => {
  const root = placeFor(context);
  write(root, { ".gitignore": "out\n", "out/.gitignore": "!deep\n", "out/deep": "d", in: "i" });
  execFileSync("mkfifo", [`${root}/out/pipe`]);
  assert.deepEqual(await arrived(root), [".gitignore", "in"]);
});

test("ignore files that are links, folders or too long", async (context) => {
  const root = placeFor(context);
  write(root, { rules: "x\n", "in/x": "1", x: "2", "in/.skyignore": "x\n" });
  // As with git.
  symlinkSync("rules", `${root}/.gitignore`);
  assert.deepEqual(await arrived(root), [".gitignore", "in/.skyignore", "in/x", "rules", "x"]);
  // The user's own word, wherever it is kept.
  symlinkSync("rules", `${root}/.skyignore`);
  assert.deepEqual(await arrived(root), [".gitignore", ".skyignore", "in/.skyignore", "rules"]);
  rmSync(`${root}/.skyignore`);
  symlinkSync("nowhere", `${root}/.skyignore`);
  await assert.rejects(arrived(root), { code: "ENOENT", path: `${root}/.skyignore` });
  rmSync(`${root}/.skyignore`);
  mkdirSync(`${root}/.skyignore`);
  assert.equal((await arrived(root)).length, 5);
  rmSync(`${root}/.gitignore`);
  writeFileSync(`${root}/.gitignore`, Buffer.alloc(ignoreBytesMax + 1, "a"));
  await assert.rejects(arrived(root), (error: unknown) => {
    assert.ok(isSkyError(error, "source/unreadable"));
    const told =
      /^\.gitignore: .*\/\.gitignore cannot be read: it has 1048577 bytes, at most 1048576/;
    assert.match(error.message, told);
    return true;
  });
});
