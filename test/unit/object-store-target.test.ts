// Keys of a store as ends of a transfer, over the store in memory: parts, resumption, proofs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { cutBySize, cutRuleOf } from "../../transfer/chunks/cut.ts";
import {
  ManifestBuilder as Builder,
  type ManifestBuilder,
} from "../../transfer/chunks/manifest.ts";
import type { PlacedChunk, PlaceJournal } from "../../transfer/chunks/object-place.ts";
import {
  type StoreTarget,
  storeToReceive,
  storeToSend,
} from "../../transfer/chunks/object-store-target.ts";
import { nameOf } from "../../transfer/chunks/work.ts";
import { storeLimits } from "../../transfer/stores/limits.ts";
import type { Upload } from "../../transfer/stores/object-store.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";
import { chunkOf, neverAborts } from "./chunks-stage.ts";

const mib = 1024 * 1024;
const bucket = { store: "s3", bucket: "b" } as const;
const cut = cutRuleOf([storeLimits.s3]);
const content = chunkOf(2, 12 * mib + 17).bytes;
const key = "a folder/é b?#";

class Journal implements PlaceJournal {
  readonly places: PlacedChunk[] = [];
  async record(places: readonly PlacedChunk[]): Promise<void> {
    this.places.push(...places);
  }
  async close(): Promise<void> {}
}

class World {
  readonly cloud = new MemoryCloud();
  readonly calls: string[] = [];
  readonly told: Upload[] = [];
  readonly journal = new Journal();
  fails: (call: string) => boolean = () => false;
  readonly store = createMemoryObjectStore({
    bucket,
    cloud: this.cloud,
    before: (call) => {
      if (this.fails(call)) throw new Error("a fault");
      this.calls.push(call);
    },
  });

  constructor() {
    this.cloud.add("b");
  }

  target(more: Partial<StoreTarget> = {}) {
    return storeToReceive({
      ...{ store: this.store, key, bytes: content.length, cut, signal: neverAborts() },
      onUpload: async (upload) => {
        this.calls.push("told");
        this.told.push(upload);
      },
      ...more,
    });
  }

  async got(): Promise<Uint8Array> {
    return await this.store.get({ key }, neverAborts());
  }
}

function placesOf(builder: ManifestBuilder): readonly (readonly [PlacedChunk, Uint8Array])[] {
  return cutBySize(content.length, cut).map(({ at, bytes }, index) => {
    const part = content.subarray(at, at + bytes);
    const ref = nameOf(part);
    builder.add(index, ref);
    return [{ index, offset: at, ref }, part];
  });
}

test("chunks are parts, told of before the first, and complete to the whole object", async () => {
  const world = new World();
  const builder = new Builder();
  const places = placesOf(builder);
  assert.equal(places.length, 3);
  const file = await world.target().open(world.journal);
  await Promise.all(places.toReversed().map(([place, bytes]) => file.put(place, bytes)));
  assert.deepEqual(world.calls.slice(0, 3), ["begin", "told", "putPart"]);
  assert.equal(world.told.length, 1);
  await assert.rejects(world.got());
  const { manifest } = builder.finish();
  await file.finish(manifest);
  assert.deepEqual(Buffer.from(await world.got()), Buffer.from(content));
  assert.equal(await world.target().holds(manifest), true);
  world.cloud.damage("b", key);
  assert.equal(await world.target().holds(manifest), false);
});

test("an upload is gone on with; one that is gone is begun anew", async () => {
  const world = new World();
  const builder = new Builder();
  const places = placesOf(builder);
  const [first] = places;
  assert.ok(first);
  const before = await world.target().open(world.journal);
  await before.put(...first);
  await before.close();
  const [upload] = world.told;
  assert.ok(upload);
  const after = await world.target({ upload }).open(world.journal);
  const { manifest } = builder.finish();
  assert.deepEqual([...after.known.keys()], [0]);
  assert.deepEqual(
    after.missing(manifest).map(({ index }) => index),
    [1, 2],
  );
  for (const place of after.missing(manifest)) {
    await assert.rejects(after.finish(manifest), (error) => isSkyError(error, "chunk/missing"));
    const [, bytes] = places[place.index] ?? [];
    await after.put(place, bytes ?? new Uint8Array());
  }
  await after.finish(manifest);
  assert.equal(world.told.length, 1);
  assert.deepEqual(Buffer.from(await world.got()), Buffer.from(content));
  const anew = await world.target({ upload }).open(world.journal);
  assert.equal(anew.known.size, 0);
  await anew.put(...first);
  assert.equal(world.told.length, 2);
  await anew.abort();
  const uploads = await world.store.uploads?.("", neverAborts());
  assert.deepEqual(uploads, []);
});

test("an upload that nobody could be told of is aborted", async () => {
  const world = new World();
  const [first] = placesOf(new Builder());
  assert.ok(first);
  const onUpload = () => Promise.reject(new Error("the head is gone"));
  const file = await world.target({ onUpload }).open(world.journal);
  await assert.rejects(file.put(...first), /the head is gone/);
  assert.deepEqual(await world.store.uploads?.("", neverAborts()), []);
});

test("small objects are put at once, and read back where that is asked for", async () => {
  const world = new World();
  for (const bytes of [new Uint8Array(), content.subarray(0, 1_000)]) {
    await world.target({ bytes: bytes.length, readBack: true }).putWhole?.(bytes);
    assert.deepEqual(Buffer.from(await world.got()), Buffer.from(bytes));
  }
  assert.ok(!world.calls.includes("begin"));
  const damagedPut = world.target({ bytes: 1_000, readBack: true });
  world.fails = (call) => call === "get" && world.cloud.damage("b", key) && false;
  await assert.rejects(
    damagedPut.putWhole?.(content.subarray(0, 1_000)) ?? Promise.resolve(),
    (e) => isSkyError(e, "objects/damaged"),
  );
});

test("a source that changed since it was listed is named", async () => {
  const world = new World();
  await world.target({ bytes: 100 }).putWhole?.(content.subarray(0, 100));
  const { version } = (await world.store.head(key, neverAborts())) ?? {};
  const source = storeToSend({ object: 1, store: world.store, key, bytes: 100, version });
  assert.equal((await source.read({ at: 10, bytes: 20 }, neverAborts())).length, 20);
  await world.target({ bytes: 100 }).putWhole?.(content.subarray(1, 101));
  await assert.rejects(source.read({ at: 10, bytes: 20 }, neverAborts()), (error) =>
    isSkyError(error, "objects/changed"),
  );
});
