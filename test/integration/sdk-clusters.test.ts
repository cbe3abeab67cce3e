// Clusters from a program: dry runs, launches with their options, start and stop, autostop, costs.
//
// Each test has clusters of its own names; what a test leaves is taken down with the place.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as sky from "../../client/index.ts";
import { type Code, isSkyError, Sky, Task } from "../../client/index.ts";
import { isolation, place, until } from "../support/programs.ts";

const here = place(undefined);
const warnings: string[] = [];
const ada = new Sky({ home: here.home, user: "ada", onWarning: (text) => warnings.push(text) });

after(() => here.close());

function refused(call: () => Promise<unknown>, code: Code, text = /./): Promise<void> {
  return assert.rejects(call, (error: unknown) => {
    assert.ok(isSkyError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  });
}

async function statusOf(cluster: string): Promise<string | undefined> {
  return (await ada.status()).find(({ name }) => name === cluster)?.status;
}

test("a dry run says what a launch would do, and starts nothing", async () => {
  const task = new Task({ name: "train", num_nodes: 2, resources: { cpus: 2, memory: "1+" } });
  const plan = await ada.dryrun(task, { cluster: "dry", accelerators: "V100:1", down: true });
  assert.deepEqual(plan, {
    ...{ task: "train", cluster: "dry", cloud: "local", numNodes: 2, costPerHour: 0 },
    resources: "2x Local(cpus=2, memory=1GB, V100:1)",
    ...{ submits: false, autostop: { idleSeconds: 0, down: true } },
  });
  const run = task.setRun("true");
  const same = await ada.launch(run, { cluster: "dry", dryrun: true });
  assert.equal(same.submits, true);
  assert.equal(await statusOf("dry"), undefined);
  assert.equal((await ada.optimize(run))[0]?.resources, "2x Local(cpus=2, memory=1GB)");
  const dag = new sky.Dag().chain(run, { resources: { cpus: 1 } });
  assert.deepEqual(
    (await ada.optimize(dag)).map(({ resources }) => resources),
    ["2x Local(cpus=2, memory=1GB)", "1x Local(cpus=1)"],
  );
});

test("a dry run on a cluster that is there says whether the task fits", async () => {
  await ada.launch(null, { cluster: "there", cpus: 2 });
  const fits = await ada.dryrun({ resources: { cpus: 1 }, run: "true" }, { cluster: "there" });
  assert.equal(fits.existing, "UP");
  assert.match(fits.resources, /^1x Local\(cpus=2/);
  const big = { num_nodes: 3 };
  await refused(() => ada.dryrun(big, { cluster: "there" }), "cluster/mismatch", /3 nodes/);
  await refused(() => ada.launch(big, { cluster: "there" }), "cluster/mismatch", /3 nodes/);
  await ada.down("there");
});

test("a launch makes a name where none is given, and waits when not detached", async () => {
  const progress: string[] = [];
  const { cluster, job } = await ada.launch(
    { num_nodes: 2, run: "exit $SKYPILOT_NODE_RANK" },
    { ...{ detachRun: false, streamLogs: false }, onProgress: ({ text }) => progress.push(text) },
  );
  assert.match(cluster.name, /^sky-[0-9a-f]{4}-ada$/);
  assert.equal(cluster.isolation, isolation);
  assert.equal(cluster.user, "ada");
  assert.equal(job?.status, "FAILED");
  assert.equal(job.ranks.find(({ rank }) => rank === 1)?.exitCode, 1);
  assert.ok(
    progress.some((text) => /of 2 nodes are up/.test(text)),
    progress.join(),
  );
  await ada.down(cluster.name);
});

test("down without a time takes the cluster down when its job has ended", async () => {
  await ada.launch({ run: "true" }, { cluster: "brief", down: true });
  await until("it is gone", async () => (await statusOf("brief")) === undefined);
});

test("options that cannot be meant are refused before anything is started", async () => {
  const cluster = "never";
  const both = { idleMinutes: 1, idleSeconds: 60 };
  const calls: readonly (() => Promise<unknown>)[] = [
    () => ada.launch(null, { cluster, ...both }),
    () => ada.launch(null, { cluster, idleMinutes: -1 }),
    () => ada.launch(null, { cluster, idleMinutes: Number.NaN }),
    () => ada.launch(null, { cluster: "No Name" }),
    () => ada.launch(null, { cluster: "sky-jobs-controller-1234" }),
    () => ada.start(cluster, { down: true }),
    () => ada.autostop(cluster, {}),
    () => ada.autostop(cluster, both),
    () => ada.autostop(cluster, { idleMinutes: "5" as never }),
  ];
  for (const call of calls) await refused(call, "request/invalid");
  const wrong = () => ada.launch({ runn: "x" } as never, { cluster, numNodes: 0 });
  await refused(wrong, "task/invalid", /runn.*\n.*options\.numNodes/);
  assert.equal(await statusOf(cluster), undefined);
});

test("stop and start, forced and with autostop", async () => {
  const cluster = "again";
  await ada.launch(null, { cluster, cpus: 1 });
  await refused(() => ada.down("agaim"), "cluster/not-found", /again/);
  await ada.stop(cluster);
  assert.equal(await statusOf(cluster), "STOPPED");
  await refused(() => ada.autostop(cluster, { idleMinutes: 5 }), "cluster/not-up", /STOPPED/);
  await refused(() => ada.exec({ run: "true" }, { cluster }), "cluster/not-up", /STOPPED/);

  const started = await ada.start(cluster, { idleMinutes: 10, down: true });
  assert.equal(started.status, "UP");
  const [armed] = await ada.status(cluster);
  assert.deepEqual([armed?.autostop?.idleMs, armed?.autostop?.verb], [600_000, "down"]);
  assert.equal((await ada.start(cluster, { force: true })).status, "UP");
  await ada.down(cluster);
});

test("autostop: a rule is set, changed and disarmed, and 0 is at once", async () => {
  const cluster = "idle";
  await ada.launch(null, { cluster, cpus: 1 });
  const rule = async () => {
    const [seen] = await ada.status([cluster]);
    return seen?.autostop && [seen.autostop.idleMs, seen.autostop.verb];
  };
  await ada.autostop(cluster, { idleMinutes: 1.5, down: true });
  assert.deepEqual(await rule(), [90_000, "down"]);
  await ada.autostop(cluster, { idleSeconds: 120 });
  assert.deepEqual(await rule(), [120_000, "stop"]);
  await ada.autostop(cluster, { idleMinutes: -1 });
  assert.equal(await rule(), undefined);
  await ada.autostop(cluster, { idleSeconds: 120 });
  await ada.autostop(cluster, null);
  assert.equal(await rule(), undefined);
  await ada.autostop(cluster, { idleMinutes: 0 });
  await until("it has stopped, with no minute between", async () => {
    return (await statusOf(cluster)) === "STOPPED";
  });
  await ada.down(cluster);
});

test("a refresh asks the cloud; what it finds unchanged stays", async () => {
  await ada.launch(null, { cluster: "fresh", cpus: 1 });
  const seen = await ada.status(null, { refresh: true });
  assert.equal(seen.find(({ name }) => name === "fresh")?.status, "UP");
  const [one, ...more] = await ada.status("fresh", { refresh: true });
  assert.deepEqual([one?.name, more.length], ["fresh", 0]);
  assert.deepEqual(await ada.status([]), [], "of no names there are none");
  await refused(() => ada.status("fresj", { refresh: true }), "cluster/not-found", /fresh/);
  assert.deepEqual(warnings, []);
  const { logsArchive, leftBehind } = await ada.down("fresh", { purge: true });
  assert.deepEqual([typeof logsArchive, leftBehind], ["string", ""]);
});

test("the cost report has what is there and what is gone", async () => {
  await ada.launch({ run: "true" }, { cluster: "cheap", numNodes: 2, cpus: 1 });
  const of = async () => (await ada.costReport()).find(({ name }) => name === "cheap");
  const live = await of();
  assert.deepEqual([live?.status, live?.numNodes, live?.cost], ["UP", 2, 0]);
  assert.equal(live?.usage.at(-1)?.endedAt, undefined);
  assert.equal(live?.user, "ada");
  await ada.down("cheap");
  const gone = await of();
  assert.equal(gone?.status, undefined);
  assert.ok((gone?.usage.at(-1)?.endedAt ?? 0) > (live?.launchedAt ?? 0), JSON.stringify(gone));
});

test("the calls are functions too, for the home and the user of the environment", async () => {
  process.env["SKY_HOME"] = here.home;
  process.env["SKYPILOT_USER"] = "eve";
  const { jobId } = await sky.launch({ run: "echo hi" }, { cluster: "free" });
  const job = await sky.wait("free", jobId);
  assert.deepEqual([job.status, job.user], ["SUCCEEDED", "eve"]);
  assert.deepEqual(await sky.jobStatus("free"), { [job.id]: "SUCCEEDED" });
  await sky.down("free");
  await refused(() => sky.queue("free"), "cluster/not-found");
});
