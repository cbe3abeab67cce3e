// Include and exclude: what globs match, and that the last that matches decides.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sieveOf } from "../../transfer/job/filters.ts";
import { fc } from "../support/property.ts";

const matching: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  // pattern, matches, does not match
  ["*.txt", ["a.txt", "d/e/a.txt", ".txt"], ["a.txt.gz", "txt"]],
  ["/*.txt", ["a.txt"], ["d/a.txt"]],
  ["logs", ["logs", "logs/a", "d/logs/x/y"], ["logs2/a", "mylogs"]],
  ["logs/", ["logs/a", "d/logs/x"], ["logs"]],
  ["/logs/", ["logs/a"], ["d/logs/x"]],
  ["d/*.txt", ["d/a.txt", "c/d/a.txt"], ["d/e/a.txt"]],
  ["d/**", ["d/a", "d/e/f"], ["e/a"]],
  ["**/x", ["x", "a/x", "a/b/x"], ["ax"]],
  ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az"]],
  ["a?c", ["abc", "aéc", "a😀c"], ["ac", "a/c"]],
  ["[a-c]1", ["a1", "x/c1"], ["d1"]],
  ["[!a]1", ["b1"], ["a1"]],
  ["[]x]", ["]", "x"], ["y"]],
  ["a{b,c}d", ["abd", "acd"], ["ad", "ab,cd"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a.b+(c)", ["a.b+(c)"], ["aXb+(c)"]],
  ["[ab", ["[ab"], ["a"]],
  ["{ab", ["{ab"], ["ab"]],
  ["*", ["a", "a/b/c"], []],
];

for (const [pattern, yes, no] of matching) {
  test(`--exclude ${pattern}`, () => {
    const isMeant = sieveOf([{ verb: "exclude", pattern }]);
    for (const name of yes) assert.equal(isMeant(name), false, name);
    for (const name of no) assert.equal(isMeant(name), true, name);
  });
}

test("the last that matches decides, and what nothing matches is meant", () => {
  const isMeant = sieveOf([
    { verb: "exclude", pattern: "*" },
    { verb: "include", pattern: "*.txt" },
    { verb: "exclude", pattern: "secret*" },
  ]);
  assert.deepEqual(["a.txt", "d/b.txt", "a.bin", "secret.txt"].map(isMeant), [
    ...[true, true, false, false],
  ]);
  assert.equal(sieveOf([{ verb: "include", pattern: "*.txt" }])("a.bin"), true);
  assert.equal(sieveOf([])("anything"), true);
});

test("no pattern is too odd, and one without signs matches itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 10 }), (pattern) => {
      assert.equal(typeof sieveOf([{ verb: "exclude", pattern }])("a/b"), "boolean");
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z.+$^()|-]{1,8}$/), (name) => {
      assert.equal(sieveOf([{ verb: "exclude", pattern: name }])(`d/${name}`), false);
    }),
  );
});
