// Places, and the line for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../runtime/slots.ts";

const never = new AbortController().signal;

test("slots: as many as there are places, the others in their order", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const enter = (id: number) =>
    slots.enter(never).then((leave) => {
      order.push(id);
      return leave;
    });
  const entries = [1, 2, 3, 4].map(enter);
  const [first, second] = await Promise.all(entries.slice(0, 2));
  assert.deepEqual(order, [1, 2]);
  second?.();
  second?.();
  await entries[2];
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(slots.inside, 2);
  first?.();
  await entries[3];
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test("slots: who gives up waiting has no place and keeps nobody from theirs", async () => {
  const slots = new Slots(1);
  const leave = await slots.enter(never);
  const control = new AbortController();
  const given = slots.enter(control.signal);
  const waiting = slots.enter(never);
  control.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  leave();
  (await waiting)();
  assert.equal(slots.inside, 0);
  await assert.rejects(slots.enter(control.signal), /enough/);
});

test("slots: fewer places from now on, never none", async () => {
  const slots = new Slots(3);
  const leaves = await Promise.all([slots.enter(never), slots.enter(never), slots.enter(never)]);
  slots.narrow(1);
  let entered = false;
  const waiting = slots.enter(never).then((leave) => {
    entered = true;
    return leave;
  });
  leaves[0]?.();
  leaves[1]?.();
  await Promise.resolve();
  assert.equal(entered, false);
  leaves[2]?.();
  await waiting;
  slots.narrow(0);
  assert.equal(slots.places, 1);
});
