// What a lost node left behind: its jobs have ended, and their processes may still run there.
//
// Until the node has swept such a process, nothing that could help to find it is taken away.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentMessage } from "../../proto/messages.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

function stage() {
  const told: string[] = [];
  const world = new World({
    nodes: nodesOf([capacity(2), capacity(2)]),
    fate: (_, to, message) => {
      if (to === "worker1") told.push((message as AgentMessage).kind);
      return 1;
    },
  }).join();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  world.agent("worker1").up = false;
  world.phase("worker1", "lost");
  assert.equal(world.job(id).reason?.code, "node-lost");
  told.length = 0;
  return { world, id, told };
}

test("a process that must still be swept is not forgotten, though its log is complete", () => {
  const { world, id, told } = stage();
  world.say({ kind: "logs-complete", job: id, attempt: 1 });
  assert.ok(!told.includes("forget"), told.join(" "));
  world.phase("worker1", "alive");
  world.reconnect("worker1");
  const orders = new Set(told.filter((kind) => kind === "stop" || kind === "forget"));
  assert.deepEqual([...orders], ["stop", "forget"]);
});

test("a sweep that saw a survivor proves nothing: the node takes no work", () => {
  const { world, id } = stage();
  world.phase("worker1", "alive");
  const key = { job: id, attempt: 1, phase: "run", index: 1 } as const;
  const sweep = { node: "worker1", found: 1, killed: 0, unproven: [] };
  world.say({ kind: "rank-swept", key, sweep: { ...sweep, survivors: 1 } }, "worker1");
  assert.equal(world.state.nodesById.get("worker1")?.ghosts.size, 1);
  world.say({ kind: "rank-swept", key, sweep: { ...sweep, survivors: 0 } }, "worker1");
  assert.equal(world.state.nodesById.get("worker1")?.ghosts.size, 0);
});

test("what ended after a restart that nobody had heard of is swept like any other", () => {
  const { world, id, told } = stage();
  world.exit({ job: id, attempt: 1, phase: "run", index: 1 }, { kind: "code", code: 1 });
  world.agent("worker1").bootId = "boot-2";
  world.reconnect("worker1");
  assert.ok(told.includes("stop"), told.join(" "));
  assert.equal(world.state.nodesById.get("worker1")?.ghosts.size, 0);
});

test("an exit that is known stands, though it is told with the news of a restart", () => {
  const world = new World({ nodes: nodesOf([capacity(2)]) }).join();
  world.reconnect("head");
  const [id = 0] = world.submitted(task());
  world.agent("head").up = false;
  world.exit({ job: id, attempt: 1, phase: "run", index: 0 });
  world.agent("head").bootId = "boot-2";
  world.reconnect("head");
  assert.equal(world.job(id).reason?.code, "all-ranks-exited-0");
});
