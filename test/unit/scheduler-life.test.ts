// A job's life through the whole scheduler, with agents that behave as the contract says.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RankKey } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import { wireCapabilities } from "../../model/wire.ts";
import { checkWorld } from "../sim/scheduler-checks.ts";
import type { Fate } from "../sim/scheduler-world.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";

const cpu = (amount: number): Task["resources"] => ({ cpus: { amount, orMore: false } });
const gpus = (count: number): Task["resources"] => ({ accelerators: { name: "V100", count } });

function four(options: { readonly fate?: Fate } = {}): World {
  const nodes = nodesOf([capacity(1), capacity(1), capacity(1), capacity(1)]);
  return new World({ nodes, ...options }).join();
}

function isGoOfRun(message: object): boolean {
  const { kind, key } = message as { readonly kind: string; readonly key?: RankKey };
  return kind === "go" && key?.phase === "run";
}

test("a single rank starts with one commit and ends with its exit code", () => {
  const world = four();
  const commits = world.commits;
  const [id = 0] = world.submitted(task({ name: "hello" }));
  assert.equal(world.running().length, 1);
  assert.equal(world.commits - commits, 2, "one for the placement, one for the start");
  assert.equal(world.job(id).status, "RUNNING");
  world.exit(world.rank(id, 0));
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.equal(world.job(id).ranks[0]?.node, "head");
  assert.deepEqual(world.job(id).sweeps, [], "a job that succeeds is not swept");
  assert.ok(world.every().every(({ process }) => process.acknowledged));
});

test("a gang starts only when every rank stands ready, and sees its peers in node order", () => {
  const late = new Set(["worker3"]);
  const world = four({ fate: (_, to) => (late.has(to) ? 0 : 1) });
  const [id = 0] = world.submitted(task({ numNodes: 4 }));
  assert.equal(world.running().length, 0, "three of four stand ready");
  assert.equal(world.job(id).phase, "preparing");
  late.clear();
  world.pass(5_000);
  assert.equal(world.running().length, 4);
  assert.equal(world.job(id).phase, "running");
  for (const [rank, { process }] of world.running().entries()) {
    const env = process.spec?.env ?? {};
    assert.equal(env["SKYPILOT_NODE_RANK"], String(rank));
    assert.equal(env["SKYPILOT_NODE_IPS"], "127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4");
    assert.equal(env["SKYPILOT_NUM_NODES"], "4");
  }
});

test("of two gangs of three on four nodes the second waits whole", () => {
  const world = four();
  const wide = task({ numNodes: 3, resources: cpu(1) });
  const [first = 0, second = 0, small = 0] = world.submitted(
    wide,
    wide,
    task({ resources: cpu(1) }),
  );
  assert.equal(world.job(first).status, "RUNNING");
  assert.equal(world.job(second).status, "PENDING");
  assert.equal(world.job(small).status, "PENDING", "the free node is kept for the second gang");
  assert.match(world.job(second).waitingFor ?? "", /3 nodes, 1 free; .*held by job 1/);
  for (const rank of [0, 1, 2]) world.exit(world.rank(first, rank));
  assert.equal(world.job(second).status, "RUNNING");
  assert.equal(world.job(small).status, "RUNNING");
});

test("fractions of a device are shared, and a third job waits", () => {
  const world = new World({ nodes: nodesOf([capacity(8, 1)]) }).join();
  const half = task({ resources: gpus(0.5) });
  const [one = 0, two = 0, three = 0] = world.submitted(half, half, half);
  const statuses = [one, two, three].map((id) => world.job(id).status);
  assert.deepEqual(statuses, ["RUNNING", "RUNNING", "PENDING"]);
  for (const { process } of world.running()) {
    assert.equal(process.spec?.env["CUDA_VISIBLE_DEVICES"], "0");
    assert.equal(process.spec?.env["SKYPILOT_NUM_GPUS_PER_NODE"], "1");
  }
  checkWorld(world);
  world.exit(world.rank(one, 0));
  assert.equal(world.job(three).status, "RUNNING");
});

test("a rank sees its node's devices of a shared machine, by the machine's numbers", () => {
  const accelerators = [{ name: "V100", count: 2, ids: [5, 3] }];
  const world = new World({ nodes: nodesOf([{ ...capacity(8), accelerators }]) }).join();
  world.submitted(task({ resources: gpus(1) }), task({ resources: gpus(1) }));
  const seen = world.running().map(({ process }) => process.spec?.env["CUDA_VISIBLE_DEVICES"]);
  assert.deepEqual(seen, ["5", "3"]);
});

test("a node whose machine's devices are all another's shows none to its jobs", () => {
  const accelerators = [{ name: "V100", count: 0, ids: [] }];
  const world = new World({ nodes: nodesOf([{ ...capacity(8), accelerators }]) }).join();
  world.submitted(task({ resources: cpu(1) }));
  const [running] = world.running();
  assert.equal(running?.process.spec?.env["CUDA_VISIBLE_DEVICES"], "");
});

test("the first rank that fails is named; its peers are stopped and every node is swept", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 4 }));
  world.exit(world.rank(id, 2), { kind: "code", code: 7 });
  const job = world.job(id);
  assert.equal(job.status, "FAILED");
  assert.deepEqual(job.reason, {
    code: "rank-failed",
    params: {
      rank: "2",
      node: "worker2",
      outcome: "exited with 7",
      peers: "; its peers were stopped",
    },
  });
  assert.deepEqual(
    job.ranks.map(({ exit }) => exit?.kind),
    ["stopped", "stopped", "code", "stopped"],
  );
  assert.equal(job.sweeps.length, 4);
  assert.equal(world.running().length, 0);
  assert.ok(world.state.placer.ledger.isEmpty());
});

test("setup runs on every node before the ranks; its failure names node and code", () => {
  const world = four();
  const [good = 0] = world.submitted(task({ setup: "make", numNodes: 2 }));
  assert.equal(world.job(good).status, "SETTING_UP");
  assert.equal(world.running().length, 4);
  for (let index = 0; index < 4; index += 1) {
    assert.equal(world.starts.includes(`${good}-1-run-0`), false);
    world.exit({ job: good, attempt: 1, phase: "setup", index });
  }
  assert.equal(world.job(good).status, "RUNNING");
  assert.equal(world.running().length, 2);
  for (const rank of [0, 1]) world.exit(world.rank(good, rank));
  assert.equal(world.job(good).status, "SUCCEEDED");

  const [bad = 0] = world.submitted(task({ setup: "make" }));
  world.exit({ job: bad, attempt: 1, phase: "setup", index: 3 }, { kind: "code", code: 2 });
  assert.equal(world.job(bad).status, "FAILED_SETUP");
  assert.deepEqual(world.job(bad).reason?.params["node"], "worker3");
  assert.equal(world.running().length, 0);

  const [only = 0] = world.submitted({ ...task({ setup: "make" }), run: "" });
  for (let index = 0; index < 4; index += 1) {
    world.exit({ job: only, attempt: 1, phase: "setup", index });
  }
  assert.equal(world.job(only).reason?.code, "nothing-to-run");
  assert.ok(world.state.placer.ledger.isEmpty());
});

test("cancel ends a job in every phase, is idempotent, and touches no other", () => {
  const world = four();
  const wide = task({ numNodes: 4, resources: cpu(0.5) });
  const [other = 0] = world.submitted(wide);
  const [running = 0, queued = 0] = world.submitted(wide, task({ resources: cpu(1) }));
  assert.deepEqual(world.cancel([queued, 99]), {
    kind: "cancelled",
    jobs: [queued],
    unknown: [99],
  });
  assert.deepEqual(world.cancel([running]), { kind: "cancelled", jobs: [running], unknown: [] });
  assert.deepEqual(world.cancel([running]), { kind: "cancelled", jobs: [], unknown: [] });
  assert.equal(world.job(running).sweeps.length, 4);
  assert.equal(world.job(other).status, "RUNNING");
  assert.equal(world.running().length, 4);
  assert.deepEqual(world.cancel("all"), { kind: "cancelled", jobs: [other], unknown: [] });
});

test("nodes that do not get ready in time are given back, and the job is tried again", () => {
  const deaf = new Set(["worker1"]);
  const nodes = nodesOf([capacity(1), capacity(1), capacity(1)]);
  const world = new World({ nodes, fate: (_, to) => (deaf.has(to) ? 0 : 1) }).join();
  const [id = 0] = world.submitted(task({ numNodes: 2, resources: cpu(1) }));
  assert.equal(world.job(id).phase, "preparing");
  world.pass(15_100);
  assert.equal(world.job(id).phase, "queued");
  assert.match(
    world.job(id).waitingFor ?? "",
    /^its next attempt: worker1 did not get ready within 15 s/,
  );
  world.pass(1_500);
  assert.equal(world.job(id).phase, "running", "on the two nodes that answer");
  assert.deepEqual(
    world.job(id).ranks.map(({ node }) => node),
    ["head", "worker2"],
  );
  checkWorld(world);
});

test("a lost node ends its job, and takes no work until it says what still runs there", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 4, resources: cpu(1) }));
  world.agent("worker2").up = false;
  world.phase("worker2", "suspect");
  assert.equal(world.job(id).status, "RUNNING");
  world.phase("worker2", "lost");
  const job = world.job(id);
  assert.equal(job.reason?.code, "node-lost");
  assert.equal(job.reason?.params["node"], "worker2");
  assert.ok(job.sweeps.some(({ node, unproven }) => node === "worker2" && unproven.length > 0));
  const [next = 0] = world.submitted(task({ numNodes: 4, resources: cpu(1) }));
  assert.match(world.job(next).waitingFor ?? "", /3 of the 4 nodes could hold it now/);
  world.phase("worker2", "alive");
  assert.equal(world.job(next).phase, "queued", "the old rank may still run there");
  world.reconnect("worker2");
  assert.equal(world.job(next).phase, "running");
  checkWorld(world);
});

test("a restart waits until the old attempt is confirmed dead", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 2, maxRestarts: 1 }));
  world.agent("worker1").up = false;
  world.phase("worker1", "lost");
  world.pass(300_000);
  assert.equal(world.job(id).phase, "draining");
  assert.match(world.job(id).waitingFor ?? "", /the lease of attempt 1 on worker1 is over/);
  world.phase("worker1", "alive");
  world.reboot("worker1");
  assert.equal(world.job(id).phase, "running");
  assert.equal(world.job(id).attempt, 2);
  world.exit(world.rank(id, 0), { kind: "code", code: 3 });
  assert.equal(world.job(id).status, "FAILED", "no restart is left");
  checkWorld(world);
});

test("a submission that can never fit is refused with the nearest shape, and uses no id", () => {
  const world = new World({ nodes: nodesOf([capacity(2, 1)]) }).join();
  const why = (change: Partial<Task>): string => {
    const answer = world.submit([task(), task(change)]);
    return answer.kind === "refused" ? Object.values(answer.params).join(": ") : "taken";
  };
  assert.equal(why({ numNodes: 2 }), "2 nodes asked, the cluster has 1");
  assert.equal(why({ resources: gpus(8) }), "V100:8 asked, each node has V100:1");
  assert.equal(why({ resources: cpu(3) }), "cpus 3 asked, the node has 2");
  assert.match(why({ resources: gpus(1.5) }), /must be a whole number/);
  assert.deepEqual(world.submitted(task()), [1]);
});

test("the same idempotency key is the same jobs, also after a restart of the head", () => {
  const world = four();
  const first = world.submit([task(), task()], { key: "k" });
  assert.deepEqual(world.submit([task(), task()], { key: "k" }), first);
  world.restartHead();
  assert.deepEqual(world.submit([task(), task()], { key: "k" }), first);
  assert.equal(world.board.jobs().length, 2);
});

test("secrets are in the vault before the answer, and nowhere else", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ secrets: { TOKEN: "hunter2" } }));
  assert.deepEqual(world.vault.get(id), { TOKEN: "hunter2" });
  assert.equal(world.running()[0]?.process.spec?.secrets["TOKEN"], "hunter2");
  const stored = JSON.stringify([...world.records.values(), ...world.events]);
  assert.equal(stored.includes("hunter2"), false);
  world.restartHead();
  world.join();
  world.exit(world.rank(id, 0));
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.equal(world.vault.size, 0);
});

test("a closed cluster ends what runs, takes nothing, and opens again", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 4 }));
  const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "3" };
  world.say({ kind: "close", verb: "stopped", replyTo });
  assert.deepEqual(world.replies.at(-1), { kind: "done" });
  assert.equal(world.job(id).reason?.code, "cluster-stopped");
  assert.equal(world.submit([task()]).kind, "refused");
  world.restartHead();
  assert.equal(world.submit([task()]).kind, "refused");
  world.say({ kind: "open" });
  world.join();
  const [next = 0] = world.submitted(task());
  assert.equal(world.job(next).status, "RUNNING");
});

test("after a restart of the head a node that had joined is suspect until it is heard", () => {
  const world = new World({ nodes: nodesOf([capacity(1), capacity(1)]) });
  world.agent("worker1").up = false;
  world.phase("head", "alive");
  world.agent("head").up = false;
  world.restartHead();
  assert.equal(world.board.nodePhase("head"), "suspect", "its logs may have more to come");
  assert.equal(world.board.nodePhase("worker1"), "absent", "it never joined");
});

test("autostop waits for the last job, and then takes none", () => {
  const world = four();
  const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "4" };
  const [id = 0] = world.submitted(task());
  world.say({ kind: "set-autostop", setting: { idleMs: 1_000, verb: "stop" }, replyTo });
  world.pass(60_000);
  assert.deepEqual(world.shutdowns, []);
  world.exit(world.rank(id, 0));
  world.pass(999);
  assert.deepEqual(world.shutdowns, []);
  world.pass(1);
  assert.deepEqual(world.shutdowns, ["stop"]);
  assert.equal(world.submit([task()]).kind, "refused");
  assert.match(world.board.autostop()?.verdict ?? "", /stopping the cluster/);
});

test("a node speaks for its own processes only", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  const exit = { kind: "code", code: 0 } as const;
  const key = world.rank(id, 0);
  const lie = { kind: "rank-exited", key, exit, endedAt: 1, logBytes: 0 } as const;
  world.say(lie, "worker1");
  world.say(lie, "stranger");
  assert.equal(world.job(id).ranks[0]?.exit, undefined);
  const ranks = [{ phase: "preparing", key } as const];
  const about = { bootId: "b", capacity: capacity(1), version: "", capabilities: [] } as const;
  world.say({ kind: "inventory", ...about, ranks }, "worker1");
  assert.deepEqual(world.refused, ["worker1", "stranger", "worker1"]);
});

test("what a node's agent can do is kept, as far as this head can do it too", () => {
  const world = four();
  const about = { bootId: "b", capacity: capacity(1), version: "", ranks: [] } as const;
  const capabilities = ["from-the-future", ...wireCapabilities, ...wireCapabilities];
  world.say({ kind: "inventory", ...about, capabilities }, "worker1");
  assert.deepEqual(world.state.nodesById.get("worker1")?.capabilities, wireCapabilities);
  world.restartHead();
  assert.deepEqual(world.state.nodesById.get("worker1")?.capabilities, wireCapabilities);
});

test("logs that the head has completely let the nodes forget the job", () => {
  const world = four();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  for (const rank of [0, 1]) world.exit(world.rank(id, rank));
  world.say({ kind: "logs-complete", job: id, attempt: 1 });
  assert.equal(world.every().length, 0);
});

test("nodes may be declared anew: those that stay keep their jobs, those that go end them", () => {
  const world = four();
  const [stays = 0, goes = 0] = world.submitted(
    task({ numNodes: 2, resources: cpu(1) }),
    task({ numNodes: 2, resources: cpu(1), maxRestarts: 1 }),
  );
  world.say({ kind: "nodes-declared", nodes: world.nodes.slice(0, 3) });
  assert.equal(world.job(stays).status, "RUNNING");
  assert.equal(world.job(goes).phase, "queued", "nothing of the node that left can run any more");
  assert.match(world.job(goes).waitingFor ?? "", /2 nodes, 1 free; .*held by job 1/);
  for (const rank of [0, 1]) world.exit(world.rank(stays, rank));
  assert.equal(world.job(goes).status, "RUNNING");
  world.say({ kind: "nodes-declared", nodes: world.nodes });
  assert.equal(world.board.nodePhase("worker3"), "alive", "its inventory was asked for");
});

test("a rank that stood ready when its agent ended is placed again, its node not blamed", () => {
  const world = four({ fate: (from, to) => (from === "head" && to === "skyhead" ? 0 : 1) });
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  assert.equal(world.job(id).phase, "preparing");
  world.fate = () => 1;
  world.restartAgent("head");
  assert.match(world.job(id).waitingFor ?? "", /^its next attempt: head refused to prepare rank 0/);
  world.pass(1_500);
  assert.equal(world.job(id).status, "RUNNING");
  assert.equal(world.job(id).ranks[0]?.node, "head");
  checkWorld(world);
});

test("ranks that were told to go and never started are placed again", () => {
  for (const numNodes of [1, 2]) {
    const setup = numNodes === 1 ? { setup: "make" } : {};
    const world = four({ fate: (_from, _to, message) => (isGoOfRun(message) ? 0 : 1) });
    const [id = 0] = world.submitted(task({ numNodes, ...setup }));
    const finishSetup = (): void => {
      for (const { process } of world.running()) {
        if (process.key.phase === "setup") world.exit(process.key);
      }
    };
    finishSetup();
    assert.equal(world.job(id).phase, "starting", `${numNodes} ranks`);
    world.fate = () => 1;
    for (const node of world.agents.keys()) world.restartAgent(node);
    world.pass(1_500);
    finishSetup();
    assert.equal(world.job(id).status, "RUNNING");
    for (let rank = 0; rank < numNodes; rank += 1) world.exit(world.rank(id, rank));
    assert.equal(world.job(id).status, "SUCCEEDED");
    assert.equal(world.starts.filter((key) => key.includes("-run-")).length, numNodes);
  }
});

test("a gang of which one rank started and one never did is not run anew", () => {
  const world = four({
    fate: (_from, to, message) => (to === "worker1" && isGoOfRun(message) ? 0 : 1),
  });
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  assert.equal(world.running().length, 1);
  world.fate = () => 1;
  world.restartAgent("worker1");
  assert.equal(world.job(id).status, "FAILED");
  assert.equal(world.job(id).reason?.code, "never-started");
  // Nobody cancelled the one that ran.
  assert.deepEqual(world.job(id).ranks[0]?.exit, { kind: "stopped", why: "peer-failed" });
  assert.equal(world.running().length, 0);
  checkWorld(world);
});

test("late words of a job that is over do not wake it", () => {
  const world = four();
  const [id = 0] = world.submitted(task());
  const key = world.rank(id, 0);
  world.exit(key);
  world.say({ kind: "rank-started", key, pid: 1, startedAt: 1 }, "head");
  const exit = { kind: "code", code: 3 } as const;
  world.say({ kind: "rank-exited", key, exit, endedAt: 1, logBytes: 0 }, "head");
  assert.equal(world.job(id).status, "SUCCEEDED");
  assert.equal(world.every().find(({ process }) => process.key.job === id)?.process.swept, false);
});
