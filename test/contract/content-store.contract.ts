// What every version of the content store port must do.
//
// A world is one place that keeps chunks; `open` opens it again and again, as a process does that
// was restarted, or as a second process does. What was acknowledged is there for every later one.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";

export interface ContentWorld {
  open(options?: { readonly bytesMax?: number }): Promise<ContentStore>;
  /** Flips a bit of a chunk where it is kept. */
  damage(digest: string): void;
  /** From now on the place takes no new chunk, or does again. Absent where that cannot be. */
  fill?(full: boolean): void;
  close(): Promise<void>;
}

type Check = (what: string, run: (world: ContentWorld) => Promise<void>) => void;

export interface Sample extends ChunkRef {
  readonly content: Buffer;
}

/** A chunk of `bytes` bytes that no other number has. */
export function sample(number: number, bytes = 1_000): Sample {
  const content = Buffer.alloc(bytes, `${number} `);
  return { content, bytes, digest: createHash("sha256").update(content).digest("hex") };
}

export const putSample = (store: ContentStore, { digest, content }: Sample) =>
  store.put(digest, content);

const isMissing = (error: unknown): boolean => isSkyError(error, "chunk/missing");
const isDamaged = (error: unknown): boolean => isSkyError(error, "chunk/damaged");
const isFull = (error: unknown): boolean => isSkyError(error, "chunks/full");
const isInvalid = (error: unknown): boolean => isSkyError(error, "request/invalid");

/** Which of these are here, as numbers. */
async function present(store: ContentStore, samples: readonly Sample[]): Promise<string> {
  const here = await store.has(samples.map(({ digest }) => digest));
  return samples.map(({ digest }) => (here.has(digest) ? "x" : ".")).join("");
}

const samples = (count: number): readonly Sample[] =>
  Array.from({ length: count }, (_, number) => sample(number));

export function contentStoreContract(name: string, make: () => Promise<ContentWorld>): void {
  const check: Check = (what, run) => {
    test(`${name}: ${what}`, { timeout: 60_000 }, async () => {
      const world = await make();
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  };
  chunks(check);
  damage(check);
  pins(check);
  room(check);
  ends(check);
}

async function using<T>(
  world: ContentWorld,
  run: (store: ContentStore) => Promise<T>,
  bytesMax?: number,
): Promise<T> {
  const store = await world.open(bytesMax === undefined ? {} : { bytesMax });
  try {
    return await run(store);
  } finally {
    await store.close();
  }
}

function chunks(check: Check): void {
  check("what was put is there, byte for byte, also after it is opened again", async (world) => {
    const few = [sample(1, 1), sample(2, 4_096), sample(3, 1_048_577)];
    await using(world, async (store) => {
      assert.equal(await present(store, few), "...");
      for (const one of few) assert.equal(await putSample(store, one), "stored");
      assert.equal(await present(store, few), "xxx");
    });
    await using(world, async (store) => {
      assert.equal(await present(store, few), "xxx");
      for (const { digest, content } of few) assert.ok(content.equals(await store.get(digest)));
      assert.equal(store.counts().bytes, 1 + 4_096 + 1_048_577);
    });
  });

  check("the same twice is once, also when both are put at the same time", async (world) => {
    await using(world, async (store) => {
      const one = sample(1);
      const ends = await Promise.all([1, 2, 3].map(() => putSample(store, one)));
      assert.deepEqual(ends.toSorted(), ["known", "known", "stored"]);
      assert.equal(await putSample(store, one), "known");
      const { chunks, bytes, stored, known } = store.counts();
      assert.deepEqual(
        { chunks, bytes, stored, known },
        { chunks: 1, bytes: 1_000, stored: 1, known: 3 },
      );
    });
  });

  check("many at the same time are all there", async (world) => {
    await using(world, async (store) => {
      const many = samples(300);
      const ends = await Promise.all(many.map((one) => putSample(store, one)));
      assert.ok(ends.every((end) => end === "stored"));
      const read = await Promise.all(many.map(({ digest }) => store.get(digest)));
      assert.ok(read.every((bytes, i) => many[i]?.content.equals(bytes)));
    });
  });

  check("bytes without the digest are refused, and nothing is kept", async (world) => {
    await using(world, async (store) => {
      await assert.rejects(store.put(sample(1).digest, sample(2).content), isDamaged);
      assert.equal(await present(store, [sample(1), sample(2)]), "..");
      assert.equal(store.counts().chunks, 0);
    });
  });

  check("what is no digest and no chunk is refused", async (world) => {
    await using(world, async (store) => {
      const { digest, content } = sample(1);
      const odd = [
        "",
        "../../x",
        digest.toUpperCase(),
        `${digest}\n`,
        digest.slice(1),
        `${digest}0`,
      ];
      for (const one of odd) {
        await assert.rejects(store.put(one, content), isInvalid, one);
        await assert.rejects(store.get(one), isInvalid, one);
        await assert.rejects(store.has([one]), isInvalid, one);
        await assert.rejects(store.pin("p", [{ digest: one, bytes: 1 }]), isInvalid, one);
      }
      const empty = createHash("sha256").digest("hex");
      await assert.rejects(store.put(empty, new Uint8Array(0)), isInvalid);
      const large = { digest, bytes: 16 * 1024 * 1024 + 1 };
      await assert.rejects(store.pin("p", [large]), isInvalid);
      assert.deepEqual(await store.pins(""), []);
    });
  });

  check("what is given and what is taken may be changed by whoever holds it", async (world) => {
    await using(world, async (store) => {
      const { digest, content } = sample(1);
      const mine = Uint8Array.from(content);
      await store.put(digest, mine);
      mine.fill(0);
      (await store.get(digest)).fill(1);
      const taken = await store.get(digest);
      assert.ok(content.equals(taken));
      assert.equal(taken.buffer.byteLength, taken.length, "its memory is its own");
    });
  });

  check("what is not there is missing", async (world) => {
    await using(world, (store) => assert.rejects(store.get(sample(1).digest), isMissing));
  });
}

function damage(check: Check): void {
  check(
    "a damaged chunk is given to nobody, is missing then, and can be put again",
    async (world) => {
      await using(world, async (store) => {
        const [one, other] = [sample(1), sample(2)];
        await putSample(store, one);
        await putSample(store, other);
        world.damage(one.digest);
        await assert.rejects(store.get(one.digest), isDamaged);
        assert.equal(await present(store, [one, other]), ".x");
        await assert.rejects(store.get(one.digest), isMissing);
        assert.equal(store.counts().damaged, 1);
        assert.equal(store.counts().bytes, 1_000);
        assert.equal(await putSample(store, one), "stored");
        assert.ok(one.content.equals(await store.get(one.digest)));
      });
    },
  );

  check("many readers of a damaged chunk: none gets it, and it is counted once", async (world) => {
    await using(world, async (store) => {
      const one = sample(1);
      await putSample(store, one);
      world.damage(one.digest);
      const ends = await Promise.allSettled([1, 2, 3, 4].map(() => store.get(one.digest)));
      assert.ok(ends.every(({ status }) => status === "rejected"));
      assert.equal(store.counts().damaged, 1);
      assert.equal(await putSample(store, one), "stored");
    });
  });

  check("a pinned chunk that is damaged stays pinned when it is put again", async (world) => {
    await using(world, async (store) => {
      const one = sample(1);
      await store.pin("job", [one]);
      await putSample(store, one);
      world.damage(one.digest);
      await assert.rejects(store.get(one.digest), isDamaged);
      await putSample(store, one);
      assert.equal(store.counts().pinnedBytes, 1_000);
    });
  });
}

function pins(check: Check): void {
  check("pins survive a restart, and who pins twice under one name adds", async (world) => {
    const [a, b, c] = [sample(1), sample(2), sample(3)];
    await using(world, async (store) => {
      await store.pin("train/workdir", [a, b]);
      await store.pin("train/workdir", [b, c]);
      await store.pin("train/empty", []);
    });
    await using(world, async (store) => {
      const refs = await store.pinned("train/workdir");
      const wanted = [a, b, c].map(({ digest, bytes }) => ({ digest, bytes }));
      assert.deepEqual(
        refs,
        wanted.sort((x, y) => (x.digest < y.digest ? -1 : 1)),
      );
      assert.deepEqual(await store.pinned("train/empty"), []);
      assert.equal(await store.pinned("train"), undefined);
      assert.deepEqual(await store.pins(""), ["train/empty", "train/workdir"]);
      await store.unpin("train/workdir");
      await store.unpin("train/workdir");
      assert.equal(await store.pinned("train/workdir"), undefined);
    });
    await using(world, async (store) => assert.deepEqual(await store.pins(""), ["train/empty"]));
  });

  check("pins are listed by their beginning, whatever their names are", async (world) => {
    const names = ["a", "a/b", "a/b/c", "a.b", "..", "../../x", "a_b", "A", "b", "a-b", "/"];
    await using(world, async (store) => {
      for (const name of names) await store.pin(name, []);
      assert.deepEqual(await store.pins("a"), names.filter((name) => name.startsWith("a")).sort());
      assert.deepEqual(await store.pins(".."), ["..", "../../x"]);
      assert.deepEqual(await store.pins("a_"), ["a_b"]);
      assert.deepEqual(await store.pins("%"), []);
      assert.deepEqual(await store.pins(""), names.toSorted());
      for (const odd of ["", "a b", "ä", "x".repeat(201), "a\n"]) {
        await assert.rejects(store.pin(odd, []), isInvalid, odd);
      }
      await store.pin("x".repeat(200), [sample(1)]);
    });
  });

  check("a chunk with two pins is needed until both are gone", async (world) => {
    await using(
      world,
      async (store) => {
        const [one, ...others] = samples(4) as [Sample, ...Sample[]];
        await store.pin("a", [one]);
        await store.pin("b", [one]);
        await putSample(store, one);
        await store.unpin("a");
        for (const other of others) await putSample(store, other);
        assert.equal(await present(store, [one]), "x");
        await store.unpin("b");
        assert.equal(await present(store, [one]), "x", "until its room is needed");
        for (const other of others) await putSample(store, other);
        await putSample(store, sample(9));
        assert.equal(await present(store, [one]), ".");
      },
      3_000,
    );
  });
}

function room(check: Check): void {
  check("those that were longest not used make room, first put first", async (world) => {
    await using(
      world,
      async (store) => {
        const all = samples(8);
        for (const one of all.slice(0, 5)) await putSample(store, one);
        assert.equal(await present(store, all), "xxxxx...");
        await store.get(sample(0).digest);
        await putSample(store, sample(2));
        await putSample(store, sample(5));
        await putSample(store, sample(6));
        assert.equal(await present(store, all), "x.x.xxx.");
        await putSample(store, sample(7));
        assert.equal(await present(store, all), "x.x..xxx");
        const { bytes, evicted } = store.counts();
        assert.deepEqual({ bytes, evicted }, { bytes: 5_000, evicted: 3 });
      },
      5_000,
    );
  });

  check(
    "what is pinned stays, whether it was there before the pin or came later",
    async (world) => {
      await using(
        world,
        async (store) => {
          const all = samples(9);
          await putSample(store, sample(0));
          await store.pin("job", [sample(0), sample(1)]);
          await putSample(store, sample(1));
          for (const one of all.slice(2)) await putSample(store, one);
          assert.equal(await present(store, all), "xx.....xx");
          assert.equal(store.counts().pinnedBytes, 2_000);
        },
        4_000,
      );
    },
  );

  check("where all is pinned a put is refused, and the store goes on", async (world) => {
    await using(
      world,
      async (store) => {
        const all = samples(5);
        await store.pin("job", all.slice(0, 3));
        for (const one of all.slice(0, 3)) await putSample(store, one);
        await assert.rejects(putSample(store, sample(3)), isFull);
        assert.equal(await present(store, all), "xxx..");
        assert.equal(await putSample(store, sample(0)), "known");
        await store.unpin("job");
        assert.equal(await putSample(store, sample(3)), "stored");
        await assert.rejects(putSample(store, sample(4, 3_001)), isFull);
        assert.equal(await present(store, all), "x.xx.", "and nothing was evicted for it");
      },
      3_000,
    );
  });

  check("one large chunk may need the room of many small ones", async (world) => {
    await using(
      world,
      async (store) => {
        const small = Array.from({ length: 300 }, (_, i) => sample(i, 100));
        for (const one of small) await putSample(store, one);
        await putSample(store, sample(1_000, 29_000));
        assert.equal(await present(store, small), ".".repeat(290) + "x".repeat(10));
        assert.equal(store.counts().bytes, 30_000);
      },
      30_000,
    );
  });

  check("puts at the same time keep to the bytes together", async (world) => {
    await using(
      world,
      async (store) => {
        const all = samples(100);
        await Promise.all(all.map((one) => putSample(store, one)));
        assert.equal((await present(store, all)).replaceAll(".", ""), "x".repeat(10));
        assert.equal(store.counts().bytes, 10_000);
        assert.equal(store.counts().evicted, 90);
      },
      10_000,
    );
  });

  check("a smaller limit than what is there holds from the next put on", async (world) => {
    await using(world, async (store) => {
      for (const one of samples(10)) await putSample(store, one);
    });
    await using(
      world,
      async (store) => {
        await putSample(store, sample(10));
        assert.equal(store.counts().bytes, 3_000);
        assert.equal(await present(store, samples(11)), "........xxx");
      },
      3_000,
    );
  });

  check(
    "on a full disk a put is refused with disk/full, and works when there is room",
    async (world) => {
      const { fill } = world;
      if (fill === undefined) return;
      await using(world, async (store) => {
        await store.pin("job", [sample(1)]);
        await putSample(store, sample(1));
        fill(true);
        const isDiskFull = (error: unknown): boolean => isSkyError(error, "disk/full");
        await assert.rejects(putSample(store, sample(2, 65_536)), isDiskFull);
        assert.ok(sample(1).content.equals(await store.get(sample(1).digest)));
        fill(false);
        assert.equal(await putSample(store, sample(2, 65_536)), "stored");
        assert.equal(store.counts().chunks, 2);
      });
    },
  );
}

function ends(check: Check): void {
  check("two that have it open see what the other did", async (world) => {
    const [first, second] = [await world.open(), await world.open()];
    try {
      const one = sample(1);
      assert.equal(await putSample(first, one), "stored");
      assert.equal(await putSample(second, one), "known");
      assert.ok(one.content.equals(await second.get(one.digest)));
      await second.pin("job", [one]);
      assert.deepEqual(await first.pins(""), ["job"]);
      await first.unpin("job");
      assert.equal(await second.pinned("job"), undefined);
      assert.equal(second.counts().bytes, 1_000);
    } finally {
      await first.close();
      await second.close();
    }
  });

  check(
    "what is asked for after it was closed is refused; what was under way ends",
    async (world) => {
      const store = await world.open();
      const under = samples(20).map((one) => putSample(store, one));
      await store.close();
      await store.close();
      assert.ok((await Promise.all(under)).every((end) => end === "stored"));
      const isClosed = (error: unknown): boolean => isSkyError(error, "chunks/failed");
      await assert.rejects(store.get(sample(1).digest), isClosed);
      await assert.rejects(putSample(store, sample(30)), isClosed);
      await assert.rejects(store.pin("late", []), isClosed);
      await using(world, async (again) => {
        assert.equal(await present(again, samples(20)), "x".repeat(20));
        assert.deepEqual(await again.pins(""), []);
      });
    },
  );
}
