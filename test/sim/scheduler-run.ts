// One run of the scheduler's simulation: a seed decides what is submitted, what ends, what dies and
// what is lost. After every step the invariants are checked; in the end everything heals and every
// job must end.

import assert from "node:assert/strict";
import type { Exit } from "../../model/job.ts";
import { isTerminal } from "../../model/job.ts";
import type { SubmitReply } from "../../scheduler/messages.ts";
import { checkWorld } from "./scheduler-checks.ts";
import type { SchedulerUnderTest } from "./scheduler-world.ts";
import { capacity, nodesOf, task, World } from "./scheduler-world.ts";

const stepCount = 120;

/** A small generator: the same seed, the same numbers. */
export function numbers(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** What a run knows besides its world. */
export interface Course {
  readonly pick: (count: number) => number;
  readonly random: () => number;
  /** What each acknowledged job is called, by id. */
  readonly acknowledged: Map<number, string>;
}

export function courseOf(seed: number): Course {
  const random = numbers(seed);
  return { random, pick: (count) => Math.floor(random() * count), acknowledged: new Map() };
}

/** From the first job to the last end. Throws what was broken, and in which seed. */
export function runSeed(seed: number, scheduler?: SchedulerUnderTest): void {
  try {
    checkRest(run(courseOf(seed), scheduler));
  } catch (cause) {
    throw new Error(`SEED=${seed}`, { cause });
  }
}

function run(course: Course, scheduler?: SchedulerUnderTest): World {
  const { random } = course;
  const loss = random() * 0.3;
  // In some worlds what clears up after the past is lost more often than what begins anew.
  const clearingLoss = random() < 0.5 ? 0.9 : 0;
  const isClearing = ({ kind }: { readonly kind?: string }) =>
    kind === "stop" || kind === "inventory";
  const world = new World({
    nodes: nodesOf([capacity(2, 2), capacity(2, 1), capacity(1, 1), capacity(1)]),
    fate: (_, __, message) => {
      if (isClearing(message) && random() < clearingLoss) return 0;
      return random() < loss ? 0 : random() < 0.1 ? 2 : 1;
    },
    dies: () => random() < 0.01,
    options: { drainMs: 60_000, keysMax: 5 },
    ...(scheduler === undefined ? {} : { scheduler }),
  }).join();
  const ended = new Map<number, string>();

  for (let step = 0; step < stepCount; step += 1) {
    act(world, course);
    check(world, course, ended);
  }
  heal(world);
  check(world, course, ended);
  return world;
}

/** What must be true when all is over. */
function checkRest(world: World): void {
  const left = [...world.state.active].map((id) => world.job(id));
  assert.deepEqual(left, [], "every job ends");
  assert.ok(world.state.placer.ledger.isEmpty(), "nothing is held");
  assert.equal(world.vault.size, 0, "no secret is left");
  assert.equal(world.running().length, 0, "nothing runs");
  const unheard = world.every().filter(({ process }) => !process.acknowledged);
  assert.equal(unheard.length, 0, "no node repeats what is over");
  assert.equal(world.state.queue.size, 0);
}

export function act(world: World, course: Course): void {
  const { pick, random } = course;
  const ids = [...world.agents.keys()];
  const id = ids[pick(ids.length)] ?? "head";
  switch (pick(12)) {
    case 0:
    case 1:
    case 2:
      submitOne(world, course);
      return;
    case 3:
    case 4:
      exitOne(world, pick);
      return;
    case 5:
      world.cancel([1 + pick(world.state.nextId)]);
      return;
    case 6:
      // One that is called lost may be well.
      world.agent(id).up &&= random() < 0.6;
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
    case 10:
      lie(world, course, id);
      return;
    default:
      world.pass(pick(8_000));
      if (random() < 0.3) world.keepLogs();
  }
}

function submitOne(world: World, course: Course): void {
  const { pick, random, acknowledged } = course;
  const accelerators = { name: "V100", count: [0.5, 1, 0.25][pick(3)] ?? 1 };
  const resources = random() < 0.5 ? { accelerators } : { cpus: { amount: 1, orMore: false } };
  const setup = random() < 0.2 ? { setup: "make" } : {};
  const secrets = random() < 0.2 ? { A: "b" } : {};
  const key = random() < 0.3 ? `key ${pick(10)}` : "";
  const name = `name ${world.replies.length} of ${acknowledged.size}`;
  const timeout = random() < 0.4 ? { timeoutMs: 500 * (1 + pick(20)) } : {};
  const limits = { priority: pick(2), maxRestarts: pick(3), ...timeout };
  const files = random() < 0.2 ? { workdir: "/w" } : {};
  const allNodes = random() < 0.5;
  const run = random() < 0.05 ? { run: "" } : {};
  const change = { name, ...limits, resources, secrets, ...setup, ...files, ...run };
  const tasks = [task({ numNodes: 1 + pick(3), ...change })];
  const first = idsOf(world.submit(tasks, { key, allNodes }));
  if (first === undefined) return;
  for (const id of first) {
    assert.ok(key !== "" || !acknowledged.has(id), `job ${id} was acknowledged to another`);
    // A key that is still known answers with the job of before, of which nobody may have heard.
    acknowledged.set(id, key === "" ? name : world.job(id).name);
  }
  if (key === "" || random() < 0.5) return;
  const again = idsOf(world.submit(tasks, { key, allNodes }));
  if (again !== undefined) assert.deepEqual(again, first, "the same key is the same job");
}

/** No reply is one that was lost with the head. */
function idsOf(reply: SubmitReply | undefined): readonly number[] | undefined {
  return reply?.kind === "submitted" ? reply.jobs : undefined;
}

/** A node says of another's process that it is over. */
function lie(world: World, { pick }: Course, from: string): void {
  const others = world.running().filter(({ agent }) => agent.id !== from);
  const key = others[pick(Math.max(1, others.length))]?.process.key;
  if (key === undefined) return;
  const exit: Exit = { kind: "code", code: 0 };
  world.say({ kind: "rank-exited", key, exit, endedAt: world.now, logBytes: 0 }, from);
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

function check(world: World, { acknowledged }: Course, ended: Map<number, string>): void {
  checkWorld(world);
  for (const [id, name] of acknowledged) {
    assert.equal(world.find(id)?.name, name, `job ${id} was acknowledged`);
  }
  for (const job of world.jobs()) {
    const before = ended.get(job.id);
    const now = JSON.stringify([job.status, job.reason]);
    if (before !== undefined) assert.equal(now, before, `job ${job.id} ended once`);
    if (isTerminal(job.status)) ended.set(job.id, now);
  }
  const open = world.board.jobs().filter(({ id }) => !world.isSettled(id));
  assert.equal(open.length, world.state.jobs.size, "submitted is listed");
}

/** Nothing is lost any more, every node is up, and what runs ends well. */
function heal(world: World): void {
  world.fate = () => 1;
  world.dies = () => false;
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
  for (const id of world.agents.keys()) world.reconnect(id);
}
