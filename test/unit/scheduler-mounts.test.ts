// A job with file mounts runs only on nodes that can lay them out, and is told what to lay out.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MountTree } from "../../model/tree.ts";
import { wireCapabilities } from "../../model/wire.ts";
import type { SubmitReply } from "../../scheduler/messages.ts";
import { rankSpec } from "../../scheduler/rank-spec.ts";
import type { JobSpec } from "../../scheduler/records.ts";
import { recordKeys } from "../../scheduler/records.ts";
import { entryOf } from "../../scheduler/table.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

const mounts: readonly MountTree[] = [
  { destination: "~/data", tree: { digest: "ab".repeat(32), bytes: 7 }, isFile: false },
  { destination: "/opt/run", tree: { digest: "cd".repeat(32), bytes: 8 }, isFile: true },
];

function three(): World {
  return new World({ nodes: nodesOf([capacity(1), capacity(1), capacity(1)]) }).join();
}

/** The agents of these nodes can lay out mounts, those of the others cannot. */
function able(world: World, names: readonly string[]): void {
  for (const { node, capabilities } of world.state.nodesById.values()) {
    const others = capabilities.filter((name) => name !== "mounts");
    const entry = world.state.nodesById.get(node.id);
    assert.ok(entry !== undefined);
    entry.capabilities = names.includes(node.id) ? [...others, "mounts"] : others;
  }
  world.say({ kind: "nodes-declared", nodes: world.nodes });
}

function submit(world: World, numNodes: number, more = {}): number {
  const before = world.replies.length;
  world.say({
    ...{ kind: "submit", tasks: [task({ numNodes, ...more })], workdirs: [undefined] },
    ...{ mounts: [mounts], idempotencyKey: "", user: "ann", noSetup: false },
    replyTo: { cluster: "demo", node: "skyhead", kind: "ask", id: "1" },
  });
  const reply = world.replies[before] as SubmitReply;
  assert.ok(reply.kind === "submitted", JSON.stringify(reply));
  return reply.jobs[0] ?? 0;
}

test("a job with mounts waits for nodes that can lay them out, and names the others", () => {
  const world = three();
  able(world, ["worker1"]);
  const id = submit(world, 2);
  assert.equal(world.job(id).phase, "queued");
  assert.equal(
    world.job(id).waitingFor,
    "2 living nodes: 1 of the 3 nodes could hold it now; " +
      "2 nodes (head, worker2) are of a version without file mounts",
  );
  // It blocks nobody.
  const [plain = 0] = world.submitted(task({ numNodes: 2 }));
  assert.equal(world.job(plain).phase, "running");
  for (const rank of [0, 1]) world.exit(world.rank(plain, rank));
  able(world, ["worker1", "worker2"]);
  assert.equal(world.job(id).phase, "running");
  const seats = world.job(id).ranks.map(({ node }) => node);
  assert.deepEqual(seats, ["worker1", "worker2"]);
});

test("an agent that makes way for an older one takes no mounts from then on", () => {
  const world = three();
  able(world, ["worker1"]);
  const about = { bootId: "boot-worker1", capacity: capacity(1), version: "", ranks: [] } as const;
  const capabilities = wireCapabilities.filter((name) => name !== "mounts");
  world.say({ kind: "inventory", ...about, capabilities }, "worker1");
  const id = submit(world, 1);
  assert.match(world.job(id).waitingFor ?? "", /^1 living node: 0 of the 3 nodes/);
});

test("a job that is to be prepared by such an agent is taken elsewhere, never run", () => {
  const world = three();
  able(world, ["worker1"]);
  const isLost = (message: object): boolean => "kind" in message && message.kind === "prepare";
  world.fate = (_from, _to, message) => (isLost(message) ? 0 : 1);
  const id = submit(world, 1);
  assert.equal(world.job(id).phase, "preparing");
  for (const name of ["head", "worker1", "worker2"]) {
    world.agent(name).capabilities = wireCapabilities.filter((one) => one !== "mounts");
  }
  const about = { bootId: "boot-worker1", capacity: capacity(1), version: "", ranks: [] } as const;
  const { capabilities = [] } = world.agent("worker1");
  world.say({ kind: "inventory", ...about, capabilities }, "worker1");
  world.fate = () => 1;
  world.pass(120_000);
  assert.deepEqual(world.starts, []);
  assert.equal(world.job(id).phase, "queued");
});

test("setup and run get the mounts, and hear how many nodes take them", () => {
  const world = three();
  able(world, ["head", "worker1"]);
  const id = submit(world, 1, { setup: "true" });
  const entry = entryOf(world.state, id);
  // The third node could only run the setup without its files.
  assert.deepEqual(
    world.job(id).setups.map(({ node }) => node),
    ["head", "worker1"],
  );
  const attempt = 1;
  const setup = rankSpec(world.state, entry, { job: id, attempt, phase: "setup", index: 0 });
  const run = rankSpec(world.state, entry, { job: id, attempt, phase: "run", index: 0 });
  assert.deepEqual(
    setup.mounts,
    mounts.map((mount) => ({ ...mount, takers: 2 })),
  );
  assert.deepEqual(run.mounts, mounts);
});

test("the mounts are on record, and a later head still knows which nodes can take them", () => {
  const world = three();
  const id = submit(world, 1);
  const record = world.records.get(recordKeys.spec("demo", id)) ?? "{}";
  assert.deepEqual((JSON.parse(record) as JobSpec).mounts, mounts);
  const isLaid = wireCapabilities.includes("mounts");
  world.restartHead();
  assert.equal(world.job(id).phase, isLaid ? "running" : "queued");
  assert.equal(entryOf(world.state, id).need.mounts, true);
});
