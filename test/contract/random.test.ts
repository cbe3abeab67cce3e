// The random contract over both versions, and the seed of the memory one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { randomContract } from "./random.contract.ts";

randomContract("random-os", createOsRandom);
randomContract("random-memory", () => createMemoryRandom("a seed"));

const story = (seed: number | string): string => {
  const random = createMemoryRandom(seed);
  const units = Array.from({ length: 5 }, () => random.unit());
  return [...units, ...random.bytes(8), random.below(1_000)].join(" ");
};

test("random-memory: the same seed draws the same, another seed something else", () => {
  assert.equal(story(7), story(7));
  assert.notEqual(story(7), story(8));
});

test("random-memory: a fork depends on the seed and its name, not on what was drawn", () => {
  const [one, two] = [createMemoryRandom(7), createMemoryRandom(7)];
  for (let i = 0; i < 10; i += 1) one.unit();
  assert.equal(one.fork("net").unit(), two.fork("net").unit());
  assert.notEqual(one.fork("net").unit(), one.fork("disk").unit());
});
