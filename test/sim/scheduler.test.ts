// The scheduler among agents on a bus that loses and doubles messages, with nodes that die, come
// back and reboot, and a head that is killed at any moment and goes on from its records.
//
// After every step the invariants are checked; in the end everything heals and every job must end.
// A failure names its seed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exit } from "../../model/job.ts";
import { isTerminal } from "../../model/job.ts";
import type { SchedulerState } from "../../scheduler/table.ts";
import { capacity, checkWorld, nodesOf, task, World } from "./scheduler-world.ts";

const seedCount = 150;
const stepCount = 120;

/** A small generator: the same seed, the same numbers. */
function numbers(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

function run(seed: number): World {
  const random = numbers(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const loss = random() * 0.3;
  const world = new World({
    nodes: nodesOf([capacity(2, 2), capacity(2, 1), capacity(1, 1), capacity(1)]),
    fate: () => (random() < loss ? 0 : random() < 0.1 ? 2 : 1),
    options: { drainMs: 60_000, keysMax: 5 },
  }).join();
  const ended = new Map<number, string>();

  for (let step = 0; step < stepCount; step += 1) {
    act(world, { pick, random });
    check(world, ended);
  }
  heal(world);
  check(world, ended);
  return world;
}

function act(
  world: World,
  { pick, random }: { pick: (n: number) => number; random: () => number },
): void {
  const ids = [...world.agents.keys()];
  const id = ids[pick(ids.length)] ?? "head";
  switch (pick(11)) {
    case 0:
    case 1:
    case 2:
      submitOne(world, { pick, random });
      return;
    case 3:
    case 4:
      exitOne(world, pick);
      return;
    case 5:
      world.cancel([1 + pick(world.state.nextId)]);
      return;
    case 6:
      world.agent(id).up = false;
      world.phase(id, random() < 0.5 ? "suspect" : "lost");
      return;
    case 7:
      world.phase(id, "alive");
      if (random() < 0.2) world.reboot(id);
      else world.reconnect(id);
      return;
    case 8:
      if (random() < 0.3) world.restartHead();
      for (const node of ids) if (world.agent(node).up) world.phase(node, "alive");
      return;
    case 9:
      if (world.agent(id).up) world.restartAgent(id);
      return;
    default:
      world.pass(pick(8_000));
  }
}

function submitOne(
  world: World,
  { pick, random }: { pick: (n: number) => number; random: () => number },
): void {
  const accelerators = { name: "V100", count: [0.5, 1, 0.25][pick(3)] ?? 1 };
  const resources = random() < 0.5 ? { accelerators } : { cpus: { amount: 1, orMore: false } };
  const setup = random() < 0.2 ? { setup: "make" } : {};
  const secrets = random() < 0.2 ? { A: "b" } : {};
  const key = random() < 0.3 ? `key ${pick(10)}` : "";
  const change = { priority: pick(2), maxRestarts: pick(3), resources, secrets, ...setup };
  world.submit([task({ numNodes: 1 + pick(3), ...change })], { key });
}

function exitOne(world: World, pick: (n: number) => number): void {
  const running = world.running().filter(({ agent }) => agent.up);
  const one = running[pick(Math.max(1, running.length))];
  if (one === undefined) return;
  const exits: readonly Exit[] = [
    ...Array.from({ length: 5 }, (): Exit => ({ kind: "code", code: 0 })),
    { kind: "code", code: 7 },
    { kind: "signal", signal: 9, evidence: "" },
    { kind: "unknown", evidence: "the shim was killed" },
  ];
  world.exit(one.process.key, exits[pick(exits.length)]);
}

function check(world: World, ended: Map<number, string>): void {
  checkWorld(world);
  for (const job of world.board.jobs()) {
    const before = ended.get(job.id);
    const now = JSON.stringify([job.status, job.reason]);
    if (before !== undefined) assert.equal(now, before, `job ${job.id} ended once`);
    if (isTerminal(job.status)) ended.set(job.id, now);
  }
  assert.equal(world.board.jobs().length, world.state.jobs.size, "submitted is listed");
}

/** Nothing is lost any more, every node is up, and what runs ends well. */
function heal(world: World): void {
  world.fate = () => 1;
  for (const id of world.agents.keys()) {
    world.phase(id, "alive");
    world.reconnect(id);
  }
  for (let round = 0; round < 400 && world.state.active.size > 0; round += 1) {
    for (const { process } of world.running()) {
      const current = world.state.jobs.get(process.key.job)?.gang;
      if (current?.attempt === process.key.attempt && process.phase === "running") {
        world.exit(process.key);
      }
    }
    for (const id of world.agents.keys()) world.reconnect(id);
    world.pass(5_000);
    checkWorld(world);
  }
}

test(`no seed of ${seedCount} breaks an invariant, and all heal`, () => {
  for (let seed = 1; seed <= seedCount; seed += 1) {
    try {
      const world = run(seed);
      const left = [...world.state.active].map((id) => world.job(id));
      assert.deepEqual(left, [], "every job ends");
      assert.ok(world.state.placer.ledger.isEmpty(), "nothing is held");
      assert.equal(world.vault.size, 0, "no secret is left");
      assert.equal(world.running().length, 0, "nothing runs");
      assert.equal(world.state.queue.size, 0);
    } catch (cause) {
      throw new Error(`SEED=${seed}`, { cause });
    }
  }
});

test("the state that the records give is the state that was, after every step", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = numbers(seed + 1_000);
    const pick = (count: number): number => Math.floor(random() * count);
    const world = new World({
      nodes: nodesOf([capacity(2, 2), capacity(2, 1), capacity(1, 1)]),
      fate: () => (random() < 0.1 ? 0 : 1),
      options: { keysMax: 5 },
    }).join();
    for (let step = 0; step < 100; step += 1) {
      act(world, { pick, random });
      const rebuilt = durable(world.rebuilt());
      assert.deepEqual(rebuilt, durable(world.state), `SEED=${seed} step ${step}`);
    }
  }
});

/** What must survive the head: all but what the nodes say again. */
function durable(state: SchedulerState): unknown {
  const withoutReady = (key: string, value: unknown): unknown =>
    key === "ready" ? undefined : value;
  const jobs = [...state.jobs.values()].map(({ spec, gang, logs, held, seats }) => ({
    ...{ spec, logs, held: held.toSorted(), seats: seats.toSorted() },
    gang: JSON.parse(JSON.stringify(gang, withoutReady)),
  }));
  const nodes = state.nodes.map(({ node, bootId, ghosts, index }) => ({
    ...{ id: node.id, bootId, ghosts: [...ghosts].sort() },
    holdings: [...state.placer.ledger.holdings(index)].sort(([a], [b]) => a - b),
  }));
  const { nextId, closed, autostop } = state;
  const active = [...state.active].sort((a, b) => a - b);
  return { jobs, nodes, nextId, keys: [...state.keys], closed, active, autostop: autostop.phase };
}
