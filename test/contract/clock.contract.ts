// What every clock promises, whatever it runs on.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../runtime/clock.ts";

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets at least `ms` pass on the clock. */
  readonly pass: (ms: number) => Promise<void>;
}

export function clockContract(name: string, open: () => ClockUnderTest): void {
  test(`${name}: readings never run backwards and belong to one boot`, async () => {
    const { clock, pass } = open();
    const first = clock.now();
    await pass(5);
    const second = clock.now();
    assert.ok(second.monoMs >= first.monoMs + 5);
    assert.equal(second.bootId, first.bootId);
    assert.ok(first.bootId.length > 0);
    assert.ok(second.wallMs > 1_600_000_000_000);
  });

  test(`${name}: a timer fires once, never early, never from within \`after\``, async () => {
    const { clock, pass } = open();
    const startMs = clock.now().monoMs;
    const firedAt: number[] = [];
    for (const ms of [0, 1.5, 3, 7]) clock.after(ms, () => firedAt.push(clock.now().monoMs - ms));
    assert.deepEqual(firedAt, []);
    await pass(50);
    assert.equal(firedAt.length, 4);
    for (const early of firedAt) assert.ok(early >= startMs, `${early - startMs} ms too early`);
    await pass(10);
    assert.equal(firedAt.length, 4);
  });

  test(`${name}: timers fire in the order of their moments, equal ones as made`, async () => {
    const { clock, pass } = open();
    const order: string[] = [];
    for (const [id, ms] of [
      ["late", 20],
      ["a", 5],
      ["b", 5],
      ["c", 5],
    ] as const) {
      clock.after(ms, () => order.push(id));
    }
    await pass(60);
    assert.deepEqual(order, ["a", "b", "c", "late"]);
  });

  test(`${name}: a cancelled timer never fires; cancelling again is harmless`, async () => {
    const { clock, pass } = open();
    let fired = 0;
    const cancel = clock.after(2, () => {
      fired += 1;
    });
    cancel();
    cancel();
    const cancelLate = clock.after(1, () => {
      fired += 10;
    });
    await pass(20);
    cancelLate();
    assert.equal(fired, 10);
  });

  test(`${name}: a wait of more than 31 bits of milliseconds does not fire at once`, async () => {
    const { clock, pass } = open();
    const fired: number[] = [];
    const cancels = [2 ** 31 - 1, 2 ** 31, 2 ** 40].map((ms) =>
      clock.after(ms, () => fired.push(ms)),
    );
    await pass(20);
    assert.deepEqual(fired, []);
    for (const cancel of cancels) cancel();
  });
}
