// Backfill: whatever passes the job at the head of the line, it starts no later than when the nodes
// that were promised to it are free. Nothing is placed on a promised node, so nobody but the jobs
// that ran there before decides when that is; a world without backfill could not be earlier.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reservation } from "../../scheduler/records.ts";
import { checkWorld } from "../sim/scheduler-checks.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";
import { fc } from "../support/property.ts";

type Move =
  | {
      readonly kind: "submit";
      readonly nodes: number;
      readonly cpus: number;
      readonly high: boolean;
    }
  | { readonly kind: "exit"; readonly pick: number };

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    kind: fc.constant("submit" as const),
    nodes: fc.integer({ min: 1, max: 4 }),
    cpus: fc.constantFrom(0.5, 1, 2),
    high: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("exit" as const), pick: fc.nat(50) }),
);

function four(): World {
  return new World({ nodes: nodesOf([1, 2, 2, 2].map((cpus) => capacity(cpus))) }).join();
}

function act(world: World, one: Move): void {
  if (one.kind === "submit") {
    const resources = { cpus: { amount: one.cpus, orMore: false } };
    const priority = one.high ? 1 : 0;
    world.submit([task({ numNodes: one.nodes, priority, resources })]);
    return;
  }
  const running = world.running();
  const job = running[one.pick % Math.max(1, running.length)]?.process.key.job;
  for (const { process } of running) if (process.key.job === job) world.exit(process.key);
}

/** What is promised to the job at the head, and who holds something of each of its nodes. */
interface Promised {
  readonly kept: Reservation;
  readonly holders: ReadonlyMap<string, readonly number[]>;
}

function promise(world: World): Promised | undefined {
  const kept = world.state.reservation;
  if (kept === undefined) return undefined;
  const holdersOf = (id: string): readonly number[] => {
    const index = world.state.nodesById.get(id)?.index ?? 0;
    return [...world.state.placer.ledger.holdings(index).keys()];
  };
  return { kept, holders: new Map(kept.nodes.map((id) => [id, holdersOf(id)])) };
}

function judgePromise(world: World, now: Promised, before: Promised | undefined): void {
  const { job, nodes } = now.kept;
  const isBusy = [...now.holders.values()].some((jobs) => jobs.length > 0);
  assert.ok(isBusy, `job ${job} waits though its nodes are free`);
  assert.equal(nodes.length, world.state.jobs.get(job)?.spec.task.numNodes);
  assert.equal(world.state.queue.first()?.id, job, "kept for the head only");
  if (before?.kept.job !== job) return;
  for (const [id, jobs] of now.holders) {
    const allowed = before.holders.get(id) ?? jobs;
    const passed = jobs.filter((one) => !allowed.includes(one));
    assert.ok(
      passed.every((one) => goesFirst(world, one, job)),
      `${id} took work`,
    );
  }
}

/** A job of higher priority is no backfill: the promise is made anew behind it. */
function goesFirst(world: World, job: number, head: number): boolean {
  const priority = (id: number): number => world.state.jobs.get(id)?.spec.task.priority ?? 0;
  return priority(job) > priority(head);
}

test("nothing is placed on a promised node, and the promise is kept when they are free", () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 5, maxLength: 40 }), (moves) => {
      const world = four();
      let before = promise(world);
      for (const one of moves) {
        act(world, one);
        checkWorld(world);
        const now = promise(world);
        if (now !== undefined) judgePromise(world, now, before);
        before = now;
      }
    }),
    { numRuns: 150 },
  );
});

test("every job starts in the end, however many small ones come after a wide one", () => {
  const world = four();
  const wide = { cpus: { amount: 1, orMore: false } };
  const small = { cpus: { amount: 0.5, orMore: false } };
  for (let count = 0; count < 6; count += 1) world.submitted(task({ resources: small }));
  const [gang = 0] = world.submitted(task({ numNodes: 4, resources: wide }));
  let rounds = 0;
  while (world.job(gang).phase === "queued") {
    world.submitted(task({ resources: small }));
    act(world, { kind: "exit", pick: rounds });
    rounds += 1;
    assert.ok(rounds < 50, "the gang starves");
  }
  assert.ok(rounds <= 10, `${rounds} rounds`);
});

test("a job that no living nodes could hold blocks nobody, and starts when they are back", () => {
  const world = four();
  world.phase("worker3", "lost");
  const [gang = 0, small = 0] = world.submitted(task({ numNodes: 4 }), task());
  assert.equal(world.job(small).status, "RUNNING");
  assert.match(world.job(gang).waitingFor ?? "", /4 living nodes: 3 of the 4 nodes/);
  world.phase("worker3", "alive");
  assert.equal(world.job(gang).status, "RUNNING");
});

test("a promised node that is lost is exchanged for another", () => {
  const world = four();
  const full = { cpus: { amount: 2, orMore: false } };
  const [first = 0, , second = 0] = world.submitted(
    task({ resources: full }),
    task({ resources: full }),
    task({ numNodes: 2, resources: full }),
  );
  assert.deepEqual(world.state.reservation?.nodes, ["worker1", "worker3"]);
  world.phase("worker3", "lost");
  assert.deepEqual(world.state.reservation?.nodes, ["worker1", "worker2"]);
  world.exit(world.rank(first, 0));
  assert.deepEqual(world.state.reservation?.job, second);
  world.phase("worker3", "alive");
  assert.equal(world.job(second).status, "RUNNING");
  assert.deepEqual(
    world.job(second).ranks.map(({ node }) => node),
    ["worker1", "worker3"],
  );
});

test("priority goes first, and takes over the promise", () => {
  const world = four();
  const all = (priority: number): Parameters<typeof task>[0] => ({ numNodes: 4, priority });
  const heavy = { resources: { cpus: { amount: 1, orMore: false } } };
  const [first = 0, low = 0] = world.submitted(
    task({ ...all(0), ...heavy }),
    task({ ...all(0), ...heavy }),
  );
  const [high = 0] = world.submitted(task({ ...all(5), ...heavy }));
  assert.equal(world.state.reservation?.job, high);
  for (const rank of [0, 1, 2, 3]) world.exit(world.rank(first, rank));
  assert.equal(world.job(high).status, "RUNNING");
  assert.equal(world.job(low).status, "PENDING");
});
