// A transfer that is watched across broken connections: nothing is said twice, the end is its end,
// and who gives up is heard.

import assert from "node:assert/strict";
import { test } from "node:test";
import { followTransfer } from "../../client/transfer-follow.ts";
import { SkyError } from "../../model/errors.ts";
import type { TransferEvent } from "../../model/transfer.ts";
import { viewOf } from "../support/scripted-transfers.ts";

const running = { kind: "state", view: viewOf() } as const;
const ended = { kind: "state", view: viewOf({ status: "SUCCEEDED" }) } as const;
const object = { kind: "object", object: "a", destination: "b", bytes: 1 } as const;

/** Each stream says what it has, and breaks with the error behind it. */
function headOf(streams: readonly (readonly (TransferEvent | Error)[])[]) {
  let opened = 0;
  const watchTransfer = async function* () {
    const stream = streams[Math.min(opened, streams.length - 1)] ?? [];
    opened += 1;
    for (const item of stream) {
      if (item instanceof Error) throw item;
      yield item;
    }
  };
  return { head: { watchTransfer }, opened: () => opened };
}

async function heard(streams: Parameters<typeof headOf>[0], pauses: number[] = []) {
  const { head, opened } = headOf(streams);
  const { signal } = new AbortController();
  const ports = { signal, pause: async (ms: number) => void pauses.push(ms) };
  const events: TransferEvent[] = [];
  for await (const event of followTransfer(head, 7, ports)) events.push(event);
  return { events, opened: opened() };
}

const broken = new SkyError("head/unreachable", { why: "cut" });

test("a break goes on with the state, which is said only if it is news", async () => {
  const { events, opened } = await heard([
    [running, object, broken],
    [running, object, ended],
  ]);
  assert.deepEqual(events, [running, object, object, ended]);
  assert.equal(opened, 2);
});

test("a stream that stops before the end is a break, too", async () => {
  const { events } = await heard([[running], [ended]]);
  assert.deepEqual(events, [running, ended]);
});

test("nothing is read after the end", async () => {
  const { events, opened } = await heard([[ended, object]]);
  assert.deepEqual([events, opened], [[ended], 1]);
});

test("retries without a word are bounded; what is not for retrying is heard at once", async () => {
  const pauses: number[] = [];
  await assert.rejects(heard([[running, broken]], pauses), /cut/);
  assert.equal(pauses.length, 12);
  assert.ok(Math.max(...pauses) <= 5_000);
  const gone = new SkyError("transfer/not-found", { id: 7 });
  await assert.rejects(heard([[gone]]), /Transfer 7 not found/);
});
