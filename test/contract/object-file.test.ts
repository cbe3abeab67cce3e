// The destination of an object as a file: whatever is torn, damaged, full or contended, under the
// final name is what was there before or the whole object, and what was acknowledged is not asked
// for again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { hash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";
import type { Manifest } from "../../transfer/chunks/chunk.ts";
import { holdsObject } from "../../transfer/chunks/object-bytes-os.ts";
import { type ObjectFile, openObjectFile } from "../../transfer/chunks/object-file-os.ts";
import { sweepObjectLocks } from "../../transfer/chunks/object-lock-sqlite.ts";
import { objectNames, type PlaceJournal, placesOf } from "../../transfer/chunks/object-place.ts";
import { openLineJournal } from "../support/place-journal.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const dir = mkdtempSync(join(tmpdir(), "sky-object-"));
after(() => rmSync(dir, { recursive: true }));

const transfer = "t-1";
const locks = join(dir, "locks");
let folders = 0;

/** A folder that nothing else is in, and a path in it. */
function fresh(name = "model.bin"): string {
  folders += 1;
  const folder = join(dir, String(folders));
  mkdirSync(folder);
  return join(folder, name);
}

interface Thing {
  readonly manifest: Manifest;
  readonly chunks: readonly Uint8Array[];
  readonly whole: Buffer;
}

function thing(random: MemoryRandom, count: number, bytesMax = 5_000): Thing {
  const chunks = Array.from({ length: count }, () => random.bytes(1 + random.below(bytesMax)));
  const refs = chunks.map((bytes) => ({ digest: hash("sha256", bytes), bytes: bytes.length }));
  const whole = Buffer.concat(chunks);
  return { manifest: { bytes: whole.length, chunks: refs }, chunks, whole };
}

type Opened = Partial<Parameters<typeof openObjectFile>[0]>;

function openAt(path: string, more: Opened = {}): Promise<ObjectFile> {
  return openObjectFile({ path, transfer, locks, openJournal: openLineJournal, ...more });
}

async function putAll(file: ObjectFile, { manifest, chunks }: Thing): Promise<number> {
  const missing = file.missing(manifest);
  const put = missing.map((place) => file.put(place, chunks[place.index] ?? new Uint8Array()));
  await Promise.all(put);
  return missing.length;
}

function left(path: string): readonly string[] {
  return readdirSync(join(path, "..")).filter((name) => join(path, "..", name) !== path);
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
  writeFileSync(path, bytes);
}

test("an object comes in any order, appears whole, and leaves nothing beside it", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(1), 40);
  const file = await openAt(path, { bytes: it.manifest.bytes });
  await putAll(file, { ...it, manifest: it.manifest });
  assert.throws(() => statSync(path), "nothing has the name yet");
  await file.finish(it.manifest, { mode: 0o751, mtimeMs: 1_234_567_000 });
  assert.ok(readFileSync(path).equals(it.whole));
  assert.equal(statSync(path).mode & 0o7777, 0o751);
  assert.equal(statSync(path).mtimeMs, 1_234_567_000);
  assert.deepEqual(left(path), []);
  assert.ok(await holdsObject(path, it.manifest));
});

test("torn anywhere, it knows only what is there, and asks for nothing else again", async (t) => {
  const seed = 20_261;
  t.diagnostic(`seed ${seed}`);
  for (let round = 0; round < 60; round += 1) {
    await tearAndResume(createMemoryRandom(`${seed}/${round}`), `round ${round}`);
  }
});

async function tearAndResume(random: MemoryRandom, what: string): Promise<void> {
  const path = fresh();
  const names = objectNames(path, transfer);
  const it = thing(random, 1 + random.below(30));
  const places = [...placesOf(it.manifest)];
  const acknowledged = new Set<number>();
  const bytes = random.below(2) === 0 ? {} : { bytes: it.manifest.bytes };
  for (let life = 0; life < 4; life += 1) {
    const file = await openAt(path, bytes);
    for (const [index, { ref, offset }] of file.known) {
      assert.ok(acknowledged.has(index), `${what}: ${index} was never acknowledged`);
      const there = readFileSync(names.partial).subarray(offset, offset + ref.bytes);
      assert.equal(hash("sha256", there), ref.digest, `${what}: ${index} is not there`);
    }
    const untouched = [...acknowledged].filter((index) => !file.known.has(index));
    assert.deepEqual(untouched, [], `${what}: what nobody tore is known`);
    const some = places.filter(() => random.below(3) === 0);
    await Promise.all(
      some.map((place) => file.put(place, it.chunks[place.index] ?? new Uint8Array())),
    );
    for (const { index } of some) acknowledged.add(index);
    await file.close();
    for (const index of tear(random, names, it)) acknowledged.delete(index);
  }
  const file = await openAt(path, bytes);
  assert.equal(await putAll(file, it), places.length - acknowledged.size, what);
  await file.finish(it.manifest);
  assert.ok(readFileSync(path).equals(it.whole), what);
  assert.deepEqual(left(path), [], what);
}

/** Damages the partial file, or tears the end off it or off the journal; which places that hits. */
function tear(
  random: MemoryRandom,
  names: ReturnType<typeof objectNames>,
  { manifest }: Thing,
): readonly number[] {
  const places = [...placesOf(manifest)];
  const { size } = statSync(names.partial);
  const at = random.below(size + 1);
  const how = random.below(4);
  if (how === 0 && at < size) {
    flip(names.partial, at);
    return places.filter((p) => p.offset <= at && at < p.offset + p.ref.bytes).map((p) => p.index);
  }
  if (how === 1) {
    truncateSync(names.partial, at);
    return places.filter((p) => p.offset + p.ref.bytes > at).map((p) => p.index);
  }
  if (how === 2) {
    const journal = readFileSync(names.journal, "latin1");
    const kept = random.below(journal.length + 1);
    truncateSync(names.journal, kept);
    const indexOf = (line: string) => Number(line.split(" ")[0]);
    const before = journal.slice(0, kept).split("\n").slice(0, -1).map(indexOf);
    return places.map((p) => p.index).filter((index) => !before.includes(index));
  }
  return [];
}

test("an acknowledgement waits for the journal, and one flush serves many", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(2), 16);
  const gate = Promise.withResolvers<void>();
  const records: number[] = [];
  const openJournal = async (): Promise<PlaceJournal> => ({
    places: [],
    record: async (places) => {
      records.push(places.length);
      await gate.promise;
    },
    close: async () => {},
  });
  const file = await openAt(path, { openJournal });
  let acknowledged = 0;
  const [first, ...others] = [...placesOf(it.manifest)].map(async (place) => {
    await file.put(place, it.chunks[place.index] ?? new Uint8Array());
    acknowledged += 1;
  });
  while (records.length === 0) await new Promise(setImmediate);
  const { partial } = objectNames(path, transfer);
  const whole = Buffer.concat(it.chunks);
  await until("all are written", () => readFileSync(partial).equals(whole));
  assert.equal(acknowledged, 0);
  assert.equal(file.known.size, 0);
  gate.resolve();
  await Promise.all([first, ...others]);
  assert.equal(
    records.reduce((sum, count) => sum + count),
    16,
  );
  assert.ok(records.length < 16, `${records.length} flushes for 16 chunks`);
  await file.abort();
});

test("the same chunk twice at a place is written and recorded once", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(3), 1);
  const file = await openAt(path);
  const [place] = placesOf(it.manifest);
  assert.ok(place !== undefined);
  await Promise.all([file.put(place, it.whole), file.put(place, it.whole)]);
  await file.put(place, it.whole);
  await file.close();
  const { journal } = objectNames(path, transfer);
  const recorded = await openLineJournal(journal);
  assert.equal(recorded.places.length, 1);
  await recorded.close();
});

test("names of every kind, up to the longest that a folder takes", async () => {
  const it = thing(createMemoryRandom(4), 3);
  const names = ["a", "...", ".hidden", " ", "-rf", "two\nlines", 'q"\\*?', "é", "\u{1f4a1}"];
  const long = ["x".repeat(255), "é".repeat(127), "\u{1f4a1}".repeat(63), "y".repeat(230)];
  for (const name of [...names, ...long]) {
    const path = fresh(name);
    const file = await openAt(path);
    await putAll(file, it);
    await file.close();
    const again = await openAt(path);
    assert.equal(await putAll(again, it), 0, name);
    await again.finish(it.manifest);
    assert.deepEqual(readdirSync(join(path, "..")), [name]);
  }
  const cut = ["z", "q"].map((end) => objectNames(`/d/${"x".repeat(254)}${end}`, transfer));
  assert.notEqual(cut[0]?.partial, cut[1]?.partial, "cut names are told apart");
});

test("a path longer than SQLite takes", async () => {
  const folder = join(fresh(), "..", ...Array.from({ length: 14 }, () => "deep".repeat(60)));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "x".repeat(255));
  const it = thing(createMemoryRandom(4), 3);
  const file = await openAt(path);
  await putAll(file, it);
  await file.finish(it.manifest);
  assert.deepEqual(readdirSync(folder), ["x".repeat(255)]);
});

test("what is no name of a file is refused, and nothing is made", async () => {
  const folder = join(fresh(), "..");
  const bad = [".", "..", "a\0b", "x".repeat(256), "\ud800"].map((name) => `${folder}/${name}`);
  for (const path of [...bad, "/", `${folder}/a/`, `${folder}/none/a`, dir]) {
    await assert.rejects(openAt(path), (error) => isSkyError(error, "request/invalid"), path);
  }
  await assert.rejects(openAt(`${folder}/a`, { transfer: "../x" }), /no name of one/);
  assert.deepEqual(readdirSync(folder), []);
});

test("finish waits for puts under way, and nothing is written over what it proved", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(14), 9, 100_000);
  const places = [...placesOf(it.manifest)];
  const file = await openAt(path);
  const puts = places.map((place) => file.put(place, it.chunks[place.index] ?? new Uint8Array()));
  const finished = file.finish(it.manifest);
  const [first] = places;
  assert.ok(first !== undefined);
  const other = Buffer.alloc(first.ref.bytes, 1);
  const late = file.put({ ...first, ref: { ...first.ref, digest: hash("sha256", other) } }, other);
  await assert.rejects(late, (error) => isSkyError(error, "core/cancelled"));
  await Promise.all([...puts, finished]);
  assert.ok(readFileSync(path).equals(it.whole));
  assert.deepEqual(left(path), []);
});

test("an object of zero bytes", async () => {
  const path = fresh();
  const file = await openAt(path, { bytes: 0 });
  await file.finish({ bytes: 0, chunks: [] });
  assert.equal(statSync(path).size, 0);
  assert.deepEqual(left(path), []);
});

test("a hole where a chunk of zeros belongs is not that chunk, until it was put", async () => {
  const path = fresh();
  const zeros = new Uint8Array(4_096);
  const ref = { digest: hash("sha256", zeros), bytes: zeros.length };
  const manifest = { bytes: 3 * 4_096, chunks: [ref, ref, ref] };
  const file = await openAt(path, { bytes: manifest.bytes });
  assert.equal(file.missing(manifest).length, 3);
  const [, , last] = placesOf(manifest);
  assert.ok(last !== undefined);
  await file.put(last, zeros);
  await file.close();
  const again = await openAt(path);
  assert.deepEqual([...again.known.keys()], [2]);
  await assert.rejects(again.finish(manifest), (error) => isSkyError(error, "chunk/missing"));
  await again.abort();
});

test("what had the name stays until the whole object has it; a link is not followed", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(5), 5);
  const old = join(dir, "old");
  writeFileSync(old, "old");
  symlinkSync(old, path);
  const file = await openAt(path);
  await putAll(file, it);
  assert.equal(readFileSync(path, "utf8"), "old");
  await file.abort();
  assert.deepEqual(left(path), []);
  assert.equal(readFileSync(path, "utf8"), "old");
  const again = await openAt(path);
  assert.equal(await putAll(again, it), 5, "abort keeps nothing");
  await again.finish(it.manifest);
  assert.ok(lstatSync(path).isFile());
  assert.equal(readFileSync(old, "utf8"), "old");
});

test("the old file is replaced in one step: the name changes hands once", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(13), 5);
  writeFileSync(path, "old");
  const file = await openAt(path);
  await putAll(file, it);
  const events: string[] = [];
  const watcher = watch(join(path, ".."), (event, name) => void events.push(`${event} ${name}`));
  await file.finish(it.manifest);
  const flag = join(path, "..", "flag");
  writeFileSync(flag, "");
  await until("the watcher has seen all", () => events.some((text) => text.endsWith("flag")));
  watcher.close();
  assert.equal(events.filter((text) => text === "rename model.bin").length, 1, String(events));
});

test("a second writer of a name is refused, whatever its transfer and its process", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(6), 2);
  const file = await openAt(path);
  const locked = (error: unknown) => isSkyError(error, "store/locked");
  await assert.rejects(openAt(path), locked);
  await assert.rejects(openAt(path, { transfer: "t-2" }), locked);
  await putAll(file, it);
  await file.finish(it.manifest);
  const next = await openAt(path, { transfer: "t-2" });
  await next.abort();
  const holder = await holderOf(path);
  await assert.rejects(openAt(path), locked);
  holder.kill("SIGKILL");
  await new Promise((resolve) => holder.once("exit", resolve));
  const lockFiles = () => readdirSync(locks).filter((name) => !name.endsWith("-journal"));
  const [killed] = lockFiles();
  const other = await openAt(fresh());
  assert.equal(lockFiles().length, 2);
  sweepObjectLocks(locks);
  assert.equal(lockFiles().length, 1, "that of a living one stays");
  assert.ok(!readdirSync(locks).some((name) => name.startsWith(killed ?? "?")));
  await other.abort();
  await (await openAt(path, { transfer: "t-9" })).abort();
  assert.deepEqual(left(path), []);
  assert.deepEqual(readdirSync(locks), []);
});

/** A process that has the file open, until it is killed. */
async function holderOf(path: string) {
  const module = (name: string) => JSON.stringify(new URL(`../../${name}`, import.meta.url).href);
  const program = `
    import { openObjectFile } from ${module("transfer/chunks/object-file-os.ts")};
    import { openLineJournal } from ${module("test/support/place-journal.ts")};
    const path = ${JSON.stringify(path)};
    const locks = ${JSON.stringify(locks)};
    await openObjectFile({ path, transfer: "t-9", locks, openJournal: openLineJournal });
    process.stdout.write("open");
    setInterval(() => {}, 1_000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  return holder;
}

test("a bit that flips after it was put is found before the file has its name", async () => {
  const random = createMemoryRandom(7);
  for (let round = 0; round < 100; round += 1) {
    const path = fresh();
    const it = thing(random, 1 + random.below(6), 300);
    const file = await openAt(path);
    await putAll(file, it);
    const at = random.below(it.whole.length);
    flip(objectNames(path, transfer).partial, at);
    await assert.rejects(file.finish(it.manifest), (error) => {
      assert.ok(isSkyError(error, "chunk/damaged"));
      const [hit] = [...placesOf(it.manifest)].filter((p) => p.offset + p.ref.bytes > at);
      assert.equal(error.params["digest"], hit?.ref.digest, "it names the chunk");
      return true;
    });
    assert.throws(() => statSync(path));
    assert.equal(await putAll(file, it), 1);
    await file.finish(it.manifest);
    assert.ok(readFileSync(path).equals(it.whole));
  }
});

test("the proof at the end is what finds it: without it, a flipped bit gets the name", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(8), 4);
  const file = await openAt(path, { proveAtEnd: false });
  await putAll(file, it);
  flip(objectNames(path, transfer).partial, 17);
  await file.finish(it.manifest);
  assert.ok(!readFileSync(path).equals(it.whole));
  assert.ok(!(await holdsObject(path, it.manifest)));
});

test("killed between the rename and the end of its journal, it is whole at once", async () => {
  const path = fresh();
  const it = thing(createMemoryRandom(9), 8);
  const file = await openAt(path);
  await putAll(file, it);
  const { journal } = objectNames(path, transfer);
  const recorded = readFileSync(journal);
  await file.finish(it.manifest);
  writeFileSync(journal, recorded);
  const again = await openAt(path, { bytes: it.manifest.bytes });
  assert.equal(await putAll(again, it), 0);
  await again.finish(it.manifest);
  assert.ok(readFileSync(path).equals(it.whole));
  assert.deepEqual(left(path), []);
});

test("a journal of another object with that name proves nothing of this one", async () => {
  const path = fresh();
  const old = thing(createMemoryRandom(10), 8);
  const file = await openAt(path);
  await putAll(file, old);
  const { journal } = objectNames(path, transfer);
  const recorded = readFileSync(journal);
  await file.finish(old.manifest);
  const [, ...others] = thing(createMemoryRandom(11), 8).chunks;
  const chunks = [old.chunks[0] ?? new Uint8Array(), ...others];
  const whole = Buffer.concat(chunks);
  const refs = chunks.map((bytes) => ({ digest: hash("sha256", bytes), bytes: bytes.length }));
  for (const count of [8, 1]) {
    writeFileSync(journal, recorded);
    const manifest = { bytes: 0, chunks: refs.slice(0, count) };
    const bytes = manifest.chunks.reduce((sum, ref) => sum + ref.bytes, 0);
    const it = { manifest: { ...manifest, bytes }, chunks, whole };
    writeFileSync(path, old.whole);
    const again = await openAt(path);
    // The first chunk is the same in both; it lies under the final name, where nothing is written.
    await putAll(again, it);
    await again.finish(it.manifest).catch(async (error: unknown) => {
      assert.ok(isSkyError(error, "chunk/missing"), String(error));
      assert.ok(readFileSync(path).equals(old.whole));
      await putAll(again, it);
      await again.finish(it.manifest);
    });
    assert.ok(readFileSync(path).equals(whole.subarray(0, bytes)));
    assert.deepEqual(left(path), []);
  }
});

const noDisk = whyNoDisk();
test("a full disk: what came stays, and it goes on when there is room", {
  skip: noDisk,
}, async () => {
  const disk = smallDisk(4);
  try {
    const path = join(disk.path, "big");
    const random = createMemoryRandom(12);
    const it = thing(random, 12, 200_000);
    const full = (error: unknown) =>
      isSkyError(error, "disk/full") && error.message.includes(objectNames(path, transfer).partial);
    await assert.rejects(openAt(path, { bytes: 64 * 1024 * 1024 }), full);
    const file = await openAt(path);
    const places = [...placesOf(it.manifest)];
    const put = (index: number) => {
      const place = places[index];
      assert.ok(place !== undefined);
      return file.put(place, it.chunks[index] ?? new Uint8Array());
    };
    await put(0);
    disk.fill();
    for (const index of [3, 4]) await assert.rejects(put(index), full);
    assert.deepEqual([...file.known.keys()], [0]);
    disk.empty();
    await put(3);
    await file.close();
    const again = await openAt(path);
    assert.deepEqual([...again.known.keys()].sort(), [0, 3]);
    await putAll(again, it);
    await again.finish(it.manifest);
    assert.ok(readFileSync(path).equals(it.whole));
  } finally {
    disk.close();
  }
});
