// What every version of the objects port must do.
//
// A world is one place that keeps objects, with one bucket that is there and empty. `open` opens it
// again and again, as several machines do. Stores that are file systems say which keys they refuse;
// all others take any Unicode.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type Code, isSkyError } from "../../model/errors.ts";
import { demandKey } from "../../transfer/stores/limits.ts";
import type { ObjectAttributes, ObjectStore, Upload } from "../../transfer/stores/object-store.ts";

export interface ObjectWorld {
  /** The bucket that is there, or one called so. */
  open(options?: { readonly bucket?: string }): Promise<ObjectStore>;
  /** So many keys of a listing come in one page, where the world can say it. */
  readonly pageKeys?: number;
  /** Whether a name cannot be one here: of a file system. */
  refuses?(key: string): boolean;
  /** Whether a name cannot be tried here: of emulators that cannot have it. */
  skips?(key: string): boolean;
  /** It keeps files: nothing beside their bytes but mode and time. */
  readonly bytesOnly?: boolean;
  /** What it is opened at is there or not; buckets are neither made nor deleted. */
  readonly noBuckets?: boolean;
  /** From now on everything is denied. Absent where that cannot be. */
  deny?(): void | Promise<void>;
  /** Flips a bit of an object where it is kept. Absent where that cannot be. */
  damage?(key: string): void | Promise<void>;
  close(): Promise<void>;
}

type Check = (what: string, run: (world: ObjectWorld) => Promise<void>) => void;

/** Names that a store has to take as they are. */
export const oddKeys: readonly string[] = [
  ...["a", "a/b/c.txt", "a//b", "../x", "a/../b", "./c", "/leading", "//two", "trailing/"],
  ...["a b", " ", "a+b", "50%", "%41", "%2F", "a?b=c&d", "a#b", "a:b", "a;b", "a\\b", "a\"b'c"],
  ...["ä", "a\u0308", "日本語/ファイル", "🧪/🚀.bin", "~", "-rf", "*", "[x]{y}", "<k>&amp;</k>"],
  ...["tab\there", "line\nbreak", "a=b", "a,b", "a|b", "a^b`c", "!$()'*@_.-", "."],
];

const signal = new AbortController().signal;

/** `bytes` bytes that no other seed has. */
export function content(bytes: number, seed = 0): Uint8Array {
  const block = createHash("sha256").update(`${seed}`).digest();
  return new Uint8Array(Buffer.alloc(bytes, block));
}

const code =
  (...codes: readonly Code[]) =>
  (error: unknown): boolean =>
    codes.some((one) => isSkyError(error, one));

export function objectStoreContract(name: string, make: () => Promise<ObjectWorld>): void {
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
  buckets(check);
  objects(check);
  keys(check);
  attributes(check);
  listings(check);
  uploads(check);
  faults(check);
}

async function using<T>(
  world: ObjectWorld,
  run: (store: ObjectStore) => Promise<T>,
  options: { readonly bucket?: string } = {},
): Promise<T> {
  const store = await world.open(options);
  try {
    return await run(store);
  } finally {
    await store.close();
  }
}

function same(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert.ok(Buffer.from(found).equals(expected), `${what}: ${found.length} bytes, others`);
}

async function listedKeys(store: ObjectStore, prefix = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const page of store.list(prefix, signal)) found.push(...page.map(({ key }) => key));
  return found.toSorted();
}

function buckets(check: Check): void {
  check("a bucket that is not there is said by every call", async (world) => {
    if (world.noBuckets === true) return;
    await using(
      world,
      async (store) => {
        assert.equal(await store.bucketExists(signal), false);
        const missing = code("objects/no-bucket");
        await assert.rejects(store.put("k", content(1), { signal }), missing);
        await assert.rejects(store.get({ key: "k" }, signal), missing);
        await assert.rejects(store.head("k", signal), missing);
        await assert.rejects(listedKeys(store), missing);
      },
      { bucket: "no-such-bucket-here" },
    );
  });

  check("a bucket is made, and goes when it is empty", async (world) => {
    if (world.noBuckets === true) return;
    await using(
      world,
      async (store) => {
        await store.createBucket(signal);
        assert.equal(await store.bucketExists(signal), true);
        await store.put("k", content(3), { signal });
        await assert.rejects(store.deleteBucket(signal), code("objects/refused"));
        same(await store.get({ key: "k" }, signal), content(3), "what is in it stays");
        await store.delete(["k"], signal);
        await store.deleteBucket(signal);
        assert.equal(await store.bucketExists(signal), false);
      },
      { bucket: "a-bucket-to-make" },
    );
  });

  check("the region of a bucket has its cloud's name", async (world) => {
    await using(world, async (store) => {
      assert.match(await store.region(signal), /^(local|(aws|gcp|azure|ibm|cloudflare|hdfs):.+)$/);
    });
  });
}

function objects(check: Check): void {
  check("what was put is there, byte for byte, also for another opener", async (world) => {
    const sizes = [0, 1, 1_000, 65_536, 1_500_001];
    await using(world, async (store) => {
      for (const size of sizes) await store.put(`of/${size}`, content(size), { signal });
    });
    await using(world, async (store) => {
      for (const size of sizes) {
        same(await store.get({ key: `of/${size}` }, signal), content(size), `${size}`);
        const seen = await store.head(`of/${size}`, signal);
        assert.equal(seen?.bytes, size);
        assert.equal(seen.key, `of/${size}`);
      }
    });
  });

  check("an object that is not there is undefined, or said so", async (world) => {
    await using(world, async (store) => {
      assert.equal(await store.head("none", signal), undefined);
      await assert.rejects(store.get({ key: "none" }, signal), code("objects/no-object"));
    });
  });

  check("ranges are what they say, to the last byte", async (world) => {
    await using(world, async (store) => {
      const whole = content(100_000, 7);
      await store.put("r", whole, { signal });
      for (const [at, bytes] of [
        [0, 1],
        [0, 100_000],
        [99_999, 1],
        [1_234, 50_000],
      ] as const) {
        const read = await store.get({ key: "r", range: { at, bytes } }, signal);
        same(read, whole.subarray(at, at + bytes), `${at}+${bytes}`);
      }
      const beyond = { key: "r", range: { at: 99_999, bytes: 2 } };
      await assert.rejects(store.get(beyond, signal), code("objects/changed"));
    });
  });

  check("memory that was given is the store's no longer, nor the reader's", async (world) => {
    await using(world, async (store) => {
      const given = Buffer.from(content(5_000, 5));
      await store.put("m", given, { signal });
      given.fill(1);
      const first = await store.get({ key: "m" }, signal);
      same(first, content(5_000, 5), "what was put");
      first.fill(2);
      const range = await store.get({ key: "m", range: { at: 0, bytes: 5_000 } }, signal);
      same(range, content(5_000, 5), "what was put, again");
      range.fill(3);
      same(await store.get({ key: "m" }, signal), content(5_000, 5), "and again");
    });
  });

  check("another version is told apart, and refused by ifMatch", async (world) => {
    await using(world, async (store) => {
      const first = await store.put("v", content(10, 1), { signal });
      assert.equal((await store.head("v", signal))?.version, first);
      same(await store.get({ key: "v", ifMatch: first }, signal), content(10, 1), "the first");
      const second = await store.put("v", content(11, 2), { signal });
      assert.notEqual(second, first);
      await assert.rejects(
        store.get({ key: "v", ifMatch: first }, signal),
        code("objects/changed"),
      );
      const half = { key: "v", ifMatch: first, range: { at: 0, bytes: 5 } };
      await assert.rejects(store.get(half, signal), code("objects/changed"));
      same(await store.get({ key: "v", ifMatch: second }, signal), content(11, 2), "the second");
    });
  });

  check("many are deleted at once; those that are gone are no error", async (world) => {
    await using(world, async (store) => {
      const all = Array.from({ length: 12 }, (_, i) => `d/${i}`);
      await Promise.all(all.map((key) => store.put(key, content(1), { signal })));
      await store.delete([...all.slice(0, 9), "d/none"], signal);
      assert.deepEqual(await listedKeys(store, "d/"), all.slice(9).toSorted());
      await store.delete([], signal);
      await store.delete(all, signal);
      assert.deepEqual(await listedKeys(store, "d/"), []);
    });
  });

  check("a call that was given up does nothing more", async (world) => {
    await using(world, async (store) => {
      const gone = AbortSignal.abort(new Error("given up"));
      await assert.rejects(store.put("never", content(5), { signal: gone }));
      await assert.rejects(store.get({ key: "never" }, gone));
      assert.equal(await store.head("never", signal), undefined);
    });
  });
}

function keys(check: Check): void {
  check("a name is taken byte for byte, or refused", async (world) => {
    await using(world, async (store) => {
      const refused = (key: string) => world.refuses?.(key) ?? false;
      const tried = oddKeys.filter((key) => world.skips?.(key) !== true);
      for (const [index, key] of tried.entries()) {
        const put = store.put(key, content(index + 1, index), { signal });
        if (refused(key)) await assert.rejects(put, code("objects/refused"), key);
        else await put;
      }
      const taken = tried.filter((key) => !refused(key));
      assert.deepEqual(await listedKeys(store), taken.toSorted());
      for (const [index, key] of tried.entries()) {
        if (refused(key)) continue;
        same(await store.get({ key }, signal), content(index + 1, index), JSON.stringify(key));
        assert.equal((await store.head(key, signal))?.bytes, index + 1, JSON.stringify(key));
      }
      await store.delete(taken, signal);
      assert.deepEqual(await listedKeys(store), []);
    });
  });

  check("the longest name fits, and one byte more is refused", async (world) => {
    await using(world, async (store) => {
      const long = longest(Math.min(store.limits.keyBytesMax, 1_024));
      if (world.refuses?.(long) !== true) {
        await store.put(long, content(4), { signal });
        same(await store.get({ key: long }, signal), content(4), "the longest");
        assert.deepEqual(await listedKeys(store, long.slice(0, 40)), [long]);
      }
      const longer = `${longest(store.limits.keyBytesMax)}x`;
      await assert.rejects(store.put(longer, content(1), { signal }), code("objects/refused"));
      await assert.rejects(store.put("", content(1), { signal }), code("objects/refused"));
      assert.throws(() => demandKey("\ud800", store.limits), code("objects/refused"));
    });
  });
}

/** Of so many bytes: folders of 200 with letters that have several. */
function longest(bytes: number): string {
  const whole = `${"日".repeat(66)}x/`.repeat(Math.ceil(bytes / 200));
  let text = "";
  for (const letter of whole) {
    if (Buffer.byteLength(text + letter) > bytes) break;
    text += letter;
  }
  const filled = text + "y".repeat(bytes - Buffer.byteLength(text));
  return filled.endsWith("/") ? `${filled.slice(0, -1)}y` : filled;
}

const given: ObjectAttributes = {
  contentType: "text/x-odd; charset=utf-8",
  cacheControl: "max-age=60",
  contentEncoding: "identity",
  contentDisposition: 'attachment; filename="a.txt"',
  contentLanguage: "de",
  metadata: { "skylet-mode": "644", origin: "a b=c" },
};

function attributes(check: Check): void {
  check("what a transfer carries is kept, for small objects and those in parts", async (world) => {
    await using(world, async (store) => {
      await store.put("small", content(5), { signal, attributes: given });
      await store.put("empty", content(0), { signal, attributes: given });
      const upload = await store.begin("parts", { signal, attributes: given });
      const bytes = content(store.limits.partBytesMin);
      const part = await store.putPart(upload, { number: 1, bytes }, signal);
      await store.complete(upload, [part], { signal, attributes: given });
      for (const key of ["small", "empty", "parts"]) {
        const seen = await store.head(key, signal);
        if (world.bytesOnly === true) assert.equal(seen?.attributes.cacheControl, undefined);
        else assert.deepEqual(seen?.attributes, given, key);
      }
    });
  });

  check("without any there are the store's own", async (world) => {
    await using(world, async (store) => {
      await store.put("plain", content(5), { signal });
      const seen = (await store.head("plain", signal))?.attributes;
      // Of a file there is what it is beside its bytes.
      if (world.bytesOnly !== true) assert.deepEqual(seen?.metadata ?? {}, {});
      assert.equal(seen?.cacheControl, undefined);
    });
  });
}

function listings(check: Check): void {
  check("a listing of several pages has each object once, with its size", async (world) => {
    await using(world, async (store) => {
      const count = (world.pageKeys ?? 10) * 3 + 1;
      const all = Array.from({ length: count }, (_, i) => `p${i % 3}/q${i % 5}/${i}`);
      await Promise.all(all.map((key, i) => store.put(key, content(i), { signal })));
      const seen = new Map<string, number>();
      for await (const page of store.list("", signal)) {
        for (const { key, bytes, version, modifiedMs } of page) {
          assert.equal(seen.has(key), false, `${key} twice`);
          seen.set(key, bytes);
          assert.notEqual(version, "");
          assert.ok(Number.isFinite(modifiedMs));
        }
      }
      assert.deepEqual(seen, new Map([...seen].filter(([key, bytes]) => all[bytes] === key)));
      assert.equal(seen.size, count);
    });
  });

  check("a prefix is the beginning of names, no folder", async (world) => {
    await using(world, async (store) => {
      // On a file system `foo` cannot be beside `foo/a`.
      const all = ["foo", "foo/a", "foo/b/c", "foobar", "fo", "x/foo"];
      const there = world.refuses === undefined ? all : all.slice(1);
      for (const key of there) await store.put(key, content(1), { signal });
      const expected = (prefix: string) => there.filter((key) => key.startsWith(prefix)).toSorted();
      for (const prefix of ["", "fo", "foo", "foo/", "foo/b", "none", "x/"]) {
        assert.deepEqual(await listedKeys(store, prefix), expected(prefix), prefix);
      }
    });
  });

  check("the version of a listing is that of head and of ifMatch", async (world) => {
    await using(world, async (store) => {
      await store.put("one", content(9), { signal });
      for await (const [one] of store.list("", signal)) {
        assert.equal(one?.version, (await store.head("one", signal))?.version);
        const read = await store.get({ key: "one", ifMatch: one?.version ?? "" }, signal);
        same(read, content(9), "as listed");
      }
    });
  });
}

async function sendParts(
  store: ObjectStore,
  upload: Upload,
  pieces: readonly (readonly [number: number, bytes: Uint8Array])[],
) {
  const sent = new Map<number, Awaited<ReturnType<ObjectStore["putPart"]>>>();
  for (const [number, bytes] of pieces) {
    sent.set(number, await store.putPart(upload, { number, bytes }, signal));
  }
  return [...sent.values()];
}

function uploads(check: Check): void {
  check("parts come in any order and again, and nothing is seen before the end", async (world) => {
    await using(world, async (store) => {
      const min = store.limits.partBytesMin;
      const pieces = [content(min, 1), content(min, 2), content(1_001, 3)];
      const upload = await store.begin("big", { signal });
      const parts = await sendParts(store, upload, [
        ...([
          [3, content(7, 9)],
          [1, pieces[0] ?? content(0)],
        ] as const),
        ...([
          [3, pieces[2] ?? content(0)],
          [2, pieces[1] ?? content(0)],
        ] as const),
      ]);
      assert.equal(await store.head("big", signal), undefined);
      assert.deepEqual(await listedKeys(store), []);
      const version = await store.complete(upload, parts.toReversed(), { signal });
      same(await store.get({ key: "big" }, signal), Buffer.concat(pieces), "whole");
      assert.equal((await store.head("big", signal))?.version, version);
      assert.deepEqual((await store.uploads?.("", signal)) ?? [], []);
    });
  });

  check("another opener goes on with the parts that are there", async (world) => {
    const upload = await using(world, async (store) => {
      const begun = await store.begin("later", { signal });
      await sendParts(store, begun, [
        [2, content(123, 2)],
        [1, content(store.limits.partBytesMin, 1)],
      ]);
      return begun;
    });
    await using(world, async (store) => {
      const again = JSON.parse(JSON.stringify(upload)) as Upload;
      const there = await store.parts(again, signal);
      const seen = there.map(({ number, bytes }) => [number, bytes]).toSorted();
      assert.deepEqual(seen, [
        [1, store.limits.partBytesMin],
        [2, 123],
      ]);
      const last = await store.putPart(again, { number: 2, bytes: content(55, 5) }, signal);
      const first = there.filter(({ number }) => number === 1);
      await store.complete(again, [...first, last], { signal });
      const expected = Buffer.concat([content(store.limits.partBytesMin, 1), content(55, 5)]);
      same(await store.get({ key: "later" }, signal), expected, "gone on with");
    });
  });

  check("an upload that is aborted leaves nothing, and what was there stays", async (world) => {
    await using(world, async (store) => {
      await store.put("kept", content(3, 3), { signal });
      const upload = await store.begin("kept", { signal });
      await sendParts(store, upload, [[1, content(10)]]);
      await store.abort(upload, signal);
      await store.abort(upload, signal);
      same(await store.get({ key: "kept" }, signal), content(3, 3), "the one before");
      const left = await store.parts(upload, signal).catch(() => []);
      assert.deepEqual(left, []);
      assert.deepEqual((await store.uploads?.("", signal)) ?? [], []);
      assert.deepEqual(await listedKeys(store), ["kept"]);
    });
  });

  check("uploads under way are listed by the beginning of their keys", async (world) => {
    await using(world, async (store) => {
      if (store.uploads === undefined) return;
      const names = ["u/1", "u/2", "w/ä b"];
      const begun = await Promise.all(names.map((key) => store.begin(key, { signal })));
      for (const upload of begun) await sendParts(store, upload, [[1, content(5)]]);
      const seen = await store.uploads("u/", signal);
      assert.deepEqual(seen.map(({ key }) => key).toSorted(), ["u/1", "u/2"]);
      const all = await store.uploads("", signal);
      for (const upload of all) await store.abort(upload, signal);
      assert.deepEqual(all.map(({ key }) => key).toSorted(), names);
      assert.deepEqual(await store.uploads("", signal), []);
    });
  });

  check("a part that is not the one that was named is found at the end", async (world) => {
    await using(world, async (store) => {
      const upload = await store.begin("mixed", { signal });
      const [first] = await sendParts(store, upload, [[1, content(20, 1)]]);
      assert.ok(first !== undefined);
      const wrong = store.complete(upload, [{ ...first, number: 2 }], { signal });
      await assert.rejects(wrong, code("objects/refused", "objects/damaged", "objects/no-object"));
      assert.equal(await store.head("mixed", signal), undefined);
      await store.abort(upload, signal);
    });
  });
}

function faults(check: Check): void {
  check("what is denied is said so, at once", async (world) => {
    if (world.deny === undefined) return;
    await using(world, async (store) => {
      await store.put("k", content(1), { signal });
      await world.deny?.();
      const denied = code("objects/denied");
      await assert.rejects(store.get({ key: "k" }, signal), denied);
      await assert.rejects(store.put("k", content(1), { signal }), denied);
      await assert.rejects(store.head("k", signal), denied);
      await assert.rejects(store.bucketExists(signal), denied);
      await assert.rejects(listedKeys(store), denied);
      await assert.rejects(store.begin("k", { signal }), denied);
    });
  });

  check("bytes that rotted where they are kept are found on the way in", async (world) => {
    if (world.damage === undefined) return;
    await using(world, async (store) => {
      await store.put("k", content(70_000), { signal });
      await world.damage?.("k");
      await assert.rejects(store.get({ key: "k" }, signal), code("objects/damaged"));
    });
  });
}
