// What is put off runs soon, in order, once, and does not keep the event loop to itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { batchedDefer, type Defer, microtaskDefer } from "../../runtime/deferral.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";

for (const [name, create] of Object.entries({ microtaskDefer, fairDefer })) {
  test(`${name}: never inside the call, in order, once`, async () => {
    const defer = create();
    const ran: number[] = [];
    for (let index = 0; index < 200; index += 1) defer(() => ran.push(index));
    assert.deepEqual(ran, []);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      ran,
      Array.from({ length: 200 }, (_, index) => index),
    );
  });
}

test("fairDefer: two parties that answer each other let the event loop turn", async () => {
  const defer: Defer = fairDefer();
  let rounds = 0;
  let stop = false;
  const answer = (): void => {
    rounds += 1;
    if (!stop) defer(answer);
  };
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  stop = true;
  assert.ok(rounds > 0 && rounds < 10_000);
});

test("deferral: one that throws costs the others nothing", () => {
  const due: (() => void)[] = [];
  const defer = batchedDefer((runBatch) => due.push(runBatch));
  const ran: string[] = [];
  defer(() => ran.push("first"));
  defer(() => {
    throw new Error("its own bug");
  });
  defer(() => ran.push("third"));
  assert.throws(() => due.shift()?.(), /its own bug/);
  while (due.length > 0) due.shift()?.();
  assert.deepEqual(ran, ["first", "third"]);
});
