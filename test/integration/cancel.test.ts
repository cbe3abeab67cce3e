// Cancel: in every phase, idempotent, proven, and never somebody else's job.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place, processesOf, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "two", "--num-nodes", "2", "--cpus", "1"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

const whole = "num_nodes: 2\nresources:\n  cpus: 1\n";

test("a pending job is cancelled before it starts, and the one before it runs on", async () => {
  const runs = await submit(here, "two", here.file("runs.yaml", `${whole}run: sleep 300\n`));
  await phaseReached(here, { cluster: "two", id: runs }, "RUNNING");
  const waits = await submit(here, "two", here.file("waits.yaml", `${whole}run: echo never\n`));
  assert.equal((await here.sky(["cancel", "-y", "two", String(waits)])).code, 0);
  const cancelled = await jobOf(here, "two", waits);
  assert.equal(cancelled.status, "CANCELLED");
  assert.equal(cancelled.startedAt, undefined);
  assert.equal((await jobOf(here, "two", runs)).status, "RUNNING");
  assert.equal((await here.sky(["cancel", "-y", "two", String(runs)])).code, 0);
});

test("a job that is setting up is cancelled and its setup ends", async () => {
  const mark = `${here.folder}/setting-up`;
  const yaml = `${whole}envs:\n  MARK: ${mark}\nsetup: sleep 300\nrun: echo never\n`;
  const launch = here.start(["launch", "-y", "-d", "-c", "two", here.file("setup.yaml", yaml)]);
  assert.equal((await launch.ended).code, 0);
  const { id } = await jobOf(here, "two");
  await phaseReached(here, { cluster: "two", id: id }, "SETTING_UP");
  await until("its processes are there", () => processesOf(mark).length > 0);
  assert.equal((await here.sky(["cancel", "-y", "two", String(id)])).code, 0);
  assert.equal((await jobOf(here, "two", id)).status, "CANCELLED");
  assert.deepEqual(processesOf(mark), []);
});

test("a running job leaves nothing: setsid, nohup, double fork, env -i, chdir", async () => {
  const mark = `${here.folder}/survivors`;
  const run = [
    "name: survivors",
    "num_nodes: 2",
    "config:",
    "  grace_seconds: 3",
    "envs:",
    `  MARK: ${mark}`,
    "run: |",
    "  trap '' TERM",
    "  setsid sleep 1001 &",
    "  nohup sleep 1002 >/dev/null 2>&1 &",
    "  (setsid bash -c 'sleep 1003 & disown' &)",
    "  (cd / && setsid nohup sleep 1004 >/dev/null 2>&1 </dev/null &)",
    `  (cd / && env -i setsid sleep 1005.${process.pid} >/dev/null 2>&1 </dev/null &)`,
    "  echo ready",
    "  sleep 1006",
  ];
  const config = here.file("survivors.yaml", `${run.join("\n")}\n`);
  const id = await submit(here, "two", config);
  await until("both ranks are ready", async () => {
    const { stdout } = await here.sky(["logs", "two", String(id), "--no-follow"]);
    return stdout.match(/ready/g)?.length === 2;
  });
  const cancel = await here.sky(["cancel", "-y", "two", String(id)], { timeoutMs: 90_000 });
  assert.equal(cancel.code, 0, cancel.stderr);
  assert.equal((await jobOf(here, "two", id)).status, "CANCELLED");
  assert.deepEqual(processesOf(mark), []);
  assert.deepEqual(processesOf(`1005.${process.pid}`), [], "env -i hides nothing");
  const { stdout } = await here.sky(["why", "two", String(id)]);
  assert.match(stdout, /0 (are |were )?(left|survivors)|no survivors|survivors(:|=)? ?0/i, stdout);
});

test("a job that is over keeps its outcome, and cancel says so", async () => {
  const id = await submit(here, "two", "exit 0");
  await phaseReached(here, { cluster: "two", id: id }, "SUCCEEDED");
  const cancel = await here.sky(["cancel", "-y", "two", String(id)]);
  assert.equal(cancel.code, 0, cancel.stderr);
  assert.equal((await jobOf(here, "two", id)).status, "SUCCEEDED");
});

test("cancel -a ends them all", async () => {
  const ids = [await submit(here, "two", "sleep 300"), await submit(here, "two", "sleep 300")];
  assert.equal((await here.sky(["cancel", "-y", "-a", "two"])).code, 0);
  for (const id of ids) assert.equal((await jobOf(here, "two", id)).status, "CANCELLED");
  assert.equal((await here.sky(["logs", "two", String(ids[0])])).code, 103);
});
