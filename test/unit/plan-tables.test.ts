// Grids from files and measurements, and prices by rule against the published table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Site } from "../../model/transfer-plan.ts";
import {
  gridByRegion,
  gridOfLinks,
  gridOver,
  noGrid,
  parseGrid,
} from "../../transfer/plan/grid.ts";
import { listPrices } from "../../transfer/plan/prices.ts";
import { missing, published } from "../support/published.ts";

const header = "src_region,src_tier,dst_region,dst_tier,throughput_bits_per_s";

function mistake(text: string): string {
  try {
    parseGrid(text);
  } catch (error) {
    assert.ok(isSkyError(error, "request/invalid"), String(error));
    return error.message;
  }
  return assert.fail("no mistake was found");
}

test("columns of a grid are found by name; links that are there twice count by their mean", () => {
  const grid = parseGrid(
    `${header}\na,PREMIUM,b,PREMIUM,4000000000\na,PREMIUM,b,PREMIUM,2000000000\n` +
      `a,STANDARD,b,PREMIUM,9e9\n\n"b, the second",PREMIUM,a,PREMIUM,500000000\r\n`,
  );
  assert.equal(grid.gbps("a", "b"), 3);
  assert.equal(grid.gbps("b, the second", "a"), 0.5);
  assert.equal(grid.gbps("b", "a"), undefined);
  assert.deepEqual(grid.names, ["a", "b", "b, the second"]);
  const short = parseGrid("gbps,dst_region,src_region\n2.5,y,x\n");
  assert.equal(short.gbps("x", "y"), 2.5);
  const standard = parseGrid(`${header}\na,STANDARD,b,STANDARD,1e9\n`, { tier: "STANDARD" });
  assert.equal(standard.gbps("a", "b"), 1);
});

test("a mistake in a grid has its line and column", () => {
  assert.match(
    mistake("a,b\n1,2\n"),
    /line 1, column 1: no column src_region, dst_region, through/,
  );
  assert.match(
    mistake(`${header}\na,P,b,P,1\na,P,b,P,fast\n`),
    /line 3, column 9: "fast" is no rate/,
  );
  assert.match(mistake(`${header}\na,P,b,P,-1\n`), /line 2, column 9: "-1"/);
  assert.match(mistake(`${header}\na,P,b,P,\n`), /line 2, column 9: "" is no rate/);
  assert.match(mistake(`${header}\na,P,b\n`), /line 2, column 5: 3 cells, the header has 5/);
  assert.match(mistake(`${header}\n,P,b,P,1\n`), /line 2, column 1: no region/);
});

test("of two measurements the later counts, and what a grid lacks the next has", () => {
  const link = { from: "a", to: "b", gbps: 1, measuredAt: 10 };
  const measured = gridOfLinks([{ ...link, gbps: 2, measuredAt: 20 }, link]);
  const file = parseGrid("src_region,dst_region,gbps\na,b,7\nb,a,8\n");
  const both = gridOver(measured, file, noGrid);
  assert.deepEqual(
    [both.gbps("a", "b"), both.gbps("b", "a"), both.gbps("a", "c")],
    [2, 8, undefined],
  );
  const regions = new Map([
    ["n1", "a"],
    ["n2", "b"],
  ]);
  const sites = gridByRegion(file, (id) => regions.get(id));
  assert.equal(sites.gbps("n1", "n2"), 7);
});

const site = (region: string): Site => {
  return { id: region, region, gatewaysMax: 1, gatewayPrice: 0 };
};
const price = (from: string, to: string, before = 0) =>
  listPrices().perGb(site(from), site(to), before);

const awsTable = published("aws_egress_prices.csv");

test("AWS prices by rule are those of the published table", {
  skip: missing(awsTable, "aws_egress_prices.csv"),
}, () => {
  const rows = (awsTable ?? "").trim().split("\n").slice(1);
  assert.ok(rows.length > 600);
  for (const row of rows) {
    const [from, to, cost] = row.trim().split(",");
    const target = to === "internet" ? "gcp:us-east1-b" : `aws:${to}`;
    assert.equal(price(`aws:${from}`, target), Number(cost), row);
  }
});

test("prices of Azure and Google follow from the continents of both ends", () => {
  assert.equal(price("azure:eastus", "azure:westus3"), 0.02);
  assert.equal(price("azure:eastus2", "azure:westeurope"), 0.05);
  assert.equal(price("azure:koreacentral", "azure:japaneast"), 0.08);
  assert.equal(price("azure:brazilsouth", "azure:uksouth"), 0.16);
  assert.equal(price("azure:brazilsouth", "aws:us-east-1"), 0.181);
  assert.equal(price("azure:canadacentral", "aws:us-east-1"), 0.0875);
  assert.equal(price("azure:southafricanorth", "local"), 0.12);
  assert.equal(price("gcp:us-east1-b", "gcp:us-east1-b"), 0);
  assert.equal(price("gcp:us-east1-b", "gcp:us-east1-c"), 0.01);
  assert.equal(price("gcp:us-east1-b", "gcp:northamerica-northeast1-a"), 0.01);
  assert.equal(price("gcp:europe-west1-b", "gcp:europe-west4-a"), 0.02);
  assert.equal(price("gcp:europe-west1-b", "gcp:asia-south1-a"), 0.08);
  assert.equal(price("gcp:asia-southeast2-a", "gcp:us-west1-a"), 0.15);
  assert.equal(price("gcp:us-west1-a", "aws:eu-west-1"), 0.12);
  assert.equal(price("gcp:us-west1-a", "azure:australiaeast"), 0.19);
  assert.equal(price("gcp:asia-northeast3-a", "aws:eu-west-1"), 0.147);
  const standard = listPrices({ gcpTier: "standard" });
  assert.equal(standard.perGb(site("gcp:asia-east1-a"), site("aws:eu-west-1"), 0), 0.11);
});

test("what is one's own costs nothing, and volume makes cheaper", () => {
  for (const from of ["local", "ssh:lab", "r2:auto", "ibm:us-east"]) {
    assert.equal(price(from, "aws:us-east-1"), 0);
  }
  assert.equal(price("aws:us-east-1", "aws:us-east-1"), 0);
  assert.deepEqual(
    [0, 9_999, 10_000, 50_000, 150_000].map((gb) => price("aws:eu-west-1", "local", gb)),
    [0.09, 0.09, 0.085, 0.07, 0.05],
  );
  assert.deepEqual(
    [0, 1_000, 10_000].map((gb) => price("gcp:us-west1-a", "local", gb)),
    [...[0.12, 0.11, 0.08]],
  );
  assert.equal(price("aws:xx-new-1", "local"), 0.155);
});

const grid = published("throughput.csv");

test("the published grid is read whole", { skip: missing(grid, "throughput.csv") }, () => {
  const { names, gbps } = parseGrid(grid ?? "");
  assert.equal(names.length, 63);
  assert.equal(gbps("aws:us-east-1", "aws:us-west-2"), 4.352247543);
});
