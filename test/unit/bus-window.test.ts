// What is on its way to a server that does not say that it read it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SendWindow, unconfirmedBytesMax } from "../../runtime/bus-window.ts";

const mega = 1_000_000;

/** Sends until something is dropped; gives how many were taken, and what to confirm. */
function fill(window: SendWindow): { readonly taken: number; readonly confirm: (() => void)[] } {
  const confirm: (() => void)[] = [];
  for (let taken = 0; taken < 1_000; taken += 1) {
    const step = window.take(mega);
    if (step === "drop") return { taken, confirm };
    assert.equal(step, "send-and-ask", "a large message is asked about at once");
    confirm.push(window.confirming());
  }
  throw new Error("there is no bound");
}

test("bus window: so much, then nothing until the server has read", () => {
  const window = new SendWindow();
  const { taken, confirm } = fill(window);
  assert.equal(taken, Math.floor(unconfirmedBytesMax / (mega + 256)));
  assert.equal(window.take(mega), "drop");
  assert.notEqual(window.take(1), "drop", "a small one still fits");
  for (const one of confirm.splice(0, 10)) one();
  assert.equal(window.take(mega), "send-and-ask");
});

test("bus window: small messages are asked about now and then", () => {
  const window = new SendWindow();
  let asked = 0;
  for (let count = 0; count < 1_000_000; count += 1) {
    const step = window.take(100);
    assert.notEqual(step, "drop");
    if (step !== "send-and-ask") continue;
    asked += 1;
    window.confirming()();
  }
  assert.ok(asked > 1_000 && asked < 2_000, `${asked}`);
});

test("bus window: a new connection starts empty; late answers to the old one mean nothing", () => {
  const window = new SendWindow();
  const { taken, confirm } = fill(window);
  window.reset();
  for (const one of confirm) one();
  assert.equal(fill(window).taken, taken);
});
