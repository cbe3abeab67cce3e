// Settled jobs leave the scheduler's table and the head's memory, and are found all the same. What
// grows with the past is asserted by counts, after thousands of jobs: nothing but records.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../../model/job.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { boardInMemory } from "../../scheduler/board-memory.ts";
import { jobHistory } from "../../scheduler/job-history.ts";
import { listJobs } from "../../scheduler/job-list.ts";
import { recordKeys, recordsAtStart } from "../../scheduler/records.ts";
import { settleMax } from "../../scheduler/settle.ts";
import { settledLimits } from "../../scheduler/settled-jobs.ts";
import { capacity, cluster, nodesOf, task, World } from "../sim/scheduler-world.ts";

const aborted = AbortSignal.abort();
const all = { user: "" };

function one(options: object = {}): World {
  return new World({ nodes: nodesOf([capacity(8), capacity(8)]), options }).join();
}

function endAll(world: World): void {
  while (world.running().length > 0) {
    for (const { process } of world.running()) world.exit(process.key);
  }
}

test("a job settles when it has ended and its logs are here; one record is left of it", () => {
  const world = one();
  const [id = 0] = world.submitted(task({ name: "one", numNodes: 2 }));
  endAll(world);
  assert.equal(world.state.jobs.size, 1, "it has ended, and its logs are on their way");
  world.say({ kind: "logs-complete", job: id, attempt: 1, bytes: 10 });
  assert.equal(world.state.jobs.size, 0);
  const left = [...world.records.keys()].filter((key) => !key.includes("/node/"));
  assert.deepEqual(left.sort(), [
    recordKeys.done(cluster, id),
    recordKeys.history(cluster),
    recordKeys.order(cluster, 1),
  ]);
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.equal(world.board.job(id)?.name, "one", "the newest stay on the board");
  assert.deepEqual(world.agents.get("head")?.processes.size, 0, "its nodes were told to forget it");
});

test("ids are never used again, and cancelling a settled job is cancelling an ended one", () => {
  const world = one();
  const [id = 0] = world.submitted(task());
  endAll(world);
  world.keepLogs();
  world.restartHead();
  assert.deepEqual(world.cancel([id, id + 7]), {
    ...{ kind: "cancelled", jobs: [], unknown: [id + 7] },
  });
  assert.deepEqual(world.submitted(task()), [id + 1]);
});

test("what a node still says of a settled job is acknowledged and may be forgotten", () => {
  const world = one();
  world.fate = (_from, _to, message) => ("kind" in message && message.kind === "forget" ? 0 : 1);
  const [id = 0] = world.submitted(task());
  endAll(world);
  world.keepLogs();
  assert.equal(world.state.jobs.size, 0);
  const node = world.agents.values().find(({ processes }) => processes.size > 0);
  assert.ok(node !== undefined, "the word was lost");
  world.fate = () => 1;
  world.reconnect(node.id);
  assert.equal(node.processes.size, 0);
  assert.equal(world.job(id).status, "SUCCEEDED");
});

test("a job with remains on a node does not settle before they are proven to be gone", () => {
  const world = one({ drainMs: 60_000 });
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  world.agent("worker1").up = false;
  world.phase("worker1", "lost");
  world.pass(120_000);
  assert.equal(world.job(id).phase, "ended");
  world.keepLogs();
  assert.equal(world.state.jobs.size, 1, "something of it may run on worker1");
  world.agent("worker1").up = true;
  world.phase("worker1", "alive");
  world.pass(5_000);
  assert.equal(world.state.jobs.size, 0);
});

test("finished jobs of an old journal settle in bounded turns, and none is lost", () => {
  const world = one();
  const count = settleMax + 40;
  const ids = world.submitted(...Array.from({ length: count }, () => task()));
  endAll(world);
  // As 0.1.0 left them: complete, and still under their old names.
  for (const id of ids) {
    const key = recordKeys.state(cluster, id);
    const { gang } = JSON.parse(world.records.get(key) ?? "{}") as { readonly gang: object };
    world.records.set(key, JSON.stringify({ gang, logs: [1] }));
  }
  assert.equal(world.rebuilt().jobs.size, 40, "the first turn takes no more than its bound");
  world.restartHead();
  world.pass(1_000);
  assert.equal(world.state.jobs.size, 0);
  assert.equal(world.jobs().length, count);
  assert.ok(world.jobs().every(({ status }) => status === "SUCCEEDED"));
});

test("after thousands of jobs only records have grown", async () => {
  const world = one({ keysMax: 100 });
  const rounds = 60;
  const each = 50;
  for (let round = 0; round < rounds; round += 1) {
    const change = { resources: { cpus: { amount: 0.5 + round / 100, orMore: false } } };
    const answer = world.submit(
      Array.from({ length: each }, () => task(change)),
      {
        key: `key ${round}`,
      },
    );
    assert.equal(answer.kind, "submitted");
    endAll(world);
    world.keepLogs();
    world.starts.length = 0;
    world.events.length = 0;
  }
  const { state, board, records } = world;
  assert.equal(state.jobs.size + state.active.size + state.moving.size + state.settling.size, 0);
  assert.equal(state.queue.size + state.pending.size + state.cancels.size, 0);
  assert.ok(state.shapes.size <= 256 + each, `${state.shapes.size} shapes`);
  assert.ok(state.keys.size <= 100);
  assert.ok(board.jobs().length <= settledLimits.jobsMax);
  assert.equal(world.every().length, 0, "nodes have forgotten all of it");
  const store = createMemoryStore();
  await store.commit({
    ...{ puts: [...records].map(([key, value]) => ({ key, value })), deletes: [], events: [] },
  });
  const read = await recordsAtStart(store, cluster);
  assert.ok(read.length < 100 + 10, `a start reads ${read.length} records`);
  assert.equal((await store.read(recordKeys.dones(cluster))).length, rounds * each);
});

/** A board over a history of 30 jobs that have settled, with two that have not. */
async function board(jobsMax = 5) {
  const world = one();
  const ids = world.submitted(...Array.from({ length: 30 }, () => task()));
  endAll(world);
  world.keepLogs();
  const store = createMemoryStore();
  const puts = [...world.records].map(([key, value]) => ({ key, value }));
  await store.commit({ puts, deletes: [], events: [] });
  const made = boardInMemory(jobHistory(store, cluster), { jobsMax, processesMax: 100 });
  const last = world.job(ids.at(-1) ?? 0);
  const open = [31, 32].map((id): Job => ({ ...last, id, phase: "running", status: "RUNNING" }));
  made.apply({ jobs: open, events: [], newest: 33 });
  return { made, open };
}

test("the board: in memory what has not settled, and the rest for those who ask", async () => {
  const { made, open } = await board();
  assert.deepEqual(
    made.jobs().map(({ id }) => id),
    [32, 31],
  );
  assert.equal(made.job(30), undefined);
  assert.equal((await made.find(30))?.status, "SUCCEEDED");
  assert.equal((await made.find(7))?.id, 7);
  assert.equal(await made.find(99), undefined);
  assert.equal((await made.latest())?.id, 32, "33 was given up");
  made.apply({ jobs: open.map((job) => ({ ...job, phase: "ended" })), events: [], settled: [32] });
  assert.deepEqual(
    made.jobs().map(({ id }) => id),
    [32, 31],
  );
});

test("pages hold every job once, from memory and from the store", async () => {
  const { made } = await board();
  const seen: number[] = [];
  for (let before = 0; ; ) {
    const list = await listJobs(made, { ...all, skipFinished: false, before, limit: 7 });
    seen.push(...list.jobs.map(({ id }) => id));
    before = list.nextBefore;
    if (before === 0) break;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 32 }, (_, at) => 32 - at),
  );
  const open = await listJobs(made, { ...all, skipFinished: true, before: 0, limit: 1 });
  assert.deepEqual([open.jobs.map(({ id }) => id), open.nextBefore], [[32], 32]);
  const limits = { jobsMax: 10, unaskedMax: 20, processesMax: 3, readMax: 100 };
  const light = await listJobs(made, { ...all, skipFinished: false, before: 0, limit: 0 }, limits);
  assert.equal(light.jobs.length, 3, "jobs with many processes make an answer shorter");
});

test("settled jobs leave the board's memory in the order in which they came", async () => {
  const { made, open } = await board(3);
  const [job] = open;
  assert.ok(job !== undefined);
  for (let id = 34; id < 44; id += 1) {
    made.apply({ jobs: [{ ...job, id, phase: "ended" }], events: [], settled: [id] });
  }
  assert.deepEqual(
    made.jobs().map(({ id }) => id),
    [43, 42, 41, 32, 31],
  );
  made.apply({ jobs: [], events: [], forgotten: [42] });
  assert.equal(made.job(42), undefined);
});

test("whoever waits for what never comes is released when the job settles", async () => {
  const { made, open } = await board();
  const [first, second] = open;
  assert.ok(first !== undefined && second !== undefined);
  const signal = new AbortController().signal;
  const never = made.until(first.id, () => false, signal);
  made.apply({ jobs: [{ ...first, phase: "ended" }], events: [], settled: [first.id] });
  assert.equal((await never)?.phase, "ended");
  assert.equal((await made.until(3, () => false, signal))?.id, 3, "one that settled long ago");
  await assert.rejects(made.until(second.id, () => false, aborted));
});
