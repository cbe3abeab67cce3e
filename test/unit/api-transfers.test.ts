// TransferService over a real gRPC connection: what an order must be like before anybody looks for
// it, and what of a transfer is told to whom.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Head } from "../../client/head.ts";
import { isSkyError } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import { transferHandlers } from "../../scheduler/api-transfers-grpc.ts";
import {
  environmentProblem,
  orderProblem,
  profileProblem,
} from "../../scheduler/transfer-request.ts";
import { planOf, type Script, scriptedTransfers, viewOf } from "../support/scripted-transfers.ts";
import { stage } from "./client-stage.ts";

const order: TransferOrder = {
  verb: "copy",
  source: { kind: "local", path: "/data" },
  destinations: [{ kind: "store", bucket: { store: "s3", bucket: "b" }, key: "x" }],
  recursive: true,
  options: {
    ...{ multipart: true, verify: "digest", requesterPays: false, compress: true },
    ...{ filters: [], delete: false, compare: "usual" },
  },
  ...{ user: "ann", command: "sky cp", idempotencyKey: "k1" },
};
const { signal } = new AbortController();

async function served(t: Parameters<typeof stage>[0], script: Script) {
  const { transfers, asked } = scriptedTransfers(script);
  const store = {} as never;
  const { head } = await stage(t, { transfers: transferHandlers({ transfers, store }) });
  return { head, asked };
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("an order arrives whole, with the caller's variables beside it", async (t) => {
  const { head, asked } = await served(t, {});
  const environment = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
  const preview = await head.previewTransfer({ order, environment }, signal);
  assert.equal(preview.sample.length, 2);
  assert.equal(await head.startTransfer({ order, environment }, signal), 7);
  assert.deepEqual(asked.orders, [order]);
  assert.deepEqual(asked.environments, [environment, environment]);
});

test("an order of a bad form is refused before anybody looks for anything", async (t) => {
  const { head, asked } = await served(t, {});
  const bad = { ...order, source: { kind: "local", path: "data" } as const };
  await assert.rejects(head.startTransfer({ order: bad, environment: {} }, signal), (error) => {
    assert.ok(isSkyError(error, "request/invalid"));
    assert.equal(error.message, "source: 'data' is not absolute");
    return true;
  });
  assert.deepEqual(asked.orders, []);
});

test("a list has one's own, the newest first, without plans and failures", async (t) => {
  const failures = [{ object: "/data/a", destination: "s3://b/x", why: "denied" }];
  const views = [
    viewOf({ id: 3, plan: planOf(), failures }),
    viewOf({ id: 2, user: "bob" }),
    viewOf({ id: 1, status: "SUCCEEDED" }),
  ];
  const { head } = await served(t, { views });
  const ids = async (query: Parameters<Head["listTransfers"]>[0]) =>
    (await head.listTransfers(query, signal)).map(({ id }) => id);
  assert.deepEqual(await ids({ skipFinished: false }), [3, 2, 1]);
  assert.deepEqual(await ids({ skipFinished: true, user: "ann" }), [3]);
  assert.deepEqual(await ids({ skipFinished: false, countMax: 2 }), [3, 2]);
  const [first] = await head.listTransfers({ skipFinished: false }, signal);
  assert.deepEqual([first?.plan, first?.failures], [undefined, []]);
  assert.deepEqual(await head.getTransfer(3, signal), views[0]);
  assert.deepEqual(await head.getTransfer(0, signal), views[0], "0 is the latest");
});

test("all failures come, however many pages they are", async (t) => {
  const failures = Array.from({ length: 2_001 }, (_, index) => ({
    ...{ object: `/data/${index}`, destination: "s3://b/x", why: "denied" },
  }));
  const { head } = await served(t, { views: [viewOf()], failures });
  assert.deepEqual(await head.transferFailures(7, signal), failures);
});

test("who watches hears events as they are; a transfer goes on and ends by number", async (t) => {
  const events = [
    { kind: "state", view: viewOf() },
    { kind: "round", round: 1, why: "it begins" },
    { kind: "object", object: "/data/a", destination: "s3://b/x", bytes: 1 },
    { kind: "state", view: viewOf({ status: "SUCCEEDED", endedAt: 3_000 }) },
  ] as const;
  const link = { from: "home", to: "demo/head", gbps: 1.5, measuredAt: 5 };
  const { head, asked } = await served(t, {
    ...{ views: [viewOf()], events: [events], links: [link] },
  });
  assert.deepEqual(await all(head.watchTransfer(7, signal)), events);
  await head.cancelTransfer({ transfer: 0, user: "ann" }, signal);
  const again = { transfer: 7, user: "ann", environment: {} };
  assert.equal(await head.resumeTransfer(again, signal), 8);
  const links = head.profileLinks({ clusters: ["demo"], seconds: 2 }, signal);
  assert.deepEqual(await all(links), [link]);
  assert.deepEqual([asked.cancelled, asked.resumed], [[7], [7]]);
  assert.deepEqual(asked.profiled, [{ clusters: ["demo"], seconds: 2 }]);
  await assert.rejects(head.getTransfer(9, signal), /Transfer 9 not found/);
});

test("what is wrong with the form of an order is told by its field", () => {
  const fieldOf = (over: Partial<TransferOrder>) => orderProblem({ ...order, ...over })?.field;
  const withOptions = (over: Partial<TransferOrder["options"]>) =>
    fieldOf({ options: { ...order.options, ...over } });
  assert.equal(orderProblem(order), undefined);
  assert.equal(fieldOf({ idempotencyKey: "" }), "idempotency_key");
  assert.equal(fieldOf({ destinations: [] }), "destinations");
  const from = { kind: "node", cluster: "demo", node: "*", path: "x" } as const;
  assert.equal(fieldOf({ source: from }), "source");
  assert.equal(fieldOf({ destinations: [{ ...from, cluster: "No" }] }), "destinations[0]");
  assert.equal(fieldOf({ destinations: [from] }), undefined, "all nodes are a destination");
  assert.equal(withOptions({ delete: true }), "delete");
  const at = (endpoint: string) =>
    orderProblem({
      ...order,
      destinations: [{ kind: "store", bucket: { store: "s3", bucket: "b", endpoint }, key: "" }],
    })?.why;
  assert.equal(at("http://minio:9000"), undefined);
  assert.match(at("minio:9000") ?? "", /no http/);
  assert.match(at("https://id:secret@minio") ?? "", /^its endpoint has credentials in it/);
  assert.equal(withOptions({ gbps: 0 }), "gbps");
  assert.equal(withOptions({ bandwidth: Number.NaN }), "bandwidth");
  assert.equal(withOptions({ connections: 0 }), "connections");
  assert.equal(withOptions({ gbps: 1, pricePerGb: 1 }), "price_per_gb");
  assert.equal(withOptions({ via: ["-"] }), "cluster");
  assert.equal(profileProblem(0)?.field, "seconds");
  const secret = "s".repeat(70_000);
  const said = environmentProblem({ AWS_SECRET_ACCESS_KEY: secret })?.why;
  assert.ok(said !== undefined && !said.includes("sss"), said);
});
