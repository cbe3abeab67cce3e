// What guards a session: memory that is shared, round trips that are measured, talk that moves
// nothing, and silence.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../runtime/clock.ts";
import { FloodMeter } from "../../runtime/flood-meter.ts";
import { LandingPool } from "../../runtime/landing-pool.ts";
import { MemoryBudget } from "../../runtime/memory-budget.ts";
import { RoundTrip } from "../../runtime/round-trip.ts";
import { SilenceWatch } from "../../runtime/silence-watch.ts";

test("memory budget: whoever holds most is ended when all hold too much", () => {
  const evicted: string[] = [];
  const budget = new MemoryBudget({ heldBytesMax: 1_000 });
  const [small, large, late] = ["small", "large", "late"].map((name) =>
    budget.share((why) => evicted.push(`${name}: ${why}`)),
  );
  assert.ok(small !== undefined && large !== undefined && late !== undefined);
  small.hold(300);
  large.hold(600);
  late.hold(100);
  assert.deepEqual(evicted, []);
  late.hold(1);
  assert.deepEqual(evicted, ["large: it left 600 bytes unread, the most of all sessions"]);
  assert.deepEqual(budget.counts(), { windows: 0, held: 401, evicted: 1 });
  large.hold(-600);
  large.widen(50);
  assert.equal(budget.counts().held, 401, "one that left counts no more");
  small.leave();
  small.leave();
  assert.equal(budget.counts().held, 101);
});

test("memory budget: windows get half of what is left", () => {
  const budget = new MemoryBudget({ windowsBytesMax: 1_000 });
  const [one, two] = [budget.share(() => {}), budget.share(() => {})];
  one.widen(one.spare());
  assert.equal(two.spare(), 250);
  one.leave();
  assert.equal(two.spare(), 500);
  assert.equal(one.spare(), 0);
});

test("round trip: the smallest of the last seconds, one question at a time", () => {
  const trips = new RoundTrip();
  const ask = (nowMs: number): Uint8Array => trips.ask(nowMs) ?? assert.fail("no question");
  assert.equal(trips.ms, undefined);
  const first = ask(0);
  assert.equal(trips.ask(300), undefined, "one is under way");
  assert.equal(trips.answer(Buffer.alloc(8, 9), 20), undefined, "nobody asked that");
  assert.equal(trips.ms, undefined);
  assert.equal(trips.answer(first, 40), 40);
  assert.equal(trips.answer(first, 50), undefined, "an answer counts once");
  assert.equal(trips.ask(200), undefined, "it was asked lately");
  trips.answer(ask(250), 350);
  assert.equal(trips.ms, 40);
  // The path has become longer: the old one is forgotten after two periods.
  for (let nowMs = 1_000; nowMs < 12_000; nowMs += 1_000) trips.answer(ask(nowMs), nowMs + 90);
  assert.equal(trips.ms, 90);
  ask(20_000);
  assert.ok(trips.ask(30_001), "one that nobody answers is asked again");
});

test("flood meter: a burst, then as fast as time allows, and more for bytes that move", () => {
  const meter = new FloodMeter();
  const talk = (kind: string, count: number, nowMs: number): boolean => {
    let isGood = true;
    for (let one = 0; one < count; one += 1) isGood = meter.talked(kind, nowMs);
    return isGood;
  };
  assert.ok(talk("open", 1_024, 0), "all channels at once");
  assert.ok(talk("end", 50_000, 0));
  assert.ok(!talk("end", 50_000, 0));
  const patient = new FloodMeter();
  assert.ok(
    Array.from({ length: 600 }).every((_, at) => {
      for (let one = 0; one < 1_000; one += 1)
        if (!patient.talked("credit", at * 100)) return false;
      return true;
    }),
    "10,000 a second for a minute",
  );
  const busy = new FloodMeter();
  for (let one = 0; one < 1_000_000; one += 1) {
    busy.moved(16 * 1024);
    assert.ok(busy.talked("credit", 0), "a credit for each quarter of the smallest window");
  }
});

// ---- silence

/** A clock whose timers fire when it is moved; `late` is how long they are overdue then. */
function movedClock() {
  let nowMs = 0;
  let due: { readonly atMs: number; readonly wake: () => void }[] = [];
  const clock: Clock = {
    now: () => ({ wallMs: nowMs, monoMs: nowMs, bootId: "b" }),
    after: (ms, wake) => {
      const one = { atMs: nowMs + ms, wake };
      due.push(one);
      return () => {
        due = due.filter((other) => other !== one);
      };
    },
  };
  const move = (ms: number): void => {
    nowMs += ms;
    for (const one of due.filter(({ atMs }) => atMs <= nowMs)) {
      due = due.filter((other) => other !== one);
      one.wake();
    }
  };
  return { clock, move, timers: () => due.length };
}

function watched() {
  const { clock, move, timers } = movedClock();
  const said: string[] = [];
  const watch = new SilenceWatch(
    clock,
    { pingMs: 5_000, silentPingsMax: 3 },
    { ping: () => said.push("ping"), silent: (why) => said.push(why) },
  );
  return { watch, move, timers, said };
}

test("silence: three pings, then it is given up", () => {
  const { move, said } = watched();
  for (let count = 0; count < 4; count += 1) move(5_000);
  assert.deepEqual(said, ["ping", "ping", "ping", "the peer was silent for 15000 ms"]);
});

test("silence: any word starts anew", () => {
  const { watch, move, said } = watched();
  for (let count = 0; count < 30; count += 1) {
    move(5_000);
    if (count % 3 === 2) watch.heard();
  }
  assert.ok(said.every((what) => what === "ping"));
});

test("silence: after our own loop was blocked, there is time to read what came", () => {
  const { watch, move, said } = watched();
  for (let count = 0; count < 3; count += 1) move(5_000);
  move(60_000);
  assert.equal(said.at(-1), "ping", "a late timer gives nobody up");
  watch.heard();
  move(5_000);
  assert.equal(said.at(-1), "ping");
});

test("silence: one that is gone is given up though our loop was blocked once", () => {
  const { move, timers, said } = watched();
  move(60_000);
  for (let count = 0; count < 4; count += 1) move(5_000);
  assert.match(said.at(-1) ?? "", /silent/);
  assert.equal(timers(), 0);
});

test("landing pool: what comes back is used again, once; what is another's never", () => {
  const pool = new LandingPool(100);
  const first = pool.take();
  pool.recycle(first.subarray(0, 60));
  pool.recycle(first.subarray(0, 60));
  const again = pool.take();
  assert.equal(again.buffer, first.buffer);
  assert.equal(again.length, 100);
  assert.notEqual(pool.take().buffer, first.buffer);
  const other = Buffer.allocUnsafeSlow(100);
  pool.recycle(other);
  assert.notEqual(pool.take().buffer, other.buffer);
});
