// What was laid out on a node before: nobody reads what nobody changed, and whatever was changed is
// set right, however it looks.

import assert from "node:assert/strict";
import {
  chmodSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";
import { until } from "../support/until.ts";
import { rank, stage } from "./node-stage.ts";

const largeBytes = 3 * 1024 * 1024;

const entries: SownEntries = [
  ["a", { kind: "file", content: "aaaa" }],
  ["deep", { kind: "folder", entries: [["b", { kind: "file", content: "bbbb" }]] }],
  ["kept", { kind: "folder", mode: 0o555, entries: [["c", { kind: "file", content: "cccc" }]] }],
  ["large", { kind: "file", content: Buffer.alloc(largeBytes, "large ") }],
  ["link", { kind: "link", target: "a" }],
  ["z", { kind: "file", content: "zzzz" }],
];

/** Content that is another, of the same length, and the times of before. */
function disguise(path: string): void {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  writeFileSync(path, Buffer.alloc(Number(size), "!"));
  // In the middle of the microsecond, which a double cannot name exactly.
  const seconds = (Number(mtimeNs / 1_000n) + 0.5) / 1_000_000;
  utimesSync(path, seconds, seconds);
  assert.equal(statSync(path, { bigint: true }).mtimeNs / 1_000n, mtimeNs / 1_000n);
}

/** The clock that dates changes of files is a coarse one. */
async function nextTick(root: string): Promise<void> {
  const now = (): bigint => {
    writeFileSync(`${root}/clock`, "");
    return statSync(`${root}/clock`, { bigint: true }).ctimeNs;
  };
  const before = now();
  await until("the clock of the file system goes on", () => now() > before);
}

function addTo(folder: string): void {
  writeFileSync(`${folder}/.sky-tmp-left`, "half");
}

const changes: Readonly<Record<string, (folder: string) => void>> = {
  "a file in disguise": (folder) => disguise(`${folder}/deep/b`),
  "a large file in disguise": (folder) => disguise(`${folder}/large`),
  "a file that is gone": (folder) => unlinkSync(`${folder}/z`),
  "a mode": (folder) => chmodSync(`${folder}/a`, 0o600),
  "a folder's mode": (folder) => chmodSync(`${folder}/deep`, 0o700),
  "a file of a folder that is closed": (folder) => disguise(`${folder}/kept/c`),
  "a link": (folder) => {
    unlinkSync(`${folder}/link`);
    symlinkSync("z", `${folder}/link`);
  },
  "a file that another took the place of": (folder) => renameSync(`${folder}/a`, `${folder}/z`),
  "a folder that is gone": (folder) => rmSync(`${folder}/deep`, { recursive: true }),
  "what a kill left": addTo,
};

for (const [what, change] of Object.entries(changes)) {
  test(`what was changed is set right: ${what}`, async (context) => {
    const { root, pack, nodeOf } = await stage(context);
    sow(`${root}/work`, entries);
    const workdirTree = await pack("work");
    const { workdir, folder } = nodeOf("worker1");
    await workdir.lay(rank(1), { workdirTree });
    await nextTick(root);
    await workdir.lay(rank(1), { workdirTree });
    await nextTick(root);
    change(folder);
    await workdir.lay(rank(1), { workdirTree });
    assert.deepEqual(treeSeen(folder), treeSeen(`${root}/work`));
  });
}

test("what nobody changed is not read, and what is in between is", async (context) => {
  const { root, pack, nodeOf, metrics } = await stage(context);
  sow(`${root}/work`, entries);
  const workdirTree = await pack("work");
  const { workdir, folder, store } = nodeOf("worker1");
  const one = { destination: "~/one", tree: workdirTree, isFile: false };
  await workdir.lay(rank(1), { workdirTree, mounts: [one] });
  await nextTick(root);
  await workdir.lay(rank(1), { workdirTree, mounts: [one] });
  const inodes = (): readonly number[] =>
    readdirSync(folder).map((name) => statSync(`${folder}/${name}`).ino);
  const before = inodes();
  const served = (): number => metrics.snapshot().get("chunks_served_total") ?? 0;
  const first = served();
  // What is damaged and read is fetched again: the contents are not.
  for (const digest of store.chunks.keys()) {
    if ((store.chunks.get(digest)?.length ?? 0) > 100_000) assert.ok(store.damage(digest));
  }
  await workdir.lay(rank(2), { workdirTree, mounts: [one] });
  assert.equal(served(), first);
  assert.deepEqual(inodes(), before);
  unlinkSync(`${folder}/large`);
  await workdir.lay(rank(3), { workdirTree, mounts: [one] });
  assert.ok(served() > first);
  assert.deepEqual(treeSeen(folder), treeSeen(`${root}/work`));
});

test("another version that was cut off leaves nothing that counts", async (context) => {
  const { root, pack, nodeOf } = await stage(context);
  const files = (text: string): SownEntries =>
    Array.from({ length: 300 }, (_, at) => [`f${at}`, { kind: "file", content: text }] as const);
  sow(`${root}/one`, files("one"));
  sow(`${root}/two`, files("two"));
  const [one, two] = [await pack("one"), await pack("two")];
  const { workdir, home } = nodeOf("worker1");
  const mounts = (tree: typeof one) => [{ destination: "~/data", tree, isFile: false }];
  const read = (at: number): string => readFileSync(`${home.home}/data/f${at}`, "utf8");
  await workdir.lay(rank(1), { mounts: mounts(one) });
  const laying = workdir.lay(rank(2), { mounts: mounts(two) });
  await until("some of it is there", () => read(0) === "two");
  workdir.cancel(rank(2));
  await laying.catch(() => {}); // Or it was quicker.
  await workdir.lay(rank(3), { mounts: mounts(one) });
  for (let at = 0; at < 300; at += 1) assert.equal(read(at), "one");
});
