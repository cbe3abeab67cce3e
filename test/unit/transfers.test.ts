// Transfers of a home end to end, with real gateways in this process and buckets in memory.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Stage, stage } from "./transfers-stage.ts";

test("a folder is copied on this machine, and nothing is left beside it", async (t) => {
  const world = await stage();
  t.after(() => world.close());
  const source = folderOf(world, { "a.txt": "hello", "sub/b.bin": "x".repeat(100_000), empty: "" });
  const target = join(world.dir, "out");

  const view = await world.run(world.order(source, target, { recursive: true }));

  assert.equal(view.status, "SUCCEEDED", view.why);
  assert.equal(readFileSync(join(target, "a.txt"), "utf8"), "hello");
  assert.equal(readFileSync(join(target, "sub/b.bin"), "utf8").length, 100_000);
  assert.equal(readFileSync(join(target, "empty"), "utf8"), "");
  assert.equal(view.counts.done, 3);
  assert.deepEqual(readdirSync(join(world.dir, "transfers")), []);
});

/** A folder of this machine with these files. */
function folderOf(world: Stage, files: Readonly<Record<string, string>>): string {
  const root = join(world.dir, "source");
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}
