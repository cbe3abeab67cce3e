// Workdirs and file mounts together, from a task file to what jobs read: the real programs, in both
// isolations.
//
// Absolute destinations are below the test's own folder. What a job finds is compared with its
// source, bit by bit; what is left when a cluster is gone, is nothing.

import assert from "node:assert/strict";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isolation, type Place, place, until } from "../support/programs.ts";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const odd: SownEntries = [
  ["run.sh", { kind: "file", content: "#!/bin/sh\necho ran\n", mode: 0o755 }],
  [Buffer.from([0xff, 0xfe, 0x0a]), { kind: "file", content: "raw", mode: 0o600 }],
  ["a b\nc", { kind: "file", content: "" }],
  ["dangling", { kind: "link", target: "/nowhere" }],
  ["empty", { kind: "folder", entries: [], mode: 0o700 }],
];

const ignoring: SownEntries = [
  [".gitignore", { kind: "file", content: "*.log\nbuilt/\n!kept.log\n" }],
  ["a.log", { kind: "file", content: "" }],
  ["kept.log", { kind: "file", content: "" }],
  ["built", { kind: "folder", entries: [["x", { kind: "file", content: "" }]] }],
];

function homes(here: Place): readonly string[] {
  const nodes = join(here.home, "clusters/demo/nodes");
  return readdirSync(nodes).map((node) => join(nodes, node, "home"));
}

async function ok(here: Place, args: readonly string[], timeoutMs = 60_000): Promise<string> {
  const { code, stdout, stderr } = await here.sky(args, { timeoutMs });
  assert.equal(code, 0, `sky ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

test("files and folders are where the task says, on every node, and go with them", async (t) => {
  const here = place(t);
  const { folder } = here;
  const [work, source] = [join(folder, "work"), join(folder, "source")];
  sow(work, [["in workdir", { kind: "file", content: "w" }]]);
  sow(source, [
    ["tree one", { kind: "folder", entries: odd }],
    ["file one", { kind: "file", content: "content", mode: 0o640 }],
    ["ignoring", { kind: "folder", entries: ignoring }],
  ]);
  const outside = join(folder, "out side");
  const task = here.file(
    "t.yaml",
    `workdir: ${work}
num_nodes: 2
resources: {cpus: 1}
file_mounts:
  data/tree one: ${source}/tree one
  ~/home tree: ${source}/tree one
  ${outside}/a/tree: ${source}/tree one
  conf.txt: ${source}/file one
  ~/ignoring: ${source}/ignoring
  ~/deep/er/conf.txt: ${source}/file one
  ${outside}/conf.txt: ${source}/file one
setup: |
  sh "data/tree one/run.sh" && echo changed >> conf.txt && echo made > ~/made
run: |
  cat conf.txt ~/made "${outside}/conf.txt"; sh "${outside}/a/tree/run.sh"; ls
`,
  );
  const log = await ok(here, ["launch", "-y", "-c", "demo", task]);
  for (const line of ["contentchanged", "made", "ran", "in workdir"]) {
    assert.ok(log.includes(line), `${line}: ${log}`);
  }
  const tree = treeSeen(join(source, "tree one"));
  for (const home of homes(here)) {
    assert.deepEqual(treeSeen(join(home, "sky_workdir/data/tree one")), tree);
    assert.deepEqual(treeSeen(join(home, "home tree")), tree);
    assert.equal(readFileSync(join(home, "deep/er/conf.txt"), "utf8"), "content");
    assert.deepEqual(readdirSync(join(home, "ignoring")).sort(), [".gitignore", "kept.log"]);
    assert.equal(statSync(join(home, "deep/er/conf.txt")).mode & 0o777, 0o640);
  }
  assert.deepEqual(treeSeen(join(outside, "a/tree")), tree);
  assert.match(readlinkSync(join(outside, "a/tree")), /nodes\/\w+\/home\/\.sky\/file_mounts\//);

  // An exec brings the workdir alone, and finds what the launch brought.
  writeFileSync(join(work, "in workdir"), "new");
  rmSync(source, { recursive: true });
  const run = here.file("e.yaml", `workdir: ${work}\nrun: cat "in workdir" conf.txt\n`);
  assert.match(await ok(here, ["exec", "demo", run]), /newcontentchanged/);
  await ok(here, ["down", "-y", "demo"]);
  assert.equal(existsSync(outside), false);
  assert.ok(existsSync(work));
});

test("what is there and of another kind is named and stays; the job waits for it", async (t) => {
  const here = place(t);
  const { folder } = here;
  sow(join(folder, "source"), [["x", { kind: "file", content: "ours" }]]);
  const destination = join(folder, "there");
  sow(destination, [["x", { kind: "file", content: "theirs" }]]);
  const text = `file_mounts:\n  ${destination}: ${folder}/source\nrun: cat ${destination}/x\n`;
  const task = here.file("t.yaml", text);
  await ok(here, ["launch", "-y", "-d", "-c", "demo", "--cpus", "1", task]);
  await until("it says what is in the way", async () => {
    const { waitingFor = "" } = await jobOf(here, "demo");
    return waitingFor.includes(`the file mount ${destination}: a folder is there already`);
  });
  assert.equal(readFileSync(join(destination, "x"), "utf8"), "theirs");
  // It is the job's own doing: others get the node at once.
  const other = here.file("o.yaml", "run: echo others run\n");
  assert.match(await ok(here, ["exec", "demo", other]), /others run/);
  rmSync(destination, { recursive: true });
  assert.match(await ok(here, ["logs", "demo", "1"]), /ours/);
});

const filesEach = 300;

function version(text: string): SownEntries {
  return Array.from({ length: filesEach }, (_, at) => {
    return [`file ${at}`, { kind: "file", content: `${text} ${at}\n` }] as const;
  });
}

/** A job of a version: it reads all files again and again, until it may go. */
function readingJob(folder: string, name: string): string {
  const run = `reads=0
while :; do
  for at in $(seq 0 ${filesEach - 1}); do
    for place in . data; do
      [ "$(<"$place/file $at")" = "$VERSION $at" ] || { echo "WRONG $place $at"; exit 7; }
    done
  done
  reads=$((reads + 1)); touch "${folder}/read-$VERSION-$SKYPILOT_TASK_ID"
  [ -e ${folder}/go ] && break
done
pwd; echo "read $reads"`;
  return `workdir: ${folder}/work-${name}
file_mounts: {data: ${folder}/work-${name}}
resources: {cpus: 0.5}
envs: {VERSION: ${name}}
setup: '[ "$(<"file 0")" = "$VERSION 0" ] && pwd > setup-was-here'
run: |
${run.replaceAll(/^/gm, "  ")}
`;
}

test("jobs of two versions at once read their own, from start to end", async (t) => {
  const here = place(t);
  const { folder } = here;
  await ok(here, ["launch", "-y", "-c", "demo", "--cpus", "4", "true"]);
  const ids: number[] = [];
  for (const name of ["one", "two", "one", "three"]) {
    const work = join(folder, `work-${name}`);
    if (!existsSync(work)) sow(work, version(name));
    const task = here.file("t.yaml", readingJob(folder, name));
    await ok(here, ["launch", "-y", "-d", "-c", "demo", task]);
    const { id } = await jobOf(here, "demo");
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    ids.push(id);
  }
  const reading = (): number => readdirSync(folder).filter((one) => one.startsWith("read-")).length;
  await until("all have read all", () => reading() === 4, { deadlineMs: 60_000 });
  if (isolation === "process") {
    // The next agent must know who uses what.
    const skylet = here.processes().find(({ command }) => /skylet(-main)?\.(js|ts)/.test(command));
    assert.ok(skylet !== undefined);
    process.kill(skylet.pid, "SIGKILL");
  }
  const work = join(folder, "work-three");
  writeFileSync(join(work, "file 0"), "four\n");
  const last = here.file("u.yaml", `workdir: ${work}\nrun: pwd\n`);
  const later = await submit(here, "demo", last);
  await phaseReached(here, { cluster: "demo", id: later }, "SUCCEEDED");
  writeFileSync(join(folder, "go"), "");
  const [home = ""] = homes(here);
  const seen: string[] = [];
  for (const id of ids) {
    await phaseReached(here, { cluster: "demo", id }, "SUCCEEDED");
    const log = await ok(here, ["logs", "demo", String(id), "--no-follow"]);
    seen.push(/home\/(sky_workdir\S*)/.exec(log)?.[1] ?? log);
  }
  const [first, second, , fourth] = ids;
  assert.ok(first !== undefined);
  const own = [second, fourth].map((id) => `sky_workdirs/${id}`);
  assert.deepEqual(seen, ["sky_workdir", own[0], "sky_workdir", own[1]]);
  const other = `~/sky_workdirs/${second}: job ${first} uses another version in ~/sky_workdir`;
  const why = await ok(here, ["why", "demo", String(second)]);
  assert.ok(why.includes(`setup on head runs in ${other}`), why);
  assert.ok(why.includes(`rank 0 on head runs in ~/sky_workdirs/${second}`), why);
  assert.ok(!(await ok(here, ["why", "demo", String(first)])).includes("runs in"));
  assert.match(await ok(here, ["logs", "demo", String(later), "--no-follow"]), /sky_workdirs\/\d+/);
  assert.ok(existsSync(join(home, `sky_workdirs/${second}/setup-was-here`)));
  // Nobody uses it any more.
  assert.match(await ok(here, ["exec", "demo", last]), /home\/sky_workdir\b(?!s)/);
});

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

test("a mount that is cut off by `kill -9` goes on and is whole", async (t) => {
  const here = place(t);
  const source = join(here.folder, "source");
  sow(source, [
    ...Array.from({ length: 200 }, (_, at) => {
      return [`file ${at}`, { kind: "file", content: noise(40_000, at + 1) }] as const;
    }),
    ["large", { kind: "file", content: noise(24 * 1024 * 1024, 7) }],
  ]);
  const before = treeSeen(source);
  await ok(here, ["launch", "-y", "-c", "demo", "--num-nodes", "2", "--cpus", "4", "true"]);
  const text = `num_nodes: 2\nfile_mounts: {~/data: ${source}}\nrun: ls ~/data | wc -l\n`;
  await ok(here, ["launch", "-y", "-d", "-c", "demo", here.file("t.yaml", text)]);
  const { id } = await jobOf(here, "demo");
  const isOnItsWay = (home: string): boolean =>
    existsSync(join(home, "data")) || readdirSync(join(home, "..")).includes("chunks");
  await until("it is on its way", () => homes(here).some(isOnItsWay));
  const skylets = here.processes().filter(({ command }) => /skylet(-main)?\.(js|ts)/.test(command));
  for (const { pid } of skylets.slice(0, 1)) process.kill(pid, "SIGKILL");
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const log = await here.sky(["logs", "demo", String(id)], { timeoutMs: 120_000 });
  assert.match(log.stdout, /201/, log.stdout + log.stderr);
  for (const home of homes(here)) assert.deepEqual(treeSeen(join(home, "data")), before);
});

test("a flipped bit in a node's store is healed for a mount too", async (t) => {
  const here = place(t);
  writeFileSync(join(here.folder, "large"), noise(8 * 1024 * 1024, 3));
  const text = `file_mounts: {~/large: ${here.folder}/large}\nrun: cksum < ~/large\n`;
  const task = here.file("t.yaml", text);
  const launch = ["launch", "-y", "-c", "demo", "--cpus", "1", task];
  const [sum] = /\d+ 8388608/.exec(await ok(here, launch)) ?? [];
  assert.ok(sum);
  const [home = ""] = homes(here);
  // Embedded nodes have no store but the head's: it has its chunks from the source.
  const shared = join(here.home, "chunks");
  const chunks = largeChunks(isolation === "embedded" ? shared : join(home, "../chunks"));
  assert.ok(chunks.length > 0);
  for (const path of chunks) {
    const bytes = readFileSync(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
  }
  rmSync(join(home, "large"));
  assert.ok((await ok(here, launch)).includes(sum));
});

function largeChunks(store: string): readonly string[] {
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => statSync(path).size > 1_000_000);
}
