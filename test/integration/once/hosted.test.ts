// A head on the first host of its cluster, and the nodes of the others, as programs without SSH.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { chunkBytesOfHome, hostedCluster } from "../../support/hosted.ts";
import { processesOf } from "../../support/processes.ts";
import { until } from "../../support/until.ts";

const signal = new AbortController().signal;

test("a gang runs on two hosts in their HOMEs, and a down leaves what jobs made", async (t) => {
  const cluster = hostedCluster(t);
  const source = `${cluster.folder}/source`;
  mkdirSync(`${source}/deep`, { recursive: true });
  writeFileSync(`${source}/deep/read.txt`, "hello\n");
  writeFileSync(`${source}/changed.txt`, "before\n");
  await cluster.launch();
  const [first, second] = cluster.hosts;
  assert.ok(first !== undefined && second !== undefined);

  const id = await cluster.submit({
    numNodes: 2,
    workdir: source,
    run: 'cat deep/read.txt; echo a >made.txt; echo more >>changed.txt; pwd >"$HOME/where"',
  });
  const job = await cluster.jobEnd(id);
  assert.equal(job.status, "SUCCEEDED", JSON.stringify(job));
  for (const { home } of cluster.hosts) {
    assert.equal(readFileSync(`${home}/where`, "utf8"), `${home}/sky_workdir\n`);
  }

  const down = { cluster: cluster.name, user: "ann", purge: false };
  const { logsArchive, kept } = await cluster.head.down(down, signal);
  assert.ok(existsSync(logsArchive), logsArchive);
  assert.deepEqual([...kept].sort(), [
    "host0: ~/sky_workdir: 2 files that jobs made or changed",
    "host1: ~/sky_workdir: 2 files that jobs made or changed",
  ]);
  await until("all programs have ended", () => processesOf(cluster.folder).length === 0, {
    describe: () => JSON.stringify(processesOf(cluster.folder)),
  });
  for (const { home, dir, ended } of cluster.hosts) {
    assert.equal(ended()?.verb, "down");
    assert.equal(ended()?.kept?.length, dir === first.dir ? 2 : undefined);
    assert.deepEqual(readdirSync(home).sort(), [".skylet", "sky_workdir", "where"]);
    assert.deepEqual(readdirSync(`${home}/sky_workdir`).sort(), ["changed.txt", "made.txt"]);
    assert.equal(existsSync(`${dir}/node`), false);
  }
});

test("a head on a host goes by the settings of the home that its cluster is of", async (t) => {
  const cluster = hostedCluster(t);
  await cluster.launch();
  const seen = JSON.parse(await cluster.head.inspect(undefined, signal));
  assert.equal(seen.process.chunks.limitBytes, chunkBytesOfHome);
});

test("whichever program is killed, a job that runs runs on", async (t) => {
  const cluster = hostedCluster(t);
  await cluster.launch();
  const gate = `${cluster.folder}/gate`;
  const run = `until [ -e ${gate} ]; do sleep 0.05; done; echo went on`;
  const id = await cluster.submit({ numNodes: 2, run });
  const running = () => cluster.jobStatus(id);
  await until("it runs", async () => (await running()) === "RUNNING");

  const kill = (word: RegExp, dir: string): void => {
    const found = processesOf(dir).filter(({ command }) => word.test(command));
    assert.ok(found.length > 0, `${word} in ${dir}`);
    for (const { pid } of found) process.kill(pid, "SIGKILL");
  };
  const [first, second] = cluster.hosts;
  assert.ok(first !== undefined && second !== undefined);
  kill(/skylet\.(js|ts) host/, second.dir);
  cluster.startNode(1);
  kill(/skyhead\.(js|ts)/, first.dir);
  cluster.startHead();
  await cluster.listening();
  kill(/skylet\.(js|ts) host/, first.dir);
  cluster.startNode(0);
  kill(/nats-server/, cluster.busFolder());

  let seen = "";
  await until(
    "all nodes are there",
    async () => {
      const [view] = await cluster.head.status([], signal);
      seen = JSON.stringify(view);
      return view?.nodes.every(({ phase }) => phase === "alive");
    },
    { describe: () => `${seen}\n${cluster.logs()}` },
  );
  assert.equal(await running(), "RUNNING");
  writeFileSync(gate, "");
  const job = await cluster.jobEnd(id);
  assert.equal(job.status, "SUCCEEDED", JSON.stringify(job));
  assert.equal(job.attempt, 1);
});

test("a cluster stops by itself, is started again with its jobs, and goes by itself", async (t) => {
  const cluster = hostedCluster(t);
  await cluster.launch();
  const id = await cluster.submit({ run: "echo hello" });
  await cluster.jobEnd(id);
  await cluster.head.setAutostop(cluster.name, { idleSeconds: 0, down: false }, signal);
  const gone = () => processesOf(cluster.folder).length === 0;
  const describe = (): string => JSON.stringify(processesOf(cluster.folder));
  await until("it has stopped", gone, { describe });
  for (const { ended } of cluster.hosts) assert.equal(ended()?.verb, "stop");

  await cluster.launch();
  assert.equal((await cluster.head.getJob({ cluster: cluster.name, job: id }, signal)).id, id);
  const next = await cluster.submit({ run: "echo again" });
  assert.equal((await cluster.jobEnd(next)).status, "SUCCEEDED");
  await cluster.head.setAutostop(cluster.name, { idleSeconds: 0, down: true }, signal);
  await until("it is gone", gone, { describe });
  const [first, second] = cluster.hosts;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual([first.ended()?.verb, first.ended()?.why], ["down", "it was idle"]);
  assert.equal(second.ended()?.verb, "down");
  const [archive = "?"] = readdirSync(`${first.dir}/head/logs`);
  const kept = readdirSync(`${first.dir}/head/logs/${archive}`);
  assert.equal(kept.length, 2, kept.join());
  for (const { home } of cluster.hosts) assert.deepEqual(readdirSync(home), [".skylet"]);
});
