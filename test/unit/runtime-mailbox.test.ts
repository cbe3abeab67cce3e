// The mailbox and its ring against the simplest thing that could be right: an array.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Mailbox, mailboxLettersMax, Ring } from "../../runtime/mailbox.ts";
import { fc } from "../support/property.ts";

test("a ring gives back what was pushed, in order, whatever the mixture", () => {
  const moves = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat() }, fc.constant("shift")), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(moves, (sequence) => {
      const ring = new Ring<number>();
      const model: number[] = [];
      for (const move of sequence) {
        if (typeof move === "number") {
          ring.push(move);
          model.push(move);
        } else {
          assert.equal(ring.shift(), model.shift());
        }
        assert.equal(ring.count, model.length);
        assert.equal(ring.peek(), model[0]);
      }
    }),
  );
});

test("a mailbox refuses one letter more than its bound and takes again when one was taken", () => {
  const mailbox = new Mailbox<number>();
  for (let i = 0; i < mailboxLettersMax; i += 1) assert.equal(mailbox.offer(i), true);
  assert.equal(mailbox.offer(-1), false);
  assert.equal(mailbox.count, mailboxLettersMax);
  assert.equal(mailbox.take(), 0);
  assert.equal(mailbox.offer(-2), true);
});

test("the system's letters overtake the line and fit into a full mailbox", () => {
  const mailbox = new Mailbox<string>(2);
  assert.deepEqual(
    [mailbox.offer("a"), mailbox.offer("b"), mailbox.offer("c")],
    [true, true, false],
  );
  mailbox.offerUrgent("timer 1");
  mailbox.offerUrgent("timer 2");
  mailbox.offerOwn("own");
  const taken = Array.from({ length: 6 }, () => mailbox.take());
  assert.deepEqual(taken, ["timer 1", "timer 2", "a", "b", "own", undefined]);
});
