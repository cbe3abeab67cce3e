// From plans to programs: every shape passes the validation of a whole round, whatever the plan.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Plan } from "../../model/transfer-plan.ts";
import { operatorsOf } from "../../transfer/gateway/validate.ts";
import { validateRound } from "../../transfer/gateway/validate-round.ts";
import { hasRelay, type Layout, type Part, partsOf } from "../../transfer/job/programs.ts";
import { fc } from "../support/property.ts";

type Edge = readonly [from: string, to: string, stripes?: readonly number[], gbps?: number];

function planOf(edges: readonly Edge[], stripes = 1): Plan {
  return {
    ...{ solver: "direct", source: "c/a", destinations: [], sites: [], stripes },
    ...{ gbps: 1, pricePerGb: 0, cost: 0, seconds: 1, notes: [] },
    edges: edges.map(([from, to, along = [0], gbps = 1]) => ({
      ...{ from, to, gbps, connections: 8, pricePerGb: 0, stripes: along },
    })),
  };
}

function layout(writing: readonly string[], plan?: Plan): Layout {
  return {
    reading: { gateway: "c/a" },
    writing: writing.map((gateway) => ({ gateway })),
    ...(plan === undefined ? {} : { plan }),
    ...{ storeConnections: 16, compress: false },
  };
}

function valid(parts: readonly Part[], destinations: number): void {
  const stores = Math.max(0, ...parts.map((part) => part.stores.length));
  validateRound(
    parts.map(({ program }) => program),
    { stores, destinations },
  );
}

function opsOf(parts: readonly Part[], gateway: string): readonly string[] {
  const part = parts.find(({ program }) => program.gateway === gateway);
  const partitions = part?.program.partitions ?? [];
  return partitions.flatMap(({ root }) => [...operatorsOf(root)].map(({ op }) => op));
}

test("within one gateway there is no wire", () => {
  const parts = partsOf(layout(["c/a"]));
  valid(parts, 1);
  assert.deepEqual(opsOf(parts, "c/a"), ["read_local", "write_local"]);
});

test("a store is read and written by its number among those that come with the program", () => {
  const parts = partsOf({
    ...layout([]),
    reading: { gateway: "c/a", store: 3 },
    writing: [
      { gateway: "c/a", store: 1 },
      { gateway: "c/a", store: 3 },
    ],
  });
  valid(parts, 2);
  assert.deepEqual(parts[0]?.stores, [3, 1]);
});

test("from one to one goes straight", () => {
  const parts = partsOf(layout(["c/b"], planOf([["c/a", "c/b"]])));
  valid(parts, 1);
  assert.deepEqual(opsOf(parts, "c/a"), ["read_local", "send"]);
  assert.deepEqual(opsOf(parts, "c/b"), ["receive", "write_local"]);
  assert.equal(hasRelay(parts), false);
});

test("where a flow parts, each chunk goes one of the ways", () => {
  const plan = planOf([
    ["c/a", "c/b"],
    ["c/a", "c/r"],
    ["c/r", "c/b"],
  ]);
  const parts = partsOf(layout(["c/b"], plan));
  valid(parts, 1);
  assert.deepEqual(opsOf(parts, "c/a"), ["read_local", "mux_or", "send", "send"]);
  assert.deepEqual(opsOf(parts, "c/r"), ["receive", "send"]);
  assert.equal(hasRelay(parts), true);
});

test("where a tree parts, every branch gets everything; who writes may send on", () => {
  const plan = planOf([
    ["c/a", "c/b"],
    ["c/b", "c/d"],
    ["c/b", "c/e"],
  ]);
  const parts = partsOf(layout(["c/b", "c/d", "c/e"], plan));
  valid(parts, 3);
  assert.deepEqual(opsOf(parts, "c/a"), ["read_local", "send"]);
  assert.deepEqual(opsOf(parts, "c/b"), ["receive", "mux_and", "write_local", "send", "send"]);
});

test("a destination at the source is written there beside what is sent", () => {
  const parts = partsOf(layout(["c/a", "c/b"], planOf([["c/a", "c/b"]])));
  valid(parts, 2);
  assert.deepEqual(opsOf(parts, "c/a"), ["read_local", "mux_and", "write_local", "send"]);
});

test("stripes go their own ways, and the source has all of them", () => {
  const plan = planOf(
    [
      ["c/a", "c/b", [0]],
      ["c/b", "c/d", [0]],
      ["c/a", "c/d", [1]],
      ["c/d", "c/b", [1]],
    ],
    2,
  );
  const parts = partsOf(layout(["c/b", "c/d"], plan));
  valid(parts, 2);
  assert.equal(parts.find(({ reads }) => reads)?.program.partitions.length, 2);
});

test("what leads nowhere is left out; a destination that nothing leads to is refused", () => {
  const plan = planOf([
    ["c/a", "c/b"],
    ["c/a", "c/r"],
    ["c/q", "c/b"],
  ]);
  const parts = partsOf(layout(["c/b"], plan));
  valid(parts, 1);
  assert.equal(parts.length, 2);
  assert.throws(
    () => partsOf(layout(["c/b", "c/z"], plan)),
    (error) => isSkyError(error, "plan/infeasible"),
  );
});

const names = ["c/a", "c/b", "c/d", "c/e", "c/r", "c/s"];
/** Edges from an earlier name to a later one: no circles, as of a planner. */
const anyEdges = fc
  .array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 5 }), fc.nat(9)), { maxLength: 14 })
  .map((all) => {
    const known = new Map<string, Edge>();
    for (const [from, by, gbps] of all) {
      const [a, b] = [names[from], names[from + by]];
      if (a !== undefined && b !== undefined) known.set(`${a} ${b}`, [a, b, [0], gbps / 3]);
    }
    return [...known.values()];
  });

test("whatever the plan, its programs are valid or it is refused as infeasible", () => {
  const ends = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyEdges, ends, (edges, writing) => {
      let parts: readonly Part[];
      try {
        parts = partsOf(layout(writing, planOf(edges)));
      } catch (error) {
        assert.ok(isSkyError(error, "plan/infeasible"));
        return;
      }
      valid(parts, writing.length);
      const writers = parts.flatMap(({ writes }) => writes);
      assert.deepEqual([...writers].sort(), [...writing.keys()]);
    }),
  );
});
