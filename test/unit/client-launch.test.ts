// Launch over a head of a few lines: what is asked of it, in which order, and when again.
//
// The head is the port itself, so that a failure of it is one line and no time passes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterStep, ClusterWanted, Head, Submission } from "../../client/head.ts";
import { hasNothingToDo, type LaunchOrder, launchTask } from "../../client/launch.ts";
import { pauseMs } from "../../client/until-up.ts";
import type { ClusterView } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";

const task: Task = {
  ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
};

const order: LaunchOrder = {
  ...{ cluster: "demo", task: { ...task, run: "true" }, noSetup: false },
  ...{ command: "launch", user: "ada", idempotencyKey: "key" },
};

const cluster: ClusterView = {
  ...{ name: "demo", status: "UP", cloud: "local", isolation: "embedded", launchedAt: 1 },
  ...{ resources: "1x Local()", command: "", user: "ada", lastUsedAt: 1, nodes: [] },
};

interface Heard {
  launches: number;
  readonly wanted: ClusterWanted[];
  readonly submissions: Submission[];
  readonly rules: unknown[];
}

/** A head whose launch fails as it is told, and then works. */
function headThat(fails: readonly Error[]): { readonly head: Head; readonly heard: Heard } {
  const heard: Heard = { launches: 0, wanted: [], submissions: [], rules: [] };
  const head = {
    launch: async function* (wanted: ClusterWanted): AsyncGenerator<ClusterStep> {
      heard.wanted.push(wanted);
      const failure = fails[heard.launches];
      heard.launches += 1;
      if (failure !== undefined) throw failure;
      yield { kind: "cluster", cluster };
    },
    submit: async (submission: Submission) => {
      heard.submissions.push(submission);
      return [7];
    },
    setAutostop: async (_cluster: string, rule: unknown) => {
      heard.rules.push(rule);
    },
  };
  return { head: head as unknown as Head, heard };
}

const signal = new AbortController().signal;
const noRoom = new SkyError("cluster/start-failed", { name: "demo", why: "no room" });

test("files of a task that runs nothing go to all nodes", async () => {
  const fileMounts = [{ destination: "~/data", source: "/data" }];
  for (const files of [{ workdir: "/src" }, { fileMounts }]) {
    const { head, heard } = headThat([]);
    const result = await launchTask(head, { ...order, task: { ...task, ...files } }, { signal });
    assert.equal(result.jobId, 7);
    assert.equal(heard.submissions[0]?.allNodes, true);
  }
  assert.equal(hasNothingToDo({ ...task, fileMounts: [] }, false), true);
});

test("a task with nothing in it brings the cluster up and arms autostop", async () => {
  const { head, heard } = headThat([]);
  const autostop = { idleSeconds: 0, down: true };
  const result = await launchTask(head, { ...order, task, autostop }, { signal });
  assert.equal(result.jobId, undefined);
  assert.deepEqual(heard.submissions, []);
  assert.deepEqual(heard.rules, [autostop]);
});

test("a cluster that does not start is one error, or tried until it is up", async () => {
  const once = headThat([noRoom]);
  await assert.rejects(launchTask(once.head, order, { signal }), noRoom);
  assert.equal(once.heard.launches, 1);

  const poolFull = new SkyError("pool/no-fit", { why: "all hosts are used" });
  const { head, heard } = headThat([noRoom, poolFull]);
  const pauses: number[] = [];
  const said: string[] = [];
  const untilUp = { random: () => 0.5, pause: async (ms: number) => void pauses.push(ms) };
  const onProgress = ({ text }: { readonly text: string }) => void said.push(text);
  const { jobId } = await launchTask(head, order, { signal, untilUp, onProgress });
  assert.equal(jobId, 7);
  assert.equal(heard.launches, 3);
  assert.deepEqual(pauses, [60_000, 96_000]);
  assert.match(said[0] ?? "", /no room. Tried 1 attempt; again in 60 s/);
});

test("a cloud, a pool and keys are asked for only where they are said", async () => {
  const { head, heard } = headThat([]);
  await launchTask(head, order, { signal });
  const { cloud, region, trustedHostKeys } = heard.wanted[0] ?? {};
  assert.deepEqual([cloud, region, trustedHostKeys], [undefined, undefined, undefined]);
  const far = { ...order.task, resources: { cloud: "ssh", region: "lab" } };
  await launchTask(head, { ...order, task: far, trustedHostKeys: ["*"] }, { signal });
  const wanted = heard.wanted[1];
  assert.equal(wanted?.cloud, "ssh");
  assert.equal(wanted?.region, "lab");
  assert.deepEqual(wanted?.trustedHostKeys, ["*"]);
});

test("what is wrong with the request is never tried again", async () => {
  const wrong = new SkyError("cluster/mismatch", { requested: "a", name: "demo", existing: "b" });
  const { head, heard } = headThat([wrong]);
  const untilUp = { random: () => 0, pause: async () => {} };
  await assert.rejects(launchTask(head, order, { signal, untilUp }), wrong);
  assert.equal(heard.launches, 1);
});

test("the pause grows to five times the first, 40 % more or less", () => {
  assert.equal(pauseMs(1, 0), 36_000);
  assert.equal(Math.round(pauseMs(1, 1)), 84_000);
  assert.equal(pauseMs(100, 0.5), 300_000);
});
