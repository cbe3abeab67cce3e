// The scheduler among agents on a bus that loses and doubles messages, with nodes that die, come
// back and reboot, and a head that is killed at any moment and goes on from its records.
//
// After every step the invariants are checked; in the end everything heals and every job must end.
// A failure names its seed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SchedulerState } from "../../scheduler/table.ts";
import { act, courseOf, runSeed } from "./scheduler-run.ts";
import { capacity, nodesOf, World } from "./scheduler-world.ts";

const seedCount = Number(process.env["SKY_TEST_SEEDS"] ?? 150);

test("no seed breaks an invariant, and all heal", () => {
  for (let seed = 1; seed <= seedCount; seed += 1) runSeed(seed);
});

test("the state that the records give is the state that was, after every step", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const course = courseOf(seed + 1_000);
    const world = new World({
      nodes: nodesOf([capacity(2, 2), capacity(2, 1), capacity(1, 1)]),
      fate: () => (course.random() < 0.1 ? 0 : 1),
      options: { keysMax: 5 },
    }).join();
    for (let step = 0; step < 100; step += 1) {
      act(world, course);
      const rebuilt = durable(world.rebuilt());
      assert.deepEqual(rebuilt, durable(world.state), `SEED=${seed} step ${step}`);
    }
  }
});

/** What must survive the head: all but what the nodes say again. */
function durable(state: SchedulerState): unknown {
  const withoutReady = (key: string, value: unknown): unknown =>
    key === "ready" || key === "preparedAt" ? undefined : value;
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
