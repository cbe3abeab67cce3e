// What a power cut would take back cannot be tried here; that everything is flushed before it is
// acknowledged, and in which order, can: every flush and rename is watched, and held.

import assert from "node:assert/strict";
import fs, {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import fsPromises, { type FileHandle, open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { layoutOf, pinFileName } from "../../transfer/chunks/content-layout.ts";
import { addToPin, removePin } from "../../transfer/chunks/content-pins-os.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { until } from "../support/until.ts";
import { putSample, type Sample, sample } from "./content-store.contract.ts";

/** What was done, in order: `flush <name>`, `rename <name>`. */
let done: string[] = [];
/** Awaited before a flush of a file of that name is over. */
let hold: (name: string) => Promise<void> = async () => {};
const restore: (() => void)[] = [];

before(async () => {
  const handle = await open(tmpdir(), "r");
  const prototype: { sync: FileHandle["sync"] } = Object.getPrototypeOf(handle);
  await handle.close();
  const { sync } = prototype;
  const { rename } = fsPromises;
  const { fsyncSync, renameSync } = fs;
  prototype.sync = async function watched(this: FileHandle): Promise<void> {
    const name = basename(readlinkSync(`/proc/self/fd/${this.fd}`));
    await hold(name);
    await sync.call(this);
    done.push(`flush ${name}`);
  };
  fsPromises.rename = async (from, to) => {
    await rename(from, to);
    done.push(`rename ${basename(String(to))}`);
  };
  fs.fsyncSync = (file) => {
    fsyncSync(file);
    done.push(`flush ${basename(readlinkSync(`/proc/self/fd/${file}`))}`);
  };
  fs.renameSync = (from, to) => {
    renameSync(from, to);
    done.push(`rename ${basename(String(to))}`);
  };
  syncBuiltinESMExports();
  restore.push(() => {
    prototype.sync = sync;
    Object.assign(fsPromises, { rename });
    Object.assign(fs, { fsyncSync, renameSync });
    syncBuiltinESMExports();
  });
});

after(() => {
  for (const one of restore) one();
});

async function withStore(run: (store: ContentStore, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "sky-chunks-"));
  const store = await openContentStore({ dir, reserveBytes: 0 });
  done = [];
  try {
    await run(store, dir);
  } finally {
    hold = async () => {};
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

const skip = process.platform === "linux" ? false : "the names of open files need /proc";

test("content store: a put is flushed, named, flushed again, and only then there", { skip }, () =>
  withStore(async (store, dir) => {
    const one = sample(1);
    const shelf = one.digest.slice(0, 2);
    for (const held of ["1", shelf]) {
      const gate = Promise.withResolvers<void>();
      let isAsked = false;
      hold = async (name) => {
        if (name !== held) return;
        isAsked = true;
        await gate.promise;
      };
      done = [];
      let isDone = false;
      const put = putSample(store, one).then(() => {
        isDone = true;
      });
      await until(`the flush of ${held}`, () => isAsked);
      assert.equal((await store.has([one.digest])).size, 0, "it is not said to be here");
      assert.equal(isDone, false);
      assert.equal(readdirSync(join(dir, shelf)).length, held === "1" ? 0 : 1);
      gate.resolve();
      await put;
      const seen = done.map((line) => line.replace(/ \d$/, " N"));
      assert.deepEqual(seen, ["flush N", `rename ${one.digest}`, `flush ${shelf}`]);
      rmSync(join(dir, shelf, one.digest));
      await assert.rejects(store.get(one.digest));
    }
  }),
);

test("content store: a chunk that goes before it is recorded is put again", { skip }, () =>
  withStore(async (store, dir) => {
    const [one, other] = [sample(1), sample(2)];
    const path = join(dir, one.digest.slice(0, 2), one.digest);
    let count = 0;
    hold = async (name) => {
      if (name !== one.digest.slice(0, 2)) return;
      count += 1;
      // As another process would that evicts it, or that puts the same.
      if (count === 1) rmSync(path);
      if (count === 2) writeFileSync(path, "another file of that name");
    };
    assert.equal(await putSample(store, one), "stored");
    assert.ok(one.content.equals(await store.get(one.digest)));
    assert.equal(count, 3);
    hold = async (name) => {
      if (name === other.digest.slice(0, 2)) rmSync(join(dir, name, other.digest));
    };
    await assert.rejects(putSample(store, other), /taken away as often as it was put/);
  }),
);

/** Chunks whose names begin alike. */
function ofOneShelf(count: number): readonly Sample[] {
  const found: Sample[] = [];
  for (let number = 0; found.length < count; number += 1) {
    const one = sample(number, 10);
    if (one.digest.startsWith("a7")) found.push(one);
  }
  return found;
}

test("content store: chunks that come together share the flush of their folder", { skip }, () =>
  withStore(async (store) => {
    const all = ofOneShelf(60);
    const gate = Promise.withResolvers<void>();
    let flushes = 0;
    hold = async (name) => {
      if (name !== "a7") return;
      flushes += 1;
      if (flushes === 1) await gate.promise;
    };
    const puts = Promise.all(all.map((one) => putSample(store, one)));
    const renamed = (): number => done.filter((line) => line.startsWith("rename")).length;
    await until("all have their names", () => renamed() === all.length);
    gate.resolve();
    await puts;
    assert.equal(flushes, 2, "the one that ran, and one for all who came meanwhile");
  }),
);

test("content store: a pin is flushed before it is acknowledged, and its name", { skip }, () => {
  const layout = layoutOf(mkdtempSync(join(tmpdir(), "sky-chunks-")));
  for (const path of [layout.pins, layout.damaged]) mkdirSync(path);
  const name = pinFileName("job");
  done = [];
  addToPin(layout, "job", [sample(1)]);
  assert.deepEqual(done, [`flush ${name}.new`, `rename ${name}`, "flush pins"]);
  done = [];
  addToPin(layout, "job", [sample(2)]);
  assert.deepEqual(done, [`flush ${name}`]);
  done = [];
  removePin(layout, "job");
  assert.deepEqual(done, ["flush pins"]);
  rmSync(layout.root, { recursive: true });
});
