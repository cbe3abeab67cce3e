// The queue against a plain sort: whatever is added, removed and parked, the order is the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queued } from "../../scheduler/queue.ts";
import { createQueue } from "../../scheduler/queue.ts";
import { fc } from "../support/property.ts";

type Move =
  | { readonly kind: "add"; readonly job: Queued }
  | { readonly kind: "remove"; readonly id: number }
  | { readonly kind: "park"; readonly shape: string }
  | { readonly kind: "unpark" };

const shape = fc.constantFrom("a", "b", "c");
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    job: fc.record({ id: fc.nat(30), priority: fc.integer({ min: -1, max: 1 }), shape }),
  }),
  fc.record({ kind: fc.constant("remove" as const), id: fc.nat(30) }),
  fc.record({ kind: fc.constant("park" as const), shape }),
  fc.record({ kind: fc.constant("unpark" as const) }),
);

function sorted(jobs: readonly Queued[]): readonly Queued[] {
  return jobs.toSorted((a, b) => b.priority - a.priority || a.id - b.id);
}

test("the head, the lines and the parked jobs are those of a sort", () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const queue = createQueue();
      const jobs = new Map<number, Queued>();
      const parked = new Set<string>();
      for (const one of moves) {
        if (one.kind === "add" && !jobs.has(one.job.id)) jobs.set(one.job.id, one.job);
        if (one.kind === "add") queue.add(one.job);
        if (one.kind === "remove") {
          queue.remove(one.id);
          jobs.delete(one.id);
        }
        const inLine = (name: string): boolean => [...jobs.values()].some((j) => j.shape === name);
        if (one.kind === "park") {
          queue.park(one.shape);
          parked.add(one.shape);
        }
        if (one.kind === "unpark") {
          queue.unparkAll();
          parked.clear();
        }
        // A line that is empty is forgotten, and with it that it was parked.
        for (const name of [...parked]) if (!inLine(name)) parked.delete(name);

        const all = sorted([...jobs.values()]);
        const open = all.filter((job) => !parked.has(job.shape));
        assert.equal(queue.size, all.length);
        assert.deepEqual(queue.first(), open[0]);
        const firsts = ["a", "b", "c"].flatMap((name) => {
          const first = open.find((job) => job.shape === name);
          return first === undefined ? [] : [first];
        });
        assert.deepEqual(queue.firsts(9), sorted(firsts));
        assert.deepEqual(
          sorted(queue.parked()),
          all.filter((job) => parked.has(job.shape)),
        );
      }
    }),
  );
});

test("ten thousand jobs of many shapes leave in order", () => {
  const queue = createQueue();
  const count = 10_000;
  for (let id = 0; id < count; id += 1) {
    queue.add({ id: (id * 7_919) % count, priority: id % 3, shape: `s${id % 100}` });
  }
  let previous: Queued | undefined;
  for (let left = count; left > 0; left -= 1) {
    const first = queue.first();
    assert.ok(first !== undefined);
    if (previous !== undefined) assert.deepEqual(sorted([first, previous])[0], previous);
    queue.remove(first.id);
    previous = first;
  }
  assert.equal(queue.size, 0);
});
