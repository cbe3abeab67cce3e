// A replica in a folder: what is committed is there within the lag, a journal restored from it is
// the same, a folder that is away or another's is left alone, and it catches up when it is back.

import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import type { Replica } from "../../runtime/replica.ts";
import { replicated } from "../../runtime/replica.ts";
import { openReplica } from "../../runtime/replica-os.ts";
import { restoreJournal } from "../../runtime/restore-sqlite.ts";
import type { Batch, Store } from "../../runtime/store.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { openSqliteStore } from "../../runtime/store-sqlite.ts";
import { fc } from "../support/property.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import { storeContract } from "./store.contract.ts";

interface World {
  readonly root: string;
  /** The replica's folder. */
  readonly dir: string;
  readonly store: Store;
  readonly replica: Replica;
  /** Ends the replica and begins another over the same folder, as another head does. */
  reopen(home?: string): Replica;
  /** A store over what the replica holds. */
  restored(name: string): Promise<Store>;
}

const put = (key: string, value = key): Batch => ({
  ...{ puts: [{ key, value }], deletes: [] },
  events: [{ subject: `demo/${key}`, wallMs: 1, body: "{}" }],
});

async function inWorld(run: (world: World) => Promise<void>, at?: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "sky-replica-"));
  const dir = at ?? join(root, "replica");
  mkdirSync(dir, { recursive: true });
  const journal = await openSqliteStore({ path: join(root, "journal.db") });
  let wasHere = false;
  const open = (home: string): Replica =>
    openReplica({
      ...{ dir, home, wasHere, store: journal, lagMs: 5, retryMs: 30, logBytesMax: 20_000 },
      ...{ clock: createOsClock(), random: createOsRandom(), log: silentLog },
      onClaimed: async () => {
        wasHere = true;
      },
    });
  let replica = open("home-1");
  // The latest, also for a store that was wrapped before.
  const live: Replica = {
    note: (step) => replica.note(step),
    status: () => replica.status(),
    close: () => replica.close(),
  };
  try {
    await run({
      ...{ root, dir, replica: live, store: replicated(journal, live) },
      reopen: (home = "home-1") => {
        replica = open(home);
        return replica;
      },
      restored: async (name) => {
        const path = join(root, name);
        await restoreJournal({ dir, journal: path, amend: () => [] });
        return openSqliteStore({ path });
      },
    });
  } finally {
    await replica.close();
    await journal.close();
    rmSync(root, { recursive: true });
  }
}

async function current(replica: Replica): Promise<void> {
  await until("the replica is current", () => {
    const { phase, lagMs } = replica.status();
    return phase === "current" && lagMs === 0;
  });
}

async function contentOf(store: Store): Promise<unknown> {
  const records = await store.read("");
  return { records, events: await store.events({ subject: "/", after: 0, countMax: 100_000 }) };
}

async function demandSame(world: World, name: string): Promise<void> {
  await current(world.replica);
  const again = await world.restored(name);
  const restored = await contentOf(again);
  await again.close();
  assert.deepEqual(restored, await contentOf(world.store));
}

storeContract("store-sqlite with a replica", async () => {
  const root = mkdtempSync(join(tmpdir(), "sky-replica-"));
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  return {
    open: async () => {
      const store = await openSqliteStore({ path: join(root, "journal.db") });
      const names = { dir: root, home: "home-1", wasHere: false, lagMs: 5 };
      const onClaimed = async (): Promise<void> => {};
      return replicated(store, openReplica({ ...names, ...ports, store, onClaimed }));
    },
    close: async () => rmSync(root, { recursive: true }),
  };
});

test("replica: what was there before, and what comes after, is restored", async () => {
  await inWorld(async (world) => {
    const { store } = world;
    await Promise.all(Array.from({ length: 700 }, (_, i) => store.commit(put(`job/${i}`))));
    await demandSame(world, "first");
    await store.commit({ ...put("job/1", "changed"), deletes: ["job/2"] });
    await store.commit({ ...put("x"), deletePrefixes: ["job/3"] });
    await store.forget("demo/job/4");
    await store.trim("demo/job/5", 0);
    await store.commit({ ...put("y"), forgets: ["demo/x"] });
    await demandSame(world, "second");
  });
});

test("replica: a copy that is made while the journal goes on is the journal", async () => {
  const key = fc.constantFrom("a/1", "a/2", "b/1", "c");
  const step = fc.record({ key, value: fc.nat(9), how: fc.nat(5) });
  const run = async (steps: readonly { key: string; value: number; how: number }[]) => {
    await inWorld(async (world) => {
      const { store } = world;
      for (const { key: name, value, how } of steps) {
        const batch = put(name, `${value}`.repeat(300));
        if (how < 3) await store.commit(batch);
        else if (how === 3) await store.commit({ ...batch, deletePrefixes: ["a/"] });
        else if (how === 4) await store.forget(`demo/${name}`);
        else
          await store.commit({ puts: [], deletes: [name], events: [], forgets: [`demo/${name}`] });
      }
      await demandSame(world, "copy");
    });
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 200 }), run), { numRuns: 6 });
});

test("replica: what is forgotten while a copy is made takes nothing newer with it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sky-replica-"));
  const store = createMemoryStore();
  const gate = Promise.withResolvers<void>();
  let asked = false;
  // The copy begins, and reads nothing until it is let.
  const held: Store = {
    ...store,
    range: async (range) => {
      asked = true;
      await gate.promise;
      return store.range(range);
    },
  };
  const replica = openReplica({
    ...{ dir, home: "home-1", wasHere: false, store: held, lagMs: 5 },
    ...{ clock: createOsClock(), random: createOsRandom(), log: silentLog },
    onClaimed: async () => {},
  });
  try {
    const live = replicated(store, replica);
    await live.commit(put("old"));
    await until("the copy has begun", () => asked);
    await live.forget("demo/old");
    await live.commit({ ...put("old", "again"), deletes: ["other"] });
    gate.resolve();
    await current(replica);
    const path = join(dir, "restored.db");
    await restoreJournal({ dir, journal: path, amend: () => [] });
    const again = await openSqliteStore({ path });
    const restored = await contentOf(again);
    await again.close();
    assert.deepEqual(restored, await contentOf(store));
  } finally {
    await replica.close();
    rmSync(dir, { recursive: true });
  }
});

test("replica: a log that outgrows its copy makes way for a new copy", async () => {
  await inWorld(async (world) => {
    const { store, replica, dir } = world;
    await current(replica);
    for (let i = 0; replica.status().copies < 3; i += 1) {
      await store.commit(put(`k/${i % 7}`, "x".repeat(2_000)));
    }
    await demandSame(world, "after");
    await until("only one chain is kept", () => readdirSync(dir).length === 3);
  });
});

test("replica: a folder that goes away is said, slows nothing, and is caught up with", async () => {
  await inWorld(async (world) => {
    const { store, replica, dir } = world;
    await store.commit(put("before"));
    await current(replica);
    renameSync(dir, `${dir}-elsewhere`);
    mkdirSync(dir);
    await store.commit(put("while away"));
    await until("it is said", () => replica.status().phase === "away");
    assert.match(replica.status().why, /is it mounted/);
    assert.deepEqual(readdirSync(dir), [], "an unmounted folder is no empty replica");
    rmSync(dir, { recursive: true });
    await store.commit(put("while there is none"));
    await until("it is said, too", () => /no such folder/.test(replica.status().why));
    assert.ok(replica.status().lagMs > 0);
    renameSync(`${dir}-elsewhere`, dir);
    await demandSame(world, "back");
  });
});

test("replica: another journal does not write over it, unless it is told to", async () => {
  await inWorld(async (world) => {
    const { store, replica, dir } = world;
    await store.commit(put("precious"));
    await current(replica);
    await replica.close();
    const before = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    const other = world.reopen("home-2");
    await until("it refuses", () => other.status().phase === "away");
    assert.match(other.status().why, /another journal; .*sky restore --from DIR/);
    const after = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    assert.deepEqual(after, before);
    writeFileSync(join(dir, "begin-anew"), "");
    await current(other);
    assert.ok(!existsSync(join(dir, "begin-anew")));
  });
});

test("replica: a torn end is left out, and a damaged middle restores nothing wrong", async () => {
  await inWorld(async (world) => {
    const { store, replica, dir, root } = world;
    await current(replica);
    for (let i = 0; i < 20; i += 1) await store.commit(put(`k/${String(i).padStart(2, "0")}`));
    await current(replica);
    await replica.close();
    const log = join(dir, readdirSync(dir).find((name) => name.endsWith(".log")) ?? "");
    const base = join(dir, readdirSync(dir).find((name) => name.endsWith(".base")) ?? "");
    const whole = readFileSync(log);
    truncateSync(log, whole.length - 9);
    const torn = join(root, "torn.db");
    const { droppedBytes } = await restoreJournal({ dir, journal: torn, amend: () => [] });
    assert.ok(droppedBytes > 0);
    const left = await openSqliteStore({ path: torn });
    const keys = (await left.read("k/")).map(({ key }) => key);
    assert.deepEqual(
      keys,
      keys.map((_, i) => `k/${String(i).padStart(2, "0")}`),
      "a prefix",
    );
    await left.close();
    const damaged = readFileSync(base);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    writeFileSync(base, damaged);
    const none = join(root, "none.db");
    await assert.rejects(restoreJournal({ dir, journal: none, amend: () => [] }), (error) =>
      isSkyError(error, "restore/failed"),
    );
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith("none.db")),
      [],
    );
  });
});

test("replica: noise after its end is left out", async () => {
  await inWorld(async (world) => {
    await world.store.commit(put("k"));
    await current(world.replica);
    const log = readdirSync(world.dir).find((name) => name.endsWith(".log")) ?? "";
    appendFileSync(join(world.dir, log), Buffer.alloc(100, 0xff));
    const again = await world.restored("noise.db");
    assert.equal((await again.read("k")).length, 1);
    await again.close();
  });
});

test("replica: a full disk is away, and caught up with when there is room", {
  skip: whyNoDisk() ?? false,
}, async () => {
  const disk = smallDisk(8);
  try {
    const run = async (world: World): Promise<void> => {
      const { store, replica } = world;
      await current(replica);
      disk.fill();
      for (let i = 0; replica.status().phase !== "away"; i += 1) {
        await store.commit(put(`k/${i}`, "x".repeat(20_000)));
      }
      assert.match(replica.status().why, /ENOSPC/);
      await store.commit(put("meanwhile"));
      disk.empty();
      await demandSame(world, "room.db");
    };
    await inWorld(run, join(disk.path, "replica"));
  } finally {
    disk.close();
  }
});
