// What a content store comes to, in the plainest form: a list in the order of use, and pins.
//
// Commands run against the model and a store; both must say the same, and evict the same.

import assert from "node:assert/strict";
import { isSkyError } from "../../model/errors.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { fc } from "../support/property.ts";
import { type ContentWorld, type Sample, sample } from "./content-store.contract.ts";

const bytesMax = 3_000;
const numbersMax = 14;
const names = ["a", "a/b", "c"] as const;

const sampleOf = (number: number): Sample => sample(number, 100 + 150 * (number % 5));
const everything = Array.from({ length: numbersMax }, (_, number) => sampleOf(number));

class Model {
  /** Those that were longest not used come first. */
  chunks: number[] = [];
  readonly damaged = new Set<number>();
  readonly pins = new Map<string, Set<number>>();

  isPinned(number: number): boolean {
    return [...this.pins.values()].some((pin) => pin.has(number));
  }

  bytes(numbers = this.chunks): number {
    return numbers.reduce((all, number) => all + sampleOf(number).bytes, 0);
  }

  use(number: number): void {
    this.chunks = [...this.chunks.filter((one) => one !== number), number];
  }

  put(number: number): "stored" | "known" | "full" {
    if (this.chunks.includes(number)) {
      this.use(number);
      return "known";
    }
    const { bytes } = sampleOf(number);
    if (this.bytes(this.chunks.filter((one) => this.isPinned(one))) + bytes > bytesMax) {
      return "full";
    }
    while (this.bytes() + bytes > bytesMax) {
      const victim = this.chunks.find((one) => !this.isPinned(one));
      assert.ok(victim !== undefined);
      this.drop(victim);
    }
    this.use(number);
    return "stored";
  }

  drop(number: number): void {
    this.chunks = this.chunks.filter((one) => one !== number);
    this.damaged.delete(number);
  }
}

interface Real {
  readonly world: ContentWorld;
  store: ContentStore;
}

type Command = fc.AsyncCommand<Model, Real>;

class Step implements Command {
  readonly #what: string;
  readonly #run: (model: Model, real: Real) => Promise<void>;

  constructor(what: string, run: (model: Model, real: Real) => Promise<void>) {
    this.#what = what;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    await this.#run(model, real);
    const here = await real.store.has(everything.map(({ digest }) => digest));
    const numbers = everything.flatMap(({ digest }, number) => (here.has(digest) ? [number] : []));
    assert.deepEqual(
      numbers,
      model.chunks.toSorted((a, b) => a - b),
    );
    const { bytes, pinnedBytes, chunks } = real.store.counts();
    const pinned = model.bytes(model.chunks.filter((number) => model.isPinned(number)));
    assert.deepEqual([bytes, pinnedBytes, chunks], [model.bytes(), pinned, model.chunks.length]);
  }

  toString(): string {
    return this.#what;
  }
}

const number = fc.nat({ max: numbersMax - 1 });
const name = fc.constantFrom(...names);

const put = number.map(
  (one) =>
    new Step(`put ${one}`, async (model, { store }) => {
      const { digest, content } = sampleOf(one);
      const end = await store.put(digest, content).catch((error: unknown) => {
        if (isSkyError(error, "chunks/full")) return "full";
        throw error;
      });
      assert.equal(end, model.put(one));
    }),
);

const get = number.map(
  (one) =>
    new Step(`get ${one}`, async (model, { store }) => {
      const { digest, content } = sampleOf(one);
      const missing = (error: unknown): boolean => isSkyError(error, "chunk/missing");
      const damaged = (error: unknown): boolean => isSkyError(error, "chunk/damaged");
      if (!model.chunks.includes(one)) await assert.rejects(store.get(digest), missing);
      else if (model.damaged.has(one)) {
        await assert.rejects(store.get(digest), damaged);
        model.drop(one);
      } else {
        assert.ok(content.equals(await store.get(digest)));
        model.use(one);
      }
    }),
);

const damage = number.map(
  (one) =>
    new Step(`damage ${one}`, async (model, { world }) => {
      if (!model.chunks.includes(one) || model.damaged.has(one)) return;
      world.damage(sampleOf(one).digest);
      model.damaged.add(one);
    }),
);

const pin = fc.tuple(name, fc.uniqueArray(number, { maxLength: 4 })).map(
  ([which, numbers]) =>
    new Step(`pin ${which} ${numbers}`, async (model, { store }) => {
      await store.pin(which, numbers.map(sampleOf));
      model.pins.set(which, new Set([...(model.pins.get(which) ?? []), ...numbers]));
    }),
);

const unpin = name.map(
  (which) =>
    new Step(`unpin ${which}`, async (model, { store }) => {
      await store.unpin(which);
      model.pins.delete(which);
    }),
);

const look = name.map(
  (which) =>
    new Step(`look at ${which}`, async (model, { store }) => {
      const refs = await store.pinned(which);
      const pinned = model.pins.get(which);
      const wanted = pinned === undefined ? undefined : [...pinned].map(sampleOf);
      assert.deepEqual(
        refs?.map(({ digest }) => digest),
        wanted?.map(({ digest }) => digest).sort(),
      );
      assert.deepEqual(await store.pins(""), [...model.pins.keys()].sort());
    }),
);

const reopen = fc.constant(
  new Step("open again", async (_, real) => {
    await real.store.close();
    real.store = await real.world.open({ bytesMax });
  }),
);

/** Any commands leave in a store what they leave in the model. */
export async function modelHolds(
  make: () => Promise<ContentWorld>,
  numRuns: number,
): Promise<void> {
  const commands = fc.commands(
    [put, put, put, put, get, get, damage, pin, pin, unpin, look, reopen],
    {
      maxCommands: 60,
      size: "max",
    },
  );
  await fc.assert(
    fc.asyncProperty(commands, async (some) => {
      const world = await make();
      const real: Real = { world, store: await world.open({ bytesMax }) };
      try {
        await fc.asyncModelRun(() => ({ model: new Model(), real }), some);
      } finally {
        await real.store.close();
        await world.close();
      }
    }),
    { numRuns, endOnFailure: true },
  );
}
