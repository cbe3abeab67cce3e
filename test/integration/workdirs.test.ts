// Workdirs, from the user's folder to the job's: the real programs, in both isolations.
//
// What a job finds is compared with what was submitted, name by name and bit by bit, and what moved
// is told by the counts of the content stores.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isolation, type Place, place, until } from "../support/programs.ts";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";
import { jobOf, phaseReached } from "./jobs.ts";

const odd: SownEntries = [
  ["run.sh", { kind: "file", content: "#!/bin/sh\necho ran\n", mode: 0o755 }],
  ["private", { kind: "file", content: "p", mode: 0o600 }],
  ["empty file", { kind: "file", content: "" }],
  [Buffer.from([0xff, 0xfe, 0x0a]), { kind: "file", content: "raw" }],
  ["new\nline", { kind: "file", content: "n" }],
  ["ünï cödé", { kind: "file", content: "u" }],
  ["dangling", { kind: "link", target: "/nowhere" }],
  ["link", { kind: "link", target: "run.sh" }],
  ["empty", { kind: "folder", entries: [], mode: 0o700 }],
  ["deep", { kind: "folder", entries: [["er", { kind: "folder", entries: [] }]] }],
  [".git", { kind: "folder", entries: [["HEAD", { kind: "file", content: "ref" }]] }],
];

const isGit = (name: string): boolean => name === ".git";

/** Bytes that do not compress and do not repeat. */
function noise(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out.writeUInt32LE(state, i);
  }
  return out;
}

function nodeDirs(here: Place, cluster: string): readonly string[] {
  const nodes = join(here.home, "clusters", cluster, "nodes");
  return readdirSync(nodes).map((node) => join(nodes, node));
}

function workdirOf(node: string): string {
  return join(node, "home/sky_workdir");
}

interface Counts {
  readonly chunks: number;
  readonly stored: number;
  readonly pinnedBytes: number;
}

interface NodeSeen {
  readonly workdir: { readonly moved: number };
}

interface Seen {
  /** Of the head's store. */
  readonly store: Counts;
  /** Chunks that the nodes fetched. */
  readonly moved: number;
  /** Bytes of chunks that the head read to send them. */
  readonly servedBytes: number;
}

/** What `sky debug` tells of the stores. */
async function counts(here: Place, cluster: string): Promise<Seen> {
  const { code, stdout, stderr } = await here.sky(["debug", cluster, "-o", "json"]);
  assert.equal(code, 0, stderr);
  const { inside } = JSON.parse(stdout);
  const nodes: readonly NodeSeen[] = Object.values(inside.clusters[cluster].nodes);
  const moved = nodes.reduce((sum, { workdir }) => sum + workdir.moved, 0);
  const servedBytes = inside.process.metrics.chunks_served_bytes_total ?? 0;
  return { store: inside.process.chunks, moved, servedBytes };
}

async function ok(here: Place, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await here.sky(args);
  assert.equal(code, 0, `sky ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

test("a gang finds the tree as it was; the next launch moves what changed", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  sow(work, [...odd, ["large", { kind: "file", content: noise(8 * 1024 * 1024, 1) }]]);
  const task = here.file("t.yaml", `workdir: ${work}\nnum_nodes: 2\nrun: sh run.sh\n`);
  const before = treeSeen(work, isGit);
  await ok(here, ["launch", "-y", "-c", "demo", "--cpus", "4", task]);
  for (const node of nodeDirs(here, "demo")) {
    assert.deepEqual(treeSeen(workdirOf(node)), before);
  }
  const first = await counts(here, "demo");
  const isShared = isolation === "embedded";
  // Embedded nodes share the home's store; others fetch every chunk once.
  assert.equal(first.moved, isShared ? 0 : 2 * first.store.chunks);

  await ok(here, ["exec", "demo", task]);
  const same = await counts(here, "demo");
  assert.equal(same.moved, first.moved);
  assert.equal(same.store.stored, first.store.stored);

  appendFileSync(join(work, "run.sh"), "echo again\n");
  const log = await ok(here, ["exec", "demo", task]);
  assert.match(log, /again/);
  const changed = await counts(here, "demo");
  const stored = changed.store.stored - same.store.stored;
  // Small files, description and manifest; the root's counts may have changed too.
  assert.ok(stored >= 3 && stored <= 4, `${stored} stored`);
  assert.equal(changed.moved - same.moved, isShared ? 0 : 2 * stored);
  for (const node of nodeDirs(here, "demo")) {
    assert.deepEqual(treeSeen(workdirOf(node)), treeSeen(work, isGit));
  }
  assert.equal(changed.store.pinnedBytes, 0);
});

test("a large tree leaves the head about once, however many nodes get it", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  const treeBytes = 24 * 1024 * 1024;
  sow(work, [["large", { kind: "file", content: noise(treeBytes, 11) }]]);
  const before = treeSeen(work);
  const many = ["--num-nodes", "4", "--cpus", "4"];
  await ok(here, ["launch", "-y", "-c", "demo", ...many, "true"]);
  const task = here.file("t.yaml", `workdir: ${work}\nnum_nodes: 4\nrun: cksum large\n`);
  const log = await ok(here, ["exec", "demo", task]);
  assert.equal(log.match(/\d+ 25165824 large/g)?.length, 4, log);
  for (const node of nodeDirs(here, "demo")) assert.deepEqual(treeSeen(workdirOf(node)), before);
  const served = (await counts(here, "demo")).servedBytes;
  if (isolation === "embedded") assert.equal(served, 0);
  // Who joins late, or is moved in between, may be sent a part twice.
  else assert.ok(served >= treeBytes && served < 2 * treeBytes, `${served} of ${treeBytes}`);
});

test("a job sees the version that it was submitted with, also after `kill -9`", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  sow(work, [["version", { kind: "file", content: "one" }]]);
  const hold = holding(here);
  const task = here.file("t.yaml", `workdir: ${work}\nresources:\n  cpus: 1\nrun: cat version\n`);
  const cpus = ["--cpus", "1"];
  await ok(here, ["launch", "-y", "-d", "-c", "demo", ...cpus, hold]);
  await ok(here, ["exec", "-d", "demo", task]);
  writeFileSync(join(work, "version"), "two");
  const both = await Promise.all([
    here.sky(["exec", "-d", "demo", task]),
    here.sky(["exec", "-d", "demo", task]),
  ]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  rmSync(work, { recursive: true });
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  writeFileSync(join(here.folder, "go"), "");
  await ok(here, ["queue", "demo"]);
  for (const [id, version] of [
    ["2", "one"],
    ["3", "two"],
    ["4", "two"],
  ] as const) {
    const log = await here.sky(["logs", "demo", id]);
    assert.match(log.stdout, new RegExp(version), log.stderr);
  }
  await until("nothing is pinned", async () => {
    return (await counts(here, "demo")).store.pinnedBytes === 0;
  });
});

test("`kill -9` of the head and of a skylet while a tree is on its way", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  sow(work, [
    ...Array.from({ length: 200 }, (_, i) => {
      return [`file ${i}`, { kind: "file", content: noise(50_000, i + 1) }] as const;
    }),
    ["large", { kind: "file", content: noise(40 * 1024 * 1024, 7) }],
  ]);
  const before = treeSeen(work);
  await ok(here, ["launch", "-y", "-c", "demo", "--num-nodes", "2", "--cpus", "4", "true"]);
  const task = here.file("t.yaml", `workdir: ${work}\nnum_nodes: 2\nrun: ls | wc -l\n`);
  await ok(here, ["exec", "-d", "demo", task]);
  const { id } = await jobOf(here, "demo");
  const started = (): boolean =>
    nodeDirs(here, "demo").some((node) => readdirSync(workdirOf(node)).length > 0) ||
    nodeDirs(here, "demo").some((node) => readdirSync(node).includes("chunks"));
  await until("it is on its way", started);
  const skylet = here.processes().find(({ command }) => /skylet(-main)?\.(js|ts)/.test(command));
  if (skylet !== undefined) process.kill(skylet.pid, "SIGKILL");
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const log = await here.sky(["logs", "demo", String(id)], { timeoutMs: 120_000 });
  assert.match(log.stdout, /201/, log.stdout + log.stderr);
  assert.equal((await jobOf(here, "demo")).status, "SUCCEEDED");
  for (const node of nodeDirs(here, "demo")) {
    assert.deepEqual(treeSeen(workdirOf(node)), before);
  }
});

/** A job that has the whole machine until a file is there. */
function holding(here: Place): string {
  const run = `until [ -e ${here.folder}/go ]; do sleep 0.05; done`;
  return here.file("hold.yaml", `resources:\n  cpus: 1\nrun: ${run}\n`);
}

function chunkFiles(dir: string): readonly string[] {
  return execFileSync("find", [dir, "-type", "f", "-size", "+1000k"], { encoding: "utf8" })
    .split("\n")
    .filter((path) => /\/[0-9a-f]{64}$/.test(path));
}

function flip(path: string): void {
  chmodSync(path, 0o600);
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test("a flipped bit on a node is healed by the head, one there by the source", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  sow(work, [["large", { kind: "file", content: noise(8 * 1024 * 1024, 3) }]]);
  const task = here.file("t.yaml", `workdir: ${work}\nrun: cksum large\n`);
  const right = await ok(here, ["launch", "-y", "-c", "demo", "--cpus", "1", task]);
  const [sum] = /\d+ 8388608 large/.exec(right) ?? [];
  assert.ok(sum, right);
  const [node = ""] = nodeDirs(here, "demo");
  const stores = isolation === "embedded" ? [] : chunkFiles(join(node, "chunks"));
  for (const path of stores.slice(0, 1)) {
    flip(path);
    rmSync(join(workdirOf(node), "large"));
    const healed = await ok(here, ["exec", "demo", task]);
    assert.ok(healed.includes(sum), healed);
  }
  const [atHead = ""] = chunkFiles(join(here.home, "chunks"));
  /** Of a job that waits with its tree, while the chunk is lost everywhere. */
  const afterLoss = async (meanwhile: () => void = () => {}): Promise<string> => {
    const go = join(here.folder, "go");
    rmSync(go, { force: true });
    await ok(here, ["exec", "-d", "demo", holding(here)]);
    await ok(here, ["exec", "-d", "demo", task]);
    rmSync(join(workdirOf(node), "large"));
    if (isolation === "process")
      flip(join(node, "chunks", atHead.slice(`${here.home}/chunks/`.length)));
    flip(atHead);
    meanwhile();
    writeFileSync(go, "");
    return String((await jobOf(here, "demo")).id);
  };
  const log = await ok(here, ["logs", "demo", await afterLoss()]);
  assert.ok(log.includes(sum), log);
  // What the source does not give any more is named.
  const id = await afterLoss(() => sow(work, [["large", { kind: "file", content: "changed" }]]));
  await until("it says which chunk is missing", async () => {
    return (await ok(here, ["why", "demo", id])).includes(atHead.slice(-64));
  });
  await ok(here, ["cancel", "-y", "demo", id]);
  assert.match(await ok(here, ["exec", "demo", task]), /\d+ 7 large/);
});

test("a cancelled job waits for no tree, and down leaves nothing", async (t) => {
  const here = place(t);
  const work = join(here.folder, "work");
  sow(work, [["large", { kind: "file", content: noise(24 * 1024 * 1024, 5) }]]);
  const task = here.file("t.yaml", `workdir: ${work}\nrun: sleep 1000.25\n`);
  await ok(here, ["launch", "-y", "-d", "-c", "demo", "--cpus", "1", task]);
  await ok(here, ["exec", "-d", "demo", task]);
  await phaseReached(here, { cluster: "demo", id: 1 }, "RUNNING");
  await ok(here, ["cancel", "-y", "demo", "-a"]);
  const seen = await counts(here, "demo");
  assert.ok(seen.store.chunks > 0);
  // Somebody takes the head's store away: the next submit packs all anew.
  rmSync(join(here.home, "chunks"), { recursive: true, maxRetries: 5 });
  await ok(here, ["exec", "-d", "demo", task]);
  rmSync(join(here.home, "chunks"), { recursive: true, maxRetries: 5 });
  await ok(here, ["down", "-y", "demo"]);
  assert.deepEqual(readdirSync(join(here.home, "clusters")), []);
});
