// Where mounts belong and which folder a job gets: the pure rules, and what is on record of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mountPlace, placeMounts, workdirSlots } from "../../agent/mount-places.ts";
import type { RankState } from "../../agent/rank.ts";
import { WorkdirClaims } from "../../agent/workdir-claims.ts";
import { WorkdirFolders } from "../../agent/workdir-folders.ts";
import { nodeHomeAt } from "../../model/home.ts";
import type { RankKey } from "../../model/job.ts";
import { rankKeyText } from "../../model/job.ts";
import type { RankMount } from "../../proto/messages.ts";
import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { fc } from "../support/property.ts";

const places = { home: "/n/home", workdir: "sky_workdir", linked: "/n/home/.sky/file_mounts" };
const { home } = places;

function mount(destination: string, digest = "d", isFile = false): RankMount {
  return { destination, isFile, tree: { digest, bytes: 1 } };
}

function key(job: number, of: Partial<RankKey> = {}): RankKey {
  return { job, attempt: 1, phase: "run", index: 0, ...of };
}

test("a destination's place", () => {
  for (const [destination, place] of [
    ["x", { kind: "workdir", path: "x" }],
    ["./x//y", { kind: "workdir", path: "x/y" }],
    ["a/../x y", { kind: "workdir", path: "x y" }],
    ["~/sky_workdir/x", { kind: "workdir", path: "x" }],
    ["~/sky_workdir", { kind: "workdir", path: "." }],
    [".", { kind: "workdir", path: "." }],
    ["~/x", { kind: "home", path: "/n/home/x" }],
    ["~/sky_workdir2/x", { kind: "home", path: "/n/home/sky_workdir2/x" }],
    ["/n/home/x", { kind: "home", path: "/n/home/x" }],
    ["/a/b", { kind: "link", path: "/n/home/.sky/file_mounts/a/b", link: "/a/b" }],
    ["/n/homes", { kind: "link", path: "/n/home/.sky/file_mounts/n/homes", link: "/n/homes" }],
  ] as const) {
    assert.deepEqual(mountPlace(destination, places), place, destination);
  }
});

test("what is no destination is refused by name", () => {
  const wrong = [
    "..",
    "../x",
    "a/../../x",
    "~/..",
    "~/../x",
    "~",
    "~/",
    "~you/x",
    "/",
    "/n",
    "a\0",
  ];
  for (const destination of [
    ...wrong,
    "/n/home",
    "/n/home/",
    "~/../../x",
    "~/.sky",
    "/n/home/.sky/x",
  ]) {
    assert.throws(
      () => mountPlace(destination, places),
      (error: Error) => error.message.startsWith(`the file mount ${destination}: `),
      destination,
    );
  }
});

test("a property: no destination leads anywhere else", () => {
  const step = fc.constantFrom("..", ".", "a", "~", "", "sky_workdir", "home", "n");
  const path = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => steps.join("/"));
  const refusedOr = (destination: string) => {
    try {
      return mountPlace(destination, places);
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(path, (destination) => {
      const place = refusedOr(destination);
      if (place === undefined) return;
      assert.ok(!place.path.split("/").includes(".."), destination);
      if (place.kind === "workdir") assert.ok(!place.path.startsWith("/"));
      else assert.ok(place.path.startsWith(`${home}/`));
    }),
  );
});

test("what is in something is laid out after it, and slots are those of the workdir", () => {
  const mounts = ["a/b", "~/x/y", ".", "a", "~/x"].map((destination) => mount(destination));
  const placed = placeMounts(mounts, places);
  const order = placed.map(({ mount: { destination } }) => destination);
  assert.ok(order.indexOf("a") < order.indexOf("a/b"));
  assert.ok(order.indexOf("~/x") < order.indexOf("~/x/y"));
  assert.equal(order[0], ".");
  assert.deepEqual([...workdirSlots({}, placed).keys()], [".", "a", "a/b"]);
  const workdirTree = { digest: "w", bytes: 1 };
  assert.throws(
    () => workdirSlots({ workdirTree }, placed),
    /the file mount \.: the job's workdir/,
  );
  const file = placeMounts([mount("f", "d", true)], places);
  const folder = placeMounts([mount("f", "d")], places);
  assert.notDeepEqual(workdirSlots({}, file), workdirSlots({}, folder));
});

const tree = (digest: string) => new Map([[".", digest]]);

function enter(folders: WorkdirFolders, of: RankKey, slots: ReadonlyMap<string, string>): string {
  const { folder } = folders.choose(of, slots, false);
  folders.enter({ key: of, folder, slots });
  return folder;
}

test("a version in use is left alone; one that nobody uses makes way", () => {
  const folders = new WorkdirFolders("sky_workdir");
  assert.equal(enter(folders, key(1), tree("one")), "sky_workdir");
  assert.equal(enter(folders, key(2), tree("one")), "sky_workdir");
  assert.deepEqual(folders.choose(key(3), tree("two"), false), {
    folder: "sky_workdirs/3",
    inUseBy: 1,
  });
  assert.equal(enter(folders, key(3), tree("two")), "sky_workdirs/3");
  folders.end(key(1), false);
  assert.equal(enter(folders, key(4), tree("two")), "sky_workdirs/4");
  folders.end(key(2), false);
  // Job 3 is in a folder of its own, and in nobody's way.
  assert.equal(enter(folders, key(5), tree("three")), "sky_workdir");
  assert.deepEqual(folders.choose(key(6), new Map(), false), { folder: "sky_workdir" });
});

test("ranks of a job share a folder, across its setup and its attempts", () => {
  const folders = new WorkdirFolders("sky_workdir");
  const setup = key(1, { phase: "setup" });
  assert.equal(enter(folders, setup, tree("one")), "sky_workdir");
  folders.end(setup, true);
  assert.equal(enter(folders, key(2), tree("two")), "sky_workdirs/2", "the run is to come");
  assert.equal(enter(folders, key(1), tree("one")), "sky_workdir");
  assert.equal(folders.has(setup), false, "the run took over");
  folders.end(key(1), false);
  folders.end(key(2), false);
  const again = key(2, { attempt: 2 });
  assert.deepEqual(folders.choose(again, tree("two"), true), { folder: "sky_workdirs/2" });
});

test("a mount in the workdir is part of the version", () => {
  const folders = new WorkdirFolders("sky_workdir");
  const of = (...slots: readonly (readonly [string, string])[]) => new Map(slots);
  enter(folders, key(1), of([".", "one"], ["data", "x"]));
  const choice = (slots: ReadonlyMap<string, string>) =>
    folders.choose(key(9), slots, false).folder;
  assert.equal(choice(of([".", "one"], ["data", "x"])), "sky_workdir");
  assert.equal(choice(of([".", "one"])), "sky_workdir", "an exec after the launch finds them");
  assert.equal(choice(of([".", "one"], ["data", "y"])), "sky_workdirs/9");
  assert.equal(choice(of([".", "one"], ["more", "x"])), "sky_workdirs/9");
  assert.equal(choice(of(["data/inner", "x"])), "sky_workdirs/9");
  folders.end(key(1), false);
  enter(folders, key(2), of(["data", "x"]));
  assert.equal(choice(of(["dat", "y"])), "sky_workdir", "neither is in the other");
});

type Files = ReturnType<typeof createMemoryFiles>;

/** As an agent that starts finds them. */
function restored(files: Files, ranks: readonly RankState[]): WorkdirClaims {
  return new WorkdirClaims({ home: nodeHomeAt("/n"), files }, ranks);
}

const running = (of: RankKey): RankState => {
  return { phase: "running", key: of, start: { pid: 1, startedAt: 1 } };
};

function exited(of: RankKey, code = 0): RankState {
  const end = { exit: { kind: "code", code }, endedAt: 2, logBytes: 0 } as const;
  const rest = { sweep: undefined, sweeping: false, acknowledged: true };
  return { phase: "exited", key: of, start: { pid: 1, startedAt: 1 }, end, ...rest };
}

test("an agent that starts again knows who uses what", async () => {
  const files = createMemoryFiles("/n");
  await files.makeDir("/n/state", 0o700);
  const first = restored(files, []);
  const setup = key(3, { phase: "setup" });
  await first.take(key(1), tree("one"));
  assert.equal((await first.take(key(2), tree("two"))).folder, "sky_workdirs/2");
  assert.equal((await first.take(setup, tree("one"))).folder, "sky_workdir");
  const other = async (ranks: readonly RankState[]): Promise<string> =>
    (await restored(files, ranks).take(key(9), tree("two"))).folder;
  const all = [key(1), key(2), setup];
  const none = all.map((of) => exited(of, 1));
  assert.equal(await other([running(key(1)), ...none.slice(1)]), "sky_workdirs/9");
  await restored(files, []).forget(key(9));
  assert.equal(await other(none), "sky_workdir");
  // A setup that succeeded waits for its run; one whose run is there does not.
  assert.equal(await other([...none.slice(0, 2), exited(setup)]), "sky_workdirs/9");
  const run = key(3);
  await restored(files, [...none, running(run)]).take(run, tree("one"));
  assert.equal(await other([...none.slice(0, 2), exited(setup), exited(run, 1)]), "sky_workdir");
});

test("a setup whose end an agent hears late keeps no folder for its run", async () => {
  const files = createMemoryFiles("/n");
  await files.makeDir("/n/state", 0o700);
  const [setup, run] = [key(1, { phase: "setup" }), key(1)];
  const first = restored(files, []);
  await first.take(setup, tree("one"));
  const next = restored(files, [running(setup)]);
  assert.equal(await next.takeOver(run), "sky_workdir", "what the setup did is not laid over");
  const last = restored(files, [running(run), running(setup)]);
  assert.equal((await last.take(key(2), tree("two"))).folder, "sky_workdirs/2");
  last.ended(exited(run));
  last.ended(exited(setup));
  assert.equal((await last.take(key(3), tree("three"))).folder, "sky_workdir");
});

test("records of unknown ranks go; one that was cut off is in everybody's way", async () => {
  const files = createMemoryFiles("/n");
  await files.makeDir("/n/state", 0o700);
  const claims = restored(files, []);
  await claims.take(key(1), tree("one"));
  await claims.take(key(2), tree("one"));
  await files.replace(`/n/state/workdirs/${rankKeyText(key(2))}`, Buffer.from('{"fol'), 0o600);
  const next = restored(files, [running(key(2))]);
  assert.equal((await next.take(key(3), tree("one"))).folder, "sky_workdirs/3");
  const records = [key(2), key(3)].map(rankKeyText);
  assert.deepEqual(await files.list("/n/state/workdirs"), records);
  await next.forget(key(2));
  await next.forget(key(3));
  assert.deepEqual(await files.list("/n/state/workdirs"), []);
});

test("what happens before the records are read counts", async () => {
  const files = createMemoryFiles("/n");
  await files.makeDir("/n/state", 0o700);
  const first = restored(files, []);
  for (const job of [1, 2]) await first.take(key(job), tree("one"));
  const next = restored(files, [running(key(1)), running(key(2))]);
  next.ended(exited(key(1)));
  await next.forget(key(2));
  assert.equal((await next.take(key(3), tree("two"))).folder, "sky_workdir");
  assert.deepEqual(await files.list("/n/state/workdirs"), [key(1), key(3)].map(rankKeyText));
});
