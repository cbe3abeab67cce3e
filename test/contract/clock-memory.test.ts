// The clock contract over the clock that stands still, and its own abilities.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { clockContract } from "./clock.contract.ts";

clockContract("clock-memory", () => {
  const clock = createMemoryClock();
  return { clock, pass: async (ms) => clock.advance(ms) };
});

test("clock-memory: a timer started by a timer fires in the same move, at its own moment", () => {
  const clock = createMemoryClock({ monoMs: 0 });
  const at: number[] = [];
  const again = (): void => {
    at.push(clock.now().monoMs);
    clock.after(10, again);
  };
  clock.after(10, again);
  clock.advance(35);
  assert.deepEqual(at, [10, 20, 30]);
  assert.equal(clock.now().monoMs, 35);
  assert.deepEqual(clock.waiting(), { count: 1, nextMs: 5 });
});

test("clock-memory: pass lets promises settle between timers", async () => {
  const clock = createMemoryClock();
  const story: string[] = [];
  for (const name of ["a", "b"]) {
    clock.after(5, async () => {
      story.push(`${name} fires`);
      await Promise.resolve();
      story.push(`${name} is dealt with`);
    });
  }
  await clock.pass(5, () => new Promise((resolve) => setImmediate(resolve)));
  assert.deepEqual(story, ["a fires", "a is dealt with", "b fires", "b is dealt with"]);
});

test("clock-memory: the wall clock may jump; the monotonic one and the timers do not", () => {
  const clock = createMemoryClock({ wallMs: 1_000, monoMs: 0 });
  let fired = false;
  clock.after(10, () => {
    fired = true;
  });
  clock.jump(500_000);
  assert.deepEqual([clock.now().wallMs, clock.now().monoMs, fired], [500_000, 0, false]);
  clock.jump(1);
  clock.advance(10);
  assert.deepEqual([clock.now().wallMs, clock.now().monoMs, fired], [11, 10, true]);
});

test("clock-memory: a drifting clock runs at its own rate, and so do its timers", () => {
  const clock = createMemoryClock({ monoMs: 0 });
  clock.drift(0.5);
  let fired = 0;
  clock.after(10, () => {
    fired += 1;
  });
  clock.advance(19);
  assert.deepEqual([clock.now().monoMs, fired], [9.5, 0]);
  clock.advance(1);
  assert.deepEqual([clock.now().monoMs, fired], [10, 1]);
});

test("clock-memory: a reboot forgets timers and begins anew under another boot id", () => {
  const clock = createMemoryClock();
  let fired = false;
  clock.after(1, () => clock.reboot("boot-2"));
  clock.after(2, () => {
    fired = true;
  });
  clock.advance(100);
  assert.deepEqual([clock.now().bootId, clock.now().monoMs, fired], ["boot-2", 0, false]);
  assert.throws(() => clock.reboot("boot-2"), /new id/);
});
