// What `sky why` answers, and what the board shows: from real runs of the scheduler.

import assert from "node:assert/strict";
import { test } from "node:test";
import { boardInMemory } from "../../scheduler/board-memory.ts";
import { autostopText, whyCluster, whyJob } from "../../scheduler/why.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

function two(): World {
  return new World({ nodes: nodesOf([capacity(1), capacity(1)]) }).join();
}

function why(world: World, job: number): string {
  const events = world.events.filter(({ subject }) => subject === `job/${job}`);
  return whyJob(world.job(job), events).summary;
}

const full = { cpus: { amount: 1, orMore: false } };

test("a failure: the first rank, its node and code, its peers, and the sweeps", () => {
  const world = two();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  assert.equal(why(world, id), "job 1 is RUNNING: 2 ranks on head, worker1");
  world.exit(world.rank(id, 1), { kind: "code", code: 7 });
  assert.equal(
    why(world, id),
    "job 1 is FAILED: rank 1 on worker1 exited with 7; its peers were stopped. " +
      "rank 0 on head was stopped (peer-failed), rank 1 on worker1 exited with 7. " +
      "swept 2 nodes: 1 left-over process killed, 0 survived",
  );
});

test("a signal without evidence is told as what a shell can know", () => {
  const world = two();
  const [id = 0] = world.submitted(task());
  world.exit(world.rank(id, 0), { kind: "signal", signal: 9, evidence: "" });
  assert.match(why(world, id), /rank 0 on head exited with 137 \(SIGKILL or exit 137\)/);
});

test("a wait: for which nodes, and who holds them", () => {
  const world = two();
  const [, second = 0, third = 0] = world.submitted(
    task({ resources: full }),
    task({ numNodes: 2, resources: full }),
    task({ resources: full }),
  );
  assert.equal(
    why(world, second),
    "job 2 is PENDING: it waits for 2 nodes, 1 free; head is held by job 1",
  );
  assert.equal(why(world, third), "job 3 is PENDING: it waits for its turn in the queue");
});

test("the chain tells every change of phase with its actor and cause, in order", () => {
  const world = two();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  world.cancel([id]);
  const chain = world.events.filter(({ subject }) => subject === `job/${id}`);
  const moves = chain.flatMap(({ from, to }) => (to === undefined ? [] : [`${from ?? ""}>${to}`]));
  assert.deepEqual(
    [...new Set(moves)],
    [
      ">queued",
      "queued>preparing",
      "preparing>starting",
      "starting>running",
      "running>draining",
      "draining>ended",
    ],
  );
  assert.ok(chain.some(({ actor, cause }) => actor === "user:ann" && cause === "cancelled by ann"));
  for (const { actor, cause } of chain) assert.ok(actor !== "" && cause !== "");
});

test("a cluster: its nodes, its jobs, and autostop's verdict of this moment", () => {
  const world = two();
  world.phase("worker1", "suspect");
  const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "1" };
  world.say({ kind: "set-autostop", setting: { idleMs: 60_000, verb: "stop" }, replyTo });
  const facts = {
    name: "demo",
    jobs: world.board.jobs(),
    nodes: world.nodes.map((node) => ({ ...node, phase: world.board.nodePhase(node.id) })),
    autostop: world.board.autostop(),
    nowWallMs: world.now + 3_200,
  };
  assert.equal(
    whyCluster(facts, []).summary,
    "demo: 1 of 2 nodes alive, worker1 is suspect; no job before the end; " +
      "autostop: idle for 3.2 s of 60 s",
  );
  world.submitted(task());
  const view = world.board.autostop();
  assert.ok(view !== undefined);
  const now = { jobs: world.board.jobs(), nowWallMs: world.now };
  assert.equal(autostopText(view, now), "autostop: not idle: job 1 RUNNING");
});

test("the board: newest first, and waiters hear of the change that they wait for", async () => {
  const world = two();
  const board = boardInMemory();
  const [id = 0, other = 0] = world.submitted(task(), task());
  const waiting = board.until(id, () => true, AbortSignal.timeout(1_000));
  assert.equal(await waiting, undefined, "no such job on this board");
  board.apply({ jobs: [world.job(id), world.job(other)], events: [] });
  assert.deepEqual(
    board.jobs().map((job) => job.id),
    [other, id],
  );
  assert.equal((await board.latest())?.id, other);
  const controller = new AbortController();
  const ended = board.until(id, ({ phase }) => phase === "ended", controller.signal);
  const given = board.until(other, ({ phase }) => phase === "ended", controller.signal);
  world.exit(world.rank(id, 0));
  board.apply({ jobs: [world.job(id)], events: [] });
  assert.equal((await ended)?.status, "SUCCEEDED");
  controller.abort(new Error("given up"));
  await assert.rejects(given, /given up/);
});
