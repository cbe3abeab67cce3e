// What a node laid out in a HOME that is not ours goes when the node does; what was there before,
// and what jobs made or changed, stays.

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type TestContext, test } from "node:test";
import { removeLaid } from "../../agent/laid-removal-os.ts";
import type { RankMount } from "../../proto/messages.ts";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";
import { rank, stage } from "./node-stage.ts";

const entries: SownEntries = [
  ["a", { kind: "file", content: "aaaa" }],
  ["deep", { kind: "folder", entries: [["b", { kind: "file", content: "bbbb" }]] }],
  ["kept", { kind: "folder", mode: 0o555, entries: [["c", { kind: "file", content: "cccc" }]] }],
  ["large", { kind: "file", content: Buffer.alloc(3 * 1024 * 1024, "large ") }],
  ["link", { kind: "link", target: "a" }],
];

async function laid(
  context: TestContext,
  mounts: (root: string) => Promise<void> | void = () => {},
) {
  const staged = await stage(context);
  const { root, pack, nodeOf } = staged;
  sow(`${root}/work`, entries);
  mkdirSync(`${root}/login`);
  await mounts(root);
  const tree = await pack("work");
  const { workdir, home } = nodeOf("worker1", undefined, { isHost: true });
  const mount = (destination: string): RankMount => ({ destination, tree, isFile: false });
  const remove = () => removeLaid(home, "demo-00112233");
  const login = home.home;
  return { ...staged, tree, workdir, home, login, folder: `${login}/sky_workdir`, mount, remove };
}

test("nothing is left of what nobody changed, whichever versions were there", async (context) => {
  const { root, pack, workdir, tree, login, mount, remove } = await laid(context);
  await workdir.lay(rank(1), { workdirTree: tree, mounts: [mount("~/x/y"), mount("deep/more")] });
  sow(`${root}/next`, [["a", { kind: "file", content: "another" }]]);
  const next = await pack("next");
  await workdir.forget(rank(1));
  await workdir.lay(rank(2), { workdirTree: next });
  await workdir.lay(rank(3), { workdirTree: tree });
  assert.ok(existsSync(`${login}/sky_workdirs/3/a`));
  assert.deepEqual(await remove(), []);
  assert.deepEqual(readdirSync(login), []);
});

test("what jobs made or changed stays, and is told with its count", async (context) => {
  const { workdir, tree, login, folder, mount, remove } = await laid(context);
  await workdir.lay(rank(1), { workdirTree: tree, mounts: [mount("~/data")] });
  writeFileSync(`${folder}/deep/made`, "made");
  writeFileSync(`${folder}/a`, "changed");
  mkdirSync(`${folder}/empty/empty`, { recursive: true });
  writeFileSync(`${login}/data/a`, "changed");
  assert.deepEqual([...(await remove())].sort(), [
    "~/data: a file that a job made or changed",
    "~/sky_workdir: 2 files that jobs made or changed",
  ]);
  assert.deepEqual(readdirSync(login).sort(), ["data", "sky_workdir"]);
  assert.deepEqual(readdirSync(folder).sort(), ["a", "deep"]);
  assert.deepEqual(readdirSync(`${login}/data`), ["a"]);
});

test("what was there before is not ours, also where it is the same", async (context) => {
  const { login, workdir, mount, remove } = await laid(context, (root) => {
    sow(`${root}/login/data`, entries);
    writeFileSync(`${root}/login/data/own`, "own");
    rmSync(`${root}/login/data/deep`, { recursive: true });
    rmSync(`${root}/login/data/link`);
  });
  const before = treeSeen(`${login}/data`);
  await workdir.lay(rank(1), { mounts: [mount("~/data")] });
  assert.ok(existsSync(`${login}/data/deep/b`));
  assert.deepEqual(await remove(), []);
  const after = treeSeen(`${login}/data`);
  assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
});

test("no link leads a removal out, and nothing of somebody's goes with it", async (context) => {
  const { root, workdir, tree, login, folder, remove } = await laid(context);
  await workdir.lay(rank(1), { workdirTree: tree });
  // A job moves one folder away and puts a link in its place, and another's folder in another's.
  renameSync(`${folder}/deep`, `${login}/precious`);
  symlinkSync(`${login}/precious`, `${folder}/deep`);
  mkdirSync(`${root}/other`);
  writeFileSync(`${root}/other/c`, "cccc");
  chmodSync(`${folder}/kept`, 0o700);
  rmSync(`${folder}/kept`, { recursive: true });
  symlinkSync(`${root}/other`, `${folder}/kept`);
  // And it gives a file of ours another name.
  linkSync(`${folder}/large`, `${login}/mine`);
  await remove();
  assert.equal(readFileSync(`${login}/precious/b`, "utf8"), "bbbb");
  assert.equal(readFileSync(`${root}/other/c`, "utf8"), "cccc");
  assert.ok(existsSync(`${login}/mine`));
});

test("what jobs made where a link leads is moved to the home", async (context) => {
  const { root, workdir, login, home, mount, remove } = await laid(context);
  const elsewhere = `${root}/elsewhere/data`;
  await workdir.lay(rank(1), { mounts: [mount(elsewhere)] });
  assert.equal(readFileSync(`${elsewhere}/a`, "utf8"), "aaaa");
  assert.ok(home.linked.startsWith(`${home.root}/`));
  writeFileSync(`${elsewhere}/made`, "made");
  assert.deepEqual(await remove(), ["~/sky_kept/demo-00112233: a file that a job made or changed"]);
  assert.equal(existsSync(`${root}/elsewhere`), false);
  assert.equal(readFileSync(`${login}/sky_kept/demo-00112233${elsewhere}/made`, "utf8"), "made");
});

test("what two clusters have at one place stays for the one that is left", async (context) => {
  const { root, pack, nodeOf, workdir, tree, login, mount, remove } = await laid(context);
  await workdir.lay(rank(1), { mounts: [mount("~/data"), mount("~/own")] });
  const other = nodeOf("other-44556677", undefined, { isHost: true });
  await other.workdir.lay(rank(1), { mounts: [mount("~/data")] });
  const before = treeSeen(`${login}/data`);
  assert.deepEqual(await remove(), []);
  assert.deepEqual(treeSeen(`${login}/data`), before);
  assert.equal(existsSync(`${login}/own`), false);
  rmSync(`${root}/hosted/worker1`, { recursive: true });

  sow(`${root}/next`, [["a", { kind: "file", content: "another" }]]);
  const next: RankMount = { destination: "~/data", tree: await pack("next"), isFile: false };
  const third = nodeOf("third-8899aabb", undefined, { isHost: true });
  await assert.rejects(
    third.workdir.lay(rank(1), { mounts: [next] }),
    /~\/data: .*cluster other has other files there; choose another destination/,
  );
  assert.deepEqual(treeSeen(`${login}/data`), before);
  assert.equal(tree.digest === next.tree.digest, false);

  assert.deepEqual(await removeLaid(other.home, "other-44556677"), []);
  assert.deepEqual(readdirSync(login), []);
});

test("what was cut off while it was laid out goes too", async (context) => {
  const { workdir, tree, login, remove } = await laid(context, (root) => {
    // A folder that is full is in the way of a file.
    mkdirSync(`${root}/login/sky_workdir/large/full`, { recursive: true });
    writeFileSync(`${root}/login/sky_workdir/large/full/own`, "own");
  });
  await assert.rejects(workdir.lay(rank(1), { workdirTree: tree }), /in the way of a file/);
  await remove();
  assert.deepEqual(readdirSync(`${login}/sky_workdir`), ["large"]);
});
