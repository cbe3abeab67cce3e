// The chunk journal: what was recorded is read, whatever became of the file's end.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import {
  type JournalEntry,
  journalHeaderBytes,
  parseRecord,
  recordBytes,
  travels,
} from "../../transfer/chunks/journal.ts";
import { openChunkJournal, staleRecordsMax } from "../../transfer/chunks/journal-os.ts";
import { fc } from "../support/property.ts";

const folder = mkdtempSync(join(tmpdir(), "chunk-journal-"));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function fresh(): string {
  files += 1;
  return join(folder, `j${files}`);
}

function entryOf(
  index: number,
  more: { readonly state?: JournalEntry["state"]; readonly salt?: number } = {},
): JournalEntry {
  const { state = "safe", salt = 0 } = more;
  const ref = { digest: (index * 16 + salt).toString(16).padStart(64, "0"), bytes: 100 };
  const place = { object: index % 3, index };
  const entry: JournalEntry = { place, ref, offset: index * 100, state };
  // What travels for every second one is another chunk.
  if (index % 2 === 0) return entry;
  return { ...entry, sealed: { digest: ref.digest.replace("0", "f"), bytes: 200 } };
}

const keyOf = ({ place }: JournalEntry): string => `${place.object}/${place.index}`;

function sorted(entries: Iterable<JournalEntry>): readonly JournalEntry[] {
  return [...entries].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** What a journal has to say: the newest of each place, and delivered stays delivered. */
function modelOf(entries: readonly JournalEntry[]): readonly JournalEntry[] {
  const model = new Map<string, JournalEntry>();
  for (const entry of entries) {
    const before = model.get(keyOf(entry));
    const isStill = before?.ref.digest === entry.ref.digest && before.state === "delivered";
    model.set(keyOf(entry), isStill ? before : entry);
  }
  return sorted(model.values());
}

async function read(path: string, transfer = "t"): Promise<readonly JournalEntry[]> {
  const journal = await openChunkJournal({ path, transfer });
  const entries = sorted(journal.entries());
  await journal.close();
  return entries;
}

const anyEntry = fc
  .record({
    index: fc.nat(8),
    salt: fc.nat(2),
    state: fc.constantFrom<JournalEntry["state"]>("safe", "delivered"),
  })
  .map(({ index, ...more }) => entryOf(index, more));

test("what was recorded is read again, over any number of openers", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyEntry, { maxLength: 6 }), { maxLength: 6 }),
      async (runs) => {
        const path = fresh();
        for (const run of runs) {
          const journal = await openChunkJournal({ path, transfer: "t" });
          await Promise.all(run.map((entry) => journal.record([entry])));
          await journal.close();
        }
        const model = modelOf(runs.flat());
        assert.deepEqual(await read(path), model);
        const journal = await openChunkJournal({ path, transfer: "t" });
        for (const entry of model)
          assert.equal(journal.find(travels(entry).digest)?.state, entry.state);
        await journal.close();
      },
    ),
    { numRuns: 40 },
  );
});

test("cut at every byte, it says what its whole records say, and goes on", async () => {
  const entries = Array.from({ length: 5 }, (_, index) => entryOf(index));
  const path = fresh();
  const journal = await openChunkJournal({ path, transfer: "t" });
  for (const entry of entries) await journal.record([entry]);
  await journal.close();
  const whole = readFileSync(path);
  assert.equal(whole.length, journalHeaderBytes + 5 * recordBytes);
  for (let length = 0; length <= whole.length; length += 1) {
    const torn = fresh();
    writeFileSync(torn, whole.subarray(0, length));
    const count = Math.max(0, Math.floor((length - journalHeaderBytes) / recordBytes));
    const again = await openChunkJournal({ path: torn, transfer: "t" });
    assert.deepEqual(sorted(again.entries()), sorted(entries.slice(0, count)), `${length}`);
    await again.record([entryOf(7)]);
    await again.close();
    assert.deepEqual(await read(torn), sorted([...entries.slice(0, count), entryOf(7)]));
  }
});

test("a flipped byte costs its own record, and never makes another one", async () => {
  const entries = Array.from({ length: 4 }, (_, index) => entryOf(index));
  const path = fresh();
  const journal = await openChunkJournal({ path, transfer: "t" });
  await journal.record(entries);
  await journal.close();
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += 1) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    const torn = fresh();
    writeFileSync(torn, flipped);
    const damaged = Math.floor((at - journalHeaderBytes) / recordBytes);
    const left = at < journalHeaderBytes ? [] : entries.filter((_, index) => index !== damaged);
    assert.deepEqual(await read(torn), sorted(left), `byte ${at}`);
  }
});

test("zeros at the end, as a power cut leaves them, are no records", async () => {
  const path = fresh();
  const journal = await openChunkJournal({ path, transfer: "t" });
  await journal.record([entryOf(1)]);
  await journal.close();
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(5 * recordBytes)]));
  assert.deepEqual(await read(path), [entryOf(1)]);
  assert.equal(statSync(path).size, journalHeaderBytes + recordBytes);
  assert.equal(parseRecord(Buffer.alloc(recordBytes)), undefined);
});

test("a second opener is refused, and a journal of another transfer", async () => {
  const path = fresh();
  const options = { path, transfer: "t", locks: folder };
  const journal = await openChunkJournal(options);
  await journal.record([entryOf(1)]);
  await assert.rejects(openChunkJournal(options), (error) => isSkyError(error, "store/locked"));
  await journal.close();
  const before = readFileSync(path);
  await assert.rejects(
    openChunkJournal({ ...options, transfer: "u" }),
    (error) => isSkyError(error, "request/invalid") && /transfer t/.test(error.message),
  );
  assert.deepEqual(readFileSync(path), before);
  const again = await openChunkJournal(options);
  assert.deepEqual([...again.entries()], [entryOf(1)]);
  await again.close();
  await assert.rejects(again.record([entryOf(2)]), (error) => isSkyError(error, "stream/closed"));
});

test("records that are out of date are bounded", async () => {
  const path = fresh();
  const journal = await openChunkJournal({ path, transfer: "t" });
  const rounds = 40;
  for (let round = 0; round < rounds; round += 1) {
    await journal.record(
      Array.from({ length: 500 }, () => entryOf(1, { salt: round % 7 })).slice(0, 1),
    );
    await journal.record(
      Array.from({ length: 500 }, (_, index) => entryOf(index, { salt: 1 + (round % 7) })),
    );
  }
  const recordsMax = 2 * 500 + staleRecordsMax + 500;
  assert.ok(statSync(path).size <= journalHeaderBytes + recordsMax * recordBytes);
  const last = sorted(journal.entries());
  await journal.close();
  assert.deepEqual(await read(path), last);
  assert.equal(last.length, 500);
});
