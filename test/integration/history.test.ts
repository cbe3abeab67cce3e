// The past of a cluster, on a real head: jobs that have settled are found by every command, also
// after a kill of the head, and go when there are more than a home keeps.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Job } from "../../client/index.ts";
import { type Place, place, until } from "../support/programs.ts";

const cluster = "demo";

async function queueOf(here: Place, ...flags: readonly string[]): Promise<readonly Job[]> {
  const { code, stdout, stderr } = await here.sky(["queue", cluster, "-o", "json", ...flags]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as readonly Job[];
}

function logsOf(here: Place): readonly string[] {
  return readdirSync(join(here.home, "clusters", cluster, "logs"));
}

test("settled jobs are found after a kill of the head, as they were", async (t) => {
  const here = place(t);
  assert.equal((await here.sky(["launch", "-y", "-c", cluster, "echo one"])).code, 0);
  assert.equal((await here.sky(["exec", cluster, "echo two; exit 7"])).code, 100);
  const before = await queueOf(here);
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  assert.deepEqual(await queueOf(here), before);
  assert.deepEqual(await queueOf(here, "-s"), []);
  assert.match((await here.sky(["logs", cluster, "1"])).stdout, /one/);
  assert.match((await here.sky(["why", cluster, "2"])).stdout, /exited with 7/);
  assert.equal((await here.sky(["logs", "--status", cluster])).code, 100, "the latest is job 2");
  assert.equal((await here.sky(["cancel", "-y", cluster, "1"])).code, 0);
  assert.equal((await here.sky(["exec", cluster, "true"])).code, 0);
  assert.equal((await queueOf(here))[0]?.id, 3);
});

test("more than a home keeps goes, what settled first before the others", async (t) => {
  const here = place(t);
  const line = "x".repeat(600);
  writeFileSync(join(here.home, "config.yaml"), "history: { jobs: 4, log_bytes: 1500 }\n");
  assert.equal((await here.sky(["launch", "-y", "-c", cluster, `echo ${line}`])).code, 0);
  for (let job = 2; job <= 6; job += 1) {
    assert.equal((await here.sky(["exec", cluster, `echo ${line}`])).code, 0);
  }
  await until("4 jobs are left", async () => (await queueOf(here)).length === 4);
  await until("2 logs are left", () => logsOf(here).length === 2);
  assert.deepEqual(
    (await queueOf(here)).map(({ id }) => id),
    [6, 5, 4, 3],
  );
  assert.match((await here.sky(["logs", cluster, "6"])).stdout, /xxx/);
  const removed = await here.sky(["logs", cluster, "3"]);
  assert.equal(removed.code, 1);
  assert.match(removed.stderr, /log of job 3 was removed to keep the logs of 'demo' within 1500/);
  assert.equal((await here.sky(["logs", cluster, "1"])).code, 102, "there is no job 1 any more");
  assert.match((await here.sky(["why", cluster, "3"])).stdout, /SUCCEEDED/);
});
