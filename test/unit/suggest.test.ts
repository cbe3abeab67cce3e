// Suggestions: what is close, what is not, and in which order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { closeNames, distance, hintText } from "../../model/suggest.ts";
import { fc } from "../support/property.ts";

test("the distance counts insertions, deletions, replacements and swaps", () => {
  const rows: readonly [string, string, number][] = [
    ["", "", 0],
    ["demo", "demo", 0],
    ["demo", "dmo", 1],
    ["demo", "demos", 1],
    ["demo", "domo", 1],
    ["demo", "deom", 1],
    ["ab", "ba", 1],
    ["demo", "", 4],
    ["kitten", "sitting", 3],
  ];
  for (const [a, b, cost] of rows) assert.equal(distance(a, b), cost, `${a} → ${b}`);
});

test("the distance is symmetric, zero only for equal texts, and at most the longer length", () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const cost = distance(a, b);
      assert.equal(cost, distance(b, a));
      assert.equal(cost === 0, a === b);
      assert.ok(cost <= Math.max(a.length, b.length));
    }),
  );
});

test("close names come first and far ones not at all", () => {
  assert.deepEqual(closeNames("demoo", ["prod", "demo2", "demo"]), ["demo", "demo2"]);
  assert.deepEqual(closeNames("training", ["training-a100", "x"]), ["training-a100"]);
  assert.deepEqual(closeNames("abc", ["xyz"]), []);
});

test("a hint ends a sentence, or is nothing", () => {
  assert.equal(hintText("dmo", ["demo"]), " Did you mean 'demo'?");
  assert.equal(hintText("dem", ["demo", "dema"]), " Did you mean 'dema' or 'demo'?");
  assert.equal(hintText("q", ["demo"]), "");
});
