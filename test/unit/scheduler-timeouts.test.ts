// A task's timeout and its own grace and lease, through the whole scheduler.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../../model/task.ts";
import type { AgentMessage } from "../../proto/messages.ts";
import { timeLeft, timeoutText } from "../../scheduler/gang-timeout.ts";
import { whyJob } from "../../scheduler/why.ts";
import type { Fate } from "../sim/scheduler-world.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

const minute = 60_000;
const limited = (change: Partial<Task> = {}): Task => task({ timeoutMs: minute, ...change });

function two(fate: Fate = () => 1): World {
  return new World({ nodes: nodesOf([capacity(2), capacity(2)]), fate }).join();
}

test("an attempt that takes too long is stopped whole, and the record says why", () => {
  const world = two();
  const [id = 0] = world.submitted(limited({ numNodes: 2 }));
  world.pass(minute - 1);
  assert.equal(world.job(id).status, "RUNNING");
  world.pass(1);
  const job = world.job(id);
  assert.equal(job.status, "FAILED");
  assert.deepEqual(job.reason, { code: "timed-out", params: { timeout: "1m" } });
  for (const { exit } of job.ranks) assert.deepEqual(exit, { kind: "stopped", why: "timed-out" });
  assert.equal(job.sweeps.length, 2);
  assert.equal(world.running().length, 0);
  assert.match(whyJob(job, []).summary, /FAILED: it took longer than its timeout of 1m\./);
  assert.equal(world.timers.has(`timeout-${id}`), false);
});

test("it counts from the start of the setup, not from the submission", () => {
  const world = two();
  const [, id = 0] = world.submitted(
    task({ resources: { cpus: { amount: 2, orMore: false } }, numNodes: 2 }),
    limited({ setup: "make", numNodes: 2 }),
  );
  world.pass(5 * minute);
  assert.equal(world.job(id).status, "PENDING", "what waits takes no time");
  for (const index of [0, 1]) world.exit({ job: 1, attempt: 1, phase: "run", index });
  assert.equal(world.job(id).status, "SETTING_UP");
  world.pass(minute - 10_000);
  for (const index of [0, 1]) world.exit({ job: id, attempt: 1, phase: "setup", index });
  assert.equal(world.job(id).status, "RUNNING");
  world.pass(10_000);
  assert.equal(world.job(id).reason?.code, "timed-out");

  const [slow = 0] = world.submitted(limited({ setup: "make" }));
  world.pass(minute);
  assert.equal(world.job(slow).status, "FAILED", "it is the timeout's fault, not the setup's");
  assert.equal(world.job(slow).reason?.code, "timed-out");
});

test("each attempt has its own time, as often as it may restart", () => {
  const world = two();
  const [id = 0] = world.submitted(limited({ maxRestarts: 2 }));
  for (const attempt of [1, 2, 3]) {
    assert.equal(world.job(id).attempt, attempt);
    assert.equal(world.job(id).status, "RUNNING");
    world.pass(minute);
  }
  assert.equal(world.job(id).attempt, 3);
  assert.equal(world.job(id).reason?.code, "timed-out");
});

test("a head that starts anew counts on", () => {
  const world = two();
  const [id = 0] = world.submitted(limited());
  world.pass(minute / 2);
  world.restartHead();
  world.pass(minute / 2 - 1);
  assert.equal(world.job(id).status, "RUNNING");
  world.pass(1);
  assert.equal(world.job(id).reason?.code, "timed-out");
});

test("what ended before its stop came is judged by how it ended", () => {
  const ends = [
    [{ kind: "code", code: 0 }, "all-ranks-exited-0"],
    [{ kind: "code", code: 7 }, "rank-failed"],
  ] as const;
  for (const [exit, code] of ends) {
    let isCut = false;
    const world = two((from) => (isCut && from === "head" ? 0 : 1));
    const [id = 0] = world.submitted(limited());
    isCut = true;
    world.exit(world.rank(id, 0), exit);
    world.now += 2 * minute;
    isCut = false;
    world.restartHead();
    world.pass(1);
    assert.equal(world.job(id).reason?.code, code);
    assert.deepEqual(world.job(id).ranks[0]?.exit, exit);
  }
});

test("a setup that failed before its stop came is a failed setup", () => {
  let isCut = false;
  const world = two((from) => (isCut && from === "head" ? 0 : 1));
  const [id = 0] = world.submitted(limited({ setup: "make" }));
  isCut = true;
  world.exit({ job: id, attempt: 1, phase: "setup", index: 0 }, { kind: "code", code: 3 });
  world.pass(minute);
  isCut = false;
  world.reconnect("head");
  assert.equal(world.job(id).status, "FAILED_SETUP");
});

test("a cancel while a timed-out attempt is stopped ends the job with the first outcome", () => {
  let isDeaf = false;
  const world = two((_, to) => (isDeaf && to === "head" ? 0 : 1));
  const [last = 0] = world.submitted(limited());
  isDeaf = true;
  world.pass(minute);
  world.cancel([last]);
  isDeaf = false;
  world.pass(10_000);
  assert.equal(world.job(last).reason?.code, "timed-out", "no attempt was left");

  const [more = 0] = world.submitted(limited({ maxRestarts: 1 }));
  isDeaf = true;
  world.pass(minute);
  world.cancel([more]);
  isDeaf = false;
  world.pass(10_000);
  assert.equal(world.job(more).reason?.code, "cancelled-by-user", "another attempt was to come");
});

test("a job's own grace goes with each of its stops, and its drain may take as long", () => {
  const graces: number[] = [];
  let isDeaf = false;
  const world = two((_, to, message) => {
    const told = message as AgentMessage;
    if (told.kind === "stop") graces.push(told.graceMs);
    return isDeaf && to === "head" ? 0 : 1;
  });
  const [own = 0, usual = 0] = world.submitted(task({ config: { graceMs: 300_000 } }), task());
  isDeaf = true;
  world.cancel([own]);
  assert.deepEqual([...new Set(graces.splice(0))], [300_000]);
  world.pass(200_000);
  assert.equal(world.job(own).phase, "draining", "its grace is not over");
  assert.deepEqual([...new Set(graces.splice(0))], [300_000], "also when it is said again");
  world.pass(200_000);
  assert.equal(world.job(own).status, "CANCELLED");
  isDeaf = false;
  graces.length = 0;
  world.cancel([usual]);
  assert.deepEqual([...new Set(graces)], [30_000]);
});

test("a job's own lease is what its ranks get; none, if it says so", () => {
  const world = two();
  const leases: readonly (readonly [Task["config"], number | undefined])[] = [
    [undefined, 30_000],
    [{ leaseMs: 7_000 }, 7_000],
    [{ leaseMs: 0 }, undefined],
  ];
  for (const [config, leaseMs] of leases) {
    const [id = 0] = world.submitted(task({ maxRestarts: 1, ...(config ? { config } : {}) }));
    const specs = world.running().filter(({ process }) => process.key.job === id);
    assert.deepEqual(
      specs.map(({ process }) => process.spec?.leaseMs),
      [leaseMs],
    );
    world.cancel([id]);
  }
});

test("a timeout is told as it is written", () => {
  assert.equal(timeoutText(90_000), "1m30s");
  assert.equal(timeoutText(3_600_000), "1h");
  assert.equal(timeoutText(2 * 86_400_000 + 5_400_000), "2d1h30m");
  assert.equal(timeoutText(1_500), "1s500ms");
});

test("while a timed-out attempt is stopped to restart, its ranks show why they were", () => {
  let isDeaf = false;
  const world = two((_, to) => (isDeaf && to === "worker1" ? 0 : 1));
  const [id = 0] = world.submitted(limited({ numNodes: 2, maxRestarts: 1 }));
  isDeaf = true;
  world.pass(minute);
  const { phase, ranks } = world.job(id);
  assert.equal(phase, "draining");
  assert.deepEqual(ranks[0]?.exit, { kind: "stopped", why: "timed-out" });
  isDeaf = false;
  world.pass(10_000);
  assert.equal(world.job(id).attempt, 2);
});

test("a rank of which only the sweep is heard was stopped for the same reason", () => {
  const world = two((_, __, message) => ("exit" in message ? 0 : 1));
  const [id = 0] = world.submitted(limited());
  world.pass(minute);
  assert.deepEqual(world.job(id).ranks[0]?.exit, { kind: "stopped", why: "timed-out" });
});

test("nodes are told of a cancel: earlier ones know no timeouts", () => {
  const told: string[] = [];
  const world = two((_, __, message) => {
    const order = message as AgentMessage;
    if (order.kind === "stop") told.push(order.why);
    return 1;
  });
  world.submitted(limited());
  world.pass(minute);
  assert.deepEqual(told, ["cancelled"]);
});

test("a timer of an attempt that is over ends none after it", () => {
  const world = two();
  const [id = 0] = world.submitted(limited({ maxRestarts: 1 }));
  world.exit(world.rank(id, 0), { kind: "code", code: 7 });
  assert.equal(world.job(id).attempt, 2);
  world.say({ kind: "timeout-due", job: id, attempt: 1 });
  assert.equal(world.job(id).status, "RUNNING");
  world.exit(world.rank(id, 0));
  world.say({ kind: "timeout-due", job: id, attempt: 2 });
  world.say({ kind: "timeout-due", job: 99, attempt: 1 });
  assert.equal(world.job(id).status, "SUCCEEDED");
});

test("after a boot the wall clock counts, and one that was put back takes nothing away", () => {
  const world = two();
  const [id = 0] = world.submitted(limited());
  const gang = world.state.jobs.get(id)?.gang;
  assert.ok(gang !== undefined);
  const at = (wallMs: number) => ({ wallMs, monoMs: 5, bootId: "another" });
  assert.equal(timeLeft(gang, at(world.now + 20_000)), 40_000);
  assert.equal(timeLeft(gang, at(world.now - 3_600_000)), minute);
  assert.equal(timeLeft(gang, at(world.now + 3_600_000)), 0);
});
