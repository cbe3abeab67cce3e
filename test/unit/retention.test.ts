// The limits on a cluster's past, against a store with a history: what settled first goes first,
// with its events and logs, in rounds of bounded size, and files before the record that leads to
// them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RankKey } from "../../model/job.ts";
import { rankKeyText } from "../../model/job.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { jobHistory } from "../../scheduler/job-history.ts";
import { recordKeys } from "../../scheduler/records.ts";
import type { HistoryLimits } from "../../scheduler/retention.ts";
import { Retention, roundJobsMax } from "../../scheduler/retention.ts";
import { capacity, cluster, nodesOf, task, World } from "../sim/scheduler-world.ts";

const roomy: HistoryLimits = { jobs: 1_000, events: 1_000, logBytes: 1e9 };

/** A journal in which `count` jobs settled, job 1 last; each has 10 bytes of logs and one event. */
async function past(count: number, change: Partial<HistoryLimits>, openBytes = 0) {
  const world = new World({ nodes: nodesOf([capacity(4)]) }).join();
  const ids = world.submitted(...Array.from({ length: count }, () => task()));
  const [first = 0, ...rest] = ids;
  for (const id of [...rest, first]) {
    for (let tries = 0; world.job(id).status !== "SUCCEEDED" && tries < count; tries += 1) {
      const next = world.running().find(({ process }) => process.key.job !== first || id === first);
      if (next !== undefined) world.exit(next.process.key);
    }
    world.say({ kind: "logs-complete", job: id, attempt: 1, bytes: 10 });
  }
  const store = createMemoryStore();
  const puts = [...world.records].map(([key, value]) => ({ key, value }));
  const events = ids.map((id) => ({ subject: `${cluster}/job/${id}`, wallMs: 1, body: "{}" }));
  await store.commit({ puts, deletes: [], events });
  const removed: string[] = [];
  const forgotten: number[] = [];
  const retention = new Retention({
    ...{ cluster, store, limits: { ...roomy, ...change }, openBytes: () => openBytes },
    removeLogs: async (keys: readonly RankKey[]) => void removed.push(...keys.map(rankKeyText)),
    onForgotten: (jobs) => void forgotten.push(...jobs),
  });
  const left = async (): Promise<readonly number[]> => {
    const jobs = await jobHistory(store, cluster).page({ before: Infinity, countMax: 1_000 });
    return jobs.map(({ id }) => id);
  };
  return { world, store, retention, removed, forgotten, left };
}

test("within its limits nothing goes", async () => {
  const { retention, removed, left } = await past(5, {});
  assert.equal(await retention.round(), false);
  assert.deepEqual([removed, (await left()).length], [[], 5]);
});

test("of too many jobs those go that settled first, with events and logs", async () => {
  const { retention, removed, forgotten, left, store } = await past(6, { jobs: 2 });
  assert.equal(await retention.round(), false);
  assert.deepEqual(await left(), [6, 1], "job 1 settled last, however small its id");
  assert.deepEqual(forgotten, [2, 3, 4, 5]);
  assert.deepEqual(removed, ["2-1-run-0", "3-1-run-0", "4-1-run-0", "5-1-run-0"]);
  const events = await store.events({ subject: `${cluster}/`, after: 0, countMax: 100 });
  assert.deepEqual(
    events.map(({ subject }) => subject),
    [`${cluster}/job/1`, `${cluster}/job/6`],
  );
  const orders = await store.read(recordKeys.orders(cluster));
  assert.equal(orders.length, 2, "and nothing is left that leads to them");
  assert.equal(await retention.round(), false);
});

test("logs go without their jobs, and it is known of which", async () => {
  const { retention, removed, left } = await past(5, { logBytes: 25 });
  while (await retention.round());
  assert.deepEqual(removed, ["2-1-run-0", "3-1-run-0", "4-1-run-0"]);
  assert.equal((await left()).length, 5);
  const took = await Promise.all([1, 2, 4, 5, 99].map((id) => retention.tookLogs(id)));
  assert.deepEqual(took, [false, true, true, false, false]);
});

test("logs of live jobs count, and those of settled ones make room for them", async () => {
  const { retention, removed } = await past(3, { logBytes: 45 }, 30);
  while (await retention.round());
  assert.equal(removed.length, 2);
});

test("one round takes a bounded number, and the next goes on", async () => {
  const count = roundJobsMax + 20;
  const { retention, forgotten } = await past(count, { jobs: 10 });
  assert.equal(await retention.round(), true);
  assert.equal(forgotten.length, roundJobsMax);
  assert.equal(await retention.round(), false);
  assert.equal(forgotten.length, count - 10);
});

test("files go before the record: a round that a crash cut short is made again", async () => {
  const { retention, removed, left, store } = await past(4, { jobs: 1 });
  const commit = store.commit;
  store.commit = () => Promise.reject(new Error("killed"));
  await assert.rejects(retention.round());
  assert.deepEqual([removed.length, (await left()).length], [3, 4]);
  store.commit = commit;
  await retention.round();
  assert.deepEqual([removed.length, (await left()).length], [6, 1]);
});
