// What every random port promises.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hexToken, type Random } from "../../runtime/random.ts";

const draws = 20_000;

export function randomContract(name: string, open: () => Random): void {
  test(`${name}: units lie in [0, 1) and fill it evenly`, () => {
    const random = open();
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < draws; i += 1) {
      const unit = random.unit();
      assert.ok(unit >= 0 && unit < 1);
      const tenth = Math.floor(unit * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    // Ten standard deviations: a fair generator never gets there.
    const mean = draws / 10;
    for (const count of tenths) assert.ok(Math.abs(count - mean) < 10 * Math.sqrt(mean));
  });

  test(`${name}: bytes are as many as asked for, and every value comes up`, () => {
    const random = open();
    for (const count of [0, 1, 7, 32]) assert.equal(random.bytes(count).length, count);
    assert.equal(new Set(random.bytes(draws)).size, 256);
  });

  test(`${name}: tokens do not repeat`, () => {
    const random = open();
    const tokens = Array.from({ length: 1_000 }, () => hexToken(random, 16));
    assert.equal(new Set(tokens).size, tokens.length);
    assert.match(tokens[0] ?? "", /^[0-9a-f]{32}$/);
  });
}
