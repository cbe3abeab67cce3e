// Words that have no second chance: said once each, in order, however full the mailbox is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { insistence } from "../../runtime/insistence.ts";
import { fc } from "../support/property.ts";

test("whatever is refused, all is said once and in order, and nothing waits in the end", () => {
  const refusals = fc.array(fc.boolean(), { maxLength: 40 });
  fc.assert(
    fc.property(refusals, fc.integer({ min: 1, max: 10 }), (full, count) => {
      const clock = createMemoryClock();
      const left = [...full];
      const taken: number[] = [];
      const say = insistence<number>(clock, (word) => {
        if (left.shift()) throw new SkyError("mailbox/full", { to: "a", count: 1 });
        taken.push(word);
      });
      const words = Array.from({ length: count }, (_, index) => index + 1);
      for (const word of words) say(word);
      clock.advance(60_000);
      assert.deepEqual(taken, words);
      assert.equal(clock.waiting().count, 0);
    }),
  );
});

test("what is no question of room is the caller's to know", () => {
  const say = insistence(createMemoryClock(), () => {
    throw new TypeError("broken");
  });
  assert.throws(() => say(1), TypeError);
});
