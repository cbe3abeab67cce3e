// Rounds with gateways and heads that die at any word: nothing is lost, nothing is done again that
// was on record, and no upload is left.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { createMemoryClock, type MemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";
import { digestOf, ScriptedWorld } from "./transfers-scripted.ts";
import { never, type Stage, stage } from "./transfers-stage.ts";

const files = new Map(Array.from({ length: 9 }, (_, at) => [`f${at}`, 10 + at]));
const wordsMax = 400;

interface Scene {
  readonly home: Stage;
  readonly world: ScriptedWorld;
  close(): Promise<void>;
}

/** Scenes of a test that failed. */
const open = new Set<() => Promise<void>>();

afterEach(async () => {
  for (const close of open) await close();
});

interface SceneOptions {
  readonly nodes?: readonly string[];
  /** Milliseconds that pass in each of the machine's. */
  readonly pace?: number;
  readonly endedMax?: number;
  readonly gone?: ReadonlySet<string>;
}

async function scene(options: SceneOptions = {}): Promise<Scene> {
  const { nodes = ["n/head"], pace = 40, endedMax = 100, gone = new Set() } = options;
  const cloud = new MemoryCloud();
  cloud.add("dst");
  const world = new ScriptedWorld({
    files,
    openStore: async ({ bucket }) => createMemoryObjectStore({ bucket, cloud }),
  });
  const clock = createMemoryClock();
  const stop = flowing(clock, pace);
  const hostOf = (gateway: string) => world.hostOf(gateway);
  const home = await stage({ nodes, endedMax, gone, clock, hostOf, cloud });
  const close = async (): Promise<void> => {
    open.delete(close);
    await home.close();
    stop();
  };
  open.add(close);
  return { home, world, close };
}

/** Time goes by much faster than the machine's. */
function flowing(clock: MemoryClock, pace: number): () => void {
  const timer = setInterval(() => clock.advance(pace), 1);
  return () => clearInterval(timer);
}

const orders = [
  { name: "to a node", to: "n:out", at: (name: string) => `n/head ${name}` },
  { name: "to a store", to: "s3://dst/p", at: (name: string) => `dst p/${name}` },
] as const;

for (const { name, to, at } of orders) {
  test(`${name}: whichever word a gateway dies at, all arrives and nothing is left`, async () => {
    let words = Number.POSITIVE_INFINITY;
    let rounds = 0;
    for (let killAt = 1; killAt <= words && killAt <= wordsMax; killAt += killAt < 6 ? 1 : 9) {
      const { home, world, close } = await scene();
      world.killAt = killAt;
      const view = await home.run(home.order("/src", to, { recursive: true }));
      words = Math.min(words, world.words);
      assert.equal(view.status, "SUCCEEDED", `killed at word ${killAt}: ${view.why}`);
      for (const file of files.keys()) assert.ok(world.standing.has(at(file)), file);
      assert.equal(view.counts.done, files.size);
      for (const [copy, times] of world.told) assert.ok(times <= 2, `${copy} told ${times} times`);
      assert.deepEqual(uploadsOf(home), []);
      rounds += view.counts.rounds - 1;
      await close();
    }
    assert.ok(rounds >= 6, `${rounds} rounds were broken off`);
  });
}

test("a head that dies goes on where it was, and tells nobody of what was on record", async () => {
  for (const after of [1, 3, 6]) {
    const { home, world, close } = await scene();
    const id = await home.transfers().start(home.order("/src", "n:out", { recursive: true }), {
      signal: never,
    });
    let done = 0;
    for await (const event of home.transfers().watch(id, never)) {
      if (event.kind === "object") done += 1;
      if (done >= after) break;
    }
    await home.restart();
    const view = await home.ended(id);
    assert.equal(view.status, "SUCCEEDED", view.why);
    assert.equal(view.counts.done, files.size);
    for (const times of world.told.values()) assert.ok(times <= 2);
    for (const file of files.keys()) {
      assert.equal(world.standing.get(`n/head ${file}`), digestOf(`/src/${file}`));
    }
    await close();
  }
});

test("what arrives damaged, or fails for a moment, is sent again", async () => {
  const { home, world, close } = await scene();
  world.damageOnce.add("f3");
  world.failOnce.set("f5", { code: "objects/failed", retry: true });
  const view = await home.run(home.order("/src", "n:out", { recursive: true }));
  assert.equal(view.status, "SUCCEEDED", view.why);
  assert.equal(view.counts.retries, 2);
  assert.equal(world.standing.get("n/head f3"), digestOf("/src/f3"));
  await close();
});

test("one that is refused fails alone, and is named", async () => {
  const { home, world, close } = await scene();
  world.failOnce.set("f2", { code: "objects/refused", retry: false });
  const view = await home.run(home.order("/src", "n:out", { recursive: true }));
  assert.equal(view.status, "FAILED");
  assert.equal(view.counts.done, files.size - 1);
  assert.deepEqual(
    view.failures.map(({ object, destination }) => [object, destination]),
    [["/src/f2", "n:out"]],
  );
  const again = await home.transfers().resume(view.id, "ann", { signal: never });
  const resumed = await home.ended(again);
  assert.equal(resumed.status, "SUCCEEDED", resumed.why);
  assert.equal(resumed.counts.done, 1);
  assert.equal(resumed.counts.skipped, files.size - 1);
  await close();
});

test("a full disk ends it at once", async () => {
  const { home, world, close } = await scene();
  world.failOnce.set("f0", { code: "disk/full", retry: false });
  const view = await home.run(home.order("/src", "n:out", { recursive: true }));
  assert.equal(view.status, "FAILED");
  assert.match(view.why, /f0 fails/);
  assert.ok(view.failures.some(({ object }) => object === "/src/f0"));
  await close();
});

test("a full disk at one destination takes nothing from the others", async () => {
  const { home, world, close } = await scene({ nodes: ["n/head", "m/head"] });
  world.failAlways.set("m/head f1", { code: "disk/full", retry: false });
  const view = await home.run(home.order("/src", ["n:out", "m:out"], { recursive: true }));
  assert.equal(view.status, "FAILED");
  assert.match(view.why, /f1 fails/);
  for (const file of files.keys()) assert.ok(world.standing.has(`n/head ${file}`), file);
  assert.equal(view.counts.done + view.counts.failed, 2 * files.size);
  assert.ok(view.failures.every(({ destination }) => destination === "m:out"));
  await close();
});

test("what a failure kept for another try goes when it is cancelled", async () => {
  const { home, world, close } = await scene();
  world.failAlways.set("n/head f1", { code: "objects/failed", retry: true });
  const view = await home.run(home.order("/src", "n:out", { recursive: true }));
  assert.equal(view.status, "FAILED");
  assert.ok(world.stops.every((stop) => stop.endsWith(" keep")));
  await home.transfers().cancel(view.id, "ann");
  assert.ok(world.stops.includes("n/head remove"));
  assert.equal(home.transfers().get(view.id)?.status, "FAILED");
  const count = world.stops.length;
  await home.restart();
  await home.transfers().cancel(view.id, "ann");
  assert.equal(world.stops.length, count);
  await close();
});

test("one that is cancelled ends so, and no upload stays", async () => {
  const { home, world, close } = await scene();
  world.killAt = 8;
  const id = await home.transfers().start(home.order("/src", "s3://dst", { recursive: true }), {
    signal: never,
  });
  for await (const event of home.transfers().watch(id, never)) if (event.kind === "object") break;
  await home.transfers().cancel(id, "ann");
  const view = await home.ended(id);
  assert.equal(view.status, "CANCELLED");
  assert.match(view.why, /cancelled by ann/);
  assert.deepEqual(uploadsOf(home), []);
  await close();
});

test("a file that another transfer writes is waited for", async () => {
  const { home, world, close } = await scene({ pace: 100 });
  world.failAlways.set("n/head f1", { code: "store/locked", retry: false });
  const order = home.order("/src", "n:out", { recursive: true });
  const id = await home.transfers().start(order, { signal: never });
  for await (const event of home.transfers().watch(id, never)) {
    if (event.kind === "round" && event.round >= 7) world.failAlways.clear();
  }
  const view = home.transfers().get(id);
  assert.equal(view?.status, "SUCCEEDED", view?.why);
  await close();
});

test("a cluster that was taken down is not waited for, and the others are served", async () => {
  const gone = new Set<string>();
  const { home, world, close } = await scene({ nodes: ["n/head", "m/head"], gone });
  world.dead.add("m/head");
  const order = home.order("/src", ["n:out", "m:out"], { recursive: true });
  const id = await home.transfers().start(order, { signal: never });
  for await (const event of home.transfers().watch(id, never)) {
    if (event.kind === "round" && event.round >= 2) gone.add("m/head");
  }
  const view = home.transfers().get(id);
  assert.equal(view?.status, "FAILED");
  assert.match(view?.why ?? "", /m\/head not found/);
  assert.ok((view?.counts.rounds ?? 99) <= 4);
  for (const file of files.keys()) assert.ok(world.standing.has(`n/head ${file}`), file);
  await close();
});

test("a destination that is gone keeps nothing from the others, and is done later", async () => {
  const { home, world, close } = await scene({ nodes: ["n/head", "m/head"], pace: 150 });
  world.dead.add("m/head");
  const view = await home.run(home.order("/src", ["n:out", "m:out"], { recursive: true }));
  assert.equal(view.status, "FAILED");
  assert.match(view.why, /m\/head/);
  assert.equal(view.counts.done, files.size);
  for (const file of files.keys()) assert.ok(world.standing.has(`n/head ${file}`));

  world.dead.clear();
  const told = new Map(world.told);
  const again = await home.transfers().resume(view.id, "ann", { signal: never });
  const resumed = await home.ended(again);
  assert.equal(resumed.status, "SUCCEEDED", resumed.why);
  for (const file of files.keys()) {
    assert.ok(world.standing.has(`m/head ${file}`));
    assert.equal(world.told.get(`0 ${file}`), told.get(`0 ${file}`));
  }
  await close();
});

test("what a caller passes to prove who it is stays in memory", async () => {
  const { home, world, close } = await scene();
  world.failOnce.set("p/f1", { code: "objects/refused", retry: false });
  const secret = "hunter2-is-no-secret";
  const order = home.order("/src", "s3://dst/p", { recursive: true });
  const id = await home.transfers().start(order, { signal: never, env: { SECRET: secret } });
  const view = await home.ended(id);
  assert.equal(view.status, "FAILED");
  const files = readdirSync(home.dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(home.dir, name))
    .filter((path) => statSync(path).isFile());
  assert.ok(files.some((path) => path.endsWith("ledger.db")));
  for (const path of files) assert.ok(!readFileSync(path).includes(secret), path);
  assert.ok(world.begins.some((begin) => JSON.stringify(begin).includes(secret)));
  assert.ok(!home.journal().includes(secret));
  assert.ok(!JSON.stringify(view).includes(secret));
  await close();
});

test("of those that ended so many are kept, and nothing of the others", async () => {
  const { home, close } = await scene({ endedMax: 2 });
  const ids: number[] = [];
  for (let count = 0; count < 4; count += 1) {
    const view = await home.run(home.order("/src", "s3://nosuch", { recursive: true }));
    assert.equal(view.status, "FAILED");
    ids.push(view.id);
  }
  await home.restart();
  assert.deepEqual(
    home
      .transfers()
      .list()
      .map(({ id }) => id),
    ids.slice(2).reverse(),
  );
  assert.equal(readdirSync(join(home.dir, "transfers")).length, 2);
  await close();
});

test("the same order twice is one transfer", async () => {
  const { home, close } = await scene();
  const order = home.order("/src", "n:out", { recursive: true });
  const first = await home.transfers().start(order, { signal: never });
  assert.equal(await home.transfers().start(order, { signal: never }), first);
  await home.ended(first);
  await home.restart();
  assert.equal(await home.transfers().start(order, { signal: never }), first);
  assert.equal(home.transfers().get(first)?.status, "SUCCEEDED");
  assert.equal(home.transfers().running(), 0);
  await close();
});

function uploadsOf(home: Stage): readonly string[] {
  return [...(home.cloud.buckets.get("dst")?.uploads.keys() ?? [])].map(String);
}
