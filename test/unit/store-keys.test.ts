// The order of keys is the order of their UTF-8 bytes, and a prefix ends where it ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareKeys, prefixEnd } from "../../runtime/store-keys.ts";
import { fc } from "../support/property.ts";

/** Mostly characters around the places where UTF-16 and UTF-8 disagree. */
const character = fc.constantFrom("a", "b", "\u007f", "\ud7ff", "\ue000", "\uffff", "\u{10000}");
const key = fc.oneof(
  fc.string({ unit: character, maxLength: 5 }),
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.string({ unit: fc.constantFrom("\u{10ffff}", "\ud7ff"), maxLength: 3 }),
);

test("store-keys: compareKeys orders as the bytes do", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      assert.equal(Math.sign(compareKeys(a, b)), bytes, JSON.stringify([a, b]));
    }),
    { numRuns: 3_000 },
  );
});

test("store-keys: a key is in [prefix, prefixEnd) if and only if it starts with the prefix", () => {
  fc.assert(
    fc.property(key, key, fc.boolean(), (prefix, rest, inside) => {
      const one = inside ? prefix + rest : rest;
      const end = prefixEnd(prefix);
      const between =
        compareKeys(one, prefix) >= 0 && (end === undefined || compareKeys(one, end) < 0);
      assert.equal(between, one.startsWith(prefix), JSON.stringify([prefix, one, end]));
    }),
    { numRuns: 3_000 },
  );
});

test("store-keys: nothing is above the last code point", () => {
  assert.equal(prefixEnd(""), undefined);
  assert.equal(prefixEnd("\u{10ffff}"), undefined);
  assert.equal(prefixEnd("a\u{10ffff}"), "b");
});
