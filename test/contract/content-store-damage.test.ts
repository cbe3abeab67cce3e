// The content store over a folder that was damaged, or that somebody put other things into: no
// wrong byte is given to anybody, no link is followed, and what is pinned stays pinned.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { pinFileName } from "../../transfer/chunks/content-layout.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { testSeed } from "../support/seed.ts";
import { putSample, type Sample, sample } from "./content-store.contract.ts";
import { auditFolder } from "./content-store-audit.ts";

const isDamaged = (error: unknown): boolean => isSkyError(error, "chunk/damaged");
const isFailed = (error: unknown): boolean => isSkyError(error, "chunks/failed");
const isMissing = (error: unknown): boolean => isSkyError(error, "chunk/missing");

interface Place {
  /** The store's folder. */
  readonly dir: string;
  /** Beside it. */
  readonly beside: string;
  readonly open: (bytesMax?: number, log?: Log) => Promise<ContentStore>;
  /** Opens, runs and closes. */
  readonly using: <T>(run: (store: ContentStore) => Promise<T>) => Promise<T>;
}

function inFolder(what: string, run: (place: Place) => Promise<void>): void {
  test(`content store, damaged: ${what}`, { timeout: 60_000 }, async () => {
    const beside = mkdtempSync(join(tmpdir(), "sky chunks "));
    const dir = join(beside, "chunks");
    const opened: ContentStore[] = [];
    const open: Place["open"] = async (bytesMax = 2 ** 40, log = silentLog) => {
      const store = await openContentStore({ dir, bytesMax, reserveBytes: 0, log });
      opened.push(store);
      return store;
    };
    const using: Place["using"] = async (act) => {
      const store = await open();
      try {
        return await act(store);
      } finally {
        await store.close();
      }
    };
    try {
      await run({ dir, beside, open, using });
    } finally {
      await Promise.all(opened.map((store) => store.close()));
      rmSync(beside, { recursive: true });
    }
  });
}

const samples = (count: number): readonly Sample[] =>
  Array.from({ length: count }, (_, number) => sample(number, 100 + number));
const pathOf = (dir: string, { digest }: Sample): string => join(dir, digest.slice(0, 2), digest);
const indexOf = (dir: string): readonly string[] =>
  readdirSync(dir).filter((name) => name.startsWith("index-"));

async function assertAll(store: ContentStore, all: readonly Sample[]): Promise<void> {
  for (const { digest, content } of all) assert.ok(content.equals(await store.get(digest)));
}

/** What may stand under a chunk's name that is no chunk. */
const planted: Readonly<Record<string, (path: string, place: Place) => void>> = {
  "an empty file": (path) => writeFileSync(path, ""),
  "a part of it": (path) => truncateSync(path, 10),
  "more than it": (path) => writeFileSync(path, "and more", { flag: "a" }),
  "a file that is larger than any chunk": (path) => truncateSync(path, 16 * 1024 ** 2 + 1),
  "a link to the right bytes": (path, { beside }) => {
    const target = join(beside, "target");
    copyFileSync(path, target);
    rmSync(path);
    symlinkSync(target, path);
  },
  "a link to nothing": (path) => {
    rmSync(path);
    symlinkSync("/nowhere/at/all", path);
  },
  "a folder with something in it": (path) => {
    rmSync(path);
    mkdirSync(path);
    writeFileSync(join(path, "something"), "");
  },
  "a pipe that nobody writes": (path) => {
    rmSync(path);
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
  },
};

for (const isOpen of [true, false]) {
  const when = isOpen ? "while it is open" : "before it is opened";
  inFolder(`what is no chunk under a chunk's name, ${when}`, async (place) => {
    const { dir, open } = place;
    const kinds = Object.entries(planted);
    const [other, ...all] = samples(kinds.length + 1) as [Sample, ...Sample[]];
    let store = await open();
    await store.pin("job", all);
    for (const one of [other, ...all]) await putSample(store, one);
    const { pinnedBytes } = store.counts();
    if (!isOpen) await store.close();
    for (const [at, [, plant]] of kinds.entries()) plant(pathOf(dir, all[at] ?? other), place);
    if (!isOpen) store = await open();
    for (const [at, [what]] of kinds.entries()) {
      const one = all[at] ?? other;
      const isGone = (error: unknown): boolean => isDamaged(error) || isMissing(error);
      await assert.rejects(store.get(one.digest), isGone, what);
      await assert.rejects(store.get(one.digest), isMissing, what);
      assert.equal((await store.has([one.digest])).size, 0, what);
      assert.equal(await putSample(store, one), "stored", what);
    }
    await assertAll(store, [other, ...all]);
    assert.equal(store.counts().pinnedBytes, pinnedBytes);
    await store.close();
    auditFolder(dir, 10_000);
    const linked = all[kinds.findIndex(([what]) => what === "a link to the right bytes")];
    assert.ok(linked?.content.equals(readFileSync(join(place.beside, "target"))), "untouched");
  });
}

inFolder("a put notices what stands in its place, without a get before", async (place) => {
  const one = sample(1);
  await place.using(async (store) => {
    for (const [what, plant] of Object.entries(planted)) {
      if (what === "a link to the right bytes") continue;
      await putSample(store, one);
      plant(pathOf(place.dir, one), place);
      assert.equal(await putSample(store, one), "stored", what);
      await assertAll(store, [one]);
    }
  });
  auditFolder(place.dir, 1_000);
});

inFolder("a chunk that nobody put, under a name of its own, is proven like any", async (place) => {
  const [one, other] = [sample(1), sample(2)];
  await place.using(async (store) => {
    await putSample(store, other);
    writeFileSync(pathOf(place.dir, other).replace(/.$/, "z"), "no digest");
    mkdirSync(join(place.dir, one.digest.slice(0, 2)), { recursive: true });
    writeFileSync(pathOf(place.dir, one), one.content, { mode: 0o600 });
    assert.ok(one.content.equals(await store.get(one.digest)), "found without the index");
  });
  const log = createMemoryLog();
  const store = await place.open(2 ** 40, log);
  assert.equal(store.counts().chunks, 2, "and taken up when it is opened");
  assert.ok(log.lines.some(({ message }) => message.startsWith("what is no chunk was moved")));
  await store.close();
  auditFolder(place.dir, 2_000);
});

inFolder("what stands in the place of its folders is moved or unlinked", async (place) => {
  const { dir, beside, using } = place;
  const all = samples(40);
  await using(async (store) => {
    await store.pin("job", all);
    for (const one of all) await putSample(store, one);
  });
  const [linked, filed] = ["linked", "filed"].map((_, at) => all[at]?.digest.slice(0, 2) ?? "");
  const elsewhere = join(beside, "elsewhere");
  mkdirSync(elsewhere);
  for (const name of [linked, filed, "damaged", "incoming"]) {
    rmSync(join(dir, name ?? ""), { recursive: true, force: true });
  }
  for (const name of [linked, "damaged", "incoming"]) symlinkSync(elsewhere, join(dir, name ?? ""));
  writeFileSync(join(dir, filed ?? ""), "");
  writeFileSync(join(elsewhere, "theirs"), "theirs");
  await using(async (store) => {
    for (const one of all) await putSample(store, one);
    await assertAll(store, all);
  });
  assert.deepEqual(readdirSync(elsewhere), ["theirs"], "nothing went through a link");
  auditFolder(dir, 10_000);
});

inFolder("a shelf that is taken away while it is open is made again", async ({ dir, using }) => {
  await using(async (store) => {
    const one = sample(1);
    await putSample(store, one);
    rmSync(join(dir, one.digest.slice(0, 2)), { recursive: true });
    await assert.rejects(store.get(one.digest), isMissing);
    await putSample(store, one);
    rmSync(join(dir, one.digest.slice(0, 2)), { recursive: true });
    writeFileSync(join(dir, one.digest.slice(0, 2)), "");
    await putSample(store, one);
    await assertAll(store, [one]);
  });
});

inFolder("a store that is taken away while it is open goes on, and is empty", async (place) => {
  const { dir, using } = place;
  const [one, two] = [sample(1), sample(2)];
  for (const isEmptied of [false, true]) {
    await using(async (store) => {
      await store.pin("job", [one]);
      await putSample(store, one);
      rmSync(dir, { recursive: true });
      if (isEmptied) mkdirSync(dir, { mode: 0o700 });
      await store.unpin("nobody");
      assert.deepEqual(await store.pins(""), []);
      await assert.rejects(store.get(one.digest), isMissing);
      await store.pin("next", [two]);
      await putSample(store, two);
      await putSample(store, one);
      await assertAll(store, [one, two]);
      rmSync(dir, { recursive: true });
      await putSample(store, one);
      await assertAll(store, [one]);
    });
    auditFolder(dir, 10_000);
  }
});

inFolder("a store that is taken away is shared by those who lay it anew", async ({ dir, open }) => {
  const [first, second] = [await open(), await open()];
  const all = samples(8);
  rmSync(dir, { recursive: true });
  const half = (store: ContentStore, rest: number): Promise<unknown> =>
    Promise.all(all.filter((_, at) => at % 2 === rest).map((one) => putSample(store, one)));
  await Promise.all([half(first, 0), half(second, 1)]);
  for (const store of [first, second]) await assertAll(store, all);
  assert.deepEqual(
    await first.has(all.map(({ digest }) => digest)),
    await second.has(all.map(({ digest }) => digest)),
  );
});

inFolder("only a few of what was damaged are kept", async ({ dir, using }) => {
  await using(async (store) => {
    for (const one of samples(30)) {
      await putSample(store, one);
      writeFileSync(pathOf(dir, one), "damaged");
      await assert.rejects(store.get(one.digest), isDamaged);
    }
    assert.equal(store.counts().damaged, 30);
    assert.equal(readdirSync(join(dir, "damaged")).length, 8);
  });
});

inFolder("the root is its owner's alone, and may be reached by a link", async (place) => {
  mkdirSync(place.dir, { mode: 0o755 });
  const link = join(place.beside, "link to it");
  symlinkSync(place.dir, link);
  const store = await openContentStore({ dir: link, reserveBytes: 0 });
  await putSample(store, sample(1));
  await store.pin("job", [sample(1)]);
  const seen = (path: string): number => lstatSync(join(place.dir, path)).mode & 0o777;
  assert.equal(seen(""), 0o700);
  for (const name of ["ab", "incoming", "pins", "damaged"]) assert.equal(seen(name), 0o700, name);
  const pin = readdirSync(join(place.dir, "pins"))[0] ?? "";
  for (const name of ["lock", ...indexOf(place.dir), `pins/${pin}`]) {
    assert.equal(seen(name), 0o600, name);
  }
  chmodSync(place.dir, 0o700);
  await store.close();
});

inFolder("a folder that cannot be is refused with its path", async ({ dir, open }) => {
  writeFileSync(dir, "");
  await assert.rejects(open(), (error) => isFailed(error) && String(error).includes(dir));
});

inFolder("what a living writer writes is left alone; a dead one's goes", async (place) => {
  const { dir, open } = place;
  const first = await open();
  const own = join(dir, "incoming", readdirSync(join(dir, "incoming"))[0] ?? "");
  writeFileSync(join(own, "77"), "half of it");
  const dead = join(dir, "incoming", "0123456789abcdef");
  mkdirSync(dead);
  writeFileSync(join(dead, "1"), "half of it");
  writeFileSync(join(dir, "incoming", "no folder"), "");
  const second = await open();
  assert.equal(readFileSync(join(own, "77"), "utf8"), "half of it");
  assert.equal(readdirSync(join(dir, "incoming")).length, 2);
  await first.close();
  await second.close();
  assert.deepEqual(readdirSync(join(dir, "incoming")), []);
});

inFolder("flipped bits in the index: the files are the truth", async ({ dir, open, using }) => {
  const random = createMemoryRandom(`${testSeed}/index`);
  const all = samples(60);
  await using(async (store) => {
    await store.pin("job", all.slice(0, 30));
    for (const one of all) await putSample(store, one);
  });
  for (let round = 0; round < 12; round += 1) {
    const path = join(dir, indexOf(dir)[0] ?? "");
    const bytes = readFileSync(path);
    for (let flips = 1 + random.below(40); flips > 0; flips -= 1) {
      // Most of a fresh index is empty pages; the first page decides whether it is one at all.
      const at = random.below(random.unit() < 0.3 ? 4_096 : bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    }
    writeFileSync(path, bytes);
    const store = await open(20_000);
    assert.equal((await store.pinned("job"))?.length, 30, `round ${round}`);
    assert.deepEqual(await store.pins(""), ["job"]);
    for (let one = 0; one < 8; one += 1) await putSample(store, sample(1_000 + round * 8 + one));
    await assertAll(store, all.slice(0, 30));
    await store.close();
    auditFolder(dir, 20_000);
  }
});

inFolder("an index whose schema is another is begun anew", async ({ dir, using }) => {
  const all = samples(4);
  await using(async (store) => {
    await store.pin("job", all);
    for (const one of all) await putSample(store, one);
  });
  const index = new DatabaseSync(join(dir, indexOf(dir)[0] ?? ""));
  index.exec("ALTER TABLE chunks RENAME COLUMN used TO usee");
  index.close();
  await using(async (store) => {
    assert.equal((await store.pinned("job"))?.length, 4);
    await assertAll(store, all);
  });
});

inFolder("an index of long ago, or of a newer form, is no harm", async ({ dir, using }) => {
  const all = samples(20);
  await using(async (store) => {
    await store.pin("old", all.slice(0, 5));
    await store.pin("stays", all.slice(0, 2));
    for (const one of all.slice(0, 10)) await putSample(store, one);
  });
  const path = join(dir, indexOf(dir)[0] ?? "");
  const old = readFileSync(path);
  await using(async (store) => {
    await store.unpin("old");
    await store.pin("new", all.slice(10));
    await store.pin("stays", all.slice(2, 4));
    for (const one of all.slice(10)) await putSample(store, one);
    rmSync(pathOf(dir, all[5] ?? sample(0)));
    await assert.rejects(store.get(all[5]?.digest ?? ""), isMissing);
  });
  writeFileSync(path, old);
  const check = (): Promise<void> =>
    using(async (store) => {
      assert.deepEqual(await store.pins(""), ["new", "stays"]);
      assert.equal((await store.pinned("stays"))?.length, 4);
      assert.equal((await store.pinned("new"))?.length, 10);
      await assertAll(store, [...all.slice(0, 5), ...all.slice(6)]);
      assert.equal(store.counts().chunks, 19);
    });
  await check();
  auditFolder(dir, 10_000);
  const newer = new DatabaseSync(path);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  await check();
  for (const name of indexOf(dir)) rmSync(join(dir, name));
  await check();
  auditFolder(dir, 10_000);
});

inFolder("an index that goes while two have it open: all take the next", async (place) => {
  const { dir, open } = place;
  const all = samples(30);
  const [first, second] = [await open(5_000), await open(5_000)];
  await first.pin("job", all.slice(0, 10));
  for (const one of all.slice(0, 10)) await putSample(first, one);
  for (const name of indexOf(dir)) rmSync(join(dir, name));
  for (const one of all.slice(10, 20)) await putSample(second, one);
  await second.pin("late", [all[20] ?? sample(0)]);
  for (const one of all.slice(20)) await putSample(first, one);
  assert.deepEqual(await first.pins(""), ["job", "late"]);
  await assertAll(second, all.slice(0, 10));
  await assertAll(first, all.slice(20, 21));
  // Garbage instead of an index: written by another process, as this one holds locks on the file.
  for (const name of indexOf(dir)) {
    const to = `of=${join(dir, name)}`;
    spawnSync("dd", ["if=/dev/urandom", to, "bs=4096", "count=8", "conv=notrunc"]);
  }
  const third = await open(5_000);
  await third.pin("later", []);
  for (let number = 50; number < 80; number += 1) await putSample(second, sample(number, 200));
  for (const store of [first, second, third]) {
    assert.deepEqual(await store.pins(""), ["job", "late", "later"]);
    await assertAll(store, all.slice(0, 10));
    await store.close();
  }
  auditFolder(dir, 5_000);
});

inFolder("a count of pins that is wrong evicts nothing that is pinned", async ({ dir, open }) => {
  const store = await open(3_000);
  await store.pin("job", [sample(0)]);
  for (const number of [0, 1, 2]) await putSample(store, sample(number));
  const index = new DatabaseSync(join(dir, indexOf(dir)[0] ?? ""));
  index.exec("UPDATE chunks SET pins = 0");
  index.close();
  for (const number of [3, 4, 5]) await putSample(store, sample(number));
  await assertAll(store, [sample(0)]);
});

inFolder("sums that are wrong are counted anew, and what is left of a pin goes", async (place) => {
  const { dir, open, using } = place;
  await using(async (store) => {
    await store.pin("gone", [sample(0)]);
    await store.pin("job", [sample(1)]);
    for (const number of [0, 1, 2]) await putSample(store, sample(number));
  });
  const index = new DatabaseSync(join(dir, indexOf(dir)[0] ?? ""));
  index.exec("UPDATE totals SET bytes = 7, pinned = 1000000, chunks = 0");
  // As if it had died between two turns of an unpin of very many chunks.
  index.exec("UPDATE pins SET name = NULL WHERE name = 'gone'");
  index.close();
  rmSync(join(dir, "pins", pinFileName("gone")));
  const store = await open(3_000);
  const { chunks, bytes, pinnedBytes } = store.counts();
  assert.deepEqual({ chunks, bytes, pinnedBytes }, { chunks: 3, bytes: 3_000, pinnedBytes: 1_000 });
  for (const number of [3, 4]) await putSample(store, sample(number));
  await assertAll(store, [sample(1)]);
  assert.equal((await store.has([sample(0).digest])).size, 0);
  await store.close();
  auditFolder(dir, 3_000);
});

inFolder("a pin of very many chunks is made and taken away in parts", async ({ dir, using }) => {
  const refs = Array.from({ length: 5_001 }, (_, number) => ({
    digest: number.toString(16).padStart(64, "0"),
    bytes: 1 + number,
  }));
  await using(async (store) => {
    await store.pin("large", refs);
    assert.equal((await store.pinned("large"))?.length, 5_001);
  });
  await using(async (store) => {
    assert.deepEqual(await store.pinned("large"), refs);
    await store.unpin("large");
    assert.equal(await store.pinned("large"), undefined);
  });
  const index = new DatabaseSync(join(dir, indexOf(dir)[0] ?? ""));
  assert.equal(index.prepare("SELECT count(*) AS n FROM pinned").get()?.["n"], 0);
  index.close();
});

inFolder("uses keep their order when the clock goes back", async ({ dir, open, using }) => {
  await using(async (store) => {
    await putSample(store, sample(0));
  });
  const index = new DatabaseSync(join(dir, indexOf(dir)[0] ?? ""));
  index.exec("UPDATE totals SET tick = tick + 1000000000000; UPDATE chunks SET used = 1e15");
  index.exec("UPDATE totals SET tick = 1000000000000000");
  index.close();
  const store = await open(3_000);
  for (const number of [1, 2, 3]) await putSample(store, sample(number));
  const here = await store.has([0, 1, 2, 3].map((number) => sample(number).digest));
  assert.equal(here.has(sample(0).digest), false, "the oldest went, though its use lies ahead");
  assert.equal(here.size, 3);
  await store.close();
});

inFolder("a file among the pins that is none, or endless, is moved away", async (place) => {
  const { dir, using } = place;
  await using((store) => store.pin("job", [sample(0)]));
  writeFileSync(join(dir, "pins", "notes.txt"), "notes");
  writeFileSync(join(dir, "pins", `${"a".repeat(64)}.new`), "half of it");
  writeFileSync(join(dir, "pins", "b".repeat(64)), "pin of nobody\n");
  writeFileSync(join(dir, "pins", "c".repeat(64)), "");
  truncateSync(join(dir, "pins", "c".repeat(64)), 2 ** 40);
  mkdirSync(join(dir, "pins", "d".repeat(64)));
  symlinkSync("/etc/passwd", join(dir, "pins", "e".repeat(64)));
  await using(async (store) => assert.deepEqual(await store.pins(""), ["job"]));
  assert.equal(readdirSync(join(dir, "pins")).length, 1);
});

inFolder("flipped bits in pins: the copy completes them", async ({ dir, using }) => {
  const random = createMemoryRandom(`${testSeed}/pins`);
  const all = samples(40);
  await using(async (store) => {
    await store.pin("job", all.slice(0, 10));
    await store.pin("job", all.slice(10, 30));
    await store.pin("job", all.slice(30));
  });
  const path = join(dir, "pins", readdirSync(join(dir, "pins"))[0] ?? "");
  const refs = await using((store) => store.pinned("job"));
  for (let round = 0; round < 12; round += 1) {
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    writeFileSync(path, round % 3 === 2 ? bytes.subarray(0, at) : bytes);
    const seen = await using((store) => store.pinned("job"));
    assert.deepEqual(seen, refs, `round ${round}, byte ${at}`);
  }
  await using((store) => store.pin("job", [sample(99)]));
  assert.equal((await using((store) => store.pinned("job")))?.length, 41);
});

inFolder("flipped bits in pins, and no index: all that is legible counts", async (place) => {
  const { dir, using } = place;
  const random = createMemoryRandom(`${testSeed}/pins alone`);
  const all = samples(20);
  for (let round = 0; round < 10; round += 1) {
    await using(async (store) => {
      await store.unpin("job");
      await store.pin("job", all.slice(0, 10));
      await store.pin("job", all.slice(10));
    });
    const path = join(dir, "pins", readdirSync(join(dir, "pins"))[0] ?? "");
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    writeFileSync(path, bytes);
    for (const name of indexOf(dir)) rmSync(join(dir, name));
    const seen = await using((store) => store.pinned("job"));
    const digests = new Set(seen?.map(({ digest }) => digest));
    const kept = all.filter(({ digest }) => digests.has(digest)).length;
    assert.ok(kept >= 19, `${kept} of 20, byte ${at}`);
  }
});
