// What a real head writes down can be replayed, and holds no secret; and `npm run replay` says what
// today's code makes of it, and of the head's journal.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { jobOf, phaseReached, submit } from "../integration/jobs.ts";
import { checkout, isAlive, place, until } from "../support/programs.ts";

const here = place(undefined, { isolation: "embedded", config: "debug:\n  history: true\n" });
const life = join(import.meta.dirname, "0.1.0/life.jsonl");
const cluster = "two";
const secret = "a-value-that-nobody-may-see";

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  const done = await here.sky(["exec", cluster, "--secret", `TOKEN=${secret}`, "true"]);
  assert.equal(done.code, 0, done.stderr);
  const gang = here.file("gang.yaml", "num_nodes: 2\nrun: sleep 1000.75\n");
  const id = await submit(here, cluster, gang);
  await phaseReached(here, { cluster, id }, "RUNNING");
  // The next head goes on from what is on disk, and begins another file.
  const [head] = here.heads();
  assert.ok(head);
  process.kill(head.pid, "SIGKILL");
  await until("the head is gone", () => !isAlive(head.pid));
  assert.equal((await here.sky(["cancel", "-y", cluster, String(id)])).code, 0);
  assert.equal((await jobOf(here, cluster, id)).status, "CANCELLED");
  const [second] = here.heads();
  assert.ok(second);
  process.kill(second.pid, "SIGTERM");
  await until("it has ended", () => !isAlive(second.pid));
});
after(() => here.close());

function replayed(file: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(checkout, "test/replay/main.ts"), file],
    { encoding: "utf8" },
  );
  return { status, said: stdout + stderr };
}

test("each start of a head writes a history that replays to the same end", () => {
  const folder = join(here.home, "clusters", cluster);
  for (const [name, job] of [
    ["history.1.jsonl", /^ {2}2 RUNNING running 1 - head:open worker1:open$/m],
    ["history.jsonl", /^ {2}2 CANCELLED ended 1 cancelled-by-user head:stopped worker1:stopped$/m],
  ] as const) {
    const { status, said } = replayed(join(folder, name));
    assert.equal(status, 0, said);
    assert.match(said, job);
    assert.match(said, /every turn comes to what it came to then/);
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.ok(!readFileSync(join(folder, name), "utf8").includes(secret), "no secret is in it");
  }
});

test("a journal is read from a copy: its jobs, and what would be done first", () => {
  const journal = join(here.home, "head/journal.db");
  const before = readFileSync(journal);
  const { status, said } = replayed(journal);
  assert.equal(status, 0, said);
  assert.match(said, /^two: 2 jobs on 2 nodes$/m);
  assert.match(said, /^ {2}1 SUCCEEDED ended 1 all-ranks-exited-0 head:code-0$/m);
  assert.match(said, /^ {2}would report-inventory to worker1\/agent$/m);
  assert.ok(readFileSync(journal).equals(before), "it is as it was");
});

test("a turn that comes to something else is shown, and is a failure", () => {
  const altered = join(here.folder, "altered.jsonl");
  const lines = readFileSync(life, "utf8").split("\n");
  const at = lines.findIndex((line) => line.includes("prepare 1-1-run-0 to head/agent"));
  writeFileSync(
    altered,
    lines.with(at, (lines[at] ?? "").replace("to head/", "to worker9/")).join("\n"),
  );
  const { status, said } = replayed(altered);
  assert.equal(status, 1);
  assert.match(said, new RegExp(`^line ${at + 1} comes to something else`, "m"));
  assert.match(said, /then .*worker9.*now .*prepare 1-1-run-0 to head/s);
});

test("npm run replay is that program, and says how it is used", () => {
  const { scripts } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  assert.equal(scripts["replay"], "node test/replay/main.ts");
  const { status } = spawnSync(process.execPath, [join(checkout, "test/replay/main.ts")]);
  assert.equal(status, 2);
  assert.ok(
    execFileSync(process.execPath, [join(checkout, "test/replay/main.ts"), life]).length > 0,
  );
});
