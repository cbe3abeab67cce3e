// Transfers of a home end to end, with real gateways in this process and buckets in memory.

import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { createMemoryObjectStore } from "../../transfer/stores/store-memory.ts";
import { never, type OrderParts, type Stage, stage } from "./transfers-stage.ts";

test("a folder is copied on this machine, and nothing is left beside it", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  const source = folderOf(world, { "a.txt": "hello", "sub/b.bin": "x".repeat(100_000), empty: "" });
  const target = join(world.dir, "out");

  const view = await world.run(world.order(source, target, { recursive: true }));

  assert.equal(view.status, "SUCCEEDED", view.why);
  assert.equal(readFileSync(join(target, "a.txt"), "utf8"), "hello");
  assert.equal(readFileSync(join(target, "sub/b.bin"), "utf8").length, 100_000);
  assert.equal(readFileSync(join(target, "empty"), "utf8"), "");
  assert.equal(view.counts.done, 3);
  assert.deepEqual(readdirSync(join(world.dir, "transfers")), []);
});

test("to a bucket and back: bytes, types, modes and times are what they were", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { "a.json": "{}", "sub/run.sh": "#!/bin/sh", empty: "" });
  chmodSync(join(source, "sub/run.sh"), 0o750);
  utimesSync(join(source, "sub/run.sh"), 1_000, 1_234);

  const up = await world.run(world.order(source, "s3://b/p", { recursive: true }));
  assert.equal(up.status, "SUCCEEDED", up.why);
  assert.deepEqual(keysOf(world, "b"), ["p/a.json", "p/empty", "p/sub/run.sh"]);
  const type = world.cloud.buckets.get("b")?.objects.get("p/a.json")?.attributes.contentType;
  assert.equal(type, "application/json");

  const back = join(world.dir, "back");
  const down = await world.run(world.order("s3://b/p", back, { recursive: true }));
  assert.equal(down.status, "SUCCEEDED", down.why);
  const found = statSync(join(back, "sub/run.sh"));
  assert.equal(found.mode & 0o777, 0o750);
  assert.equal(found.mtimeMs, 1_234_000);
  assert.equal(readFileSync(join(back, "a.json"), "utf8"), "{}");
  assert.deepEqual(uploadsOf(world, "b"), []);
});

test("a sync copies what differs, and deletes only where it is asked to", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { a: "1", b: "2", "keep.log": "x" });
  const sync = (options: OrderParts["options"] = {}) =>
    world.run(world.order(source, "s3://b/p/p", { recursive: true, verb: "sync", options }));

  const first = await sync();
  assert.equal(first.status, "SUCCEEDED", first.why);
  assert.equal(first.counts.done, 3);

  const second = await sync();
  assert.equal(second.status, "SUCCEEDED", second.why);
  assert.deepEqual([second.counts.done, second.counts.skipped], [0, 3]);

  writeFileSync(join(source, "a"), "longer");
  for (const gone of ["b", "keep.log"]) rmSync(join(source, gone));
  const third = await sync();
  assert.deepEqual([third.counts.done, third.counts.deleted], [1, 0]);
  assert.deepEqual(keysOf(world, "b"), ["p/p/a", "p/p/b", "p/p/keep.log"]);

  const filters = [{ verb: "exclude", pattern: "*.log" }] as const;
  const fourth = await sync({ delete: true, filters });
  assert.equal(fourth.status, "SUCCEEDED", fourth.why);
  assert.equal(fourth.counts.deleted, 1);
  assert.deepEqual(keysOf(world, "b"), ["p/p/a", "p/p/keep.log"]);
});

test("what a sync wrote is the same for the next one, between all kinds of ends", async (t) => {
  const world = await stage({ nodes: ["n/head", "n/worker1"] });
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { old: "1", "d/new": "22" });
  utimesSync(join(source, "d/new"), new Date(), new Date());
  const out = join(world.dir, "out");
  const ways = [
    [source, out],
    [source, "s3://b/one"],
    ["s3://b/one", "s3://b/two"],
    ["s3://b/two", join(world.dir, "back")],
    [source, "n:out"],
    ["n:out", "n/worker1:out"],
    ["n/worker1:out", "s3://b/three"],
    ["s3://b/three", "n:four"],
    ["n:four", join(world.dir, "last")],
  ] as const;
  for (const [from, to] of ways) {
    const sync = () => world.run(world.order(from, to, { recursive: true, verb: "sync" }));
    const first = await sync();
    assert.deepEqual([first.status, first.counts.done], ["SUCCEEDED", 2], `${to}: ${first.why}`);
    const second = await sync();
    assert.deepEqual([second.counts.done, second.counts.skipped], [0, 2], to);
  }
});

test("a sync by digest finds what size and time do not tell", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { a: "one", b: "same" });
  const sync = (compare: "usual" | "digest") =>
    world.run(
      world.order(source, "s3://b", { recursive: true, verb: "sync", options: { compare } }),
    );
  assert.equal((await sync("usual")).counts.done, 2);
  writeFileSync(join(source, "a"), "two");
  utimesSync(join(source, "a"), 0, 0);
  assert.equal((await sync("usual")).counts.done, 0);
  const view = await sync("digest");
  assert.deepEqual([view.counts.done, view.counts.skipped], [1, 1]);
  assert.equal(
    Buffer.from(world.cloud.buckets.get("b")?.objects.get("a")?.bytes ?? []).toString(),
    "two",
  );
});

test("a sync of files deletes files, and nothing when something failed", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  const source = folderOf(world, { a: "1", "d/b": "2" });
  const target = join(world.dir, "out");
  mkdirSync(target);
  writeFileSync(join(target, "old"), "x");
  const order = { recursive: true, verb: "sync", options: { delete: true } } as const;
  symlinkSync("nowhere", join(source, "broken"));

  const failed = await world.run(world.order(source, target, order));
  assert.equal(failed.status, "FAILED");
  assert.match(failed.failures[0]?.object ?? "", /broken$/);
  assert.deepEqual(readdirSync(target).sort(), ["a", "d", "old"]);

  rmSync(join(source, "broken"));
  const view = await world.run(world.order(source, target, order));
  assert.equal(view.status, "SUCCEEDED", view.why);
  assert.deepEqual(readdirSync(target).sort(), ["a", "d"]);
});

test("what is not there fails at once, and says what it is", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { a: "1" });
  for (const [from, to, why] of [
    [source, "s3://nosuch/p", /s3:\/\/nosuch does not exist/],
    [join(world.dir, "nosuch"), "s3://b", /nothing at .*nosuch/],
    ["s3://b/nosuch", join(world.dir, "x"), /nothing at s3:\/\/b\/nosuch/],
    [source, "nocluster:x", /Cluster nocluster not found/],
    [source, source, /is the source itself/],
    [source, join(source, "in"), /is within the source/],
  ] as const) {
    const view = await world.run(world.order(from, to, { recursive: true }));
    assert.equal(view.status, "FAILED");
    assert.match(view.why, why);
  }
  for (const [from, to] of [
    [join(source, "in"), source],
    ["s3://b/par/in", "s3://b/par"],
    ["s3://b/par", "s3://b"],
  ] as const) {
    const options = { delete: true };
    const order = world.order(from, to, { recursive: true, verb: "sync", options });
    assert.match((await world.run(order)).why, /--delete would delete it/);
  }
  const below = await world.run(world.order("s3://b/p", "s3://b/p/q", { recursive: true }));
  assert.match(below.why, /is within the source/);
  const folder = await world.run(world.order(source, "s3://b"));
  assert.match(folder.why, /a folder: use --recursive/);
});

test("a listing that breaks off is begun again, and all arrives once", async (t) => {
  let lists = 0;
  const world = await stage({
    before: (call) => {
      lists += call === "list" ? 1 : 0;
      if (call !== "list" || lists > 2) return;
      throw new SkyError("objects/failed", { object: "s3://b", why: "503" });
    },
  });
  t.after(() => world.close());
  world.cloud.add("b");
  const store = createMemoryObjectStore({
    bucket: { store: "s3", bucket: "b" },
    cloud: world.cloud,
  });
  for (const key of ["p/a", "p/b", "p/c"]) {
    await store.put(key, Buffer.from(key), { signal: never });
  }
  const target = join(world.dir, "out");
  const view = await world.run(world.order("s3://b/p", target, { recursive: true }));
  assert.equal(view.status, "SUCCEEDED", view.why);
  assert.deepEqual([view.counts.done, view.counts.listed], [3, 3]);
  assert.ok(lists >= 3);
  assert.equal(readFileSync(join(target, "c"), "utf8"), "p/c");
});

test("what would cost more than it may is not begun", async (t) => {
  const world = await stage({ pricePerGb: 90 });
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { a: "x".repeat(1_000_000) });
  const copy = (costMax: number) =>
    world.run(world.order(source, "s3://b", { recursive: true, options: { costMax } }));
  const refused = await copy(0.01);
  assert.equal(refused.status, "FAILED");
  assert.match(refused.why, /would cost about 0.09 USD; the limit is 0.01/);
  assert.deepEqual(keysOf(world, "b"), []);
  const taken = await copy(0.1);
  assert.equal(taken.status, "SUCCEEDED", taken.why);
  assert.equal(taken.cost, 0.09);
});

test("a preview tells what becomes what, and starts nothing", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  world.cloud.add("b");
  const source = folderOf(world, { a: "123", "d/b": "4" });
  const order = world.order(source, "s3://b/p", { recursive: true });
  const preview = await world.transfers().preview(order, { signal: never });
  assert.deepEqual([preview.objects, preview.bytes, preview.isPart], [2, 4, false]);
  assert.deepEqual([...preview.sample].map(({ from, to }) => [from, to]).sort(), [
    [join(source, "a"), "s3://b/p/a"],
    [join(source, "d/b"), "s3://b/p/d/b"],
  ]);
  assert.deepEqual(preview.plan.destinations, ["s3://b"]);
  assert.equal(world.transfers().running(), 0);
  assert.deepEqual(keysOf(world, "b"), []);
});

function keysOf(world: Stage, bucket: string): readonly string[] {
  return [...(world.cloud.buckets.get(bucket)?.objects.keys() ?? [])].sort();
}

function uploadsOf(world: Stage, bucket: string): readonly string[] {
  return [...(world.cloud.buckets.get(bucket)?.uploads.keys() ?? [])];
}

/** A folder of this machine with these files. */
function folderOf(world: Stage, files: Readonly<Record<string, string>>): string {
  const root = join(world.dir, "source");
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), content);
    // Long ago: older than what a bucket in memory says of its objects.
    utimesSync(join(root, name), 0, 0);
  }
  return root;
}
