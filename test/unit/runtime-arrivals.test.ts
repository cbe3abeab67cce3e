// What counts as news of another node: everything once, nothing after what followed it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createArrivals } from "../../runtime/arrivals.ts";
import { fc } from "../support/property.ts";

test("of one stream, only what is newer than all before it is news", () => {
  const places = fc.array(fc.nat({ max: 20 }).map((seq) => ({ stream: 1, seq: seq + 1 })));
  fc.assert(
    fc.property(places, (said) => {
      const arrivals = createArrivals();
      const taken = said.filter((place) => arrivals.isNews("worker1", place, 1));
      assert.deepEqual(
        taken.map(({ seq }) => seq),
        said.map(({ seq }) => seq).filter((seq, at, all) => all.slice(0, at).every((x) => x < seq)),
      );
    }),
  );
});

test("a new stream is followed from its first word, and the old one is over", () => {
  const arrivals = createArrivals();
  assert.ok(arrivals.isNews("worker1", { stream: 70, seq: 900 }, 1));
  assert.ok(arrivals.isNews("worker1", { stream: 12, seq: 1 }, 1));
  assert.ok(!arrivals.isNews("worker1", { stream: 70, seq: 901 }, 1));
  assert.ok(arrivals.isNews("worker1", { stream: 12, seq: 2 }, 1));
});

test("senders do not mix, and one that numbers nothing is taken as it comes", () => {
  const arrivals = createArrivals();
  assert.ok(arrivals.isNews("worker1", { stream: 1, seq: 5 }, 1));
  assert.ok(arrivals.isNews("worker2", { stream: 1, seq: 5 }, 1));
  for (let times = 0; times < 3; times += 1) assert.ok(arrivals.isNews("worker3", undefined, 1));
});

test("what is remembered of streams that are over is bounded", () => {
  const arrivals = createArrivals();
  for (let stream = 1; stream <= 1_000; stream += 1) {
    assert.ok(arrivals.isNews("worker1", { stream, seq: 1 }, 1));
  }
  assert.ok(!arrivals.isNews("worker1", { stream: 999, seq: 2 }, 1));
});

test("the last words of an earlier life are no news, whoever hears them first", () => {
  const arrivals = createArrivals();
  // Killed, started again, and only then did the bus deliver what the first life had said.
  assert.ok(arrivals.isNews("skyhead", { stream: 40, seq: 1 }, 4));
  assert.ok(!arrivals.isNews("skyhead", { stream: 30, seq: 700 }, 3));
  assert.ok(arrivals.isNews("skyhead", { stream: 40, seq: 2 }, 4));
  assert.ok(arrivals.isNews("skyhead", { stream: 50, seq: 1 }, 5));
  assert.ok(!arrivals.isNews("skyhead", { stream: 40, seq: 3 }, 4));
});
