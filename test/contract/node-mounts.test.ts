// File mounts and workdirs of several versions on one node: where they are laid out, what is never
// touched, what heals, and what a job finds while others come and go.

import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type TestContext, test } from "node:test";
import type { RankState } from "../../agent/rank.ts";
import { isSkyError } from "../../model/errors.ts";
import type { RankKey } from "../../model/job.ts";
import type { RankMount } from "../../proto/messages.ts";
import { removeFileLinks } from "../../runtime/file-links-os.ts";
import { MemoryContentDisk } from "../../transfer/chunks/content-store-memory.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";
import { until } from "../support/until.ts";
import { rank, stage } from "./node-stage.ts";

const skip = whyNoDisk() ?? false;

function running(key: RankKey): RankState {
  return { phase: "running", key, start: { pid: 1, startedAt: 1 } };
}

function exited(key: RankKey): RankState {
  const end = { exit: { kind: "code", code: 0 }, endedAt: 2, logBytes: 0 } as const;
  return { phase: "exited", key, start: undefined, end, ...rest };
}

const rest = { sweep: undefined, sweeping: false, acknowledged: true };

/** A stage on which sources are sown and mounted in one go. */
async function mounting(context: TestContext) {
  const staged = await stage(context);
  let count = 0;
  /** A folder of these entries, or a file of this content, as a mount. */
  const mount = async (destination: string, what: SownEntries | string): Promise<RankMount> => {
    count += 1;
    const isFile = typeof what === "string";
    const entries: SownEntries = isFile ? [["any name", { kind: "file", content: what }]] : what;
    sow(`${staged.root}/source${count}`, entries);
    return { destination, isFile, tree: await staged.pack(`source${count}`) };
  };
  return { ...staged, mount, sourceOf: (at: number) => `${staged.root}/source${at}` };
}

/** Names and kinds that a file system can hold, and a careless program loses. */
const odd: SownEntries = [
  [" a\nb ", { kind: "file", content: "x", mode: 0o640 }],
  [Buffer.from([0xff, 0xfe, 0x20]), { kind: "file", content: "raw", mode: 0o755 }],
  ["empty", { kind: "folder", mode: 0o711, entries: [] }],
  ["kept", { kind: "folder", mode: 0o555, entries: [["y", { kind: "file", content: "y" }]] }],
  ["link", { kind: "link", target: Buffer.from([0x2e, 0x2e, 0x2f, 0xff]) }],
];

test("mounts are laid out at their destinations, as they were", async (context) => {
  const { root, nodeOf, mount, pack, sourceOf } = await mounting(context);
  const { workdir, folder, home } = nodeOf("worker1");
  sow(`${root}/work`, [["run.sh", { kind: "file", content: "true" }]]);
  const outside = `${root}/out side/deep/data`;
  const tree = await mount("data", odd);
  const mounts = [
    tree,
    { ...tree, destination: "~/a b/tree" },
    { ...tree, destination: outside },
    await mount("conf/one file", "relative"),
    await mount("~/.config/x.yaml", "home"),
    await mount(`${root}/out side/file`, "absolute"),
    await mount("~/sky_workdir/explicit", "explicit"),
  ];
  const cwd = await workdir.lay(rank(1), { workdirTree: await pack("work"), mounts });
  assert.equal(cwd, folder);
  const as = treeSeen(sourceOf(1));
  for (const place of [`${folder}/data`, `${home.home}/a b/tree`, outside]) {
    assert.deepEqual(treeSeen(place), as, place);
  }
  const text = (path: string): string => readFileSync(path, "utf8");
  assert.equal(text(`${folder}/conf/one file`), "relative");
  assert.equal(text(`${home.home}/.config/x.yaml`), "home");
  assert.equal(text(`${root}/out side/file`), "absolute");
  assert.equal(text(`${folder}/explicit`), "explicit");
  assert.equal(readlinkSync(outside), `${home.home}/.sky/file_mounts${outside}`);
  assert.equal(Math.trunc(statSync(`${folder}/conf/one file`).mtimeMs), 1_600_000_000_123);
  // The home is as it was: what a file's tree says of a folder is not said of it.
  assert.equal(statSync(`${home.home}/.config`).mode & 0o777, 0o755);
  for (const name of readdirSync(home.home)) assert.doesNotMatch(name, /sky-tmp/);

  writeFileSync(`${home.home}/.config/theirs`, "");
  await workdir.lay(rank(2), { mounts });
  assert.ok(existsSync(`${home.home}/.config/theirs`));
  assert.deepEqual(await removeFileLinks(home), []);
  assert.equal(existsSync(`${root}/out side`), false);
});

test("a mount in a mount needs no link of its own", async (context) => {
  const { root, nodeOf, mount } = await mounting(context);
  const [inner, outer] = [`${root}/a/deep/b`, `${root}/a`];
  const mounts = [await mount(inner, "inner"), await mount(outer, odd)];
  const nodes = ["worker1", "worker2"].map((name) => nodeOf(name));
  for (const job of [1, 2]) {
    await Promise.all(nodes.map(({ workdir }) => workdir.lay(rank(job), { mounts })));
    assert.equal(readFileSync(inner, "utf8"), "inner");
    assert.equal(readFileSync(`${outer}/kept/y`, "utf8"), "y");
  }
  for (const { home } of nodes) assert.deepEqual(await removeFileLinks(home), []);
  assert.equal(existsSync(outer), false);
});

test("what is of another kind is refused by name, and stays", async (context) => {
  const { root, nodeOf, mount } = await mounting(context);
  const { workdir, home, folder } = nodeOf("worker1");
  mkdirSync(folder, { recursive: true });
  const [file, tree] = [await mount("~/x", "x"), await mount("~/x", odd)];
  const at = (destination: string, of: RankMount): RankMount => ({ ...of, destination });
  const things = {
    "a folder": (path: string) => mkdirSync(path),
    "a file": (path: string) => writeFileSync(path, "theirs"),
    "a link": (path: string) => symlinkSync(folder, path),
  };
  const places = { "~/x": `${home.home}/x`, x: `${folder}/x`, [`${root}/x`]: `${root}/x` };
  const pairs = [file, tree].flatMap((one) =>
    Object.entries(things).map((thing) => [one, ...thing] as const),
  );
  const all = Object.entries(places).flatMap((place) =>
    pairs.map((pair) => [...place, ...pair] as const),
  );
  for (const [destination, path, one, kind, make] of all) {
    const isFitting = kind === (one.isFile ? "a file" : "a folder");
    if (isFitting && !destination.startsWith("/")) continue;
    make(path);
    const before = lstatSync(path).ino;
    await assert.rejects(workdir.lay(rank(1), { mounts: [at(destination, one)] }), (error) => {
      assert.ok(error instanceof Error && error.message.includes(kind), String(error));
      return error.message.startsWith(`the file mount ${destination}: `);
    });
    assert.equal(lstatSync(path).ino, before);
    rmSync(path, { recursive: true });
  }
  await workdir.lay(rank(1), { mounts: [file] });
  assert.equal(readFileSync(`${home.home}/x`, "utf8"), "x");
});

test("a file in the way of a folder above it is named with the mount", async (context) => {
  const { nodeOf, mount } = await mounting(context);
  const { workdir, home } = nodeOf("worker1");
  writeFileSync(`${home.home}/taken`, "theirs");
  for (const what of ["x", odd]) {
    const mounts = [await mount("~/taken/deep/x", what)];
    await assert.rejects(
      workdir.lay(rank(1), { mounts }),
      /^.*the file mount ~\/taken\/deep\/x: E/,
    );
  }
  assert.equal(readFileSync(`${home.home}/taken`, "utf8"), "theirs");
});

test("one that nobody has names the mount; the others are given up", async (context) => {
  const { root, chunks, nodeOf, mount, pack } = await mounting(context);
  const { workdir, store, home } = nodeOf("worker1");
  sow(`${root}/work`, [["x", { kind: "file", content: "x" }]]);
  const [good, lost] = [await mount("~/good", odd), await mount("~/lo st", "lost")];
  await chunks.unpin(`demo/workdir/${lost.tree.digest}`);
  const spec = { workdirTree: await pack("work"), mounts: [good, lost] };
  await assert.rejects(workdir.lay(rank(1), spec), /the file mount ~\/lo st: chunk .* is not here/);
  assert.equal(existsSync(`${home.home}/good`), false);
  await until("nothing is pinned", () => store.pins.size === 0);
});

test("a damaged chunk of a mount is fetched again", async (context) => {
  const { nodeOf, mount } = await mounting(context);
  const { workdir, store, home } = nodeOf("worker1");
  const mounts = [await mount("~/data", odd), await mount("~/file", "some content")];
  await workdir.lay(rank(1), { mounts });
  for (const digest of [...store.chunks.keys()]) {
    assert.ok(store.damage(digest));
    rmSync(`${home.home}/data`, { recursive: true });
    rmSync(`${home.home}/file`);
    await workdir.lay(rank(1), { mounts });
    assert.equal(readFileSync(`${home.home}/file`, "utf8"), "some content");
    assert.equal(readFileSync(`${home.home}/data/kept/y`, "utf8"), "y");
  }
});

test("what a rank's mounts need is let go of with it", async (context) => {
  const { nodeOf, mount } = await mounting(context);
  const { workdir, store, home } = nodeOf("worker1");
  const mounts = [await mount("~/data", odd), await mount("file", "content")];
  await Promise.all([1, 2].map((job) => workdir.lay(rank(job), { mounts })));
  assert.equal(store.pins.size, 2);
  await workdir.forget(rank(1));
  assert.equal(store.pins.size, 2);
  await workdir.forget(rank(2));
  await until("nothing is pinned", () => store.pins.size === 0);
  assert.deepEqual(readdirSync(`${home.state}/workdirs`), []);
});

test("nodes of a gang get a large mount from each other", async (context) => {
  const { disk, metrics, nodeOf, mount } = await mounting(context);
  const large = Buffer.alloc(24 * 1024 * 1024);
  for (let i = 0; i < large.length; i += 4)
    large.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  const one = await mount("~/data", [["large", { kind: "file", content: large }]]);
  const mounts = [{ ...one, takers: 3 }];
  const all = ["worker1", "worker2", "worker3"].map((name) => nodeOf(name));
  await Promise.all(all.map(({ workdir }, index) => workdir.lay(rank(index), { mounts })));
  for (const { home } of all) assert.ok(readFileSync(`${home.home}/data/large`).equals(large));
  const served = metrics.snapshot().get("chunks_served_total") ?? 0;
  assert.ok(served < 2 * disk.chunks.size, `${served} of ${disk.chunks.size}`);
});

test("jobs of two versions at once: each finds its own, from start to end", async (context) => {
  const { root, nodeOf, pack, mount } = await mounting(context);
  const { workdir, home } = nodeOf("worker1");
  const files = (version: string): SownEntries =>
    Array.from({ length: 150 }, (_, at) => {
      return [`file ${at}`, { kind: "file", content: `${version} ${at}` }] as const;
    });
  const versions = await Promise.all(
    ["one", "two", "three"].map(async (version) => {
      sow(`${root}/${version}`, files(version));
      const workdirTree = await pack(version);
      return { version, spec: { workdirTree, mounts: [await mount("data", files(version))] } };
    }),
  );
  const demandWhole = (folder: string, version: string): void => {
    for (const place of [folder, `${folder}/data`]) {
      for (let at = 0; at < 150; at += 1) {
        assert.equal(readFileSync(`${place}/file ${at}`, "utf8"), `${version} ${at}`);
      }
    }
  };
  const runs = [0, 1, 2, 0, 1, 2, 1, 0].map((which, job) => ({ job, ...versions[which] }));
  const laid = await Promise.all(
    runs.map(async ({ job, version = "", spec = {} }) => {
      const folder = await workdir.lay(rank(job), spec);
      demandWhole(folder, version);
      return { job, version, folder };
    }),
  );
  for (const { version, folder } of laid) demandWhole(folder, version);
  const main = `${home.home}/sky_workdir`;
  const inMain = laid.filter(({ folder }) => folder === main);
  assert.ok(inMain.length >= 2, "jobs of one version share the folder");
  assert.equal(new Set(inMain.map(({ version }) => version)).size, 1);
  for (const { job, folder } of laid) {
    if (folder !== main) assert.equal(folder, `${home.home}/sky_workdirs/${job}`);
  }
  // Once all have ended, whoever comes gets the folder.
  for (const { job } of laid) workdir.ended(exited(rank(job)));
  const other = versions.find(({ version }) => version !== inMain[0]?.version);
  assert.equal(await workdir.lay(rank(20), other?.spec ?? {}), main);
  demandWhole(main, other?.version ?? "");
});

test("an agent that starts again leaves the version of a rank that runs alone", async (context) => {
  const { root, nodeOf, pack } = await mounting(context);
  sow(`${root}/one`, [["x", { kind: "file", content: "one" }]]);
  sow(`${root}/two`, [["x", { kind: "file", content: "two" }]]);
  const [one, two] = [await pack("one"), await pack("two")];
  const first = nodeOf("worker1");
  await first.workdir.lay(rank(1), { workdirTree: one });
  const next = nodeOf("worker1", first.store, { ranks: [running(rank(1))] });
  const folder = await next.workdir.lay(rank(2), { workdirTree: two });
  assert.equal(folder, `${next.home.home}/sky_workdirs/2`);
  assert.equal(readFileSync(`${next.folder}/x`, "utf8"), "one");
  // Its restart finds what it wrote, though the other has ended.
  writeFileSync(`${folder}/checkpoint`, "");
  for (const job of [1, 2]) next.workdir.ended(exited(rank(job)));
  const again = await next.workdir.lay(rank(2, { attempt: 2 }), { workdirTree: two });
  assert.ok(existsSync(`${again}/checkpoint`));
});

test("a run finds what its setup left", async (context) => {
  const { root, nodeOf, pack, mount } = await mounting(context);
  const { workdir, home, folder } = nodeOf("worker1");
  sow(`${root}/work`, [["x", { kind: "file", content: "as submitted" }]]);
  const both = { workdirTree: await pack("work"), mounts: [await mount("~/conf", "as submitted")] };
  const outside = { mounts: both.mounts };
  for (const [job, spec] of [both, outside].entries()) {
    const [setup, run] = [rank(job, { phase: "setup" }), rank(job)];
    assert.equal(await workdir.lay(setup, spec), folder);
    for (const path of [`${folder}/x`, `${home.home}/conf`]) writeFileSync(path, "changed");
    workdir.ended(exited(setup));
    assert.equal(await workdir.lay(run, spec), folder);
    assert.equal(readFileSync(`${folder}/x`, "utf8"), "changed");
    assert.equal(readFileSync(`${home.home}/conf`, "utf8"), "changed");
    workdir.ended(exited(run));
    await workdir.lay(rank(job, { attempt: 2 }), spec);
    assert.equal(readFileSync(`${home.home}/conf`, "utf8"), "as submitted");
  }
});

test("what was cut off in the middle is laid out whole by the next agent", async (context) => {
  const { nodeOf, mount } = await mounting(context);
  const disk = new MemoryContentDisk();
  const count = 400;
  const one = await mount(
    "~/data",
    Array.from({ length: count }, (_, at) => [
      `file ${at}`,
      { kind: "file", content: `${at}`.repeat(2_000) },
    ]),
  );
  const { workdir, home } = nodeOf("worker1", disk);
  const laying = workdir.lay(rank(1), { mounts: [one] });
  await until("some of it is there", () => {
    return existsSync(`${home.home}/data`) && readdirSync(`${home.home}/data`).length > 3;
  });
  await workdir.close();
  await laying.catch(() => {}); // Or it was quicker.
  const kept = disk.chunks.size;
  // Of a killed one.
  writeFileSync(`${home.home}/data/.sky-tmp-0`, "half");
  const next = nodeOf("worker1", disk);
  await next.workdir.lay(rank(2), { mounts: [one] });
  const names = readdirSync(`${home.home}/data`);
  assert.equal(names.length, count);
  for (const name of names) {
    const [, at = ""] = name.split(" ");
    assert.equal(readFileSync(`${home.home}/data/${name}`, "utf8"), at.repeat(2_000));
  }
  assert.ok(kept > 0);
  assert.ok(next.workdir.counts().moved <= disk.chunks.size - kept);
});

test("a full disk is named with the mount, and what is there is kept", {
  skip,
}, async (context) => {
  const { root, nodeOf, mount } = await mounting(context);
  const disk = smallDisk(16);
  context.after(() => disk.close());
  symlinkSync(disk.path, `${root}/clusters`);
  const { workdir, home } = nodeOf("worker1");
  const large = Buffer.alloc(4 * 1024 * 1024, "large ");
  const small = await mount("~/small", "small");
  const mounts = [small, await mount("~/data", [["x", { kind: "file", content: large }]])];
  disk.fill(512 * 1024);
  await assert.rejects(workdir.lay(rank(1), { mounts }), (error) => {
    return (
      error instanceof Error && /^the file mount ~\/data: the disk is full/.test(error.message)
    );
  });
  assert.deepEqual(readdirSync(`${home.home}/data`), []);
  assert.equal(readFileSync(`${home.home}/small`, "utf8"), "small");
  disk.empty();
  await workdir.lay(rank(2), { mounts });
  assert.ok(readFileSync(`${home.home}/data/x`).equals(large));
});

test("a rank that is stopped gives up its mounts", async (context) => {
  const { nodeOf, mount } = await mounting(context);
  const { workdir, store } = nodeOf("worker1");
  const mounts = [await mount("~/data", odd), await mount("~/x", "x")];
  const laying = workdir.lay(rank(1), { mounts });
  workdir.cancel(rank(1));
  await assert.rejects(laying, (error) => isSkyError(error, "core/cancelled"));
  await until("nothing is pinned", () => store.pins.size === 0);
  await workdir.lay(rank(2), { mounts });
});
