// What the head's disk damaged or lost of a tree is packed again from its source, when a node asks.
//
// With a real content store, whose files are flipped; the node fetches over a session in memory.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Job } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import { serveWorkdirs } from "../../scheduler/workdir-serving.ts";
import { type JobTrees, openWorkdirs, type Workdirs } from "../../scheduler/workdirs-os.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import type { ExchangeResult } from "../../transfer/chunks/exchange.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { storeSink } from "../../transfer/chunks/store-parties.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { joinFanOut } from "../../transfer/fanout/join.ts";
import { fanOutPin, workdirPin } from "../../transfer/tree/pins.ts";
import type { TreeReading } from "../../transfer/tree/reading.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { shownBoard } from "../support/board.ts";
import { noise } from "../support/noise.ts";

const mib = 1024 * 1024;
const target = { host: "head", port: 0 };
const work = createInlineWork();
const plain: Task = {
  ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
};
const queued: Job = {
  ...{ id: 1, phase: "queued", status: "PENDING", name: "t", user: "u", submittedAt: 0 },
  ...{ resources: "", numNodes: 1, attempt: 1, ranks: [], setups: [], sweeps: [] },
};

/** A head whose job waits with a mount of a large file. */
async function waitingHead(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "sky-mending-"));
  const source = join(root, "large");
  writeFileSync(source, noise(5, 6 * mib));
  const chunks = await openContentStore({ dir: join(root, "chunks"), reserveBytes: 0 });
  const [board, log, memory] = [shownBoard(), createMemoryLog(), createSourceMemory()];
  const recorded = new Map<number, JobTrees>();
  const inner = createInlineReading({ newCutter: () => new ContentCutter() });
  let reads = 0;
  const reading: TreeReading = {
    close: () => inner.close(),
    read: (request, sink, signal) => {
      reads += 1;
      return inner.read(request, sink, signal);
    },
  };
  const open = (): Promise<Workdirs> =>
    openWorkdirs({
      ...{ cluster: "demo", dir: join(root, "copies"), board, log, chunks, work, reading, memory },
      recorded: async () => recorded,
    });
  let workdirs = await open();
  context.after(async () => {
    await workdirs.close();
    await chunks.close();
    rmSync(root, { recursive: true, force: true });
  });
  board.show(queued);
  const task = { ...plain, fileMounts: [{ destination: "~/x", source }] };
  const snapshots = await workdirs.snapshot([task]);
  await workdirs.assign(snapshots, [1]);
  const tree = snapshots[0]?.mounts[0]?.tree;
  assert.ok(tree);
  recorded.set(1, { mounts: [tree] });
  const refs = (await chunks.pinned(workdirPin("demo", tree.digest))) ?? [];
  const names = new Set(digestsOf(refs));
  return {
    ...{ source, chunks, log, tree, refs },
    mend: (digest: string) => workdirs.mend(digest),
    reads: () => reads,
    restart: async () => {
      await workdirs.close();
      workdirs = await open();
    },
    /** Of its chunks. */
    files: () =>
      readdirSync(`${root}/chunks`, { recursive: true, encoding: "utf8" })
        .filter((path) => names.has(path.slice(-64)))
        .map((path) => `${root}/chunks/${path}`),
  };
}

/** The same, with nodes that ask it. */
async function stage(context: TestContext) {
  const hub = createStreamHub();
  const clock = createOsClock();
  const head = await waitingHead(context);
  const { chunks, log, tree, refs: want } = head;
  const serving = serveWorkdirs({
    ...{ chunks, work, metrics: createMetrics(), clock, log },
    hold: () => () => {},
    mend: async (cluster, digest) => {
      assert.equal(cluster, "demo");
      await head.mend(digest);
    },
  });
  const onSession = (session: StreamSession): void => {
    session.onChannel((channel) => assert.ok(serving.take(session, channel)));
  };
  const listener = await hub.connect("head").listen({ target, onSession });
  context.after(async () => {
    await serving.close();
    await listener.close();
  });
  const dial = (node: string): Promise<StreamSession> =>
    hub.connect(`demo/${node}`).dial(target, AbortSignal.timeout(5_000));
  return {
    ...head,
    fetch: async (): Promise<ExchangeResult> =>
      fetchChunks({
        ...{ session: await dial("n0"), scope: workdirPin("demo", tree.digest), want, work },
        ...{ into: storeSink(createMemoryContentStore()), signal: AbortSignal.timeout(20_000) },
      }),
    /** The same from its fan-out. */
    joinOthers: async (into: ContentStore): Promise<void> => {
      await joinFanOut({
        ...{ connect: () => dial("n1"), streams: hub.connect("demo/n1"), listen: { host: "n1" } },
        ...{ scope: fanOutPin("demo", tree.digest), store: into, work, clock, log },
        signal: AbortSignal.timeout(20_000),
      });
    },
  };
}

function flip(path: string): void {
  chmodSync(path, 0o600);
  const bytes = readFileSync(path);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const digestsOf = (some: readonly { readonly digest: string }[]): readonly string[] =>
  some.map(({ digest }) => digest).sort();

test("every chunk flipped or gone: one packing makes all whole, whoever asks", async (context) => {
  const here = await stage(context);
  const files = here.files();
  assert.ok(files.length > 3 && files.length === here.refs.length);
  for (const [index, path] of files.entries()) index % 3 === 0 ? rmSync(path) : flip(path);
  const before = here.reads();
  const results = await Promise.all([here.fetch(), here.fetch(), here.fetch()]);
  assert.deepEqual(
    results.map(({ missing }) => missing),
    [[], [], []],
  );
  assert.equal(here.reads(), before + 1);
  for (const { digest, bytes } of here.refs) {
    assert.equal((await here.chunks.get(digest)).length, bytes);
  }
  assert.equal((await here.fetch()).missing.length, 0);
  assert.equal(here.reads(), before + 1);
  const told = here.log.lines.find(({ message }) => /packed again/.test(message));
  assert.deepEqual(
    [told?.fields?.["path"], told?.fields?.["lost"], told?.fields?.["mended"]],
    [here.source, files.length, files.length],
  );
});

test("a later head knows the source, of its memory", async (context) => {
  const here = await stage(context);
  await here.restart();
  for (const path of here.files()) flip(path);
  assert.deepEqual((await here.fetch()).missing, []);
});

test("what a source does not give any more is missing; what it gives is not", async (context) => {
  const here = await stage(context);
  const bytes = readFileSync(here.source);
  for (const path of here.files()) flip(path);
  writeFileSync(here.source, Buffer.concat([bytes.subarray(0, 5 * mib), Buffer.from("else")]));
  const { missing } = await here.fetch();
  assert.ok(missing.length > 0 && missing.length < here.refs.length, `${missing.length}`);
  assert.ok(digestsOf(missing).includes(here.tree.digest));

  rmSync(here.source);
  assert.deepEqual(digestsOf((await here.fetch()).missing), digestsOf(missing));
  writeFileSync(here.source, bytes);
  const { missing: left } = await here.fetch();
  // The time of the file is part of what describes it.
  assert.ok(left.length > 0 && left.length < missing.length, `${left.length}`);
});

test("a gang's fan-out goes on when a chunk was lost, or its list of chunks", async (context) => {
  const here = await stage(context);
  const isLarge = (path: string): boolean => readFileSync(path).length > mib / 2;
  for (const some of [here.files().filter(isLarge), here.files()]) {
    assert.ok(some.length > 0);
    for (const path of some) flip(path);
    const store = createMemoryContentStore();
    await here.joinOthers(store);
    const { size } = await store.has(digestsOf(here.refs));
    // The list itself is had before.
    assert.equal(size, here.refs.length - 1);
  }
  assert.equal(here.reads(), 3);
});
