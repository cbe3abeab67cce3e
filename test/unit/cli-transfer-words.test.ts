// The words of transfers: sizes and rates both ways, orders from flags, plans as pictures, progress
// as lines. Nothing here asks anybody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminal } from "../../client/cli/terminal.ts";
import { outcomeText, paceText, progressLines } from "../../client/cli/transfer-text.ts";
import { planPicture } from "../../client/plan-picture.ts";
import { printable } from "../../client/printable.ts";
import {
  bytesIn,
  bytesPerSecondIn,
  bytesText,
  dollarsText,
  gbpsText,
  grouped,
  secondsText,
} from "../../client/quantity.ts";
import { storeCredentials } from "../../client/store-credentials-os.ts";
import { type TransferChoice, transferOrder } from "../../client/transfer-order.ts";
import { fc } from "../support/property.ts";
import { countsOf, planOf, viewOf } from "../support/scripted-transfers.ts";
import { commandLine, stage } from "./cli-stage.ts";

const place = {
  ...{ cwd: "/work", home: "/users/ann", user: "ann", command: "sky cp", idempotencyKey: "k" },
  isFolder: (path: string) => path === "/work/there",
};

function ordered(source: string, destinations: readonly string[], choice: TransferChoice = {}) {
  return transferOrder({ verb: "copy", source, destinations }, choice, place);
}

test("sizes and rates are read with their unit, and refused without", () => {
  assert.deepEqual(["64MiB", "64 MB", "1.5GB", "10", "64M", "x", "-1B", "1e3"].map(bytesIn), [
    67_108_864,
    64e6,
    1.5e9,
    10,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(["100MB/s", "1Gbit/s", "800 Mbps", "5", "fast", "1MiB"].map(bytesPerSecondIn), [
    1e8,
    1.25e8,
    1e8,
    undefined,
    undefined,
    1_048_576,
  ]);
});

test("sizes, rates and times are told in the unit that fits", () => {
  assert.deepEqual([0, 999, 1_000, 999_949, 999_950, 1.25e9, 3e18].map(bytesText), [
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "1.3 GB",
    "3000.0 PB",
  ]);
  assert.deepEqual([0, 1.5, 0.05, 0.000_05].map(gbpsText), [
    ...["0.00 Gbit/s", "1.50 Gbit/s", "50 Mbit/s", "50 kbit/s"],
  ]);
  assert.deepEqual([0.2, 13, 60, 125, 3_600, 93_784].map(secondsText), [
    ...["0.2s", "13s", "1m", "2m 5s", "1h", "1d 2h"],
  ]);
  assert.deepEqual([0, 0.0004, 1.4].map(dollarsText), ["$0", "$0.0004", "$1.40"]);
  assert.deepEqual([7, 1_234, 12_345_678].map(grouped), ["7", "1,234", "12,345,678"]);
});

test("any size is told with at most four digits, and read again it is nearly the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_949_000_000_000 }), (bytes) => {
      const text = bytesText(bytes);
      assert.match(text, /^\d{1,3}(\.\d)? (B|kB|MB|GB|TB)$/);
      const back = bytesIn(text) ?? Number.NaN;
      assert.ok(Math.abs(back - bytes) <= bytes * 0.051, `${bytes} → ${text} → ${back}`);
    }),
  );
});

test("paths of this machine are absolute; what is a folder keeps its slash", () => {
  const local = (text: string) => {
    const { source } = ordered(text, ["s3://b"]);
    return source.kind === "local" ? source.path : source.kind;
  };
  assert.deepEqual(
    ["data", "./data/", "..", ".", "~/x", "~", "/a/../b", "a~", "demo:x", "file:///d/"].map(local),
    [
      ...["/work/data", "/work/data/", "/", "/work/", "/users/ann/x", "/users/ann", "/b"],
      ...["/work/a~", "node", "/d/"],
    ],
  );
  const to = (text: string) => ordered("s3://b/k", [text]).destinations[0];
  assert.deepEqual(to("there"), { kind: "local", path: "/work/there/" });
  assert.deepEqual(to("."), { kind: "local", path: "/work/" });
  assert.deepEqual(to("not-there"), { kind: "local", path: "/work/not-there" });
});

test("an endpoint is of all stores, unless the source has its own", () => {
  const { source, destinations } = ordered("s3://a/k", ["s3://b/k"], {
    ...{ endpoint: "http://minio:9000", sourceEndpoint: "https://ceph", region: "r" },
  });
  const bucketOf = (path: typeof source) => (path.kind === "store" ? path.bucket : undefined);
  assert.deepEqual(bucketOf(source), {
    ...{ store: "s3", bucket: "a", endpoint: "https://ceph", region: "r" },
  });
  const [to = source] = destinations;
  assert.equal(bucketOf(to)?.endpoint, "http://minio:9000");
});

test("flags become the order, and include and exclude keep their order", async () => {
  const orders: unknown[] = [];
  const { shell } = stage({
    head: {
      previewTransfer: async ({ order }) => {
        orders.push(order.options);
        const nothing = {
          objects: 0,
          bytes: 0,
          isPart: false,
          sample: [],
          deletes: 0,
          failed: 0,
          notes: [],
        };
        return { plan: planOf(), ...nothing };
      },
    },
  });
  const words = ["sync", "a", "s3://b", "--exclude", "*", "--include", "*.gz", "--exclude", "x*"];
  const flags = [
    ...["--bandwidth", "8Mbit/s", "--part-size", "8MiB", "--max-connections", "4", "-n", "2"],
    ...["--verify", "size", "--compare", "digest", "--delete", "--no-compress", "--via", "demo"],
    ...["--solver", "ron", "-t", "1.5", "--max-cost", "3", "--requester-pays"],
  ];
  await commandLine(shell, [...words, ...flags]);
  await commandLine(shell, ["cp", "a", "s3://b"]);
  assert.deepEqual(orders, [
    {
      filters: [
        { verb: "exclude", pattern: "*" },
        { verb: "include", pattern: "*.gz" },
        { verb: "exclude", pattern: "x*" },
      ],
      ...{ bandwidth: 1e6, multipart: true, multipartBytes: 8_388_608, connections: 4 },
      ...{ instancesMax: 2, verify: "size", compare: "digest", delete: true, compress: false },
      ...{ via: ["demo"], solver: "ron", gbps: 1.5, costMax: 3, requesterPays: true },
    },
    {
      ...{ filters: [], multipart: true, verify: "digest", compare: "usual", delete: false },
      ...{ compress: true, requesterPays: false },
    },
  ]);
});

test("a plan's picture has every edge once, whatever its form", () => {
  const node = fc.constantFrom("home", "a", "b", "c", "d");
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(node, node), { selector: String }), (pairs) => {
      const edges = pairs.map(([from, to]) => ({
        ...{ from, to, gbps: 1, connections: 1, pricePerGb: 0, stripes: [0] },
      }));
      const lines = planPicture(planOf({ edges, destinations: ["d"] }), 1);
      assert.equal(lines.filter((line) => line.includes("─▶")).length, edges.length);
    }),
  );
});

test("progress of several destinations has a line for each", () => {
  const counts = countsOf({ listed: 4, listedBytes: 8_000, done: 1, doneBytes: 2_000, retries: 1 });
  const destinations = [
    { done: 1, doneBytes: 2_000 },
    { done: 0, doneBytes: 0 },
  ];
  const event = { kind: "progress", counts, bytesPerSecond: 1e6, destinations } as const;
  assert.deepEqual(progressLines(event, ["s3://a", "s3://b"]), [
    "[#####---------------]  25%  2.0 kB of 8.0 kB  1.0 MB/s  1/4 objects  1 retry",
    "  [##########----------]  50%  2.0 kB  1 object  s3://a",
    "  [--------------------]   0%  0 B  0 objects  s3://b",
  ]);
  const [listing] = progressLines({ ...event, counts: { ...counts, isListed: false } }, ["s3://a"]);
  assert.equal(listing, "2.0 kB of 8.0 kB or more  1.0 MB/s  1/4+ objects  1 retry");
});

test("of one that runs the pace is told, and the end once the listing is whole", () => {
  const counts = countsOf({ listedBytes: 200e6, movingBytes: 50e6 });
  const view = viewOf({ startedAt: 0, counts });
  assert.equal(paceText(view, 10_000), "5.0 MB/s so far, about 30s left");
  const listing = { ...view, counts: { ...counts, isListed: false } };
  assert.equal(paceText(listing, 10_000), "5.0 MB/s so far");
  assert.equal(paceText(viewOf({ startedAt: 0 }), 10_000), undefined);
});

test("what a name holds is shown and not obeyed", () => {
  assert.equal(printable("a\u001b]0;x\u0007\nb\u202ec é"), "a\\u001b]0;x\\u0007\\nb\\u202ec é");
  const view = viewOf({ status: "FAILED", why: "\u001b[31m", counts: countsOf({ failed: 1 }) });
  assert.ok(!outcomeText(view).includes("\u001b"));
});

test("of the environment only what is for stores goes along, and files are absolute", () => {
  const environment = {
    ...{ PATH: "/bin", AWS_SECRET_ACCESS_KEY: "s", AWS_CONFIG_FILE: "aws.ini", AWS_PROFILE: "" },
  };
  assert.deepEqual(storeCredentials(environment), {
    ...{ AWS_SECRET_ACCESS_KEY: "s", AWS_CONFIG_FILE: `${process.cwd()}/aws.ini` },
  });
});

test("lines of progress are erased together, and what is said comes above them", () => {
  const written: string[] = [];
  const out = { write: () => true, once: () => {} };
  const err = { ...out, isTTY: true, columns: 80, write: (text: string) => !!written.push(text) };
  const terminal = new Terminal(out, err as never);
  terminal.progress("one\ntwo");
  terminal.say("said");
  terminal.progress("one");
  terminal.progress(undefined);
  assert.deepEqual(written, [
    ...["\r\u001b[Kone\ntwo", "\r\u001b[1A\u001b[J", "said\n", "one\ntwo"],
    ...["\r\u001b[1A\u001b[Jone", "\r\u001b[K"],
  ]);
});
