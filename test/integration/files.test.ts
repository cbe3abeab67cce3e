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
  assert.match(await ok(here, ["logs", "demo", String(later), "--no-follow"]), /sky_workdirs\/\d+/);
  assert.ok(existsSync(join(home, `sky_workdirs/${second}/setup-was-here`)));
  // Nobody uses it any more.
  assert.match(await ok(here, ["exec", "demo", last]), /home\/sky_workdir\b(?!s)/);
});
