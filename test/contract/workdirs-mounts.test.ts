// File mounts at the head: packed once for each source, as they were, for as long as a job needs
// them; a source that cannot be packed is named, and nothing is taken.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import type { FileMount, Task } from "../../model/task.ts";
import type { MountTree } from "../../model/tree.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import type { JobTrees } from "../../scheduler/workdirs-os.ts";
import { openWorkdirs } from "../../scheduler/workdirs-os.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { unpackTree } from "../../transfer/tree/unpack-os.ts";
import { asUser } from "../support/as-user.ts";
import { shownBoard } from "../support/board.ts";
import { sow, treeSeen } from "../support/trees.ts";
import { until } from "../support/until.ts";

const plain: Task = {
  ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
};

function task(mounts: readonly FileMount[], more: Partial<Task> = {}): Task {
  return { ...plain, ...more, fileMounts: mounts };
}

function job(id: number, phase: Job["phase"]): Job {
  const status = phase === "ended" ? "SUCCEEDED" : "PENDING";
  return {
    ...{ id, phase, status, name: "t", user: "u", submittedAt: 0, resources: "", numNodes: 1 },
    ...{ attempt: 1, ranks: [], setups: [], sweeps: [] },
  };
}

function stage(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "sky-mounts-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const board = shownBoard();
  const disk = new MemoryContentDisk();
  const recorded = new Map<number, JobTrees>();
  sow(`${root}/data`, [
    ["one", { kind: "file", content: "1", mode: 0o640 }],
    ["two words\nand a line", { kind: "file", content: "2" }],
    [Buffer.from([0xff, 0xfe]), { kind: "file", content: "no UTF-8" }],
    ["out", { kind: "link", target: "../../nowhere" }],
    ["empty", { kind: "folder", entries: [], mode: 0o700 }],
    [".git", { kind: "folder", entries: [["HEAD", { kind: "file", content: "ref" }]] }],
  ]);
  sow(root, [["script.sh", { kind: "file", content: "#!/bin/sh\n", mode: 0o755 }]]);
  return {
    ...{ root, board, disk, recorded },
    pins: () => [...disk.pins.keys()].sort(),
    open: () =>
      openWorkdirs({
        ...{ cluster: "demo", dir: `${root}/copies`, board, log: createMemoryLog() },
        chunks: createMemoryContentStore({ disk }),
        work: createInlineWork(),
        reading: createInlineReading({ newCutter: () => new ContentCutter() }),
        memory: createSourceMemory(),
        recorded: async () => recorded,
      }),
  };
}

type Stage = ReturnType<typeof stage>;

async function unpacked({ root, disk }: Stage, mount: MountTree | undefined): Promise<string> {
  assert.ok(mount);
  const source = createMemoryContentStore({ disk });
  const target = `${root}/out-${mount.tree.digest.slice(0, 8)}`;
  const { tree } = mount;
  await unpackTree(target, { source, tree, signal: new AbortController().signal });
  return target;
}

test("a mounted folder arrives as it was, and a file with mode and time", async (context) => {
  const here = stage(context);
  const { root } = here;
  linkSync(`${root}/data/one`, `${root}/data/same`);
  const workdirs = await here.open();
  const before = treeSeen(`${root}/data`, (name) => name === ".git");
  const file = { ...statSync(`${root}/script.sh`) };
  const [snapshot] = await workdirs.snapshot([
    task([
      { destination: "~/data", source: `${root}/data` },
      { destination: "/opt/run", source: `${root}/script.sh` },
    ]),
  ]);
  writeFileSync(`${root}/data/one`, "changed");
  assert.equal(snapshot?.workdir, undefined);
  const [folder, single] = snapshot?.mounts ?? [];
  assert.deepEqual([folder?.destination, folder?.isFile], ["~/data", false]);
  assert.deepEqual([single?.destination, single?.isFile], ["/opt/run", true]);
  assert.deepEqual(treeSeen(await unpacked(here, folder)), before);
  const target = await unpacked(here, single);
  assert.deepEqual([...treeSeen(target).keys()], ["script.sh"]);
  const arrived = statSync(`${target}/script.sh`);
  assert.equal(arrived.mode, file.mode);
  assert.equal(Math.floor(arrived.mtimeMs), Math.floor(file.mtimeMs));
  await workdirs.close();
});

test("a file alone is one tree wherever it lies; a large one comes whole", async (context) => {
  const here = stage(context);
  const { root } = here;
  const large = Buffer.alloc(3 * 1024 * 1024 + 7, "large ");
  for (const name of ["a", "b"]) {
    sow(`${root}/${name}`, [["big", { kind: "file", content: large }]]);
  }
  const workdirs = await here.open();
  const [snapshot] = await workdirs.snapshot([
    task([
      { destination: "x", source: `${root}/a/big` },
      { destination: "y", source: `${root}/b/big` },
    ]),
  ]);
  const [a, b] = snapshot?.mounts ?? [];
  assert.deepEqual(a?.tree, b?.tree);
  assert.deepEqual(readFileSync(`${await unpacked(here, a)}/big`), large);
  await workdirs.assign([snapshot ?? { mounts: [] }], []);
  await until("nothing is pinned", () => here.pins().length === 0);
  await workdirs.close();
});

test("a source that is a link is what the link leads to", async (context) => {
  const here = stage(context);
  const { root } = here;
  symlinkSync("script.sh", `${root}/link.sh`);
  symlinkSync("data", `${root}/link`);
  const workdirs = await here.open();
  const [snapshot] = await workdirs.snapshot([
    task([
      { destination: "a", source: `${root}/link.sh` },
      { destination: "b", source: `${root}/link` },
      { destination: "c", source: `${root}/data` },
    ]),
  ]);
  const [file, folder, plainly] = snapshot?.mounts ?? [];
  const target = await unpacked(here, file);
  assert.deepEqual([...treeSeen(target).keys()], ["link.sh"]);
  assert.equal(readFileSync(`${target}/link.sh`, "utf8"), "#!/bin/sh\n");
  assert.deepEqual(folder?.tree, plainly?.tree);
  await workdirs.close();
});

test("one source is packed once, and kept until the last job with it ends", async (context) => {
  const here = stage(context);
  const { root, board, pins, recorded } = here;
  const mounts = [
    { destination: "~/a", source: `${root}/data` },
    { destination: "/b", source: `${root}/data` },
  ];
  const first = await here.open();
  const both = [task(mounts), task(mounts.slice(1), { workdir: `${root}/data` })];
  const snapshots = await first.snapshot(both);
  const [a, b] = snapshots;
  assert.deepEqual(a?.mounts[0]?.tree, b?.mounts[0]?.tree);
  assert.deepEqual(a?.mounts[1]?.tree, b?.workdir?.tree);
  board.show(job(1, "queued"), job(2, "queued"));
  await first.assign(snapshots, [1, 2]);
  const pinned = [`demo/workdir/${a?.mounts[0]?.tree.digest}`];
  assert.deepEqual(pins(), pinned);
  board.show(job(1, "ended"));
  await first.close();
  recorded.set(2, { mounts: (b?.mounts ?? []).map(({ tree }) => tree) });
  const later = await here.open();
  assert.deepEqual(pins(), pinned);
  board.show(job(2, "ended"));
  await until("nothing is pinned", () => pins().length === 0);
  await later.close();
});

test("what is there and cannot be read is no fault of the request", async (context) => {
  const here = stage(context);
  const { root, pins } = here;
  const workdirs = await here.open();
  const refused = async (tasks: readonly Task[], told: RegExp): Promise<void> => {
    await assert.rejects(workdirs.snapshot(tasks), (error: unknown) => {
      assert.ok(isSkyError(error, "source/unreadable"));
      assert.match(error.message, told);
      return true;
    });
  };
  const mount = { destination: "~/x", source: `${root}/script.sh` };
  chmodSync(`${root}/script.sh`, 0);
  await asUser(root, async () => {
    await refused([task([mount])], /^file_mounts: ~\/x: \/.*\/script\.sh cannot be read: EACCES/);
    await refused([task([], { workdir: root })], /^workdir: \/.*\/script\.sh cannot be read/);
    chmodSync(root, 0);
    await refused([task([], { workdir: `${root}/data` })], /^workdir: .*\/data cannot be read/);
    await refused([task([mount])], /^file_mounts: ~\/x: \/.*\/script\.sh cannot be read/);
    chmodSync(root, 0o700);
  });
  await until("nothing is pinned", () => pins().length === 0);
  await workdirs.close();
});

test("a source that cannot be packed is named, and nothing is taken", async (context) => {
  const here = stage(context);
  const { root, disk, pins } = here;
  execFileSync("mkfifo", [`${root}/pipe`]);
  symlinkSync("nowhere", `${root}/broken`);
  const workdirs = await here.open();
  const good = { destination: "~/good", source: `${root}/data` };
  const bad: readonly (readonly [string, RegExp])[] = [
    ["none", /file_mounts: ~\/x y: nothing at .*\/none$/],
    ["script.sh/inner", /file_mounts: ~\/x y: nothing at .*\/script\.sh\/inner$/],
    ["broken", /file_mounts: ~\/x y: nothing at .*\/broken$/],
    ["pipe", /file_mounts: ~\/x y: .*\/pipe is neither a file nor a folder$/],
  ];
  for (const [name, told] of bad) {
    const mounts = [good, { destination: "~/x y", source: `${root}/${name}` }];
    await assert.rejects(workdirs.snapshot([task(mounts)]), (error: unknown) => {
      assert.ok(isSkyError(error, "request/invalid"));
      assert.match(error.message, told);
      return true;
    });
  }
  assert.deepEqual(pins(), []);
  assert.equal(disk.chunks.size, 0);
  await workdirs.close();
});
