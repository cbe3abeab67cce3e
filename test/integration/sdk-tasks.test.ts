// What a task says of itself, through the SDK: files, variables, limits, choices, the rules of its
// cluster, and what no enabled cloud can do.
//
// Each test launches what it needs; what is left is taken down with the place.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Code, Dag, isSkyError, Resources, Sky, Task } from "../../client/index.ts";
import { isolation, place } from "../support/programs.ts";

const here = place(undefined);
const warnings: string[] = [];
const sky = new Sky({ home: here.home, onWarning: (text) => warnings.push(text) });

after(() => here.close());

function refused(call: () => Promise<unknown>, code: Code, text: RegExp): Promise<void> {
  return assert.rejects(call, (error: unknown) => {
    assert.ok(isSkyError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  });
}

const quiet = { detachRun: false, streamLogs: false } as const;

async function textOf(cluster: string, job: number | undefined): Promise<string> {
  let text = "";
  for await (const { phase, bytes } of sky.logs(cluster, job)) {
    if (phase === "run") text += Buffer.from(bytes).toString();
  }
  return text;
}

test("a built task brings its files, its variables and its secrets", async () => {
  const code = join(here.folder, "code");
  mkdirSync(code);
  writeFileSync(join(code, "main.sh"), 'echo "$(cat data) $GREETING ${#TOKEN}"; cat ~/more');
  const data = here.file("data.txt", "data of the client");
  const task = new Task({ run: "bash main.sh" })
    .setWorkdir(code)
    .setFileMounts({ data })
    .updateFileMounts({ "~/more": data })
    .setEnvs({ GREETING: "hello" })
    .setSecrets({ TOKEN: "s3cret" });
  const { jobId, job } = await sky.launch(task, { cluster: "files", ...quiet });
  assert.equal(job?.status, "SUCCEEDED", job?.reasonText);
  assert.equal(await textOf("files", jobId), "data of the client hello 6\ndata of the client");
  const synced = await sky.launch(new Task().setWorkdir(code), { cluster: "files", ...quiet });
  assert.equal(synced.job?.status, "SUCCEEDED", "files alone are worth a job");
});

test("an attempt that takes longer than its timeout is ended", async () => {
  await sky.launch(null, { cluster: "slow" });
  const task = new Task({ run: "sleep 300" }).setTimeout("1s").setConfig({ grace_seconds: 0 });
  const { job } = await sky.exec(task, { cluster: "slow", ...quiet });
  assert.deepEqual([job?.status, job?.reason], ["FAILED", "timed-out"]);
});

test("a launch arms what the task says, unless its options say otherwise", async () => {
  const resources = { autostop: { idle_minutes: 3, down: true } };
  const task = new Task({ run: "true" }).setResources(resources);
  const armed = async () => {
    const [seen] = await sky.status("armed");
    return [seen?.autostop?.idleMs, seen?.autostop?.verb];
  };
  const plan = await sky.dryrun(task, { cluster: "armed" });
  assert.deepEqual(plan.autostop, { idleSeconds: 180, down: true });
  const stop = new Task().setResources({ autostop: "4m" });
  const both = await sky.dryrun(stop, { cluster: "armed", down: true });
  assert.deepEqual(both.autostop, { idleSeconds: 240, down: true });
  await sky.launch(task, { cluster: "armed" });
  assert.deepEqual(await armed(), [180_000, "down"]);
  await sky.launch(task, { cluster: "armed", idleMinutes: 5 });
  assert.deepEqual(await armed(), [300_000, "stop"]);
});

test("a task says how the nodes of its cluster run, unless an option does", async () => {
  const task = new Task({ config: { local: { isolation: "process" } } });
  const own = await sky.launch(task, { cluster: "isolated" });
  assert.equal(own.cluster.isolation, "process");
  const other = await sky.launch(task, { cluster: "other", isolation: "embedded" });
  assert.equal(other.cluster.isolation, "embedded");
  const none = await sky.launch(null, { cluster: "usual" });
  assert.equal(none.cluster.isolation, isolation);
});

test("the first of a choice that can be had is taken; options hold for all of it", async () => {
  const choice = Resources.ordered({ infra: "aws", cpus: 64 }, { infra: "local", cpus: 2 });
  const task = new Task({ run: "true" }).setResources(choice);
  assert.equal((await sky.optimize(task))[0]?.resources, "1x Local(cpus=2)");
  assert.equal((await sky.optimize(task, { cpus: 3 }))[0]?.resources, "1x Local(cpus=3)");
  const gpus = new Task().setResources({ any_of: [{ gpus: "V100:1" }, { gpus: "T4:1" }] });
  const shaped = await sky.optimize(gpus, { accelerators: { A100: 2 } });
  assert.equal(shaped[0]?.resources, "1x Local(A100:2)");
});

test("what needs a cloud is read and built, and refused before anything starts", async () => {
  const text = "resources:\n  infra: aws/us-east-1\n  use_spot: true\nrun: echo hi\n";
  const task = await Task.fromYamlText(text, { file: "cloud.yaml" });
  const dag = await Dag.fromYamlText(`${text}---\nrun: echo\n`);
  assert.equal(dag.tasks.length, 2);
  const place = /^cloud\.yaml:2:10: .*needs a cloud: see `sky check`/m;
  await refused(() => sky.launch(task, { cluster: "cloudy" }), "cloud/needed", place);
  await refused(() => sky.dryrun(task, { cluster: "cloudy" }), "cloud/needed", place);
  await refused(() => sky.optimize(dag), "cloud/needed", /needs a cloud/);
  await refused(async () => task.validate(), "cloud/needed", place);
  const many = [{ run: "true" }, task];
  await refused(() => sky.submitMany("cloudy", many), "cloud/needed", place);
  const worse = [...many, { num_nodes: 0 }];
  await refused(() => sky.submitMany("cloudy", worse), "task/invalid", /tasks\[2\]\.num_nodes/);
  await refused(() => sky.queue("cloudy"), "cluster/not-found", /cloudy/);
});

test("what has no effect here is a warning", async () => {
  warnings.length = 0;
  await sky.dryrun({ resources: { disk_size: 100 }, run: "true" });
  assert.match(warnings.join("\n"), /disk_size/);
});

test("a cluster that cannot start is tried again until the caller gives up", async () => {
  await sky.version();
  const obstacle = here.file("home/clusters/stuck", "what stands in the way of a folder");
  const abort = new AbortController();
  const said: string[] = [];
  const launching = sky.launch(null, {
    ...{ cluster: "stuck", retryUntilUp: true, signal: abort.signal },
    onProgress: ({ text }) => {
      said.push(text);
      if (/Tried 1 attempt; again in \d+ s/.test(text)) abort.abort();
    },
  });
  await assert.rejects(launching, (error) => isSkyError(error, "core/cancelled"), said.join("\n"));
  rmSync(obstacle);
  await sky.down("stuck");
});
