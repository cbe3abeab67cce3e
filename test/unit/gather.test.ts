// Gathering: order within a source, nothing lost, and no source runs ahead of its reader.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gather } from "../../scheduler/gather.ts";
import { fc } from "../support/property.ts";

async function drain<T>(gather: Gather<T>): Promise<T[]> {
  const items: T[] = [];
  while (!gather.isDry) {
    const item = gather.take();
    if (item === undefined) await gather.changed();
    else items.push(item);
  }
  return items;
}

async function* source(name: number, count: number, pauses: readonly boolean[]) {
  for (let index = 0; index < count; index += 1) {
    if (pauses[index] === true) await new Promise((resolve) => setImmediate(resolve));
    yield { name, index };
  }
}

test("every item of every source comes once, in the order of its source", async () => {
  const counts = fc.array(fc.nat(6), { maxLength: 5 });
  const pauses = fc.array(fc.boolean(), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(counts, pauses, async (sizes, waits) => {
      const gather = new Gather<{ name: number; index: number }>();
      sizes.forEach((count, name) => {
        gather.add(source(name, count, waits));
      });
      const items = await drain(gather);
      sizes.forEach((count, name) => {
        const mine = items.filter((item) => item.name === name).map(({ index }) => index);
        assert.deepEqual(
          mine,
          Array.from({ length: count }, (_, index) => index),
        );
      });
    }),
    { numRuns: 50 },
  );
});

test("a source is asked for no more than one item ahead of the reader", async () => {
  let made = 0;
  async function* endless() {
    for (;;) {
      made += 1;
      yield made;
    }
  }
  const gather = new Gather<number>();
  gather.add(endless());
  for (let taken = 1; taken <= 5; taken += 1) {
    while (gather.take() === undefined) await gather.changed();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made, taken + 1);
  }
  await gather.close();
});

test("closing returns every source, and what a source throws reaches the reader", async () => {
  let returned = 0;
  async function* watched() {
    try {
      for (;;) yield 1;
    } finally {
      returned += 1;
    }
  }
  const gather = new Gather<number>();
  gather.add(watched());
  gather.add(watched());
  await gather.changed();
  await gather.close();
  assert.equal(returned, 2);

  // biome-ignore lint/correctness/useYield: it fails before its first item
  async function* failing(): AsyncGenerator<number> {
    throw new Error("the disk is gone");
  }
  const broken = new Gather<number>();
  broken.add(failing());
  await broken.changed();
  assert.throws(() => broken.take(), /the disk is gone/);
});
