// The environment that `run` and `setup` see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceIds } from "../../model/resources.ts";
import type { EnvInput } from "../../scheduler/env.ts";
import { runEnv, setupEnv } from "../../scheduler/env.ts";
import { task } from "../sim/scheduler-world.ts";

const input: EnvInput = {
  cluster: "demo",
  job: 7,
  submittedAt: Date.UTC(2026, 0, 31, 12, 5, 9, 123),
  task: task({ envs: { SKYPILOT_JOB_ID: "mine", SKYPILOT_NODE_RANK: "9", TEXT: "a b\n'\"$x é" } }),
  ips: ["10.0.0.1", "10.0.0.2"],
  rank: 1,
};
const none = { devices: [], nodeHasDevices: false };
const accelerators = { name: "V100", count: 1.5 };

test("a rank sees the names that SkyPilot promises", () => {
  const env = runEnv({ ...input, ...none });
  const id = "sky-2026-01-31-12-05-09-123000_demo_id-7";
  assert.deepEqual(env, {
    SKYPILOT_TASK_ID: id,
    SKYPILOT_JOB_ID: "mine",
    SKYPILOT_INTERNAL_JOB_ID: "7",
    SKY_INTERNAL_JOB_ID: "7",
    SKYPILOT_NODE_IPS: "10.0.0.1\n10.0.0.2",
    SKY_NODE_IPS: "10.0.0.1\n10.0.0.2",
    SKYPILOT_NUM_NODES: "2",
    SKYPILOT_NODE_RANK: "1",
    SKY_NODE_RANK: "1",
    SKYPILOT_NUM_GPUS_PER_NODE: "0",
    SKY_NUM_GPUS_PER_NODE: "0",
    TEXT: "a b\n'\"$x é",
  });
});

test("devices are named; a fraction counts as one", () => {
  const devices = [{ index: 3, share: 0.5 }];
  const half = task({ resources: { accelerators: { ...accelerators, count: 0.5 } } });
  const env = runEnv({ ...input, task: half, devices, nodeHasDevices: true });
  assert.equal(env["CUDA_VISIBLE_DEVICES"], "3");
  assert.equal(env["SKYPILOT_NUM_GPUS_PER_NODE"], "1");
});

test("a job without devices is kept off those of others, unless it says so itself", () => {
  const plain = runEnv({ ...input, devices: [], nodeHasDevices: true });
  assert.equal(plain["CUDA_VISIBLE_DEVICES"], "");
  const own = task({ envs: { CUDA_VISIBLE_DEVICES: "1" } });
  const env = runEnv({ ...input, task: own, devices: [], nodeHasDevices: true });
  assert.equal(env["CUDA_VISIBLE_DEVICES"], "1");
  assert.equal("CUDA_VISIBLE_DEVICES" in runEnv({ ...input, ...none }), false);
});

test("setup sees the user's variables, its node, and no device", () => {
  const gpu = task({
    envs: { A: "1" },
    resources: { accelerators: { ...accelerators, count: 2 } },
  });
  const env = setupEnv({ ...input, task: gpu });
  assert.equal(env["A"], "1");
  assert.equal(env["SKYPILOT_SETUP_NODE_RANK"], "1");
  assert.equal(env["SKYPILOT_SETUP_NODE_IPS"], "10.0.0.1\n10.0.0.2");
  assert.equal("CUDA_VISIBLE_DEVICES" in env, false);
  assert.equal("SKYPILOT_NODE_RANK" in env, false);
});

test("devices are known by what their machine calls them, in the order of the ledger", () => {
  const accelerators = [
    { name: "A100", count: 2, ids: [3, 1] },
    { name: "V100", count: 2 },
    { name: "T4", count: 0, ids: [] },
    { name: "H100", count: 1, ids: [7] },
  ];
  assert.deepEqual(deviceIds({ accelerators }), [3, 1, 2, 3, 7]);
});
