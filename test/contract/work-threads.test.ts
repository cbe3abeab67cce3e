// The work contract over threads, and what becomes of calls when threads crash, rest or are closed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createThreadWork, type ThreadWork } from "../../transfer/chunks/work-threads-os.ts";
import { until } from "../support/until.ts";
import { workContract } from "./work.contract.ts";

const program = new URL("../support/crashing-work.ts", import.meta.url);
const chunk = (fill: number): Buffer => Buffer.alloc(100_000, fill);
const isFailed = (error: unknown): boolean => isSkyError(error, "process/failed");
const isCancelled = (error: unknown): boolean => isSkyError(error, "core/cancelled");

workContract("work-threads", () => createThreadWork({ threads: 2 }));

for (const [how, fill] of [
  ["crashes", 66],
  ["ends", 67],
] as const) {
  test(`work-threads: a thread that ${how} fails its own calls`, async (context) => {
    const work = createThreadWork({ threads: 1, program });
    context.after(() => work.close());
    const before = await work.name(chunk(1));
    assert.equal(before.ref.bytes, 100_000);
    // Two are with the thread; the third waits, and is done by the next one.
    const calls = [work.name(chunk(fill)), work.name(chunk(2)), work.name(chunk(3))];
    const [first, second, third] = await Promise.allSettled(calls);
    assert.ok(first?.status === "rejected" && isFailed(first.reason));
    assert.ok(second?.status === "rejected" && isFailed(second.reason));
    assert.equal(third?.status, "fulfilled");
    assert.equal(work.counts().threads, 1);
  });
}

test("work-threads: one thread's crash fails no call of another", async (context) => {
  const work = createThreadWork({ threads: 2, program });
  context.after(() => work.close());
  const crash = work.name(chunk(66));
  const good = work.name(chunk(1));
  await assert.rejects(crash, isFailed);
  assert.equal((await good).ref.bytes, 100_000);
});

test("work-threads: never more threads than allowed, nor more calls with them", async (context) => {
  const work = createThreadWork({ threads: 2, program });
  context.after(() => work.close());
  const calls = Array.from({ length: 20 }, () => work.name(chunk(68)));
  assert.deepEqual(work.counts(), { threads: 2, working: 4, waiting: 16 });
  const settled = Promise.allSettled(calls);
  await work.close();
  for (const call of await settled)
    assert.ok(call.status === "rejected" && isCancelled(call.reason));
});

test("work-threads: close fails what was not answered and leaves no thread", async () => {
  const work = createThreadWork({ threads: 2, program });
  const call = work.name(chunk(68));
  const failed = assert.rejects(call, isCancelled);
  await work.close();
  await failed;
  assert.deepEqual(work.counts(), { threads: 0, working: 0, waiting: 0 });
});

test("work-threads: threads without work end, and begin again", async (context) => {
  const work: ThreadWork = createThreadWork({ threads: 2, idleMs: 10 });
  context.after(() => work.close());
  assert.equal(work.counts().threads, 0);
  await work.name(chunk(1));
  await until("the threads rest", () => work.counts().threads === 0);
  assert.equal((await work.name(chunk(1))).ref.bytes, 100_000);
});

test("work-threads: a program that cannot be started fails the calls", async (context) => {
  const work = createThreadWork({ program: new URL("./nowhere.ts", import.meta.url) });
  context.after(() => work.close());
  await assert.rejects(work.name(chunk(1)), isFailed);
});
