// Accelerators: fractions share a device, whole ones do not, and each job is told its devices.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const args = ["launch", "-y", "-c", "gpu", "--gpus", "V100:1", "--cpus", "4"];
  const up = await here.sky(args);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

const task = (gpus: string, run: string) =>
  here.file(`${gpus}.yaml`, `resources:\n  accelerators: ${gpus}\nrun: ${run}\n`);

test("two jobs of V100:0.5 run together and a third waits", async () => {
  const first = await submit(here, "gpu", task("V100:0.5", "sleep 300"));
  const second = await submit(here, "gpu", task("V100:0.5", "sleep 300"));
  await phaseReached(here, { cluster: "gpu", id: first }, "RUNNING");
  await phaseReached(here, { cluster: "gpu", id: second }, "RUNNING");
  const third = await submit(here, "gpu", task("V100:0.5", "echo third"));
  assert.equal((await jobOf(here, "gpu", third)).status, "PENDING");
  await here.sky(["cancel", "-y", "gpu", String(first)]);
  await phaseReached(here, { cluster: "gpu", id: third }, "SUCCEEDED");
  await here.sky(["cancel", "-y", "gpu", String(second)]);
});

test("a job is told its device and how many it has", async () => {
  const run = "echo D=$CUDA_VISIBLE_DEVICES N=$SKYPILOT_NUM_GPUS_PER_NODE";
  const half = await here.sky(["exec", "gpu", task("V100:0.5", run)]);
  assert.match(half.stdout, /D=0 N=1/);
  const whole = await here.sky(["exec", "gpu", "--gpus", "V100:1", run]);
  assert.match(whole.stdout, /D=0 N=1/);
});

test("a job without accelerators sees none", async () => {
  const { stdout } = await here.sky(["exec", "gpu", "echo N=$SKYPILOT_NUM_GPUS_PER_NODE"]);
  assert.match(stdout, /N=0/);
});

test("more devices than a node has are refused with the nearest shape", async () => {
  const refused = await here.sky(["exec", "gpu", "--gpus", "V100:8", "true"]);
  assert.equal(refused.code, 2, refused.stdout);
  assert.match(refused.stderr, /V100:8/);
  assert.match(refused.stderr, /V100:1/);
});
