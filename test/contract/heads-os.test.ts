// Opening the head of a cluster: what a try that fails leaves behind, and what is read back.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as breath } from "node:timers/promises";
import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import { newRecord } from "../../clouds/cluster-record.ts";
import { beatSubject, headNode } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createHeads } from "../../scheduler/heads-os.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";

const record: ClusterRecord = newRecord(
  {
    ...{ name: "demo", numNodes: 1, asked: {}, cloud: "local", isolation: "embedded" },
    capacity: { cpus: 1, memoryBytes: 1_000, accelerators: [] },
    ...{ token: "t", command: "sky launch" },
  },
  0,
);

function stage(context: TestContext, chunks: ContentStore = createMemoryContentStore()) {
  const root = mkdtempSync(join(tmpdir(), "sky-heads-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const home = homeAt(root);
  const hub = createBusHub();
  const clock = createMemoryClock();
  const log = createMemoryLog();
  const broken: string[] = [];
  const heads = createHeads({
    ...{
      home,
      store: createMemoryStore(),
      chunks,
      work: createInlineWork(),
      reading: createInlineReading({ newCutter: () => new ContentCutter() }),
      memory: createSourceMemory(),
      files: createOsFiles(root),
      clock,
      log,
    },
    ...{ metrics: createMetrics(), incarnation: 1 },
    busOf: async () => hub.connect(headNode, headPermissions("demo")),
    onAlive: () => {},
    onShutdown: () => {},
    onBroken: (why) => broken.push(why),
  });
  context.after(() => heads.closeAll("the test is over"));
  let beats = 0;
  hub.connect("spy", headPermissions("demo")).subscribe(beatSubject("demo", headNode), () => {
    beats += 1;
  });
  const beatsIn = async (ms: number): Promise<number> => {
    const before = beats;
    await clock.pass(ms, async () => {
      for (let i = 0; i < 5; i += 1) await breath();
    });
    return beats - before;
  };
  return { home: home.cluster("demo"), heads, beatsIn, log, broken };
}

test("a head that fails to open leaves no actor behind, and opens when it can", async (context) => {
  const { home, heads, beatsIn, broken } = stage(context);
  mkdirSync(home.root, { recursive: true });
  writeFileSync(home.workdirs, "in the way");
  for (let i = 0; i < 3; i += 1) await assert.rejects(heads.open(record));
  assert.equal(heads.get("demo"), undefined);
  assert.equal(await beatsIn(5_000), 0);
  assert.deepEqual(broken, []);

  rmSync(home.workdirs);
  await heads.open(record);
  assert.equal(await beatsIn(5_000), 5);
});

test("down keeps the logs where it says, and no folder where there are none", async (context) => {
  const { home, heads } = stage(context);
  await heads.open(record);
  assert.deepEqual(await heads.clear(record), { logsArchive: "" });
  assert.equal(existsSync(home.root), false);

  await heads.open(record);
  writeFileSync(`${home.logs}/1-1-run-0.log`, "hello");
  const { logsArchive } = await heads.clear(record);
  assert.deepEqual(readdirSync(logsArchive), ["1-1-run-0.log"]);
  assert.equal(existsSync(home.root), false);
});

test("a file where a cluster's folder belongs stays when the cluster goes", async (context) => {
  const { home, heads } = stage(context);
  mkdirSync(dirname(home.root), { recursive: true });
  writeFileSync(home.root, "mine");
  await assert.rejects(heads.open(record), /ENOTDIR/);
  await heads.close(record, "terminated");
  assert.deepEqual(await heads.clear(record), { logsArchive: "" });
  assert.equal(readFileSync(home.root, "utf8"), "mine");
});

test("down ends where the content store cannot be used, and says so", async (context) => {
  const fails = () => Promise.reject(new SkyError("chunks/failed", { dir: "/c", why: "gone" }));
  const broken = { ...createMemoryContentStore(), pins: fails, unpin: fails };
  const { home, heads, log } = stage(context, broken);
  await heads.open(record);
  await heads.close(record, "terminated");
  await heads.clear(record);
  assert.equal(existsSync(home.root), false);
  assert.ok(log.lines.some(({ message }) => message.includes("stay pinned")));
});

test("half a list beside a workdir's copy keeps no head from opening", async (context) => {
  const { home, heads, log } = stage(context);
  mkdirSync(home.workdirs, { recursive: true });
  writeFileSync(`${home.workdirs}/copy.jobs`, "[1,");
  await heads.open(record);
  assert.ok(heads.get("demo"));
  assert.equal(log.lines.filter(({ level }) => level === "warn").length, 1);
});

test("only the home of a cluster is joined to its nodes", async (context) => {
  const { heads } = stage(context);
  await heads.open(record);
  const hub = createStreamHub();
  const target = { host: "head", port: 0 };
  await hub.connect("sky/skyhead").listen({ target, onSession: (session) => heads.take(session) });
  const asks = async (peer: string): Promise<void> => {
    const session = await hub.connect(peer).dial(target, new AbortController().signal);
    const channel = session.open(Buffer.from("to head list 1"));
    await channel[Symbol.asyncIterator]().next();
  };
  await assert.rejects(asks("demo/worker1"), /header to head list 1/);
  // What it is told is of the node, which is not there.
  await assert.rejects(asks("demo/_home"), /head of demo is absent/);
});
