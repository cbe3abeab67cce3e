// What every version of the store port must do.
//
// A world is one place that keeps records; `open` opens it again and again, as a process does that
// was restarted. What a commit has acknowledged is there for every later `open`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Batch, RecordRange, Store } from "../../runtime/store.ts";
import { fc } from "../support/property.ts";

export interface StoreWorld {
  open(): Promise<Store>;
  close(): Promise<void>;
}

type Check = (what: string, run: (world: StoreWorld) => Promise<void>) => void;

const batch = (part: Partial<Batch>): Batch => ({ puts: [], deletes: [], events: [], ...part });
const put = (key: string, value = key): Batch => batch({ puts: [{ key, value }] });
const event = (subject: string, body = "{}"): Batch =>
  batch({ events: [{ subject, wallMs: 1_700_000_000_000.25, body }] });
const keysOf = async (store: Store, prefix = ""): Promise<readonly string[]> =>
  (await store.read(prefix)).map(({ key }) => key);
const failed = (error: unknown): boolean => isSkyError(error, "store/failed");

export function storeContract(name: string, make: () => Promise<StoreWorld>): void {
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
  records(check);
  events(check);
  allEvents(check);
  orderAndEnds(check);
  model(check);
}

/** Opens, runs and closes. */
async function using<T>(world: StoreWorld, run: (store: Store) => Promise<T>): Promise<T> {
  const store = await world.open();
  try {
    return await run(store);
  } finally {
    await store.close();
  }
}

function records(check: Check): void {
  check("what was committed is there, also after it is opened again", async (world) => {
    await using(world, async (store) => {
      await store.commit(put("demo/job/1", "one"));
      await store.commit(put("demo/job/2", "two"));
      await store.commit(put("demo/job/1", "one, later"));
      await store.commit(batch({ deletes: ["demo/job/2", "demo/never"] }));
    });
    const seen = await using(world, (store) => store.read("demo/"));
    assert.deepEqual(seen, [{ key: "demo/job/1", value: "one, later" }]);
  });

  check("a prefix is read in the order of UTF-8 bytes, and nothing beside it", async (world) => {
    const keys = ["a", "a/", "a/1", "a/10", "a/2", "a/\u{ffff}", "a/\u{1f680}", "a0", "b", "ä"];
    await using(world, async (store) => {
      await store.commit(batch({ puts: keys.toReversed().map((key) => ({ key, value: "v" })) }));
      const below = ["a/", "a/1", "a/10", "a/2", "a/\u{ffff}", "a/\u{1f680}"];
      assert.deepEqual(await keysOf(store, "a/"), below);
      assert.deepEqual(await keysOf(store), keys);
      assert.deepEqual(await keysOf(store, "a/\u{1f680}"), ["a/\u{1f680}"]);
      assert.deepEqual(await keysOf(store, "c"), []);
    });
  });

  check("prefixes are deleted first, then keys, then puts are made", async (world) => {
    await using(world, async (store) => {
      await store.commit(batch({ puts: ["a/1", "a/2", "ab"].map((key) => ({ key, value: "" })) }));
      const puts = ["a/2", "a/3"].map((key) => ({ key, value: "new" }));
      await store.commit(batch({ deletePrefixes: ["a/"], deletes: ["a/3"], puts }));
      assert.deepEqual(await keysOf(store), ["a/2", "a/3", "ab"]);
      await store.commit(batch({ deletePrefixes: [""] }));
      assert.deepEqual(await keysOf(store), []);
    });
  });

  check("a range is read from either end, and no more of it than was asked for", async (world) => {
    await using(world, async (store) => {
      const keys = ["a/1", "a/2", "a/3", "a/\u{1f680}", "b"];
      await store.commit(batch({ puts: keys.toReversed().map((key) => ({ key, value: key })) }));
      const ask = async (range: Partial<RecordRange>): Promise<readonly string[]> => {
        const whole = { from: "", before: "", countMax: 10, ...range };
        return (await store.range(whole)).map(({ value }) => value);
      };
      assert.deepEqual(await ask({}), keys);
      assert.deepEqual(await ask({ reverse: true }), keys.toReversed());
      assert.deepEqual(await ask({ from: "a/2", before: "b" }), ["a/2", "a/3", "a/\u{1f680}"]);
      assert.deepEqual(await ask({ from: "a/2", countMax: 2 }), ["a/2", "a/3"]);
      const last = { before: "a/\u{1f680}", countMax: 2, reverse: true };
      assert.deepEqual(await ask(last), ["a/3", "a/2"]);
      assert.deepEqual(await ask({ from: "c" }), []);
    });
  });

  check("any text is kept as it is", async (world) => {
    const value = "'\"; DROP TABLE\u0000 \n \u{10ffff} é e\u0301";
    await using(world, (store) => store.commit(put(`odd/${value}`, value)));
    const [seen] = await using(world, (store) => store.read("odd/"));
    assert.deepEqual(seen, { key: `odd/${value}`, value });
  });
}

function events(check: Check): void {
  check("events are numbered in commit order; a number is never used again", async (world) => {
    const first = await using(world, async (store) => {
      await store.commit(event("demo/job/1", '"a"'));
      await store.commit(event("demo/job/2", '"b"'));
      const seen = await store.events({ subject: "demo/", after: 0, countMax: 10 });
      await store.forget("demo");
      return seen;
    });
    assert.deepEqual(
      first.map(({ body }) => body),
      ['"a"', '"b"'],
    );
    assert.equal(first[0]?.wallMs, 1_700_000_000_000.25);
    const later = await using(world, async (store) => {
      await store.commit(event("demo/job/1"));
      return store.events({ subject: "demo/", after: 0, countMax: 10 });
    });
    assert.equal(later.length, 1);
    assert.ok(Number(later[0]?.seq) > Number(first.at(-1)?.seq));
  });

  check("a subject is itself, or with a slash what is below it; pages go on", async (world) => {
    await using(world, async (store) => {
      const subjects = ["demo", "demo/job/1", "demo/job/10", "demo/node/w", "demo2/job/1"];
      for (const subject of subjects) await store.commit(event(subject));
      const ask = async (subject: string, after = 0, countMax = 10): Promise<readonly string[]> =>
        (await store.events({ subject, after, countMax })).map((found) => found.subject);
      assert.deepEqual(await ask("demo"), ["demo"]);
      assert.deepEqual(await ask("demo/job/1"), ["demo/job/1"]);
      assert.deepEqual(await ask("demo/"), ["demo/job/1", "demo/job/10", "demo/node/w"]);
      const [one, two] = await store.events({ subject: "demo/", after: 0, countMax: 2 });
      assert.deepEqual([one?.subject, two?.subject], ["demo/job/1", "demo/job/10"]);
      assert.deepEqual(await ask("demo/", two?.seq), ["demo/node/w"]);
    });
  });

  check("a batch forgets exactly the subjects that it names, then adds", async (world) => {
    await using(world, async (store) => {
      for (const subject of ["demo", "demo/job/1", "demo/job/10"]) {
        await store.commit(event(subject, '"old"'));
      }
      const forgets = ["demo", "demo/job/1", "demo/never"];
      await store.commit(batch({ forgets, ...event("demo/job/1", '"new"') }));
      const bodies = async (subject: string): Promise<readonly string[]> =>
        (await store.events({ subject, after: 0, countMax: 10 })).map(({ body }) => body);
      assert.deepEqual(await bodies("demo"), []);
      assert.deepEqual(await bodies("demo/"), ['"old"', '"new"']);
      assert.deepEqual(await bodies("demo/job/1"), ['"new"']);
    });
  });

  check("what is too much for one transaction is removed in parts, all of it", async (world) => {
    await using(world, async (store) => {
      const events = Array.from({ length: 5_000 }, (_, i) => ({
        ...{ subject: i % 2 === 0 ? "demo" : "demo/job/1", wallMs: 1, body: String(i) },
      }));
      await store.commit(batch({ events }));
      const left = async (subject: string): Promise<readonly number[]> =>
        (await store.events({ subject, after: 0, countMax: 1e4 })).map(({ body }) => Number(body));
      await store.trim("demo", 3);
      assert.deepEqual(await left("demo"), [4_994, 4_996, 4_998]);
      await store.trim("demo", 3);
      await store.trim("demo/never", 0);
      assert.equal((await left("demo")).length, 3);
      assert.equal((await left("demo/")).length, 2_500);
      await store.forget("demo");
      assert.deepEqual([await left("demo"), await left("demo/")], [[], []]);
    });
  });

  check("forget takes a subject and what is below it, and nothing else", async (world) => {
    await using(world, async (store) => {
      for (const subject of ["demo", "demo/job/1", "demo2", "demo2/job/1", "dem"]) {
        await store.commit(event(subject));
      }
      await store.forget("demo");
      const left = await Promise.all(
        ["demo", "demo/", "demo2", "demo2/", "dem"].map((subject) =>
          store.events({ subject, after: 0, countMax: 10 }),
        ),
      );
      assert.deepEqual(
        left.map((found) => found.length),
        [0, 0, 1, 1, 1],
      );
    });
  });
}

function allEvents(check: Check): void {
  check("events of all subjects are read in the order of their numbers", async (world) => {
    await using(world, async (store) => {
      for (const subject of ["b/job/1", "a", "\u{10ffff}", "b"]) await store.commit(event(subject));
      const first = await store.events({ subject: "/", after: 0, countMax: 3 });
      assert.deepEqual(
        first.map(({ subject }) => subject),
        ["b/job/1", "a", "\u{10ffff}"],
      );
      const rest = await store.events({ subject: "/", after: first[2]?.seq ?? 0, countMax: 3 });
      assert.deepEqual(
        rest.map(({ subject }) => subject),
        ["b"],
      );
    });
  });
}

function orderAndEnds(check: Check): void {
  check("batches take effect in the order of the calls", async (world) => {
    await using(world, async (store) => {
      const numbers = Array.from({ length: 500 }, (_, i) => i);
      const done: number[] = [];
      await Promise.all(
        numbers.map(async (i) => {
          await store.commit(batch({ ...event("s", `${i}`), puts: [{ key: "k", value: `${i}` }] }));
          done.push(i);
        }),
      );
      assert.deepEqual(done, numbers);
      assert.deepEqual(await store.read("k"), [{ key: "k", value: "499" }]);
      const seen = await store.events({ subject: "s", after: 0, countMax: 1_000 });
      assert.deepEqual(
        seen.map(({ body }) => Number(body)),
        numbers,
      );
      assert.equal(store.counts().commits, 500);
      assert.ok(store.counts().transactions <= 500);
    });
  });

  check("close keeps what was asked for before, and refuses what comes after", async (world) => {
    const store = await world.open();
    const before = store.commit(put("before"));
    const closed = store.close();
    await before;
    await closed;
    await assert.rejects(store.commit(put("after")), failed);
    await store.close();
    assert.deepEqual(await using(world, (again) => keysOf(again)), ["before"]);
  });
}

/** Random batches against the plainest model there is: a Map. */
function model(check: Check): void {
  const key = fc.tuple(fc.constantFrom("a/", "b/", ""), fc.string({ unit: "grapheme" }));
  const keys = fc.array(
    key.map((parts) => parts.join("")),
    { maxLength: 4 },
  );
  const batches = fc.array(
    fc.record({
      puts: fc.array(
        fc.record({ key: fc.constantFrom("a/x", "a/y", "b/x", "ab", "z"), value: fc.string() }),
        { maxLength: 4 },
      ),
      deletes: keys,
      deletePrefixes: fc.array(fc.constantFrom("a/", "a", "b/", ""), { maxLength: 1 }),
      events: fc.constant([]),
    }),
    { maxLength: 6 },
  );
  check("any batches leave what they leave in a Map", async (world) => {
    const store = await world.open();
    await fc.assert(
      fc.asyncProperty(batches, async (some) => {
        await store.commit(batch({ deletePrefixes: [""] }));
        const expected = new Map<string, string>();
        for (const one of some) applyTo(expected, one);
        await Promise.all(some.map((one) => store.commit(one)));
        const seen = new Map((await store.read("")).map((record) => [record.key, record.value]));
        assert.deepEqual(seen, new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))));
      }),
      { numRuns: 100 },
    );
    await store.close();
  });
}

function applyTo(map: Map<string, string>, one: Batch): void {
  for (const prefix of one.deletePrefixes ?? []) {
    for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
  }
  for (const key of one.deletes) map.delete(key);
  for (const { key, value } of one.puts) map.set(key, value);
}
