// What becomes what: the table of paths with its examples, and what must hold for all names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import {
  baseName,
  type Destination,
  folderOf,
  restOf,
  targetOf,
  treePrefix,
} from "../../transfer/job/mapping.ts";
import { fc } from "../support/property.ts";

const keys = (key: string): Destination => ({ kind: "keys", key });
const files = (path: string, isFolder = false): Destination => ({ kind: "files", path, isFolder });

/** Of a tree: what the key becomes; `undefined` = it is no part of the tree, or needs no name. */
function tree(source: string, key: string, to: Destination): string | undefined {
  const rest = restOf(source, key);
  return rest === undefined ? undefined : targetOf(to, { rest, isSingle: false, bytes: 1 });
}

function single(key: string, to: Destination): string | undefined {
  return targetOf(to, { rest: baseName(key), isSingle: true, bytes: 1 });
}

const trees: readonly (readonly [string, string, string, string | undefined])[] = [
  // source, key, destination, becomes
  ["", "a/x", "", "a/x"],
  ["/", "a/x", "/", "a/x"],
  ["", "a/x", "bar", "bar/a/x"],
  ["", "a/x", "bar/", "bar/a/x"],
  ["foo/", "foo/x", "bar/", "bar/x"],
  ["foo", "foo/x", "bar", "bar/x"],
  ["foo", "foo/x", "", "x"],
  ["foo/", "foo/x", "", "x"],
  ["foo", "foobar/x", "bar", undefined],
  ["foo", "foo", "bar", undefined],
  ["foo", "foo/a/b/c", "d/e", "d/e/a/b/c"],
  ["foo", "foo/sub/", "bar", "bar/sub/"],
  ["foo", "foo/", "bar", "bar/"],
  ["foo", "foo/", "", undefined],
  ["foo", "foo//x", "bar", "bar//x"],
  ["a", "a/data", "a", "a/data"],
  ["a", "a/a/a", "a", "a/a/a"],
];

for (const [source, key, to, becomes] of trees) {
  test(`cp -r s3://b/${source} s3://c/${to}: ${key} becomes ${becomes ?? "nothing"}`, () => {
    assert.equal(tree(source, key, keys(to)), becomes);
  });
}

const singles: readonly (readonly [string, string, string])[] = [
  ["foo/a.txt", "", "a.txt"],
  ["foo/a.txt", "/", "a.txt"],
  ["foo/a.txt", "dir/", "dir/a.txt"],
  ["foo/a.txt", "dir", "dir"],
  ["a.txt", "b.txt", "b.txt"],
  ["a/b/", "d/", "d/a/b/"],
];

for (const [key, to, becomes] of singles) {
  test(`cp s3://b/${key} s3://c/${to}: it becomes ${becomes}`, () => {
    assert.equal(single(key, keys(to)), becomes);
  });
}

const places: readonly (readonly [Destination, string | null, string | undefined])[] = [
  [files("out"), ".", "out"],
  [files("out/"), "out/", "a.txt"],
  [files("out", true), "out", "a.txt"],
  [files("/out/b.txt"), "/out", "b.txt"],
  [files("/b.txt"), "/", "b.txt"],
  [files(""), ".", "a.txt"],
  [files("."), ".", "a.txt"],
  [files(".."), "..", "a.txt"],
  [keys("x"), null, "x"],
];

for (const [to, folder, name] of places) {
  const where = to.kind === "files" ? `${to.path || "(nothing)"} ${to.isFolder}` : to.key;
  test(`one file to ${where}: ${name} below ${folder}`, () => {
    assert.equal(folderOf(to, true), folder);
    assert.equal(single("foo/a.txt", to), name);
  });
}

test("a tree goes below the destination itself, whether or not it is a folder already", () => {
  for (const isFolder of [false, true]) {
    assert.equal(folderOf(files("out", isFolder), false), "out");
    assert.equal(tree("foo", "foo/x/y", files("out", isFolder)), "x/y");
  }
});

const refusals = ["../x", "a/../b", "/x", "a//b", "./a", "a/.", "a\0b", "x".repeat(256), ".."];

for (const rest of refusals) {
  test(`no file is called ${JSON.stringify(rest.slice(0, 12))}`, () => {
    const found = { rest, isSingle: false, bytes: 1 };
    assert.throws(
      () => targetOf(files("out"), found),
      (error) => isSkyError(error, "objects/refused"),
    );
  });
}

test("a marker of a folder becomes that folder, unless it has content", () => {
  const marker = { rest: "a/b/", isSingle: false, bytes: 0 };
  assert.equal(targetOf(files("out"), marker), "a/b/");
  assert.throws(() => targetOf(files("out"), { ...marker, bytes: 1 }));
  assert.equal(targetOf(files("out"), { ...marker, rest: "" }), undefined);
});

const anyKey = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const keyWithSteps = fc.array(anyKey, { minLength: 1, maxLength: 4 }).map((all) => all.join("/"));

test("two keys of a tree never become the same, and all are below the destination", () => {
  fc.assert(
    fc.property(fc.tuple(keyWithSteps, keyWithSteps, keyWithSteps, keyWithSteps), (drawn) => {
      const [p, q, a, b] = drawn;
      const [one, two] = [tree(p, treePrefix(p) + a, keys(q)), tree(p, treePrefix(p) + b, keys(q))];
      assert.ok(one?.startsWith(treePrefix(q)));
      if (a !== b) assert.notEqual(one, two);
      assert.equal(restOf(q, one ?? ""), a);
    }),
  );
});

test("whatever a key is, its file is below the folder or it is refused", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (rest) => {
      let name: string | undefined;
      try {
        name = targetOf(files("out"), { rest, isSingle: false, bytes: 0 });
      } catch (error) {
        assert.ok(isSkyError(error, "objects/refused"));
        return;
      }
      const steps = (name ?? "x").replace(/\/$/, "").split("/");
      assert.ok(steps.every((step) => !["", ".", ".."].includes(step)));
    }),
  );
});
