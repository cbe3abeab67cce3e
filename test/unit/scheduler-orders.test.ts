// Who runs when: the queues of SkyPilot's own tests, priorities, restarts, and a cluster's stop.
//
// Source of the first four: SkyPilot's smoke tests job_queue, job_queue_multinode, large_job_queue
// and multi_echo; their order of states is ours (PENDING before SETTING_UP).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../../model/task.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { checkWorld } from "../sim/scheduler-checks.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

const cpus = (amount: number): Task["resources"] => ({ cpus: { amount, orMore: false } });
const gpus = (count: number): Task["resources"] => ({ accelerators: { name: "K80", count } });

function k80(nodes: number): World {
  const one = { ...capacity(4), accelerators: [{ name: "K80", count: 1 }] };
  return new World({ nodes: nodesOf(Array.from({ length: nodes }, () => one)) }).join();
}

function statuses(world: World, ...ids: readonly number[]): readonly string[] {
  return ids.map((id) => world.job(id).status);
}

function count(world: World, status: string): number {
  return world.jobs().filter((job) => job.status === status).length;
}

/** All processes of these jobs end well, ranks after setups. */
function endWell(world: World, ...ids: readonly number[]): void {
  const theirs = () => world.running().filter(({ process: { key } }) => ids.includes(key.job));
  while (theirs().length > 0) for (const { process } of theirs()) world.exit(process.key);
}

test("job_queue: three halves of a GPU, two run; one that is cancelled makes room", () => {
  const world = k80(1);
  const half = task({ resources: gpus(0.5) });
  const ids = world.submitted(half, half, half);
  assert.deepEqual(statuses(world, ...ids), ["RUNNING", "RUNNING", "PENDING"]);
  world.cancel([2]);
  assert.deepEqual(statuses(world, ...ids), ["RUNNING", "CANCELLED", "RUNNING"]);
  world.cancel("all");
  for (const share of [0.2, 1]) {
    const [id = 0] = world.submitted(task({ resources: gpus(share) }));
    const [one] = world.running();
    assert.equal(one?.process.spec?.env["SKYPILOT_NUM_GPUS_PER_NODE"], "1");
    endWell(world, id);
    assert.equal(world.job(id).status, "SUCCEEDED");
  }
});

test("job_queue_multinode: a third gang waits, sets up when one goes, and nothing leaks", () => {
  const world = k80(2);
  const gang = task({ numNodes: 2, resources: gpus(0.5) });
  const ids = world.submitted(gang, gang, { ...gang, setup: "sleep 90" });
  assert.deepEqual(statuses(world, ...ids), ["RUNNING", "RUNNING", "PENDING"]);
  world.cancel([1]);
  assert.deepEqual(statuses(world, ...ids), ["CANCELLED", "RUNNING", "SETTING_UP"]);
  for (const index of [0, 1]) world.exit({ job: 3, attempt: 1, phase: "setup", index });
  assert.equal(world.job(3).status, "RUNNING");
  world.cancel([1, 2, 3]);
  assert.deepEqual(statuses(world, ...ids), ["CANCELLED", "CANCELLED", "CANCELLED"]);
  const [fourth = 0] = world.submitted({ ...gang, setup: "sleep 90" });
  assert.equal(world.job(fourth).status, "SETTING_UP");
  world.cancel([fourth]);
  assert.equal(world.job(fourth).status, "CANCELLED");
  assert.ok(world.state.placer.ledger.isEmpty());
  const next = [task({ resources: gpus(0.2) }), { ...gang, resources: gpus(1) }, gang];
  for (const one of next) {
    const [id = 0] = world.submitted(one);
    assert.equal(world.job(id).status, "RUNNING");
    endWell(world, id);
    assert.equal(world.job(id).status, "SUCCEEDED");
  }
});

test("large_job_queue: of 75 jobs sixteen run; when sixteen are cancelled, 43 wait", () => {
  const nineToFive = Array.from({ length: 16 }, (_, at) => 2 * at + 1);
  for (const cancelled of [Array.from({ length: 16 }, (_, at) => at + 1), nineToFive]) {
    const world = new World({ nodes: nodesOf([capacity(8)]) }).join();
    for (let job = 1; job <= 75; job += 1) world.submitted(task({ run: "sleep 1000" }));
    assert.equal(count(world, "RUNNING"), 16);
    assert.equal(count(world, "PENDING"), 59);
    world.cancel(cancelled);
    assert.equal(count(world, "CANCELLED"), 16);
    assert.equal(count(world, "RUNNING"), 16);
    assert.equal(count(world, "PENDING"), 43);
    const running = world.jobs().filter(({ status }) => status === "RUNNING");
    const expected = Array.from({ length: 75 }, (_, at) => at + 1)
      .filter((id) => !cancelled.includes(id))
      .slice(0, 16);
    assert.deepEqual(
      running.map(({ id }) => id).sort((a, b) => a - b),
      expected,
      "those that came first",
    );
  }
});

test("multi_echo: 32 halves of two GPUs from eight at once, four at a time, all succeed", () => {
  const seed = 7;
  const random = createMemoryRandom(seed);
  const world = k80(2);
  const left = Array.from({ length: 8 }, () => 4);
  const most: number[] = [];
  while (left.some((jobs) => jobs > 0) || world.running().length > 0) {
    const who = random.below(8);
    if ((left[who] ?? 0) > 0) {
      left[who] = (left[who] ?? 0) - 1;
      world.submitted(task({ name: `echo-${who}`, resources: gpus(0.5) }));
    }
    const running = world.running();
    most.push(running.length);
    checkWorld(world);
    const one = running[random.below(Math.max(1, running.length))];
    if (one !== undefined && random.unit() < 0.4) world.exit(one.process.key);
  }
  assert.equal(count(world, "SUCCEEDED"), 32, `SEED=${seed}`);
  assert.equal(Math.max(...most), 4, `SEED=${seed}`);
});

test("the higher priority goes first, among equals who came first", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const whole = (priority: number) => task({ priority, resources: cpus(1) });
  const ids = [0, 0, 5, -1, 5, 7].flatMap((priority) => world.submitted(whole(priority)));
  const order: number[] = [];
  for (let turn = 0; turn < ids.length; turn += 1) {
    const [one] = world.running();
    assert.ok(one !== undefined && world.running().length === 1);
    order.push(one.process.key.job);
    world.exit(one.process.key);
  }
  assert.deepEqual(order, [1, 6, 3, 5, 2, 4], "the first ran when the others came");
});

test("one of a higher priority takes over what is kept for the head of the line", () => {
  const world = new World({ nodes: nodesOf([capacity(1), capacity(1)]) }).join();
  const small = task({ resources: cpus(1) });
  const wide = task({ resources: cpus(1), numNodes: 2 });
  const [a = 0, b = 0, low = 0] = world.submitted(small, small, wide);
  endWell(world, a);
  const [high = 0] = world.submitted({ ...wide, priority: 1 });
  assert.deepEqual(statuses(world, low, high), ["PENDING", "PENDING"]);
  endWell(world, b);
  assert.deepEqual(statuses(world, low, high), ["PENDING", "RUNNING"]);
  endWell(world, high);
  assert.equal(world.job(low).status, "RUNNING");
});

test("a job that fails is run again as often as it may, at its place by priority", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const whole = { resources: cpus(1) };
  const [id = 0, other = 0] = world.submitted(
    task({ ...whole, maxRestarts: 2, priority: 1 }),
    task(whole),
  );
  for (const attempt of [1, 2, 3]) {
    assert.deepEqual([world.job(id).attempt, world.job(id).status], [attempt, "RUNNING"]);
    assert.equal(world.job(other).status, "PENDING");
    world.exit(world.rank(id, 0), { kind: "code", code: 7 });
  }
  assert.equal(world.job(id).status, "FAILED");
  assert.deepEqual(world.job(id).reason?.code, "rank-failed");
  assert.equal(world.job(other).status, "RUNNING");
});

test("a gang restarts whole when one rank fails, and elsewhere when a node is lost", () => {
  const world = new World({ nodes: nodesOf([capacity(1), capacity(1), capacity(1)]) }).join();
  const [id = 0] = world.submitted(task({ numNodes: 2, resources: cpus(1), maxRestarts: 2 }));
  world.exit(world.rank(id, 1), { kind: "signal", signal: 9, evidence: "" });
  assert.equal(world.job(id).attempt, 2);
  assert.equal(world.running().length, 2);
  world.agent("worker1").up = false;
  world.phase("worker1", "lost");
  assert.equal(world.job(id).phase, "draining", "what ran there may run yet");
  world.reboot("worker1");
  world.phase("worker1", "alive");
  assert.equal(world.job(id).attempt, 3);
  assert.equal(world.job(id).status, "RUNNING");
  assert.equal(world.starts.length, new Set(world.starts).size);
});

test("a setup that fails is not run again, however often the job may restart", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const [id = 0] = world.submitted(task({ setup: "make", maxRestarts: 3 }));
  world.exit({ job: id, attempt: 1, phase: "setup", index: 0 }, { kind: "code", code: 1 });
  assert.deepEqual([world.job(id).status, world.job(id).attempt], ["FAILED_SETUP", 1]);
});

const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "3" };

test("stale_job: a stop fails what had not ended, keeps what had, and ids go on", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const whole = task({ resources: cpus(1) });
  const [done = 0, gone = 0] = world.submitted(whole, whole);
  endWell(world, done);
  world.cancel([gone]);
  const setUp = { ...whole, setup: "make" };
  const [runs = 0, sets = 0, waits = 0] = world.submitted(whole, setUp, whole);
  world.say({ kind: "close", verb: "stopped", replyTo });
  const kept = ["SUCCEEDED", "CANCELLED", "FAILED", "FAILED", "FAILED"];
  assert.deepEqual(statuses(world, done, gone, runs, sets, waits), kept);
  for (const id of [runs, sets, waits]) {
    const { reason, endedAt } = world.job(id);
    assert.deepEqual(reason, { code: "cluster-stopped", params: { verb: "stopped" } });
    assert.equal(typeof endedAt, "number");
  }
  assert.equal(world.running().length, 0);

  world.restartHead();
  world.say({ kind: "open" });
  for (const id of world.agents.keys()) world.phase(id, "alive");
  assert.deepEqual(statuses(world, done, gone, runs, sets, waits), kept);
  assert.deepEqual(world.submitted(whole), [waits + 1]);
});

test("a machine that goes and comes back fails what ran on it, at once when it is heard", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const [runs = 0, waits = 0] = world.submitted(
    task({ resources: cpus(1) }),
    task({ resources: cpus(1) }),
  );
  world.restartHead();
  world.reboot("head");
  assert.deepEqual(statuses(world, runs), ["FAILED"]);
  assert.equal(world.job(runs).reason?.code, "node-restarted");
  world.phase("head", "alive");
  assert.equal(world.job(waits).status, "RUNNING", "what had only waited goes on");
});
