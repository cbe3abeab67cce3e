// Leases through the whole scheduler: a node that nobody hears holds up a restart only for so long.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { leaseOverMs } from "../../model/lease.ts";
import type { Task } from "../../model/task.ts";
import type { AgentMessage } from "../../proto/messages.ts";
import { refusalsMax } from "../../scheduler/gang-moves.ts";
import { checkWorld } from "../sim/scheduler-checks.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

const leaseMs = 30_000;
/** All of a node. */
const whole: Task["resources"] = { cpus: { amount: 1, orMore: false } };

function stage(options: { readonly leaseMs?: number } = {}) {
  const told: AgentMessage[] = [];
  const world = new World({
    nodes: nodesOf([capacity(1), capacity(1), capacity(1)]),
    options: { leaseMs, ...options },
    fate: (_, to, message) => {
      if (to !== "skyhead") told.push(message as AgentMessage);
      return 1;
    },
  }).join();
  for (const { id } of world.nodes) world.reconnect(id);
  const since = new Map<string, number>();
  world.liveness = ({ node, ms }) => {
    const silentSince = since.get(node) ?? world.now;
    if (world.now - silentSince < ms) return undefined;
    return { kind: "node-silent", node, ms, untilMonoMs: world.now };
  };
  /** Nothing is heard of a node any more: it ends what runs there on a lease. */
  const silence = (node: string): void => {
    const agent = world.agent(node);
    agent.up = false;
    since.set(node, world.now);
    world.phase(node, "lost");
    for (const process of agent.processes.values()) {
      if (process.spec?.leaseMs === undefined || process.phase === "exited") continue;
      process.phase = "exited";
      process.exit = { kind: "stopped", why: "lease-expired" };
    }
  };
  return { world, told, since, silence };
}

test("only what may be restarted runs on a lease, and only where its node can end it", () => {
  const { world, told } = stage();
  const leases = (): readonly (number | undefined)[] =>
    told.flatMap((message) => (message.kind === "prepare" ? [message.spec.leaseMs] : []));
  world.submitted(task({ maxRestarts: 1, resources: whole }));
  world.submitted(task({ resources: whole }));
  const node = world.state.nodesById.get("worker2");
  assert.ok(node !== undefined);
  node.capabilities = [];
  world.submitted(task({ maxRestarts: 1, resources: whole }));
  assert.deepEqual(leases(), [leaseMs, undefined, undefined]);
});

test("the last attempt runs on no lease: nothing can follow it", () => {
  const { world, told } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1 }));
  world.exit(world.rank(id, 0), { kind: "code", code: 1 });
  const leases = told.flatMap((message) => (message.kind === "prepare" ? message.spec : []));
  assert.deepEqual(
    leases.map((spec) => spec.leaseMs),
    [leaseMs, undefined],
  );
});

test("a lease counts from when its rank stood ready, whoever repeats the word to go", () => {
  const { world, told } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  const goes = told.filter((message) => message.kind === "go");
  assert.equal(goes.length, 2);
  assert.ok(goes.every(({ leaseFrom }) => leaseFrom === world.now));
  assert.equal(world.job(id).phase, "running");
});

test("a lost node holds up a restart until its leases are over, and no longer", () => {
  const { world, silence } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  const began = world.now;
  silence("worker1");
  const over = leaseOverMs(leaseMs);
  assert.match(
    world.job(id).waitingFor ?? "",
    /restarts elsewhere .*attempt 1 on worker1.*in 36 s/,
  );
  world.pass(over - 3_000);
  assert.equal(world.job(id).phase, "draining");
  assert.match(world.job(id).waitingFor ?? "", /is over, in [1-5] s/);
  world.pass(6_000);
  assert.equal(world.job(id).attempt, 2);
  assert.equal(world.job(id).phase, "running");
  assert.deepEqual(
    world.job(id).ranks.map(({ node }) => node),
    ["head", "worker2"],
  );
  assert.ok(world.now - began >= over);
  assert.match(JSON.stringify(world.events), /lease was over/);
  checkWorld(world);
});

test("a node that comes back is swept before it takes work", () => {
  const { world, since, silence } = stage();
  const two = { maxRestarts: 1, numNodes: 2, resources: whole };
  const [id = 0] = world.submitted(task(two));
  silence("worker1");
  world.pass(leaseOverMs(leaseMs) + 5_000);
  assert.equal(world.job(id).attempt, 2);
  assert.deepEqual([...(world.state.nodesById.get("worker1")?.ghosts ?? [])], [`${id}-1-run-1`]);
  const [next = 0] = world.submitted(task({ resources: whole }));
  world.phase("worker1", "alive");
  assert.equal(world.job(next).phase, "queued");
  since.delete("worker1");
  world.reconnect("worker1");
  assert.equal(world.job(next).phase, "running");
  assert.equal(world.job(next).ranks[0]?.node, "worker1");
});

test("without leases a restart waits for the node's own word, for ever", () => {
  const { world, silence } = stage({ leaseMs: 0 });
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  silence("worker1");
  world.pass(10 * 60_000);
  assert.equal(world.job(id).phase, "draining");
  assert.match(world.job(id).waitingFor ?? "", /worker1 \(lost\) must confirm/);
});

test("what was told to go since its node was last heard has its whole lease", () => {
  const { world, since, silence } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  silence("worker1");
  since.set("worker1", world.now - 20_000);
  world.pass(leaseOverMs(leaseMs) - 3_000);
  assert.equal(world.job(id).phase, "draining", "the silence is longer than the lease");
  world.pass(6_000);
  assert.equal(world.job(id).attempt, 2);
});

test("a head that starts anew counts from its start", () => {
  const { world, since, silence } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  silence("worker1");
  world.pass(20_000);
  since.set("worker1", world.now);
  world.restartHead();
  for (const node of ["head", "worker2"]) world.phase(node, "alive");
  world.phase("worker1", "lost");
  world.pass(leaseOverMs(leaseMs) - 3_000);
  assert.equal(world.job(id).phase, "draining");
  world.pass(6_000);
  assert.equal(world.job(id).attempt, 2);
});

test("a rank whose lease ran out while its node was only cut off is a reason to restart", () => {
  const { world } = stage();
  const [id = 0] = world.submitted(task({ maxRestarts: 1, numNodes: 2 }));
  world.exit(world.rank(id, 1), { kind: "stopped", why: "lease-expired" });
  assert.equal(world.job(id).attempt, 2);
  assert.match(
    JSON.stringify(world.events),
    /for as long as its lease the head was not heard from/,
  );
  world.exit(world.rank(id, 1), { kind: "stopped", why: "lease-expired" });
  assert.equal(world.job(id).reason?.code, "lease-expired");
});

test("a gang of which a part had started when an agent died restarts by its policy", () => {
  for (const maxRestarts of [0, 1]) {
    const lost = new Set<string>();
    const nodes = nodesOf([capacity(1), capacity(1)]);
    const fate = (_: string, to: string, message: object): number =>
      lost.has(to) && (message as AgentMessage).kind === "go" ? 0 : 1;
    const world = new World({ nodes, fate }).join();
    lost.add("worker1");
    const [id = 0] = world.submitted(task({ maxRestarts, numNodes: 2 }));
    assert.equal(world.running().length, 1);
    lost.clear();
    world.restartAgent("worker1");
    const { status, phase, attempt, reason } = world.job(id);
    if (maxRestarts === 0) assert.equal(reason?.code, "never-started", status);
    else assert.deepEqual([phase, attempt], ["running", 2]);
  }
});

test("a rank that never started is told apart in each report of its end", () => {
  const lost = new Set(["worker1"]);
  const world = new World({
    nodes: nodesOf([capacity(1), capacity(1)]),
    fate: (_, to, message) => (lost.has(to) && (message as AgentMessage).kind === "go" ? 0 : 1),
  }).join();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  lost.clear();
  const exit = { kind: "unknown", evidence: "its agent ended before" } as const;
  const about = { key: world.rank(id, 1), exit, endedAt: world.now, logBytes: 0 };
  world.say({ kind: "rank-exited", ...about, neverStarted: true }, "worker1");
  world.pass(60_000);
  assert.equal(world.job(id).reason?.code, "never-started");
});

test("nodes that refuse for one cause, again and again, end the job with it", () => {
  const { world } = stage();
  const refuse = (id: number, why: string): void => {
    const { attempt, ranks } = world.job(id);
    const key = { job: id, attempt, phase: "run", index: 0 } as const;
    world.say({ kind: "rank-refused", key, why }, ranks[0]?.node ?? "?");
  };
  const hold = world.fate;
  // Nobody gets ready: the test speaks for the nodes.
  world.fate = (_, to) => (to === "skyhead" ? 1 : 0);
  const [id = 0] = world.submitted(task({ maxRestarts: 1 }));
  // The same cause says another digest and another number each time.
  const cause = (time: number): string => {
    const digest = createHash("sha256").update(String(time)).digest("hex");
    return `/homes/${world.job(id).ranks[0]?.node}/data cannot be made: ${digest} at ${time * 7}`;
  };
  for (let time = 1; time < refusalsMax; time += 1) {
    refuse(id, cause(time));
    assert.equal(world.job(id).phase, "queued");
    for (let second = 0; world.job(id).phase === "queued" && second < 120; second += 1) {
      world.pass(1_000);
    }
    assert.equal(world.job(id).phase, "preparing", `attempt ${time + 1}`);
  }
  world.fate = hold;
  refuse(id, cause(refusalsMax));
  world.pass(10_000);
  assert.equal(world.job(id).status, "FAILED");
  assert.equal(world.job(id).reason?.code, "refused");
  assert.match(world.job(id).reason?.params["why"] ?? "", /cannot be made/);
  checkWorld(world);
});

test("refusals for other causes, or after something else happened, begin to count anew", () => {
  const { world } = stage();
  world.fate = (_, to) => (to === "skyhead" ? 1 : 0);
  const [id = 0] = world.submitted(task({ maxRestarts: 1 }));
  for (let time = 0; time < 3 * refusalsMax; time += 1) {
    const { attempt, ranks } = world.job(id);
    const key = { job: id, attempt, phase: "run", index: 0 } as const;
    const node = ranks[0]?.node ?? "?";
    world.say({ kind: "rank-refused", key, why: `cause ${time % 2 === 0 ? "x" : "y"}` }, node);
    for (let second = 0; world.job(id).phase === "queued" && second < 120; second += 1) {
      world.pass(1_000);
    }
    assert.equal(world.job(id).phase, "preparing");
  }
});
