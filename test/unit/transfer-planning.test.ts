// Who reads, who writes, and over whom: by what is known of the links.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransferOptions, TransferOrder } from "../../model/transfer.ts";
import type { Grid } from "../../model/transfer-plan.ts";
import type { GatewaySite } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { endsOf } from "../../transfer/job/ends.ts";
import { type Planned, planRound } from "../../transfer/job/planning.ts";
import { partsOf } from "../../transfer/job/programs.ts";
import { planUsual } from "../../transfer/plan/choice.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import { listPrices } from "../../transfer/plan/prices.ts";
import { parseTransferPath } from "../../transfer/stores/paths.ts";

const near = "demo/head";
const solver = {
  solve: () => Promise.reject(new Error("no program is solved here")),
};

function siteOf(gateway: string, region: string): GatewaySite {
  return { gateway, region, addresses: ["10.0.0.1"], canListen: gateway !== homeGateway };
}

const sites = [
  siteOf(homeGateway, "local"),
  siteOf(near, "aws:us-east-1"),
  siteOf("demo/worker1", "aws:us-east-1"),
];

interface Asked {
  readonly options?: Partial<TransferOptions>;
  readonly grid?: Grid;
  readonly absent?: ReadonlySet<number>;
}

async function planned(
  [from, ...to]: readonly [string, ...string[]],
  { options = {}, grid = { gbps: () => undefined }, absent = new Set() }: Asked = {},
): Promise<Planned> {
  const order = {
    source: parseTransferPath(from),
    destinations: to.map((text) => parseTransferPath(text)),
    options: { filters: [], multipart: true, ...options },
  } as unknown as TransferOrder;
  const ends = endsOf(order, sites);
  return await planRound({
    ...{ ends, sites, options: order.options, bytes: 1e9, grid, prices: listPrices(), absent },
    ...{ regions: ends.buckets.map(() => "aws:us-east-1"), avoided: new Set() },
    plan: (request, isUsual) =>
      isUsual ? planUsual(request, solver as never) : planTransfer(request, solver as never),
  });
}

const grid: Grid = {
  gbps: (from, to) => {
    const known: Readonly<Record<string, number>> = {
      "local aws:us-east-1": 0.1,
      [`${homeGateway} ${near}`]: 2,
      "aws:us-east-1 aws:us-east-1": 5,
    };
    return known[`${from} ${to}`];
  },
};

test("a store is read where its bytes go to, and written where they come from", async () => {
  const up = await planned(["/src", "s3://b/p"]);
  assert.deepEqual(up.writing, [{ gateway: homeGateway, store: 0 }]);
  assert.equal(up.between, undefined);
  assert.deepEqual(
    up.plan.edges.map(({ from, to }) => [from, to]),
    [[homeGateway, "s3://b"]],
  );

  const down = await planned(["s3://b/p", "demo:out"]);
  assert.deepEqual(down.reading, { gateway: near, store: 0 });
  assert.ok(down.plan.pricePerGb === 0, "within a region nothing is paid");

  const home = await planned(["s3://b/p", "/out"]);
  assert.ok(home.plan.pricePerGb > 0, "what leaves the region is paid");
});

test("between two stores this machine moves the bytes, or the first node of --via", async () => {
  const usual = await planned(["s3://a", "s3://b"]);
  assert.equal(usual.reading.gateway, homeGateway);
  const via = await planned(["s3://a", "s3://b"], { options: { via: ["demo"] } });
  assert.equal(via.reading.gateway, near);
  assert.equal(via.writing[0]?.gateway, near);
  assert.notEqual(via.writing[0]?.store, via.reading.store);
});

test("what is served at this machine is read and written from here", async () => {
  const order = {
    source: parseTransferPath("s3://a", { endpoint: "http://127.0.0.1:9000" }),
    destinations: [parseTransferPath("demo:out")],
    options: { filters: [], multipart: true },
  } as unknown as TransferOrder;
  const ends = endsOf(order, sites);
  const { reading } = await planRound({
    ...{ ends, sites, options: order.options, bytes: 1, grid, prices: listPrices() },
    ...{ regions: ["local"], avoided: new Set(), absent: new Set() },
    plan: (request) => planUsual(request, solver as never),
  });
  assert.equal(reading.gateway, homeGateway);
});

test("a relay that is near a store writes it, where the links say so", async () => {
  const over = await planned(["/src", "s3://b/p"], { options: { solver: "ron" }, grid });
  assert.deepEqual(over.writing, [{ gateway: near, store: 0 }]);
  const parts = partsOf({
    ...{ reading: over.reading, writing: over.writing, storeConnections: 4, compress: false },
    ...(over.between && { plan: over.between }),
  });
  assert.deepEqual(
    parts.map(({ program, reads, writes }) => [program.gateway, reads, writes.length]),
    [
      [homeGateway, true, 0],
      [near, false, 1],
    ],
  );
});

test("a ceiling holds whichever plan it is", async () => {
  const down = (pricePerGb: number) => planned(["s3://b/p", "/out"], { options: { pricePerGb } });
  await assert.rejects(down(0.0001), /the ceiling is 0.0001/);
  assert.ok((await down(0.2)).plan.pricePerGb <= 0.2);
});

test("a destination that is absent is planned without", async () => {
  const some = await planned(["/src", "demo:a", "demo/worker1:b"], { absent: new Set([1]) });
  assert.deepEqual(some.writing, [{ gateway: near }, undefined]);
});
