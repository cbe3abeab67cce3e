// Setup: on every node of the cluster, after its resources are held, and what it leaves for `run`.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { place, until } from "../support/programs.ts";
import { jobOf, nodeHomes, phaseReached } from "./jobs.ts";

const here = place(undefined);
const cluster = "three";

before(async () => {
  const launch = ["launch", "-y", "-c", cluster, "--num-nodes", "3", "--cpus", "1"];
  const up = await here.sky([...launch, "--gpus", "V100:1"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

function yaml(name: string, ...lines: readonly string[]): string {
  return here.file(`${name}.yaml`, `${lines.join("\n")}\n`);
}

test("it runs on all nodes and sees no device; run sees its exports", async () => {
  const file = yaml(
    "env",
    "envs:",
    "  OWN: 'a b'",
    "resources:",
    "  accelerators: V100:1",
    "setup: |",
    '  echo "setup on $(env | grep -cE "^CUDA_VISIBLE_DEVICES=") devices, own $OWN"',
    "  env | grep -oE '^SKY[A-Z_]*' | sort | tr '\\n' ' '; echo",
    "  echo 'export LEFT_BY_SETUP=here' >>~/.bashrc",
    'run: echo "run $LEFT_BY_SETUP on $SKYPILOT_NUM_GPUS_PER_NODE, $CUDA_VISIBLE_DEVICES, $OWN"',
  );
  const { code, stdout, stderr } = await here.sky(["launch", "-y", "-c", cluster, file]);
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stdout.match(/setup on 0 devices, own a b/g)?.length, 3, stdout);
  const names =
    "SKYPILOT_SETUP_NODE_IPS SKYPILOT_SETUP_NODE_RANK SKYPILOT_SETUP_NUM_GPUS_PER_NODE " +
    "SKYPILOT_TASK_ID";
  assert.equal(stdout.split(names).length, 4, stdout);
  assert.match(stdout, /run here on 1, 0, a b/);
});

test("what waits for resources is PENDING: setup begins when they are held", async () => {
  const gate = join(here.folder, "gate");
  const head = ["num_nodes: 3", "resources:", "  cpus: 1"];
  const first = yaml("holds", ...head, `run: until [ -e ${gate} ]; do sleep 0.1; done`);
  const second = yaml("waits", ...head, "setup: echo set-up", "run: echo ran");
  assert.equal((await here.sky(["launch", "-y", "-d", "-c", cluster, first])).code, 0);
  const { id: holds } = await jobOf(here, cluster);
  await phaseReached(here, { cluster, id: holds }, "RUNNING");
  assert.equal((await here.sky(["launch", "-y", "-d", "-c", cluster, second])).code, 0);
  const { id, status } = await jobOf(here, cluster);
  assert.equal(status, "PENDING");
  writeFileSync(gate, "");
  await phaseReached(here, { cluster, id }, "SUCCEEDED");
});

test("a failed one names its nodes with their codes; why shows the last lines", async () => {
  const file = yaml(
    "fails",
    "setup: |",
    "  for line in $(seq 1 30); do echo line $line; done",
    '  if [ "$SKYPILOT_SETUP_NODE_RANK" = 1 ]; then exit 3; fi',
    "  sleep 300",
    "run: echo never",
  );
  const { code, stdout } = await here.sky(["launch", "-y", "-c", cluster, file]);
  assert.equal(code, 100, stdout);
  assert.doesNotMatch(stdout, /never/);
  const { id, status } = await jobOf(here, cluster);
  assert.equal(status, "FAILED_SETUP");
  const why = await here.sky(["why", cluster, String(id)]);
  assert.match(why.stdout, /FAILED_SETUP: setup on worker1 exited with 3\./);
  assert.match(why.stdout, /setup: head was stopped .*worker1 exited with 3, worker2 was stopped/);
  const shown = why.stdout.split("The last lines of the setup on worker1:\n")[1] ?? "";
  const expected = Array.from({ length: 10 }, (_, at) => `  line ${at + 21}`);
  assert.deepEqual(shown.split("\n").slice(0, 10), expected);
});

test("--no-setup leaves it out, and exec never runs it", async () => {
  const file = yaml("both", "setup: echo set-up", "run: echo ran");
  for (const args of [
    ["launch", "-y", "--no-setup", "-c", cluster],
    ["exec", cluster],
  ]) {
    const { code, stdout } = await here.sky([...args, file]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /ran/);
    assert.doesNotMatch(stdout, /set-up/);
  }
});

test("files of a launch are on every node, whatever runs where, and if nothing runs", async () => {
  const workdir = join(here.folder, "work");
  mkdirSync(workdir);
  const homes = await nodeHomes(here, cluster);
  const seen = (name: string): readonly boolean[] =>
    homes.map((home) => existsSync(join(home, "sky_workdir", name)));
  writeFileSync(join(workdir, "one"), "1");
  const one = yaml("one", `workdir: ${workdir}`, "run: cat one; echo");
  const ran = await here.sky(["launch", "-y", "-c", cluster, one]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.deepEqual(seen("one"), [true, true, true]);

  writeFileSync(join(workdir, "two"), "2");
  const nothing = yaml("nothing", `workdir: ${workdir}`);
  const synced = await here.sky(["launch", "-y", "-c", cluster, nothing]);
  assert.equal(synced.code, 0, synced.stdout + synced.stderr);
  assert.deepEqual(seen("two"), [true, true, true]);
  assert.equal((await jobOf(here, cluster)).status, "SUCCEEDED");

  writeFileSync(join(workdir, "three"), "3");
  const executed = await here.sky(["exec", cluster, one]);
  assert.equal(executed.code, 0, executed.stdout);
  await until("it is on the job's node", () => seen("three").includes(true));
  assert.equal(seen("three").filter((is) => is).length, 1, "exec: only where the job runs");
  const { ranks } = await jobOf(here, cluster);
  assert.equal(ranks.length, 1);
  assert.equal(readFileSync(join(workdir, "three"), "utf8"), "3");
});

test("file mounts of a launch are on every node; exec finds those of before", async () => {
  const source = here.file("data/table.txt", "first\n");
  const lines = ["file_mounts:", `  ~/data: ${join(here.folder, "data")}`];
  const file = yaml("mounts", ...lines, "run: cat ~/data/table.txt");
  const launched = await here.sky(["launch", "-y", "-c", cluster, file]);
  assert.equal(launched.code, 0, launched.stdout + launched.stderr);
  assert.match(launched.stdout, /first/);
  const homes = await nodeHomes(here, cluster);
  const onNode = (home: string): string => readFileSync(join(home, "data/table.txt"), "utf8");
  assert.deepEqual(homes.map(onNode), ["first\n", "first\n", "first\n"]);
  writeFileSync(source, "second\n");
  const executed = await here.sky(["exec", cluster, file]);
  assert.equal(executed.code, 0, executed.stdout + executed.stderr);
  assert.match(executed.stdout, /first/);
  assert.deepEqual(homes.map(onNode), ["first\n", "first\n", "first\n"]);
});
