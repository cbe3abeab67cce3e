// When a silent nats-server is ended, and when the next one is started.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterEnd,
  afterLook,
  endsNow,
  type Look,
  noRestarts,
  noSilence,
  restartWaitMs,
  silentLooksMin,
  steadyMs,
  watchDefaults,
  whyToEnd,
} from "../../runtime/nats-watch.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { fc } from "../support/property.ts";

const limits = watchDefaults;
const look = (of: Partial<Look>): Look => ({
  ...{ answered: false, elapsedMs: 3_000, getsOn: false },
  ...of,
});

/** How many looks like this in a row end it; 0 if a hundred do not. */
function looksUntilEnd(of: Partial<Look>): number {
  let silence = noSilence;
  for (let count = 1; count <= 100; count += 1) {
    silence = afterLook(silence, look(of), limits);
    if (whyToEnd(silence, limits) !== undefined) return count;
  }
  return 0;
}

test("nats watch: what does nothing is ended after 10 s, what is busy after 60 s", () => {
  assert.equal(looksUntilEnd({}), 4);
  assert.equal(looksUntilEnd({ getsOn: true }), 20);
  assert.equal(looksUntilEnd({ answered: true }), 0);
  assert.match(
    whyToEnd({ allMs: 12_000, stillMs: 12_000, looks: 4 }, limits) ?? "",
    /did nothing.*12\.0 s/,
  );
  assert.match(
    whyToEnd({ allMs: 60_000, stillMs: 0, looks: 20 }, limits) ?? "",
    /was busy.*60\.0 s/,
  );
});

test("nats watch: a look during which we stood still ourselves does not end it", () => {
  const silence = afterLook(noSilence, look({ elapsedMs: 3_600_000 }), limits);
  assert.equal(whyToEnd(silence, limits), undefined);
});

test("nats watch: an answer within the patience starts it anew, whatever came before", () => {
  const anyLook = fc.record({
    answered: fc.boolean(),
    elapsedMs: fc.integer({ min: 0, max: 100_000 }),
    getsOn: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyLook, { maxLength: 60 }), (looks) => {
      let silence = noSilence;
      for (const [index, one] of looks.entries()) {
        silence = afterLook(silence, one, limits);
        if (whyToEnd(silence, limits) === undefined) continue;
        const last = looks.slice(Math.max(0, index + 1 - silentLooksMin), index + 1);
        assert.equal(last.length, silentLooksMin);
        assert.ok(last.every(({ answered }) => !answered));
      }
    }),
  );
});

test("nats watch: it is ended only so often within a period, then again", () => {
  let restarts = noRestarts;
  const ends: number[] = [];
  for (let atMs = 0; atMs < 2 * limits.endsPeriodMs; atMs += 20_000) {
    const next = endsNow(restarts, atMs, limits);
    if (next === undefined) continue;
    restarts = next;
    ends.push(atMs / 1_000);
  }
  assert.deepEqual(ends, [0, 20, 40, 600, 620, 640]);
});

test("nats watch: waits grow to a cap, differ, and start anew after a steady time", () => {
  const random = createMemoryRandom(1);
  let restarts = noRestarts;
  for (let count = 0; count < 20; count += 1) {
    restarts = afterEnd(restarts, 0);
    const waitMs = restartWaitMs(restarts, random);
    assert.ok(waitMs >= 60 && waitMs <= 7_000, `${waitMs}`);
    if (count > 12) assert.ok(waitMs >= 3_000, `${waitMs}`);
  }
  assert.ok(restartWaitMs(afterEnd(restarts, steadyMs), random) <= 140);
});
