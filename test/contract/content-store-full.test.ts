// The content store on a disk of its own that can be filled: a tmpfs of a few MiB. The contract
// holds there, a full disk is said to be one, nothing half written is left, and room can be made.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { ContentFiles } from "../../transfer/chunks/content-files-os.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { type SmallDisk, smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { contentStoreContract, putSample, sample } from "./content-store.contract.ts";
import { auditFolder } from "./content-store-audit.ts";
import { flipBit } from "./content-store-flip.ts";

const skip = whyNoDisk() ?? false;
const mib = 1_048_576;
const isFull = (error: unknown): boolean => isSkyError(error, "disk/full");

if (skip === false) {
  contentStoreContract("content-store-os on another disk", async () => {
    const disk = smallDisk(32);
    const dir = join(disk.path, "chunks");
    return {
      open: (options = {}) => openContentStore({ dir, reserveBytes: 0, ...options }),
      damage: (digest) => flipBit(join(dir, digest.slice(0, 2), digest)),
      fill: (full) => (full ? disk.fill() : disk.empty()),
      close: async () => disk.close(),
    };
  });
}

interface Place {
  readonly dir: string;
  readonly disk: SmallDisk;
  /** Closed at the end, whatever happens. */
  readonly open: (reserveBytes?: number) => Promise<ContentStore>;
}

function onDisk(what: string, run: (place: Place) => Promise<void>): void {
  test(`content store on a full disk: ${what}`, { skip, timeout: 60_000 }, async () => {
    const disk = smallDisk(24);
    const dir = join(disk.path, "chunks");
    const opened: ContentStore[] = [];
    const open = async (reserveBytes = 0): Promise<ContentStore> => {
      const store = await openContentStore({ dir, reserveBytes });
      opened.push(store);
      return store;
    };
    try {
      await run({ dir, disk, open });
    } finally {
      await Promise.allSettled(opened.map((store) => store.close()));
      disk.close();
    }
  });
}

onDisk("what nobody pins makes room, and what is pinned stays", async ({ dir, disk, open }) => {
  const store = await open();
  const pinned = sample(1_000, mib);
  await store.pin("job", [pinned]);
  await putSample(store, pinned);
  for (let number = 0; number < 60; number += 1) await putSample(store, sample(number, mib));
  assert.ok(store.counts().evicted > 30, `${store.counts().evicted} evicted`);
  assert.ok(pinned.content.equals(await store.get(pinned.digest)));
  await store.close();
  auditFolder(dir, disk.freeBytes() + 24 * mib);
});

onDisk(
  "where all is pinned a put fails whole, and goes on when there is room",
  async ({ dir, disk, open }) => {
    const store = await open();
    const all = Array.from({ length: 40 }, (_, number) => sample(number, mib));
    await store.pin("job", all);
    const ends = await Promise.allSettled(all.map((one) => putSample(store, one)));
    const refused = ends.filter((end) => end.status === "rejected");
    assert.ok(refused.length > 10 && refused.length < 30, `${refused.length} refused`);
    assert.ok(refused.every(({ reason }) => isFull(reason)));
    assert.equal(store.counts().chunks, 40 - refused.length);
    for (const [at, { digest, content }] of all.entries()) {
      if (ends[at]?.status === "fulfilled") assert.ok(content.equals(await store.get(digest)));
    }
    const own = readdirSync(join(dir, "incoming"))[0] ?? "";
    const left = readdirSync(join(dir, "incoming", own)).filter((name) => !name.startsWith("lock"));
    assert.deepEqual(left, [], "nothing half written");
    disk.fill();
    await store.unpin("job");
    assert.deepEqual(await store.pins(""), [], "unpinning needs no room");
    for (let number = 100; number < 110; number += 1) {
      assert.equal(await putSample(store, sample(number, mib)), "stored", "by evicting");
    }
    await store.pin("late", [sample(100, mib)]);
    await store.close();
    auditFolder(dir, 24 * mib);
  },
);

onDisk("the reserve stays free", async ({ disk, open }) => {
  const store = await open(10 * mib);
  const all = Array.from({ length: 30 }, (_, number) => sample(number, mib));
  for (const one of all) await putSample(store, one);
  assert.ok(disk.freeBytes() >= 9.5 * mib, `${disk.freeBytes()} bytes are free`);
  assert.ok(store.counts().chunks >= 8);
  await store.pin("job", all);
  await assert.rejects(putSample(store, sample(0, 15 * mib)), isFull);
  await store.close();
});

onDisk(
  "it opens on a full disk that it was on before, and by its ballast writes",
  async ({ dir, disk, open }) => {
    const before = await open();
    for (let number = 0; number < 4; number += 1) await putSample(before, sample(number, mib));
    await before.pin("job", [sample(0, mib)]);
    await before.close();
    disk.fill();
    const store = await open();
    assert.ok(sample(0, mib).content.equals(await store.get(sample(0, mib).digest)));
    await store.unpin("job");
    await store.pin("other", [sample(1, mib)]);
    assert.equal(await putSample(store, sample(9, mib)), "stored");
    await store.close();
    auditFolder(dir, 24 * mib);
  },
);

onDisk(
  "a disk that cannot be written is refused, with the folder and why",
  async ({ dir, disk, open }) => {
    const before = await open();
    await putSample(before, sample(1));
    await before.close();
    assert.equal(spawnSync("mount", ["-o", "remount,ro", disk.path]).status, 0);
    const isFailed = (error: unknown): boolean => isSkyError(error, "chunks/failed");
    await assert.rejects(open(), (error) => {
      return isFailed(error) && String(error).includes(dir) && /EROFS|readonly/.test(String(error));
    });
    assert.equal(spawnSync("mount", ["-o", "remount,rw", disk.path]).status, 0);
    const store = await open();
    assert.ok(sample(1).content.equals(await store.get(sample(1).digest)));
    await store.close();
  },
);

onDisk("a file that could not be written whole is not left", async ({ dir, disk, open }) => {
  const store = await open();
  const incoming = join(dir, "incoming", readdirSync(join(dir, "incoming"))[0] ?? "");
  const files = new ContentFiles({ root: dir, incoming, extraFsyncMs: 0 });
  const before = readdirSync(incoming);
  disk.fill(mib);
  const { digest, content } = sample(1, 4 * mib);
  await assert.rejects(files.place(digest, content), /ENOSPC/);
  assert.deepEqual(readdirSync(incoming), before);
  assert.equal(store.counts().chunks, 0);
});

onDisk("a disk that is full of files, not of bytes, is full all the same", async (place) => {
  const { dir, disk, open } = place;
  const store = await open();
  const all = Array.from({ length: 5 }, (_, number) => sample(number));
  for (const one of all) await putSample(store, one);
  /** So many more files fit. */
  const allow = (count: number): void => {
    const { files, ffree } = statfsSync(disk.path);
    const options = `remount,nr_inodes=${files - ffree + count}`;
    assert.equal(spawnSync("mount", ["-o", options, disk.path]).status, 0);
  };
  allow(0);
  assert.equal(await putSample(store, sample(10)), "stored", "by evicting");
  assert.equal((await store.has([sample(0).digest])).size, 0, "the one that was not used longest");
  assert.equal(store.counts().evicted, 1);
  allow(10);
  await store.pin("job", [...all, sample(10)]);
  allow(0);
  await assert.rejects(putSample(store, sample(11)), isFull);
  assert.ok(sample(10).content.equals(await store.get(sample(10).digest)));
  await store.close();
  auditFolder(dir, 10_000);
});
