// What a journal is after its machine lost power, or its disk changed bytes: the tail that was
// never acknowledged may be torn anywhere and in any way; all that was acknowledged is there. A
// file that is damaged elsewhere is refused with one clear error, and left as it is.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Batch } from "../../runtime/store.ts";
import { openJournalDatabase } from "../../runtime/store-database-sqlite.ts";

const acknowledged = 20;
const lastPuts = 40;
const dir = mkdtempSync(join(tmpdir(), "sky-torn-"));
const path = join(dir, "journal.db");
const wal = `${path}-wal`;
/** The files as they are when all but the last batch is acknowledged, and with the last one. */
const known = join(dir, "known");
const torn = join(dir, "torn");
let knownWal: Buffer;
let lastWal: Buffer;

const batchOf = (name: string, count: number): Batch => ({
  puts: Array.from({ length: count }, (_, i) => ({ key: `${name}/${i}`, value: "x".repeat(300) })),
  deletes: [],
  events: [{ subject: name, wallMs: 1, body: "{}" }],
});

/** By another process: closing a file that we have open would let go of its lock. */
function copy(from: string, to: string): void {
  const { status, stderr } = spawnSync("cp", [from, to]);
  assert.equal(status, 0, String(stderr));
}

before(() => {
  const database = openJournalDatabase(path);
  for (let i = 0; i < acknowledged; i += 1) {
    database.write([{ kind: "batch", batch: batchOf(`job/${i}`, 3) }]);
  }
  copy(path, known);
  copy(wal, `${known}-wal`);
  database.write([{ kind: "batch", batch: batchOf("last", lastPuts) }]);
  copy(wal, `${torn}-wal`);
  database.close();
  knownWal = readFileSync(`${known}-wal`);
  lastWal = readFileSync(`${torn}-wal`);
  assert.ok(lastWal.length > knownWal.length);
  assert.ok(lastWal.subarray(0, knownWal.length).equals(knownWal));
});

after(() => rmSync(dir, { recursive: true }));

/** Opens what a crash left: all that was acknowledged, and the last batch whole or not at all. */
function demandWhole(tail: Buffer, what: string): "last" | "none" {
  const place = join(dir, "place.db");
  copyFileSync(known, place);
  writeFileSync(`${place}-wal`, tail);
  const database = openJournalDatabase(place);
  try {
    for (let i = 0; i < acknowledged; i += 1) {
      assert.equal(database.read(`job/${i}/`).length, 3, `${what}: batch ${i}`);
      const events = database.events({ subject: `job/${i}`, after: 0, countMax: 9 });
      assert.equal(events.length, 1, `${what}: event ${i}`);
    }
    const last = database.read("last/").length;
    assert.ok(last === 0 || last === lastPuts, `${what}: half a batch, ${last}`);
    database.write([{ kind: "batch", batch: batchOf("after", 2) }]);
    assert.equal(database.read("after/").length, 2);
    return last === 0 ? "none" : "last";
  } finally {
    database.close();
    for (const end of ["", "-wal"]) rmSync(`${place}${end}`, { force: true });
  }
}

/** Places in the part that was not acknowledged, its ends among them. */
function places(): readonly number[] {
  const tail = lastWal.length - knownWal.length;
  return Array.from({ length: 24 }, (_, i) => knownWal.length + Math.floor((i * tail) / 24));
}

test("a tail that is cut anywhere takes nothing acknowledged with it", () => {
  for (const at of places()) {
    assert.equal(demandWhole(lastWal.subarray(0, at), `cut at ${at}`), "none");
  }
  assert.equal(demandWhole(lastWal, "whole"), "last");
});

test("a tail with a changed byte, or zeros, takes nothing acknowledged with it", () => {
  for (const at of places()) {
    const flipped = Buffer.from(lastWal);
    flipped[at] = (flipped[at] ?? 0) ^ 0x40;
    demandWhole(flipped, `changed at ${at}`);
    const zeroed = Buffer.from(lastWal).fill(0, at, Math.min(at + 4_096, lastWal.length));
    demandWhole(zeroed, `zeros at ${at}`);
  }
});

test("noise after the tail is no part of it", () => {
  const noise = Buffer.from(Array.from({ length: 9_999 }, (_, i) => (i * 7_919) % 251));
  assert.equal(demandWhole(Buffer.concat([knownWal, noise]), "noise"), "none");
});

test("a damaged file is refused by name, with what to do, and left as it is", () => {
  const pageBytes = 4_096;
  const place = join(dir, "damaged.db");
  copyFileSync(path, place);
  const pages = Math.floor(statSync(place).size / pageBytes);
  let refused = 0;
  for (let page = 0; page < pages; page += 1) {
    const content = readFileSync(path);
    content.fill(0xa5, page * pageBytes, (page + 1) * pageBytes);
    writeFileSync(place, content);
    try {
      openJournalDatabase(place).close();
    } catch (error) {
      assert.ok(isSkyError(error, "store/corrupt"), String(error));
      assert.match(error.message, /damaged\.db is damaged: .*sky restore --from DIR/);
      assert.ok(readFileSync(place).equals(content), "nothing is changed");
      refused += 1;
    }
  }
  assert.equal(refused, pages, "every damaged page is found");
});
