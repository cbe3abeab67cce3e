// What the head refuses whoever asks, and the words in which it says so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newRecord } from "../../clouds/cluster-record.ts";
import { isSkyError } from "../../model/errors.ts";
import { leaseMsMin } from "../../model/lease.ts";
import type { FileMount, Task } from "../../model/task.ts";
import { graceMsMax } from "../../model/task.ts";
import { encodeEnvelope } from "../../proto/envelope.ts";
import { busPayloadBytesMax } from "../../runtime/bus.ts";
import { autostopSetting } from "../../scheduler/autostop-setting.ts";
import { runEnv } from "../../scheduler/env.ts";
import { headOf, jobOf, recordOf, upHeadOf } from "../../scheduler/lookup.ts";
import {
  clusterNameProblem,
  lengthProblem,
  mountsMax,
  mountsTextBytesMax,
  nodeCountProblem,
  nodesMax,
  submissionProblem,
  tasksMax,
  taskTextBytesMax,
  variableBytesMax,
} from "../../scheduler/submission.ts";

const task: Task = {
  numNodes: 1,
  resources: {},
  envs: {},
  secrets: {},
  run: "true",
  priority: 0,
  maxRestarts: 0,
};

function mount(destination: string, source = "/s"): FileMount {
  return { destination, source };
}

function mountsOf(count: number): readonly FileMount[] {
  return Array.from({ length: count }, (_, index) => mount(`x${index}`));
}

test("a task in order passes; anything else is named by its field", () => {
  const rows: readonly (readonly [Partial<Task>, string | undefined])[] = [
    [{}, undefined],
    [{ workdir: "/w", name: "train-1", envs: { A: "é\n$" }, numNodes: 4 }, undefined],
    [{ resources: { accelerators: { name: "V100", count: 0.5 } } }, undefined],
    [{ resources: { accelerators: { name: "V100", count: 4 } } }, undefined],
    [{ resources: { accelerators: { name: "V100", count: 1.5 } } }, "tasks[0].accelerators"],
    [{ resources: { accelerators: { name: "V100", count: 0 } } }, "tasks[0].accelerators"],
    [{ resources: { cpus: { amount: 0, orMore: false } } }, "tasks[0].cpus"],
    [{ resources: { memoryGb: { amount: Number.NaN, orMore: true } } }, "tasks[0].memory"],
    [{ numNodes: 0 }, "tasks[0].num_nodes"],
    [{ numNodes: 1.5 }, "tasks[0].num_nodes"],
    [{ name: "Train!" }, "tasks[0].name"],
    [{ workdir: "relative" }, "tasks[0].workdir"],
    [{ fileMounts: [mount("~/x"), mount("/a b/c"), mount("d/é")] }, undefined],
    ...["", "~", "/", "~/x/", "a//b", "../x", "/a/../b", "~/./x", "a\0b", "~/.sky/x"].map(
      (destination) => [{ fileMounts: [mount(destination)] }, "tasks[0].file_mounts"] as const,
    ),
    [{ fileMounts: [mount("x"), mount("x")] }, "tasks[0].file_mounts"],
    [{ fileMounts: [mount("x", "relative")] }, "tasks[0].file_mounts"],
    [{ fileMounts: [mount("x", "/a\0b")] }, "tasks[0].file_mounts"],
    [{ fileMounts: mountsOf(mountsMax) }, undefined],
    [{ fileMounts: mountsOf(mountsMax + 1) }, "tasks[0].file_mounts"],
    [{ fileMounts: [mount("x".repeat(mountsTextBytesMax))] }, undefined],
    [{ fileMounts: [mount("x".repeat(mountsTextBytesMax + 1))] }, "tasks[0].file_mounts"],
    [{ envs: { "A-B": "1" } }, "tasks[0].envs"],
    [{ secrets: { A: "a\0b" } }, "tasks[0].secrets"],
    [{ envs: { UID: "7" } }, "tasks[0].envs"],
    [{ secrets: { __skylet_word: "7" } }, "tasks[0].secrets"],
    [{ run: "a\0b" }, "tasks[0].run"],
    [{ maxRestarts: -1 }, "tasks[0].max_restarts"],
    [{ timeoutMs: 1, config: { graceMs: 0, leaseMs: 0 } }, undefined],
    [{ timeoutMs: 0 }, "tasks[0].timeout"],
    [{ timeoutMs: 1.5 }, "tasks[0].timeout"],
    [{ config: { graceMs: graceMsMax, leaseMs: leaseMsMin } }, undefined],
    [{ config: { graceMs: graceMsMax + 1 } }, "tasks[0].config.grace_seconds"],
    [{ config: { leaseMs: leaseMsMin - 1 } }, "tasks[0].config.lease_seconds"],
    [{ resources: { accelerators: { name: "V100", count: 2_000_000 } } }, "tasks[0].accelerators"],
    [{ resources: { accelerators: { name: "V\n", count: 1 } } }, "tasks[0].accelerators"],
    [{ envs: { A: "x".repeat(variableBytesMax - 3) } }, undefined],
    [{ envs: { A: "x".repeat(variableBytesMax - 2) } }, "tasks[0].envs"],
    [{ run: "é".repeat(taskTextBytesMax / 2), setup: "" }, undefined],
    [{ run: "é".repeat(taskTextBytesMax / 2), setup: "x" }, "tasks[0].run"],
  ];
  for (const [change, field] of rows) {
    const shown = JSON.stringify(change).slice(0, 200);
    assert.equal(submissionProblem([{ ...task, ...change }])?.field, field, shown);
  }
  assert.equal(submissionProblem([])?.field, "tasks");
  const many = new Array<Task>(tasksMax + 1).fill(task);
  assert.equal(submissionProblem(many)?.field, "tasks");
  assert.equal(lengthProblem("user", "é".repeat(5), 10), undefined);
  assert.equal(lengthProblem("user", "é".repeat(6), 10)?.field, "user");
  assert.equal(submissionProblem([task, { ...task, numNodes: 0 }])?.field, "tasks[1].num_nodes");
});

test("the largest task that is taken fits into one message to each of the most nodes", () => {
  const ips = Array.from({ length: nodesMax }, (_, at) => `127.1${at % 100}.1${at % 100}.100`);
  const largest = { ...task, run: "x".repeat(taskTextBytesMax) };
  const about = { cluster: "c".repeat(63), job: 2 ** 40, submittedAt: 0, task: largest, ips };
  const env = runEnv({ ...about, rank: 0, devices: [], nodeHasDevices: false });
  const spec = { taskName: "t", script: largest.run, env, secrets: {}, goWhenReady: false };
  const key = { job: 2 ** 40, attempt: 1, phase: "run", index: nodesMax } as const;
  const long = "x".repeat(mountsTextBytesMax / mountsMax - 4);
  const fileMounts = Array.from({ length: mountsMax }, (_, index) =>
    mount(`${long}${1_000 + index}`),
  );
  const tree = { digest: "ab".repeat(32), bytes: 2 ** 27 };
  const mounts = fileMounts.map(({ destination }) => {
    return { destination, tree, isFile: true, takers: nodesMax };
  });
  const message = encodeEnvelope({ kind: "prepare", key, spec: { ...spec, mounts } }, 1);
  assert.equal(submissionProblem([{ ...largest, fileMounts }]), undefined);
  assert.ok(message.length < busPayloadBytesMax, `${message.length} bytes`);
});

test("cluster names and node counts", () => {
  for (const name of ["a", "demo", "train-8x", "x1"]) {
    assert.equal(clusterNameProblem(name), undefined);
  }
  for (const name of ["", "Demo", "1a", "a-", "a.b", "_home", "a".repeat(64)]) {
    assert.equal(clusterNameProblem(name)?.field, "cluster", name);
  }
  assert.equal(nodeCountProblem(1), undefined);
  for (const count of [0, -1, 1.5, Number.NaN, 1e9]) assert.ok(nodeCountProblem(count));
});

test("autostop: seconds, negative to cancel", () => {
  assert.deepEqual(autostopSetting({ idleSeconds: 0.1, down: true }), {
    idleMs: 100,
    verb: "down",
  });
  assert.equal(autostopSetting({ idleSeconds: -1, down: false }), undefined);
  assert.throws(() => autostopSetting({ idleSeconds: Number.NaN, down: false }));
});

test("what is not found is named with what is close; what is not up says so", async () => {
  const record = newRecord(
    {
      name: "demo",
      numNodes: 1,
      asked: {},
      capacity: { cpus: 1, memoryBytes: 1, accelerators: [] },
      cloud: "local",
      isolation: "embedded",
      token: "t",
      command: "",
    },
    0,
  );
  const clusters = {
    fleets: {
      record: (name: string) => (name === "demo" ? record : undefined),
      records: () => [record],
    },
    heads: { whenOpen: async () => "the head" },
  };
  assert.equal(recordOf(clusters, "demo"), record);
  const wanted = { cluster: "demo", what: "Submitting jobs", signal: new AbortController().signal };
  assert.equal(await headOf(clusters, wanted), "the head");
  assert.throws(() => recordOf(clusters, "dmo"), /Did you mean 'demo'\?/);
  await assert.rejects(
    upHeadOf(clusters, wanted),
    (error) => isSkyError(error, "cluster/not-up") && /status: INIT/.test(error.message),
  );
  const board = { find: async () => undefined, latest: async () => undefined };
  await assert.rejects(jobOf(board, "demo", 7), /Job 7 not found on cluster 'demo'/);
});
