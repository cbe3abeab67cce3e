// Transfers through the SDK, over a real gRPC connection to transfers that follow a script: what
// reaches the head, what a program hears, and how it ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, Sky } from "../../client/index.ts";
import type { TransferEvent } from "../../model/transfer.ts";
import { transferHandlers } from "../../scheduler/api-transfers-grpc.ts";
import { countsOf, type Script, scriptedTransfers, viewOf } from "../support/scripted-transfers.ts";
import { stage } from "./client-stage.ts";

type Test = Parameters<typeof stage>[0];

async function skyOver(t: Test, script: Script) {
  const { transfers, asked } = scriptedTransfers({ views: [viewOf()], ...script });
  const handlers = transferHandlers({ transfers, store: {} as never });
  const { home } = await stage(t, { transfers: handlers });
  const sky = new Sky({ home, user: "ann" });
  t.after(() => sky.close());
  return { sky, asked };
}

const running: TransferEvent = { kind: "state", view: viewOf() };
const ended = (over: Parameters<typeof viewOf>[0]): TransferEvent => ({
  kind: "state",
  view: viewOf({ endedAt: 3_000, ...over }),
});
const arrived = ended({ status: "SUCCEEDED", counts: countsOf({ done: 2 }) });

test("a copy begins at once, and its outcome waits for its end", async (t) => {
  const { sky, asked } = await skyOver(t, { events: [[running, arrived]] });
  const copy = sky.copy("/data", ["s3://a/x", "demo:x"], { recursive: true, verify: "size" });
  assert.equal(await copy.id, 7);
  assert.equal((await copy.outcome).status, "SUCCEEDED");
  const [order] = asked.orders;
  assert.deepEqual(order?.destinations, [
    { kind: "store", bucket: { store: "s3", bucket: "a" }, key: "x" },
    { kind: "node", cluster: "demo", path: "x" },
  ]);
  assert.deepEqual([order?.verb, order?.recursive, order?.user], ["copy", true, "ann"]);
  assert.equal(order?.options.verify, "size");
  assert.match(order?.idempotencyKey ?? "", /^[0-9a-f-]{36}$/);
});

test("events come as often as it is iterated, and the outcome needs no iteration", async (t) => {
  const { sky, asked } = await skyOver(t, { events: [[running, arrived]] });
  const sync = sky.sync("/data", "s3://a/x", { delete: true, idempotencyKey: "mine" });
  for (const _ of [1, 2]) {
    const kinds: string[] = [];
    for await (const event of sync) kinds.push(event.kind);
    assert.deepEqual(kinds, ["state", "state"]);
  }
  await sync.outcome;
  const [order] = asked.orders;
  assert.deepEqual([order?.verb, order?.options.delete], ["sync", true]);
  assert.equal(order?.idempotencyKey, "mine");
  assert.equal(asked.orders.length, 1);
});

test("what did not arrive rejects the outcome, with the number and why", async (t) => {
  const lost = [
    [ended({ status: "FAILED", why: "1 object failed" }), /transfer 7 failed: 1 object failed/],
    [ended({ status: "CANCELLED" }), /transfer 7 failed: it was cancelled/],
    [ended({ status: "SUCCEEDED", counts: countsOf({ failed: 1 }), why: "1 left" }), /1 left/],
  ] as const;
  for (const [event, said] of lost) {
    const { sky } = await skyOver(t, { events: [[event]] });
    await assert.rejects(sky.copy("/data", "s3://a/x").outcome, (error: unknown) => {
      assert.ok(isSkyError(error, "transfer/failed"));
      assert.match(error.message, said);
      return true;
    });
  }
});

test("an order that is wrong rejects id and outcome, and starts nothing", async (t) => {
  const { sky, asked } = await skyOver(t, {});
  const wrong = [
    [sky.copy("ftp://x", "y"), /source: ftp:\/\/ is no store/],
    [sky.copy("/x", []), /destinations: there are 0/],
    [sky.copy(null as never, "y"), /source: should be a path such as .*, not null/],
    [sky.copy("/x", undefined as never), /destination: should be a path such as .*, not undefined/],
    [sky.copy("/x", "/y", { bandwidth: "1GB/s" as never }), /bandwidth: /],
    [sky.copy("/x", "/y", { delete: true } as never), /"delete" is no option of copy/],
    [sky.copy("/x", "/y", { recursve: true } as never), /Did you mean 'recursive'/],
    [sky.resumeTransfer(0), /transfer: should be a transfer's number/],
  ] as const;
  for (const [stream, said] of wrong) {
    await assert.rejects(stream.id, said);
    await assert.rejects(stream.outcome, said);
  }
  assert.deepEqual(asked.orders, []);
});

test("who stops watching does not end the transfer", async (t) => {
  const { sky, asked } = await skyOver(t, { events: [[running, arrived]] });
  const gone = new AbortController();
  const copy = sky.copy("/data", "s3://a/x", { signal: gone.signal });
  await copy.id;
  gone.abort();
  await assert.rejects(copy.outcome, (error) => isSkyError(error, "core/cancelled"));
  assert.deepEqual(asked.cancelled, []);
});

test("plans, lists, failures, cancels, resumes and measured links", async (t) => {
  const failures = [{ object: "/data/b", destination: "s3://a/x", why: "denied" }];
  const link = { from: "home", to: "demo/head", gbps: 1, measuredAt: 1 };
  const { sky, asked } = await skyOver(t, {
    ...{ failures, links: [link], events: [[ended({ status: "CANCELLED" })]] },
    views: [viewOf({ id: 8, user: "bob" }), viewOf({ failures })],
  });
  assert.equal((await sky.planTransfer("/data", "s3://a/x")).objects, 2);
  const ids = (all: readonly { readonly id: number }[]) => all.map(({ id }) => id);
  assert.deepEqual(ids(await sky.transfers()), [7]);
  assert.deepEqual(ids(await sky.transfers({ allUsers: true })), [8, 7]);
  assert.equal((await sky.transfer()).id, 8);
  assert.deepEqual((await sky.transfer(7)).failures, failures);
  assert.deepEqual(await sky.transferFailures(7), failures);
  assert.equal((await sky.cancelTransfer(7)).status, "CANCELLED");
  assert.equal(await sky.resumeTransfer(7).id, 8);
  for await (const one of sky.profile(["demo"], { seconds: 1 })) assert.deepEqual(one, link);
  assert.deepEqual([asked.cancelled, asked.resumed, asked.orders], [[7], [7], []]);
});
