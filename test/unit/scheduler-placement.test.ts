// Placement against a plain first-fit scan, and the ledger against its own arithmetic.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Capacity, DeviceShare } from "../../model/resources.ts";
import type { Need } from "../../scheduler/demand.ts";
import { canEverHold, needOf, shapeOf, tooBig } from "../../scheduler/demand.ts";
import type { Placer } from "../../scheduler/placement.ts";
import { createPlacer } from "../../scheduler/placement.ts";
import { fc } from "../support/property.ts";

const capacity: fc.Arbitrary<Capacity> = fc.record({
  cpus: fc.constantFrom(0.5, 1, 2, 4),
  memoryBytes: fc.constantFrom(0, 8, 16),
  accelerators: fc.constantFrom(
    [],
    [{ name: "V100", count: 2 }],
    [
      { name: "T4", count: 1 },
      { name: "V100", count: 3 },
    ],
  ),
});

const need: fc.Arbitrary<Need> = fc
  .record({
    cpus: fc.constantFrom(0.1, 0.5, 1, 3),
    memoryBytes: fc.constantFrom(0, 4),
    device: fc.constantFrom("", "V100", "T4"),
    count: fc.constantFrom(0.25, 0.333, 0.5, 1, 2),
    mounts: fc.boolean(),
  })
  .map(({ cpus, memoryBytes, device, count, mounts }) => {
    const accelerators = device === "" ? {} : { accelerators: { name: device, count } };
    const asked = needOf({ cpus, memoryBytes, ...accelerators });
    return mounts ? { ...asked, mounts: true } : asked;
  });

type Move =
  | { readonly kind: "place"; readonly need: Need; readonly count: number }
  | { readonly kind: "release"; readonly pick: number }
  | { readonly kind: "toggle"; readonly node: number }
  | { readonly kind: "mounts"; readonly node: number };

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constant("place" as const), need, count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("release" as const), pick: fc.nat(100) }),
  fc.record({ kind: fc.constant("toggle" as const), node: fc.nat(11) }),
  fc.record({ kind: fc.constant("mounts" as const), node: fc.nat(11) }),
);

interface Gang {
  readonly job: number;
  readonly nodes: readonly number[];
}

test("a gang gets the first nodes that fit, or none, and no device is held twice", () => {
  const nodes = fc.array(capacity, { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(nodes, fc.array(move, { maxLength: 60 }), (capacities, moves) => {
      const placer = createPlacer(capacities);
      const held = new Map<string, number>();
      const gangs: Gang[] = [];
      const mounters = new Set<number>();
      for (const [job, one] of moves.entries()) {
        if (one.kind === "mounts") mount(placer, mounters, one.node % capacities.length);
        if (one.kind === "toggle") toggle(placer, one.node % capacities.length);
        if (one.kind === "release") release(placer, { gangs, held, pick: one.pick });
        if (one.kind === "place") place(placer, { gangs, held, mounters, job, ...one });
      }
      while (gangs.length > 0) release(placer, { gangs, held, pick: 0 });
      assert.ok(placer.ledger.isEmpty(), "what was given back is all that was taken");
    }),
  );
});

function toggle(placer: Placer, node: number): void {
  if (placer.isClosed(node, "down")) placer.open(node, "down");
  else placer.close(node, "down");
}

function mount(placer: Placer, mounters: Set<number>, node: number): void {
  if (!mounters.delete(node)) mounters.add(node);
  placer.setMounts(node, mounters.has(node));
}

function place(
  placer: Placer,
  about: {
    readonly mounters: ReadonlySet<number>;
    readonly gangs: Gang[];
    readonly held: Map<string, number>;
    readonly job: number;
    readonly need: Need;
    readonly count: number;
  },
): void {
  const { gangs, held, mounters, job, need: asked, count } = about;
  const takes = (node: number): boolean => !asked.mounts || mounters.has(node);
  const able = Array.from({ length: placer.nodeCount }, (_, node) => node).filter(
    (node) => !placer.isClosed(node, "down") && takes(node) && placer.ledger.fits(node, asked),
  );
  const found = placer.find(asked, count);
  assert.deepEqual(found, able.length >= count ? able.slice(0, count) : undefined);
  for (const node of found ?? []) {
    const devices = placer.take(job, node, asked);
    for (const device of devices) move1(held, { node, device, sign: 1 });
    const given = devices.reduce((sum, { share }) => sum + share, 0);
    const wanted = asked.wholeDevices + asked.shareMilli / 1_000;
    assert.ok(Math.abs(given - wanted) < 1e-9, `${given} devices of ${wanted} asked`);
  }
  if (found !== undefined) gangs.push({ job, nodes: found });
}

function release(
  placer: Placer,
  {
    gangs,
    held,
    pick,
  }: { readonly gangs: Gang[]; readonly held: Map<string, number>; readonly pick: number },
): void {
  const [gang] = gangs.splice(pick % Math.max(1, gangs.length), 1);
  for (const node of gang?.nodes ?? []) {
    const holding = placer.ledger.holdings(node).get(gang?.job ?? -1);
    for (const device of holding?.devices ?? []) move1(held, { node, device, sign: -1 });
    placer.release(gang?.job ?? -1, node);
  }
}

function move1(
  held: Map<string, number>,
  {
    node,
    device,
    sign,
  }: { readonly node: number; readonly device: DeviceShare; readonly sign: number },
): void {
  const key = `${node}/${device.index}`;
  const total = (held.get(key) ?? 0) + sign * device.share;
  held.set(key, total);
  assert.ok(total <= 1 + 1e-9, `device ${key} is held beyond its whole`);
}

test("a holding that is put back is the holding that was taken", () => {
  fc.assert(
    fc.property(capacity, need, (one, asked) => {
      const first = createPlacer([one]);
      if (first.find(asked, 1) === undefined) return;
      const devices = first.take(7, 0, asked);
      const second = createPlacer([one]);
      second.restore(7, 0, { need: asked, devices });
      assert.equal(second.ledger.cpuFree(0), first.ledger.cpuFree(0));
      for (const kind of ["v100", "t4"]) {
        assert.equal(second.ledger.shareFree(0, kind), first.ledger.shareFree(0, kind));
        assert.equal(second.ledger.wholeFree(0, kind), first.ledger.wholeFree(0, kind));
      }
      second.release(7, 0);
      assert.ok(second.ledger.isEmpty());
    }),
  );
});

test("a demand is refused for ever if and only if no empty cluster could hold it", () => {
  const nodes = fc.array(capacity, { minLength: 1, maxLength: 5 });
  const demand = fc.record({
    cpus: fc.constantFrom(0.5, 2, 8),
    memoryBytes: fc.constantFrom(0, 16, 64),
    accelerators: fc.record({
      name: fc.constantFrom("V100", "v100", "A100"),
      count: fc.constantFrom(0.5, 1, 3, 8),
    }),
  });
  fc.assert(
    fc.property(nodes, demand, fc.integer({ min: 1, max: 6 }), (capacities, asked, count) => {
      const able = createPlacer(capacities).find(needOf(asked), count);
      assert.equal(tooBig(capacities, asked, count) === undefined, able !== undefined);
      const some = capacities.filter((one) => canEverHold(one, needOf(asked)));
      assert.equal(some.length >= count, able !== undefined);
    }),
  );
});

test("shapes tell apart what is placed differently, and nothing else", () => {
  const half = needOf({ cpus: 1, memoryBytes: 0, accelerators: { name: "V100", count: 0.5 } });
  const whole = needOf({ cpus: 1, memoryBytes: 0, accelerators: { name: "v100", count: 1 } });
  assert.notEqual(shapeOf(half, 1), shapeOf(whole, 1));
  assert.notEqual(shapeOf(half, 1), shapeOf(half, 2));
  assert.equal(shapeOf(half, 1), shapeOf({ ...half }, 1));
});
