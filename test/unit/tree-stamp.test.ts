// Stamps: what is told apart, and what is too young to be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileStamp, isSettled, isStampable, TreeStamp, tickMs } from "../../transfer/tree/stamp.ts";

const second = 1_000_000_000n;
const facts = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 1_000n * second + 500_000_000n };
const changedMs = 1_000_500;

test("a file is settled a tick after its change, and longer where the clock is coarse", () => {
  const whole = { ...facts, ctimeNs: 1_000n * second };
  const rows: readonly (readonly [number, boolean, boolean])[] = [
    [0, false, false],
    [tickMs - 1, false, false],
    [tickMs, true, true],
    [10_000, true, true],
    // The file is of a time to come: what changes it now is told apart.
    [-10_000, true, true],
  ];
  for (const [ageMs, settled, stampable] of rows) {
    assert.equal(isSettled(facts, changedMs + ageMs), settled, `${ageMs} ms`);
    assert.equal(isStampable(facts, changedMs + ageMs), stampable, `${ageMs} ms`);
  }
  assert.deepEqual(
    [0, 500, 1_999, 2_000].map((ageMs) => isStampable(whole, 1_000_000 + ageMs)),
    [false, false, false, true],
  );
});

test("each of a file's facts makes another stamp, of the file and of its tree", () => {
  const treeOf = (one: typeof facts, entry = "entry"): string => {
    const stamp = new TreeStamp();
    stamp.add(Buffer.from(entry), one);
    return stamp.done();
  };
  const changes = (["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const).map((name) => {
    return { ...facts, [name]: facts[name] + 1n };
  });
  const stamps = [facts, ...changes].map(fileStamp);
  assert.equal(new Set(stamps).size, changes.length + 1);
  // Sizes are in the entries.
  const others = changes.filter(({ size }) => size === facts.size);
  const trees = [facts, ...others].map((one) => treeOf(one));
  assert.equal(new Set([...trees, treeOf(facts, "another")]).size, others.length + 2);
  assert.equal(treeOf(facts), treeOf({ ...facts }));
});

test("a tree of many entries has one stamp, however it falls into pieces", () => {
  const of = (count: number): string => {
    const stamp = new TreeStamp();
    for (let at = 0; at < count; at += 1) stamp.add(Buffer.alloc(1_000, at), facts);
    return stamp.done();
  };
  assert.equal(of(500), of(500));
  assert.notEqual(of(500), of(499));
});
