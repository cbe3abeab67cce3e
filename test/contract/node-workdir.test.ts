// Workdirs between head and nodes, over sessions in memory: who gets what, what moves, what heals.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { createMetrics } from "../../runtime/metrics.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { encodeExchangeHeader } from "../../transfer/chunks/exchange.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { storeSink } from "../../transfer/chunks/store-parties.ts";
import { encodeFanOutHeader } from "../../transfer/fanout/control.ts";
import { fanOutPin, workdirPin } from "../../transfer/tree/pins.ts";
import { sow, treeSeen } from "../support/trees.ts";
import { until } from "../support/until.ts";
import { rank, stage, work } from "./node-stage.ts";

const mib = 1024 * 1024;

function served(metrics: ReturnType<typeof createMetrics>): number {
  return metrics.snapshot().get("chunks_served_total") ?? 0;
}

test("ranks that need one tree share one fetch; it is let go of with the last", async (context) => {
  const { root, metrics, disk, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["x", { kind: "file", content: "x" }]]);
  const tree = await pack("work");
  const { workdir, store, folder } = nodeOf("worker1");
  await Promise.all([1, 2, 3].map((job) => workdir.lay(rank(job), { workdirTree: tree })));
  assert.deepEqual(treeSeen(folder), treeSeen(`${root}/work`));
  assert.equal(served(metrics), disk.chunks.size);
  assert.deepEqual([...store.pins.keys()], [`demo/node/worker1/${tree.digest}`]);
  await workdir.forget(rank(1));
  await workdir.forget(rank(2));
  await workdir.lay(rank(4), { workdirTree: tree });
  assert.equal(served(metrics), disk.chunks.size);
  await workdir.forget(rank(3));
  await workdir.forget(rank(4));
  await until("nothing is pinned", () => store.pins.size === 0);
});

test("a damaged chunk on the node is fetched again; one nobody has is named", async (context) => {
  const { root, disk, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["x", { kind: "file", content: "some content" }]]);
  const tree = await pack("work");
  const { workdir, store, folder } = nodeOf("worker1");
  await workdir.lay(rank(1), { workdirTree: tree });
  for (const digest of [...store.chunks.keys()]) {
    assert.ok(store.damage(digest));
    rmSync(`${folder}/x`, { force: true });
    await workdir.lay(rank(1), { workdirTree: tree });
    assert.equal(readFileSync(`${folder}/x`, "utf8"), "some content");
  }
  // An agent that starts finds it damaged before it has looked at anything.
  assert.ok(store.damage(tree.digest));
  await nodeOf("worker1", store).workdir.lay(rank(1), { workdirTree: tree });

  const [digest = ""] = [...disk.chunks.keys()].filter((one) => one !== tree.digest);
  assert.ok(disk.damage(digest) && store.damage(digest));
  rmSync(`${folder}/x`);
  await assert.rejects(workdir.lay(rank(2), { workdirTree: tree }), (error) => {
    assert.ok(isSkyError(error, "chunk/missing"));
    assert.ok(error.message.includes(digest), error.message);
    assert.match(error.message, /the head/);
    return true;
  });
  assert.equal(existsSync(`${folder}/x`), false);
});

test("a rank that is stopped waits for nothing, and others go on", async (context) => {
  const { root, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["x", { kind: "file", content: "x" }]]);
  const tree = await pack("work");
  const { workdir } = nodeOf("worker1");
  const [stopped, other] = [
    workdir.lay(rank(1), { workdirTree: tree }),
    workdir.lay(rank(2), { workdirTree: tree }),
  ];
  workdir.cancel(rank(1));
  await assert.rejects(stopped, (error) => isSkyError(error, "core/cancelled"));
  await other;
  const alone = workdir.lay(rank(3), { workdirTree: await pack("work") });
  workdir.cancel(rank(3));
  await assert.rejects(alone, (error) => isSkyError(error, "core/cancelled"));
  await workdir.lay(rank(4), { workdirTree: tree });
});

test("what an earlier agent had pinned is let go of", async (context) => {
  const { root, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["x", { kind: "file", content: "x" }]]);
  const tree = await pack("work");
  const store = new MemoryContentDisk();
  store.pins.set(`demo/node/worker1/${"0".repeat(64)}`, new Map());
  store.pins.set(`demo/node/worker2/${"0".repeat(64)}`, new Map());
  await nodeOf("worker1", store).workdir.lay(rank(1), { workdirTree: tree });
  assert.deepEqual([...store.pins.keys()].sort(), [
    `demo/node/worker1/${tree.digest}`,
    `demo/node/worker2/${"0".repeat(64)}`,
  ]);
});

test("nodes of a gang get a large tree from each other", async (context) => {
  const { root, disk, metrics, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["large", { kind: "file", content: largeContent() }]]);
  const tree = await pack("work");
  const all = ["worker1", "worker2", "worker3"].map((name) => nodeOf(name));
  await Promise.all(
    all.map(({ workdir }, index) =>
      workdir.lay(rank(index), { workdirTree: tree, workdirTakers: 3 }),
    ),
  );
  for (const { folder, store } of all) {
    assert.deepEqual(treeSeen(folder), treeSeen(`${root}/work`));
    await until("only the rank's pin is left", () => store.pins.size === 1);
  }
  assert.ok(served(metrics) < 2 * disk.chunks.size, `${served(metrics)} of ${disk.chunks.size}`);
});

test("a node that has all of a tree does not wait for one that has not", async (context) => {
  const { root, pack, nodeOf } = await stage(context);
  sow(`${root}/work`, [["large", { kind: "file", content: largeContent() }]]);
  const tree = await pack("work");
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const quick = [nodeOf("worker1"), nodeOf("worker2")];
  // It is well in the fan-out when it comes to a halt.
  const disk = new MemoryContentDisk();
  const beforePut = async (): Promise<void> => {
    if (disk.chunks.size >= 6) await held;
  };
  const slow = nodeOf("worker3", disk, { beforePut });
  let slowIsDone = false;
  const waiting = slow.workdir.lay(rank(3), { workdirTree: tree, workdirTakers: 3 }).then(() => {
    slowIsDone = true;
  });
  await Promise.all(
    quick.map(({ workdir }, index) =>
      workdir.lay(rank(index), { workdirTree: tree, workdirTakers: 3 }),
    ),
  );
  for (const { folder } of quick) assert.deepEqual(treeSeen(folder), treeSeen(`${root}/work`));
  assert.equal(slowIsDone, false);
  letGo();
  await waiting;
  assert.deepEqual(treeSeen(slow.folder), treeSeen(`${root}/work`));
  for (const { store } of [...quick, slow]) {
    await until("only the rank's pin is left", () => store.pins.size === 1);
  }
});

function largeContent(): Buffer {
  const large = Buffer.alloc(24 * mib);
  for (let i = 0; i < large.length; i += 4)
    large.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  return large;
}

test("a node gets what its own cluster has pinned, and nothing else", async (context) => {
  const { root, chunks, dial, pack } = await stage(context);
  sow(`${root}/ours`, [["x", { kind: "file", content: "ours" }]]);
  sow(`${root}/theirs`, [["x", { kind: "file", content: "theirs" }]]);
  const [ours, theirs] = [await pack("ours"), await pack("theirs", "other")];
  const session = await dial("demo/worker1");
  const { signal } = new AbortController();
  const fetch = (scope: string, want: readonly ChunkRef[]) => {
    const into = storeSink(createMemoryContentStore());
    return fetchChunks({ session, scope, want, into, work, signal });
  };
  const ourPin = workdirPin("demo", ours.digest);
  assert.equal((await fetch(ourPin, [ours])).moved, 1);

  const denied = (error: unknown): boolean => isSkyError(error, "stream/denied");
  await assert.rejects(fetch(workdirPin("other", theirs.digest), [theirs]), denied);
  await assert.rejects(fetch("demo/packing/x", [ours]), denied);
  await assert.rejects(
    fetch(`demo/workdir/../../other/workdir/${theirs.digest}`, [theirs]),
    denied,
  );
  // Whoever knows a digest does not have it for that.
  const { missing } = await fetch(ourPin, [theirs]);
  assert.deepEqual(
    missing.map(({ digest }) => digest),
    [theirs.digest],
  );
  const unpinned = workdirPin("demo", theirs.digest);
  await assert.rejects(fetch(unpinned, [theirs]), (error) => isSkyError(error, "chunk/missing"));
  await chunks.unpin(ourPin);
  await assert.rejects(fetch(ourPin, [ours]), (error) => isSkyError(error, "chunk/missing"));

  for (const header of [
    encodeExchangeHeader({ verb: "push", scope: ourPin }),
    encodeFanOutHeader(fanOutPin("other", theirs.digest)),
    encodeFanOutHeader(fanOutPin("demo", ours.digest)),
    encodeExchangeHeader({ verb: "fetch", scope: fanOutPin("other", theirs.digest) }),
  ]) {
    const channel = session.open(header);
    const heard: Buffer[] = [];
    const hear = async (): Promise<void> => {
      for await (const bytes of channel) heard.push(Buffer.from(bytes));
    };
    await hear().catch(() => {}); // Aborted, or told why.
    assert.doesNotMatch(Buffer.concat(heard).toString("latin1"), /theirs|welcome/);
  }
});
