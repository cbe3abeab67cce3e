// The SQLite store on a full disk: what was acknowledged stays, what was not waits and is told, and
// the store goes on by itself as soon as there is room. On a tmpfs of a few MiB.

import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Batch, Store } from "../../runtime/store.ts";
import { demandRoom, unlessFull } from "../../runtime/store-room.ts";
import { openSqliteStore } from "../../runtime/store-sqlite.ts";
import { type SmallDisk, smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const skip = whyNoDisk() ?? false;
const put = (key: string, size = 10): Batch => ({
  ...{ puts: [{ key, value: "x".repeat(size) }], deletes: [] },
  events: [{ subject: key, wallMs: 1, body: "{}" }],
});
const isFull = (error: unknown): boolean => isSkyError(error, "disk/full");
const ballastMib = 2;

function onDisk(what: string, run: (path: string, disk: SmallDisk) => Promise<void>): void {
  test(`store on a full disk: ${what}`, { skip, timeout: 60_000 }, async () => {
    const disk = smallDisk(16);
    try {
      await run(join(disk.path, "journal.db"), disk);
    } finally {
      disk.close();
    }
  });
}

/** Commits until room is tight, that is, until the ballast was given up. */
async function tighten(store: Store): Promise<number> {
  let count = 0;
  while (store.shortage?.() === undefined) {
    await store.commit(put(`k/${String(count).padStart(4, "0")}`, 4_096));
    count += 1;
  }
  return count;
}

onDisk("commits wait, are told, and pass by themselves when there is room", async (path, disk) => {
  const store = await openSqliteStore({ path, ballastMib });
  assert.equal(store.shortage?.(), undefined);
  disk.fill();
  let count = await tighten(store);
  assert.equal(store.shortage?.()?.level, "tight");
  assert.ok(!existsSync(`${path}.ballast`), "the ballast was given up");
  assert.throws(() => demandRoom(store, "begin"), isFull);
  demandRoom(store, "change");
  let waiting: Promise<void> | undefined;
  while (store.shortage?.()?.level === "tight") {
    const commit = store.commit(put(`k/${String(count).padStart(4, "0")}`, 4_096));
    const told = await unlessFull(store, commit).then(() => "done", isFull);
    if (told !== "done") waiting = commit;
    count += 1;
  }
  assert.equal(store.shortage?.()?.level, "full");
  assert.throws(() => demandRoom(store, "change"), /journal\.db has \d+ KiB left\. Make room/);
  const behind = store.commit(put("last"));
  assert.ok((await store.read("k/")).length >= count - 1, "reads are answered meanwhile");
  disk.empty();
  await waiting;
  await behind;
  await until("room is ample again", () => store.shortage?.() === undefined);
  assert.equal(statSync(`${path}.ballast`).size, ballastMib * 1_048_576);
  demandRoom(store, "begin");
  await store.close();
  const again = await openSqliteStore({ path });
  assert.equal((await again.read("k/")).length, count, "each once, in order");
  const events = await again.events({ subject: "last", after: 0, countMax: 10 });
  assert.deepEqual(
    events.map(({ seq }) => seq),
    [count + 1],
    "and no event twice",
  );
  await again.close();
});

onDisk("it opens where there is no room, by its ballast, and says so", async (path, disk) => {
  const before = await openSqliteStore({ path, ballastMib });
  await before.commit(put("a"));
  await before.close();
  disk.fill();
  const store = await openSqliteStore({ path, ballastMib });
  await store.commit(put("b"));
  assert.equal(store.shortage?.()?.level, "tight");
  await store.close();
});

onDisk("without any room it refuses to open, with the path and what to do", async (path, disk) => {
  disk.fill();
  await assert.rejects(openSqliteStore({ path }), isFull);
});

onDisk("it closes while commits wait; those were never acknowledged", async (path, disk) => {
  const store = await openSqliteStore({ path });
  await store.commit(put("a"));
  disk.fill();
  const commits = Array.from({ length: 300 }, (_, i) => store.commit(put(`k/${i}`, 65_536)));
  const ends = Promise.allSettled(commits);
  await until("the disk is full", () => store.shortage?.()?.level === "full");
  await store.close();
  assert.ok((await ends).every(({ status }) => status === "rejected"));
  disk.empty();
  const again = await openSqliteStore({ path });
  assert.deepEqual(
    (await again.read("")).map(({ key }) => key),
    ["a"],
  );
  await again.close();
});
