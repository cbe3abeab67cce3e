// A head on the first host of its cluster, and the nodes of the others, as programs without SSH.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { hostedCluster } from "../support/hosted.ts";
import { processesOf } from "../support/processes.ts";
import { until } from "../support/until.ts";

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
    assert.deepEqual(readdirSync(home).sort(), [".skylet", "sky_workdir", "where"]);
    assert.deepEqual(readdirSync(`${home}/sky_workdir`).sort(), ["changed.txt", "made.txt"]);
    assert.equal(existsSync(`${dir}/node`), false);
  }
});
