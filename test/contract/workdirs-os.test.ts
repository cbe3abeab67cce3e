// Workdirs at the head: packed as they were, pinned as long as a job needs them, and no longer.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import type { FileMount, Task } from "../../model/task.ts";
import type { TreeRef } from "../../model/tree.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import type { JobTrees, Workdirs } from "../../scheduler/workdirs-os.ts";
import { openWorkdirs } from "../../scheduler/workdirs-os.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { shownBoard } from "../support/board.ts";
import { sow, treeSeen } from "../support/trees.ts";
import { until } from "../support/until.ts";

const plain: Task = {
  numNodes: 1,
  resources: {},
  envs: {},
  secrets: {},
  priority: 0,
  maxRestarts: 0,
};

function job(id: number, phase: Job["phase"]): Job {
  const status = phase === "ended" ? "SUCCEEDED" : "PENDING";
  return {
    ...{ id, phase, status, name: "t", user: "u", submittedAt: 0, resources: "", numNodes: 1 },
    ...{ attempt: 1, ranks: [], setups: [], sweeps: [] },
  };
}

function mount(destination: string, source: string): FileMount {
  return { destination, source };
}

interface Stage {
  readonly root: string;
  readonly board: ReturnType<typeof shownBoard>;
  readonly disk: MemoryContentDisk;
  readonly log: ReturnType<typeof createMemoryLog>;
  /** What the scheduler would have on record. */
  readonly recorded: Map<number, JobTrees>;
  readonly task: Task;
  open(): Promise<Workdirs>;
  pins(): readonly string[];
}

function stage(context: TestContext): Stage {
  const root = mkdtempSync(join(tmpdir(), "sky-workdirs-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const board = shownBoard();
  const disk = new MemoryContentDisk();
  const log = createMemoryLog();
  const recorded = new Map<number, JobTrees>();
  sow(`${root}/user`, [
    ["run.sh", { kind: "file", content: "#!/bin/sh\n", mode: 0o755 }],
    ["empty", { kind: "folder", entries: [] }],
    [".git", { kind: "folder", entries: [["HEAD", { kind: "file", content: "ref" }]] }],
  ]);
  return {
    ...{ root, board, disk, log, recorded, task: { ...plain, workdir: `${root}/user` } },
    pins: () => [...disk.pins.keys()].sort(),
    open: () =>
      openWorkdirs({
        ...{ cluster: "demo", dir: `${root}/copies`, board, log },
        chunks: createMemoryContentStore({ disk }),
        work: createInlineWork(),
        reading: createInlineReading({ newCutter: () => new ContentCutter() }),
        memory: createSourceMemory(),
        recorded: async () => recorded,
      }),
  };
}

async function unpacked({ root, disk }: Stage, tree: TreeRef | undefined): Promise<string> {
  assert.ok(tree);
  const source = createMemoryContentStore({ disk });
  const target = `${root}/out-${tree.digest.slice(0, 8)}`;
  await unpackTree(target, { source, tree, signal: new AbortController().signal });
  return target;
}

test("a snapshot has everything as it was, but no version control", async (context) => {
  const here = stage(context);
  const workdirs = await here.open();
  const before = treeSeen(`${here.root}/user`, (name) => name === ".git");
  const [snapshot] = await workdirs.snapshot([here.task]);
  writeFileSync(`${here.root}/user/run.sh`, "changed");
  const target = await unpacked(here, snapshot?.workdir?.tree);
  assert.deepEqual(treeSeen(target), before);
  await workdirs.close();
});

test("the same folder again stores nothing, and a changed file what changed", async (context) => {
  const here = stage(context);
  const large = Buffer.alloc(12 * 1024 * 1024);
  for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2_654_435_761) % 2 ** 32, i);
  writeFileSync(`${here.root}/user/large`, large);
  const workdirs = await here.open();
  const [first] = await workdirs.snapshot([here.task]);
  const chunks = new Set(here.disk.chunks.keys());
  const [again] = await workdirs.snapshot([here.task]);
  assert.equal(again?.workdir?.tree.digest, first?.workdir?.tree.digest);
  assert.equal(here.disk.chunks.size, chunks.size);

  large[6_000_000] = 1 + (large[6_000_000] ?? 0);
  writeFileSync(`${here.root}/user/large`, large);
  await workdirs.snapshot([here.task]);
  const fresh = [...here.disk.chunks.keys()].filter((digest) => !chunks.has(digest));
  // The changed chunk, the description and the manifest; a cut may have moved.
  assert.ok(fresh.length >= 3 && fresh.length <= 5, `${fresh.length} of ${chunks.size}`);
  assert.ok(chunks.size > 8, `${chunks.size}`);
  await workdirs.close();
});

test("jobs share a tree; it is let go of when the last has ended", async (context) => {
  const here = stage(context);
  const { board, pins, task } = here;
  const workdirs = await here.open();
  const snapshots = await workdirs.snapshot([task, plain, task]);
  assert.deepEqual(snapshots[0], snapshots[2]);
  assert.deepEqual(snapshots[1], { mounts: [] });
  board.show(job(1, "queued"), job(2, "queued"), job(3, "queued"), job(4, "queued"));
  await workdirs.assign(snapshots, [1, 2, 3]);
  await workdirs.assign(await workdirs.snapshot([task]), [4]);
  const pinned = [`demo/workdir/${snapshots[0]?.workdir?.tree.digest}`];
  assert.deepEqual(pins(), pinned);
  board.show(job(1, "ended"), job(2, "ended"), job(3, "ended"));
  assert.deepEqual(pins(), pinned);
  board.show(job(4, "ended"));
  await until("nothing is pinned", () => pins().length === 0);
  await workdirs.close();
});

test("a submit under way keeps its tree while the last job with it ends", async (context) => {
  const here = stage(context);
  const { board, pins, task } = here;
  const workdirs = await here.open();
  board.show(job(1, "queued"));
  await workdirs.assign(await workdirs.snapshot([task]), [1]);
  const snapshots = await workdirs.snapshot([task]);
  board.show(job(1, "ended"));
  await workdirs.snapshot([]);
  assert.equal(pins().length, 1);
  board.show(job(2, "queued"));
  await workdirs.assign(snapshots, [2]);
  assert.equal(pins().length, 1);
  board.show(job(2, "ended"));
  await until("nothing is pinned", () => pins().length === 0);
  await workdirs.close();
});

test("a later head keeps what living jobs need, and nothing else", async (context) => {
  const here = stage(context);
  const { root, board, pins, task, recorded } = here;
  const other = { ...plain, workdir: `${root}/other` };
  sow(`${root}/other`, [["x", { kind: "file", content: "x" }]]);
  board.show(job(1, "queued"), job(2, "queued"));
  const first = await here.open();
  const a = await first.snapshot([task]);
  const b = await first.snapshot([other]);
  await first.assign(a, [1]);
  await first.assign(b, [2]);
  // A submit that a crash cut off.
  const third = { ...plain, workdir: `${root}/third` };
  sow(`${root}/third`, []);
  await first.snapshot([third]);
  here.disk.pins.set("demo/packing/half", new Map());
  here.disk.pins.set("another/workdir/x", new Map());
  assert.equal(pins().length, 5);
  await first.close();
  for (const [index, [snapshot]] of [a, b].entries()) {
    const { tree } = snapshot?.workdir ?? {};
    if (tree) recorded.set(index + 1, { workdir: tree, mounts: [] });
  }
  board.show(job(1, "ended"));
  const later = await here.open();
  assert.deepEqual(pins(), ["another/workdir/x", `demo/workdir/${b[0]?.workdir?.tree.digest}`]);
  board.show(job(2, "ended"));
  await until("nothing is pinned", () => pins().length === 1);
  await later.close();
});

test("a refused submit leaves nothing pinned, a missing folder neither", async (context) => {
  const here = stage(context);
  const { root, task, pins } = here;
  const workdirs = await here.open();
  await workdirs.assign(await workdirs.snapshot([task]), []);
  await until("nothing is pinned", () => pins().length === 0);
  const missing = { ...plain, workdir: `${root}/none` };
  await assert.rejects(workdirs.snapshot([task, missing]), (error) =>
    isSkyError(error, "request/invalid"),
  );
  await until("nothing is pinned", () => pins().length === 0);
  here.disk.full = true;
  writeFileSync(`${root}/user/new`, "new");
  await assert.rejects(workdirs.snapshot([task]), (error) => isSkyError(error, "disk/full"));
  await until("nothing is pinned", () => pins().length === 0);
  await workdirs.close();
});

test("a node that cannot take chunks finds a copy, as long as a job needs it", async (context) => {
  const here = stage(context);
  const { root, board, task } = here;
  const copies = `${root}/copies`;
  sow(`${root}/mounted`, [["m", { kind: "file", content: "m" }]]);
  const before = treeSeen(`${root}/user`, (name) => name === ".git");
  const workdirs = await here.open();
  board.show(job(1, "queued"), job(2, "queued"));
  const first = await workdirs.snapshot([task]);
  await workdirs.assign(first, [1]);
  assert.deepEqual(readdirSync(copies), []);
  // It comes while a job waits, and is there when the next is submitted.
  board.showNode("worker1", "alive", { needsCopies: true });
  const next = await workdirs.snapshot([{ ...task, fileMounts: [mount("m", `${root}/mounted`)] }]);
  await workdirs.assign(next, [2]);
  const { copy = "" } = first[0]?.workdir ?? {};
  assert.equal(next[0]?.workdir?.copy, copy);
  assert.deepEqual(treeSeen(copy), before);
  // Whoever cannot take chunks cannot lay out mounts either.
  assert.equal(readdirSync(copies).length, 1);
  board.show(job(1, "ended"), job(2, "ended"));
  await until("no copy is left", () => readdirSync(copies).length === 0);
  await workdirs.close();
});

test("copies of an earlier version go with their jobs", async (context) => {
  const here = stage(context);
  const { root, board } = here;
  const dir = `${root}/copies`;
  for (const name of ["a", "b"]) {
    mkdirSync(`${dir}/${name}`, { recursive: true });
    writeFileSync(`${dir}/${name}.jobs`, JSON.stringify([name === "a" ? 1 : 2]));
  }
  board.show(job(1, "ended"), job(2, "queued"));
  const workdirs = await here.open();
  await until("one is left", () => readdirSync(dir).join() === "b,b.jobs");
  board.show(job(2, "ended"));
  await until("none is left", () => readdirSync(dir).length === 0);
  await workdirs.close();
});
