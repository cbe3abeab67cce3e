// One rank of four fails: the job is FAILED, the first failing rank is named, nothing is left.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place, processesOf } from "../support/programs.ts";
import { jobOf } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "four", "--num-nodes", "4", "--cpus", "4"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

test("one rank of four exits 7 while the others sleep", async () => {
  const run = [
    "name: one-fails",
    "num_nodes: 4",
    "envs:",
    `  LEFT: ${here.folder}/left-behind`,
    "run: |",
    "  setsid sleep 1000.25 &",
    // Who is stopped before it started has no exit code.
    '  if [ "$SKYPILOT_NODE_RANK" = 2 ]; then',
    `    until [ "$(ls ${here.folder} | grep -c '^up-')" = 3 ]; do sleep 0.02; done`,
    "    exit 7",
    "  fi",
    `  touch ${here.folder}/up-$SKYPILOT_NODE_RANK`,
    "  sleep 1000.25",
  ];
  const { code, stdout, stderr } = await here.sky(
    ["exec", "four", here.file("one-fails.yaml", `${run.join("\n")}\n`)],
    { timeoutMs: 90_000 },
  );
  assert.equal(code, 100, stdout + stderr);
  const job = await jobOf(here, "four");
  assert.equal(job.status, "FAILED");
  assert.deepEqual(
    job.ranks.map((rank) => rank.exitCode),
    [137, 137, 7, 137],
  );
  const left = processesOf(`${here.folder}/left-behind`);
  assert.deepEqual(left, [], "no process of the job is left");
  assert.equal((await here.sky(["logs", "four", String(job.id)])).code, 100);
});

test("why names rank, node, exit code and that the peers were stopped", async () => {
  const job = await jobOf(here, "four");
  const { code, stdout } = await here.sky(["why", "four", String(job.id)]);
  assert.equal(code, 0);
  assert.match(stdout, /rank 2/);
  assert.match(stdout, /worker2/);
  assert.match(stdout, /exit(ed)?( with)?( code)? 7/);
  assert.match(stdout, /peers were stopped/);
});

test("a failing setup is FAILED_SETUP and runs nothing", async () => {
  const text = "num_nodes: 2\nsetup: |\n  echo preparing; exit 3\nrun: echo never\n";
  const { code, stdout, stderr } = await here.sky([
    "launch",
    "-y",
    "-c",
    "four",
    here.file("setup-fails.yaml", text),
  ]);
  assert.equal(code, 100, stdout + stderr);
  const job = await jobOf(here, "four");
  assert.equal(job.status, "FAILED_SETUP");
  assert.doesNotMatch(stdout, /never/);
  assert.match(stdout, /preparing/);
  const why = await here.sky(["why", "four", String(job.id)]);
  assert.match(why.stdout, /exit(ed)?( with)?( code)? 3/);
});

test("a setup that works is followed by the run; exec skips it", async () => {
  const file = here.file("setup.yaml", "setup: echo made-ready\nrun: echo did-run\n");
  const launched = await here.sky(["launch", "-y", "-c", "four", file]);
  assert.equal(launched.code, 0, launched.stderr);
  assert.match(launched.stdout, /made-ready/);
  assert.match(launched.stdout, /did-run/);
  const executed = await here.sky(["exec", "four", file]);
  assert.equal(executed.code, 0);
  assert.doesNotMatch(executed.stdout, /made-ready/);
});
