// What every version of the files port must do. Everything happens below the world's root.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Files } from "../../runtime/files.ts";
import { until } from "../support/until.ts";

export interface FilesWorld {
  readonly files: Files;
  /** An empty folder; the root that `remove` keeps to. */
  readonly root: string;
  close(): Promise<void>;
}

type Check = (what: string, run: (files: Files, root: string) => Promise<void>) => void;

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();
const refused = (error: unknown): boolean => isSkyError(error, "process/failed");

export function filesContract(name: string, open: () => Promise<FilesWorld>): void {
  const check: Check = (what, run) => {
    test(`${name}: ${what}`, { timeout: 30_000 }, async () => {
      const world = await open();
      try {
        await run(world.files, world.root);
      } finally {
        await world.close();
      }
    });
  };
  reading(check);
  writing(check);
  removing(check);
  copying(check);
  watching(check);
}

function reading(check: Check): void {
  check(
    "what is not there is undefined, empty or not listed, never an error",
    async (files, root) => {
      assert.equal(await files.read(`${root}/none`), undefined);
      assert.equal(await files.size(`${root}/none/deep`), undefined);
      assert.deepEqual(await files.list(`${root}/none`), []);
      assert.equal((await files.readAt(`${root}/none`, 0, 10)).length, 0);
      await files.remove(`${root}/none`);
    },
  );

  check("a part of a file is its bytes, and ends where the file ends", async (files, root) => {
    await files.replace(`${root}/a`, Buffer.from("0123456789"), 0o600);
    assert.equal(text(await files.readAt(`${root}/a`, 3, 4)), "3456");
    assert.equal(text(await files.readAt(`${root}/a`, 8, 100)), "89");
    assert.equal(text(await files.readAt(`${root}/a`, 10, 5)), "");
    assert.equal(text(await files.readAt(`${root}/a`, 99, 5)), "");
    assert.equal(await files.size(`${root}/a`), 10);
  });

  check("a folder lists its own entries in order, and not theirs", async (files, root) => {
    await files.makeDir(`${root}/d/inner`, 0o700);
    await files.replace(`${root}/d/b`, Buffer.from("1"), 0o600);
    await files.replace(`${root}/d/a b`, Buffer.from("2"), 0o600);
    await files.replace(`${root}/d/inner/c`, Buffer.from("3"), 0o600);
    assert.deepEqual(await files.list(`${root}/d`), ["a b", "b", "inner"]);
    assert.equal(await files.size(`${root}/d`), undefined);
  });
}

function writing(check: Check): void {
  check(
    "replace puts the new content in place and leaves nothing beside it",
    async (files, root) => {
      for (const content of ["one", "", "a longer one ÿ"]) {
        await files.replace(`${root}/a`, Buffer.from(content), 0o600);
        assert.equal(text(await files.read(`${root}/a`)), content);
      }
      assert.deepEqual(await files.list(root), ["a"]);
    },
  );

  check("a reader during replaces sees one whole content or another", async (files, root) => {
    const contents = ["a", "b", "c"].map((letter) => letter.repeat(100_000));
    await files.replace(`${root}/a`, Buffer.from("a".repeat(100_000)), 0o600);
    const writes = contents.map((content) =>
      files.replace(`${root}/a`, Buffer.from(content), 0o600),
    );
    for (let i = 0; i < 20; i += 1) {
      const seen = text(await files.read(`${root}/a`)) ?? "";
      assert.ok(contents.includes(seen), `a mixture of ${seen.length} bytes`);
    }
    await Promise.all(writes);
  });

  check("append adds at the end and makes the file", async (files, root) => {
    await files.append(`${root}/log`, Buffer.from("one\n"));
    await files.append(`${root}/log`, Buffer.from([0xff, 0x00]));
    assert.deepEqual([...((await files.read(`${root}/log`)) ?? [])], [111, 110, 101, 10, 255, 0]);
  });

  check("a folder that is made twice is still there; parents come with it", async (files, root) => {
    await files.makeDir(`${root}/x/y/z`, 0o700);
    await files.replace(`${root}/x/y/z/kept`, Buffer.from("1"), 0o600);
    await files.makeDir(`${root}/x/y/z`, 0o700);
    assert.deepEqual(await files.list(`${root}/x/y/z`), ["kept"]);
  });

  check("a file in a folder that is not there is refused", async (files, root) => {
    await assert.rejects(files.replace(`${root}/no/a`, Buffer.from("1"), 0o600), refused);
    await assert.rejects(files.append(`${root}/no/a`, Buffer.from("1")), refused);
    assert.deepEqual(await files.list(root), []);
  });
}

function removing(check: Check): void {
  check("remove takes a file, or a whole tree, and nothing beside it", async (files, root) => {
    await files.makeDir(`${root}/t/u`, 0o700);
    await files.replace(`${root}/t/u/a`, Buffer.from("1"), 0o600);
    await files.replace(`${root}/tt`, Buffer.from("2"), 0o600);
    await files.remove(`${root}/t`);
    assert.deepEqual(await files.list(root), ["tt"]);
    await files.remove(`${root}/tt`);
    assert.deepEqual(await files.list(root), []);
  });

  check("remove refuses the root, what is beside it, and ways out of it", async (files, root) => {
    await files.replace(`${root}/a`, Buffer.from("1"), 0o600);
    for (const path of [root, `${root}x`, `${root}/../other`, `${root}/a/../..`, "/"]) {
      await assert.rejects(files.remove(path), refused, path);
    }
    assert.equal(text(await files.read(`${root}/a`)), "1");
  });
}

function copying(check: Check): void {
  check("a copied tree has everything, over what was there", async (files, root) => {
    await files.makeDir(`${root}/from/deep/empty`, 0o700);
    await files.replace(`${root}/from/a`, Buffer.from("new"), 0o600);
    await files.replace(`${root}/from/deep/b`, Buffer.from("deep"), 0o600);
    await files.makeDir(`${root}/to`, 0o700);
    await files.replace(`${root}/to/a`, Buffer.from("the old one"), 0o600);
    await files.replace(`${root}/to/kept`, Buffer.from("kept"), 0o600);
    await files.copyTree(`${root}/from`, `${root}/to`);
    assert.equal(text(await files.read(`${root}/to/a`)), "new");
    assert.equal(text(await files.read(`${root}/to/deep/b`)), "deep");
    assert.deepEqual(await files.list(`${root}/to/deep`), ["b", "empty"]);
    assert.equal(text(await files.read(`${root}/to/kept`)), "kept");
    assert.equal(text(await files.read(`${root}/from/a`)), "new");
  });

  check("a tree is not copied into itself, nor from nowhere", async (files, root) => {
    await files.makeDir(`${root}/from/b`, 0o700);
    await assert.rejects(files.copyTree(`${root}/from`, `${root}/from/b`), refused);
    await assert.rejects(files.copyTree(`${root}/none`, `${root}/to`), refused);
  });
}

function watching(check: Check): void {
  check(
    "a watcher hears of a file that comes, grows, is replaced and goes",
    async (files, root) => {
      let heard = 0;
      const stop = files.watch(`${root}/log`, () => {
        heard += 1;
      });
      const changes = [
        () => files.append(`${root}/log`, Buffer.from("1")),
        () => files.append(`${root}/log`, Buffer.from("2")),
        () => files.replace(`${root}/log`, Buffer.from("3"), 0o600),
        () => files.remove(`${root}/log`),
      ];
      for (const change of changes) {
        const before = heard;
        await change();
        await until("the watcher has heard", () => heard > before);
      }
      stop();
    },
  );

  check(
    "a watcher of one file hears nothing of another; a stopped one nothing",
    async (files, root) => {
      const heard: string[] = [];
      const stopOne = files.watch(`${root}/one`, () => heard.push("one"));
      const stopGone = files.watch(`${root}/two`, () => heard.push("gone"));
      stopGone();
      const stopTwo = files.watch(`${root}/two`, () => heard.push("two"));
      await files.append(`${root}/two`, Buffer.from("1"));
      await until("two is heard", () => heard.includes("two"));
      assert.ok(!heard.includes("one") && !heard.includes("gone"), heard.join());
      stopOne();
      stopTwo();
    },
  );

  check("what cannot be watched is refused at once", async (files, root) => {
    assert.throws(() => files.watch(`${root}/none/deep/file`, () => {}), refused);
  });
}
