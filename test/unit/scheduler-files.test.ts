// Files of a launch reach all nodes of a cluster, also those on which nothing of it runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RankKey } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

function three(): World {
  return new World({ nodes: nodesOf([capacity(2), capacity(2), capacity(2)]) }).join();
}

/** Of every process that was begun: where, which, with what script, and whether with files. */
function begun(world: World, id: number): readonly string[] {
  return world
    .every()
    .filter(({ process: { key, pid } }) => key.job === id && pid > 0)
    .map(({ agent, process: { key, spec } }) => {
      const files = spec?.workdirTree === undefined ? "without files" : "with files";
      return `${agent.id} ${key.phase} '${spec?.script}' ${files}`;
    });
}

function launched(world: World, change: Partial<Task>, noSetup = false): number {
  const answer = world.submit([task(change)], { allNodes: true, noSetup });
  assert.ok(answer.kind === "submitted");
  return answer.jobs[0] ?? 0;
}

function setUp(world: World, id: number, nodes: readonly number[]): void {
  for (const index of nodes) world.exit({ job: id, attempt: 1, phase: "setup", index });
}

test("a launch without a setup brings its files to the other nodes first", () => {
  const world = three();
  const id = launched(world, { workdir: "/w" });
  assert.equal(world.job(id).status, "SETTING_UP");
  setUp(world, id, [1, 2]);
  assert.equal(world.job(id).status, "RUNNING");
  world.exit(world.rank(id, 0));
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.deepEqual(begun(world, id), [
    "head run 'true' with files",
    "worker1 setup '' with files",
    "worker2 setup '' with files",
  ]);
});

test("where the job runs on every node, and for exec, its ranks bring them", () => {
  const world = three();
  const all = launched(world, { workdir: "/w", numNodes: 3 });
  assert.equal(world.job(all).status, "RUNNING");
  const [exec = 0] = world.submitted(task({ workdir: "/w" }));
  assert.deepEqual(begun(world, exec), ["head run 'true' with files"]);
  const bare = launched(world, {});
  assert.deepEqual(begun(world, bare), ["head run 'true' without files"]);
});

test("what --no-setup leaves out is not run, and the files go everywhere all the same", () => {
  const world = three();
  const id = launched(world, { workdir: "/w", setup: "make" }, true);
  setUp(world, id, [1, 2]);
  assert.deepEqual(begun(world, id), [
    "head run 'true' with files",
    "worker1 setup '' with files",
    "worker2 setup '' with files",
  ]);
});

test("a launch with files and nothing to run ends well when they are on every node", () => {
  const world = three();
  const id = launched(world, { workdir: "/w", run: "" });
  assert.equal(world.job(id).status, "SETTING_UP");
  setUp(world, id, [0, 1, 2]);
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.equal(world.job(id).reason?.code, "nothing-to-run");
  assert.ok(world.state.placer.ledger.isEmpty());

  const [exec = 0] = world.submitted(task({ workdir: "/w", run: "" }));
  setUp(world, exec, [0]);
  assert.equal(world.job(exec).reason?.code, "nothing-to-run");
  assert.deepEqual(begun(world, exec), ["head setup '' with files"]);

  const none = launched(world, { run: "" });
  assert.equal(world.job(none).reason?.code, "nothing-to-run", "there is nothing to wait for");
});

test("a node that is lost while files go there does not hold up the job", () => {
  const world = three();
  const id = launched(world, { workdir: "/w" });
  setUp(world, id, [1]);
  world.agent("worker2").up = false;
  world.phase("worker2", "lost");
  assert.equal(world.job(id).status, "RUNNING");
});

test("a node that is down is left out", () => {
  const world = three();
  world.agent("worker1").up = false;
  world.phase("worker1", "lost");
  const id = launched(world, { workdir: "/w" });
  setUp(world, id, [2]);
  assert.equal(world.job(id).status, "RUNNING");
});

test("a head that starts anew goes on with files that are on their way", () => {
  const world = three();
  const id = launched(world, { workdir: "/w" });
  setUp(world, id, [1]);
  world.restartHead();
  for (const node of world.agents.keys()) world.phase(node, "alive");
  setUp(world, id, [2]);
  assert.equal(world.job(id).status, "RUNNING");
});

test("every node whose setup failed is named with how, whoever was first", () => {
  const world = three();
  const id = launched(world, { setup: "make" });
  const key = (index: number): RankKey => ({ job: id, attempt: 1, phase: "setup", index });
  // The word of the second failure comes when its stop is on the way.
  world.fate = (_, to, message) =>
    to === "worker2" && "kind" in message && message.kind === "stop" ? 0 : 1;
  world.exit(key(1), { kind: "code", code: 2 });
  assert.equal(world.job(id).phase, "draining");
  world.exit(key(2), { kind: "signal", signal: 9, evidence: "out of memory" });
  world.fate = () => 1;
  world.pass(5_000);
  const { status, reason, setups } = world.job(id);
  assert.equal(status, "FAILED_SETUP");
  assert.deepEqual(reason?.params, {
    node: "worker1",
    rank: "1",
    outcome: "exited with 2, on worker2 was killed by SIGKILL (out of memory)",
  });
  assert.deepEqual(
    setups.map(({ exit }) => exit?.kind),
    ["stopped", "code", "signal"],
  );
});
