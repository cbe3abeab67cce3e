// The SQLite store keeps the contract, and what only a disk can be asked for: an acknowledged
// commit survives `kill -9`, group commit shares transactions, and a file that cannot be used is
// refused with a sentence.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isSkyError } from "../../model/errors.ts";
import { dropBallast, layBallast } from "../../runtime/ballast-os.ts";
import type { Batch } from "../../runtime/store.ts";
import { openSqliteStore } from "../../runtime/store-sqlite.ts";
import { until } from "../support/until.ts";
import { storeContract } from "./store.contract.ts";

const put = (key: string): Batch => ({ puts: [{ key, value: "" }], deletes: [], events: [] });
const damaged = (error: unknown): boolean => isSkyError(error, "store/corrupt");
const failed = (error: unknown): boolean => isSkyError(error, "store/failed");

storeContract("store-sqlite", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sky store "));
  return {
    open: () => openSqliteStore({ path: join(dir, "head/journal.db") }),
    close: async () => rmSync(dir, { recursive: true }),
  };
});

function inFolder(what: string, run: (path: string, dir: string) => Promise<void>): void {
  test(`store-sqlite: ${what}`, { timeout: 60_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), "sky store "));
    try {
      await run(join(dir, "journal.db"), dir);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

inFolder("what was acknowledged survives kill -9 of its writer, whole", async (path) => {
  let acknowledged = -1;
  for (let round = 0; round < 3; round += 1) {
    const last = await writeUntilKilled(path, acknowledged + 1, 40 + round * 13);
    acknowledged = Math.max(acknowledged, last);
    const store = await openSqliteStore({ path });
    const numbers = async (prefix: string): Promise<readonly number[]> =>
      (await store.read(prefix)).map(({ value }) => Number(value)).sort((a, b) => a - b);
    const seen = await numbers("job/");
    assert.ok(seen.length > acknowledged, `${seen.length} of ${acknowledged + 1}`);
    assert.deepEqual(
      seen,
      Array.from(seen, (_, i) => i),
      "no gap",
    );
    assert.deepEqual(await numbers("copy/"), seen, "a batch is whole");
    const events = await store.events({ subject: "job", after: 0, countMax: 1e6 });
    assert.deepEqual(
      events.map(({ body }) => Number(body)),
      seen,
      "with its events",
    );
    await store.close();
    acknowledged = seen.length - 1;
  }
});

/** The last number that the writer said to be safe before it was killed. */
async function writeUntilKilled(path: string, first: number, count: number): Promise<number> {
  const program = fileURLToPath(new URL("./store-writer.ts", import.meta.url));
  const writer = spawn(process.execPath, [program, path, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  writer.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (said.split("\n").length > count) writer.kill("SIGKILL");
  });
  await once(writer, "close");
  return Number(said.split("\n").at(-2) ?? first - 1);
}

inFolder("commits that arrive together share transactions", async (path) => {
  const store = await openSqliteStore({ path, extraFsyncMs: 5 });
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => store.commit(put(`k/${i}`))));
  const { commits, transactions } = store.counts();
  assert.equal(commits, 1_000);
  assert.ok(transactions <= 3, `${transactions} transactions`);
  await store.close();
});

inFolder("a second opener is refused, and hears by whom", async (path) => {
  const store = await openSqliteStore({ path });
  const locked = (error: unknown): boolean => isSkyError(error, "store/locked");
  await assert.rejects(openSqliteStore({ path }), locked);
  await store.commit(put("still works"));
  await store.close();
  const again = await openSqliteStore({ path });
  assert.equal((await again.read("")).length, 1);
  await again.close();
});

inFolder("a file that is no journal, or a newer one, is refused and left alone", async (path) => {
  writeFileSync(path, "this is no database, however long it may be".repeat(50));
  await assert.rejects(openSqliteStore({ path }), damaged);
  assert.match(String(statSync(path).size), /^2150$/);
  rmSync(path);
  const newer = new DatabaseSync(path);
  newer.exec("PRAGMA user_version = 99; CREATE TABLE t (a)");
  newer.close();
  await assert.rejects(
    openSqliteStore({ path }),
    /newer version: its form is 99, this one knows up to \d+; install that version again/,
  );
});

inFolder("a folder that cannot be is refused with its path", async (_, dir) => {
  writeFileSync(join(dir, "file"), "");
  const path = join(dir, "file/journal.db");
  await assert.rejects(openSqliteStore({ path }), (error) => {
    return failed(error) && String(error).includes(path);
  });
});

inFolder("after a failed commit every later one fails, until it is opened again", async (path) => {
  const store = await openSqliteStore({ path });
  await store.commit(put("good"));
  // A function cannot cross to the store's thread: the one failure that needs no broken disk.
  const unsendable = { ...put("bad"), events: [(() => {}) as never] };
  const ends = await Promise.allSettled([store.commit(unsendable), store.commit(put("beside"))]);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  await assert.rejects(store.commit(put("after")), failed);
  await store.close();
  const again = await openSqliteStore({ path });
  assert.deepEqual(
    (await again.read("")).map(({ key }) => key),
    ["good"],
  );
  await again.commit(put("good again"));
  await again.close();
});

inFolder("its files belong to their owner alone", async (_, dir) => {
  const path = join(dir, "head/journal.db");
  const store = await openSqliteStore({ path, ballastMib: 1 });
  await store.commit(put("a"));
  assert.equal(statSync(join(dir, "head")).mode & 0o777, 0o700);
  for (const name of readdirSync(join(dir, "head"))) {
    assert.equal(statSync(join(dir, "head", name)).mode & 0o777, 0o600, name);
  }
  await store.close();
});

inFolder("ballast holds real room once, and gives it back", async (_, dir) => {
  const path = join(dir, "ballast");
  assert.ok(layBallast(path, 2));
  const { size, blocks, mtimeMs } = statSync(path);
  assert.equal(size, 2 * 1_048_576);
  assert.ok(blocks * 512 >= size, "it is not sparse");
  assert.ok(layBallast(path, 2));
  assert.equal(statSync(path).mtimeMs, mtimeMs);
  assert.ok(dropBallast(path));
  assert.ok(!dropBallast(path));
  assert.deepEqual(readdirSync(dir), []);
});

inFolder("what is deleted gives its room back to the disk, without being asked", async (path) => {
  const store = await openSqliteStore({ path });
  const value = "x".repeat(8_000);
  for (let from = 0; from < 6_000; from += 1_000) {
    const puts = Array.from({ length: 1_000 }, (_, i) => ({ key: `k/${from + i}`, value }));
    await store.commit({ puts, deletes: [], events: [] });
  }
  const full = sizeOf(path);
  await store.commit({ puts: [], deletes: [], deletePrefixes: ["k/"], events: [] });
  await until("the file is small again", () => sizeOf(path) < full / 3);
  await store.commit(put("still works"));
  assert.equal((await store.read("")).length, 1);
  await store.close();
});

inFolder("a journal that began without that gets it when it is opened", async (path) => {
  const old = new DatabaseSync(path);
  old.exec("PRAGMA journal_mode = WAL; CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT)");
  old.exec("INSERT INTO records VALUES ('a', 'b'); PRAGMA user_version = 1");
  old.close();
  const store = await openSqliteStore({ path });
  assert.deepEqual(await store.read(""), [{ key: "a", value: "b" }]);
  await store.close();
  const seen = new DatabaseSync(path);
  assert.equal(seen.prepare("PRAGMA auto_vacuum").get()?.["auto_vacuum"], 2);
  seen.close();
});

inFolder("the write-ahead log stays small under a steady load", async (path) => {
  const store = await openSqliteStore({ path });
  const value = "x".repeat(100_000);
  for (let round = 0; round < 20; round += 1) {
    const puts = Array.from({ length: 20 }, (_, i) => ({ key: `k/${i}`, value }));
    await Promise.all(puts.map((one) => store.commit({ puts: [one], deletes: [], events: [] })));
  }
  assert.ok(sizeOf(`${path}-wal`) < 32 * 1024 ** 2, `${sizeOf(`${path}-wal`)} bytes`);
  assert.ok(sizeOf(path) < 8 * 1024 ** 2, `${sizeOf(path)} bytes`);
  await store.close();
});

function sizeOf(path: string): number {
  return statSync(path).size;
}
