// Head, nodes and client of two versions: whatever meets whatever, a cluster works, and it is
// upgraded under its running jobs.
//
// The earlier version is the bundle that is kept here (`bundle.ts`); today's is `dist/`. Every
// process is real: skylets of their own over a real nats-server.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { jobOf, jobsOf, phaseReached, submit } from "../integration/jobs.ts";
import {
  isAlive,
  type Place,
  type ProcessSeen,
  place,
  processesOf,
  until,
} from "../support/programs.ts";
import { type Edition, type Installation, install, type Mix } from "./editions.ts";

const cluster = "two";

interface Ground {
  readonly here: Place;
  readonly installed: Installation;
}

interface GroundOptions {
  /** What its programs say that they are. */
  readonly version?: string;
  readonly isolation?: "embedded" | "process";
}

function ground(t: TestContext, mix: Mix, options: GroundOptions = {}): Ground {
  const { version, isolation = "process" } = options;
  const folder = mkdtempSync(join(tmpdir(), "sky-skew-"));
  const installed = install(folder, mix, version);
  const here = place(undefined, { isolation, programs: installed.dist });
  t.after(() => here.close().finally(() => rmSync(folder, { recursive: true, force: true })));
  return { here, installed };
}

async function launch(here: Place): Promise<void> {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "4"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
}

const mixes: Readonly<Record<string, Mix>> = {
  "today's head with earlier nodes": { sky: "today", skyhead: "today", skylet: "kept" },
  "an earlier head with today's nodes": { sky: "kept", skyhead: "kept", skylet: "today" },
};

for (const [name, mix] of Object.entries(mixes)) {
  test(`${name}: gangs run, fail and are cancelled, and the cluster ends`, async (t) => {
    const { here } = ground(t, mix);
    await launch(here);
    const inside = await here.sky([
      "debug",
      cluster,
      ...(mix.sky === "today" ? ["-o", "json"] : []),
    ]);
    const says = inside.stdout.match(/"capabilities": \[/g) ?? [];
    assert.equal(says.length, mix.skylet === "today" ? 2 : 0, "earlier nodes do not say theirs");
    await aGangRuns(here);
    await aGangFinds(here);
    await aGangFails(here);
    await aGangIsCancelled(here);
    await aGangStartsAnew(here);
    const down = await here.sky(["down", "-y", cluster]);
    assert.equal(down.code, 0, down.stdout + down.stderr);
    await until("no node is left", () => skylets(here).length === 0);
  });
}

const versioned = { version: "0.0.1" };
const strangers: Readonly<Record<string, readonly [Edition, Edition]>> = {
  "today's sky with an earlier head": ["today", "kept"],
  "an earlier sky with today's head": ["kept", "today"],
};

for (const [name, [client, head]] of Object.entries(strangers)) {
  test(`${name}: every command works, and says that the versions differ`, async (t) => {
    const own = ground(t, { sky: head, skyhead: head, skylet: head }, versioned);
    await launch(own.here);
    const folder = mkdtempSync(join(tmpdir(), "sky-skew-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { dist: programs } = install(folder, { sky: client, skyhead: client, skylet: client });
    const sky: Place["sky"] = (args, run) => own.here.sky(args, { ...run, programs });
    await everyCommand({ ...own.here, sky });
  });
}

async function everyCommand(here: Place): Promise<void> {
  const status = await here.sky(["status"]);
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /two .*UP/);
  assert.match(status.stderr, /the running skyhead has version 0\.0\.1, this is/);
  await aGangRuns(here);
  const { id } = await jobOf(here, cluster);
  const logs = await here.sky(["logs", cluster, String(id)]);
  assert.equal(logs.code, 0);
  assert.match(logs.stdout, /rank 1 of 2/);
  await aGangFails(here);
  await aGangIsCancelled(here);
  for (const args of [
    ["autostop", cluster, "-y", "-i", "60"],
    ["debug", cluster],
    ["stop", "-y", cluster],
    ["start", "-y", cluster],
    ["down", "-y", cluster],
  ]) {
    const { code, stdout, stderr } = await here.sky(args);
    assert.equal(code, 0, `sky ${args.join(" ")}: ${stdout}${stderr}`);
  }
}

async function aGangRuns(here: Place): Promise<void> {
  const task = "num_nodes: 2\nrun: echo rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES\n";
  const ran = await here.sky(["exec", cluster, here.file("runs.yaml", task)]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  for (const rank of [0, 1]) assert.match(ran.stdout, new RegExp(`rank ${rank} of 2`));
}

/** Its workdir: as chunks where head and nodes can both do that, and as a copy elsewhere. */
async function aGangFinds(here: Place): Promise<void> {
  const what = here.file("work/what", "found it\n");
  const task = `workdir: ${dirname(what)}\nnum_nodes: 2\nrun: cat what\n`;
  const ran = await here.sky(["exec", cluster, here.file("finds.yaml", task)]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.equal(ran.stdout.match(/found it/g)?.length, 2, ran.stdout);
}

/** One rank fails when the other runs: who is stopped before it started has no exit code. */
async function aGangFails(here: Place): Promise<void> {
  const up = `${here.folder}/up`;
  rmSync(up, { force: true });
  const runs = `if [ "$SKYPILOT_NODE_RANK" = 0 ]; then touch ${up}; exec sleep 1000.5; fi`;
  const fails = `until [ -e ${up} ]; do sleep 0.02; done; exit 7`;
  const task = `num_nodes: 2\nrun: |\n  ${runs}\n  ${fails}\n`;
  const file = here.file("fails.yaml", task);
  const failed = await here.sky(["exec", cluster, file]);
  assert.equal(failed.code, 100, failed.stdout + failed.stderr);
  const { status, ranks, id } = await jobOf(here, cluster);
  assert.equal(status, "FAILED");
  assert.deepEqual(
    ranks.map(({ exitCode }) => exitCode),
    [137, 7],
  );
  assert.match((await here.sky(["why", cluster, String(id)])).stdout, /rank 1 on worker1 exited/);
}

/** May restart: runs on leases where head and nodes can both do that, and without elsewhere. */
async function aGangStartsAnew(here: Place): Promise<void> {
  const mark = `${here.folder}/second`;
  const run = `if [ -e ${mark} ]; then echo anew; else touch ${mark}; exit 7; fi`;
  const task = `max_restarts: 1\nrun: ${JSON.stringify(run)}\n`;
  const ran = await here.sky(["exec", cluster, here.file("anew.yaml", task)]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.match(ran.stdout, /anew/);
}

async function aGangIsCancelled(here: Place): Promise<void> {
  const mark = `${here.folder}/cancelled`;
  const task = `num_nodes: 2\nenvs:\n  MARK: ${mark}\nrun: setsid sleep 1000.25 & sleep 1000.25\n`;
  const id = await submit(here, cluster, here.file("cancelled.yaml", task));
  await phaseReached(here, { cluster, id }, "RUNNING");
  await until("its processes run", () => processesOf(mark).length >= 4);
  const cancelled = await here.sky(["cancel", "-y", cluster, String(id)]);
  assert.equal(cancelled.code, 0, cancelled.stdout + cancelled.stderr);
  assert.equal((await jobOf(here, cluster, id)).status, "CANCELLED");
  assert.deepEqual(processesOf(mark), [], "nothing of it is left");
}

test("an upgrade under a gang: whole logs, true exit codes, the same ranks", async (t) => {
  const { here, installed } = ground(t, { sky: "kept", skyhead: "kept", skylet: "kept" });
  await launch(here);
  await aGangRuns(here);
  const { id: past } = await jobOf(here, cluster);
  const { id, follower, go } = await aLongGang(here);
  const whole = "num_nodes: 2\nresources:\n  cpus: 4\nrun: echo after all\n";
  const waits = await submit(here, cluster, here.file("waits.yaml", whole));
  const pids = (await jobOf(here, cluster, id)).ranks.map(({ pid }) => pid);

  // The head first. What it is replaced by reads its journal.
  installed.replace("sky", "today");
  installed.replace("skyhead", "today");
  const first = skylets(here);
  for (const head of here.heads()) await ends(head);
  await until("its nodes are gone with it", () => left(here, first).length === 0);
  await phaseReached(here, { cluster, id }, "RUNNING");
  await more(follower, "under today's head and earlier nodes");

  // Then each node, and a rank ends while its node has no agent.
  installed.replace("skylet", "today");
  const second = await until("both nodes are there", () => two(skylets(here)));
  for (const skylet of second) process.kill(skylet.pid, "SIGKILL");
  go(0);
  await until("other skylets are there", () =>
    left(here, second).length > 0 ? undefined : two(skylets(here)),
  );
  const ranks = await until("rank 0 has ended", async () => {
    const job = await jobOf(here, cluster, id);
    return job.ranks[0]?.exitCode === 0 ? job.ranks : undefined;
  });
  assert.deepEqual(
    ranks.map(({ pid }) => pid),
    pids,
    "the ranks are those of before",
  );
  await more(follower, "under today's head and nodes", [1]);

  go(1);
  const { code, stdout } = await follower.ended;
  assert.equal(code, 100, stdout);
  const job = await jobOf(here, cluster, id);
  assert.equal(job.status, "FAILED");
  assert.deepEqual(
    job.ranks.map(({ exitCode }) => exitCode),
    [0, 7],
  );
  for (const rank of [0, 1]) wholeLog(here, { rank, stdout });
  await phaseReached(here, { cluster, id: waits }, "SUCCEEDED");
  const log = await here.sky(["logs", cluster, String(past)]);
  assert.equal(log.code, 0);
  assert.match(log.stdout, /rank 1 of 2/, "what had ended before can be read");
});

test("an upgrade of a head with its nodes inside it: the gang runs on", async (t) => {
  const mix = { sky: "kept", skyhead: "kept", skylet: "kept" } as const;
  const { here, installed } = ground(t, mix, { isolation: "embedded" });
  await launch(here);
  const { id, follower, go } = await aLongGang(here);
  for (const program of ["sky", "skyhead"] as const) installed.replace(program, "today");
  for (const head of here.heads()) process.kill(head.pid, "SIGKILL");
  go(0);
  await more(follower, "under today's head", [1]);
  await until("rank 0 has ended", async () => {
    return (await jobOf(here, cluster, id)).ranks[0]?.exitCode === 0;
  });
  go(1);
  const { code, stdout } = await follower.ended;
  assert.equal(code, 100, stdout);
  for (const rank of [0, 1]) wholeLog(here, { rank, stdout });
  assert.equal((await here.sky(["down", "-y", cluster])).code, 0);
});

test("a cluster of an earlier version is refreshed, stopped, started and ended", async (t) => {
  const { here, installed } = ground(t, { sky: "kept", skyhead: "kept", skylet: "kept" });
  await launch(here);
  await aGangRuns(here);
  for (const program of ["sky", "skyhead", "skylet"] as const) installed.replace(program, "today");
  for (const head of here.heads()) await ends(head);
  const refreshed = await here.sky(["status", "-r", "-o", "json"]);
  const [seen] = JSON.parse(refreshed.stdout) as readonly Record<string, unknown>[];
  assert.equal(seen?.["status"], "UP", refreshed.stdout);
  assert.equal(seen?.["lastUsedAt"], seen?.["launchedAt"], "nobody noted its last use");
  const report = await here.sky(["cost-report", "-o", "json"]);
  assert.equal((JSON.parse(report.stdout) as readonly unknown[]).length, 1, report.stdout);
  for (const words of [["stop"], ["start"], ["start", "-f"]]) {
    const { code, stdout, stderr } = await here.sky([...words, "-y", cluster]);
    assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  }
  await aGangRuns(here);
  assert.equal((await here.sky(["down", "-y", cluster])).code, 0);
  const after = await here.sky(["cost-report", "-o", "json"]);
  const gone = JSON.parse(after.stdout) as readonly Record<string, unknown>[];
  assert.deepEqual([gone.length, gone[0]?.["status"]], [1, undefined], after.stdout);
});

test("a head that has left this wire version behind says so, and so do its nodes", async (t) => {
  const { here, installed } = ground(t, { sky: "today", skyhead: "today", skylet: "kept" });
  installed.replaceHeadByFuture({ oldest: 3, newest: 4 });
  const up = here.start(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "4"]);
  const why = "worker1 speaks wire version 1, this head 3 to 4: upgrade worker1";
  await until("sky why tells it", async () => {
    const { stdout } = await here.sky(["why", cluster]);
    return stdout.includes(`worker1 is absent (${why})`);
  });
  const log = `${here.home}/clusters/${cluster}/nodes/worker1/state/skylet.log`;
  assert.ok(readFileSync(log, "utf8").includes(why), "the node's own log");
  // It is enough to do what is said: the nodes are tried again and again.
  installed.replace("skyhead", "today");
  for (const head of here.heads()) await ends(head);
  assert.equal((await up.ended).code, 0, up.stderr());
  const { stdout } = await here.sky(["why", cluster]);
  assert.match(stdout.split("\n")[0] ?? "", /2 of 2 nodes alive; no job/);
});

test("a roll back: an earlier head knows all jobs, or refuses the journal", async (t) => {
  const { here, installed } = ground(t, { sky: "today", skyhead: "today", skylet: "today" });
  await launch(here);
  await aGangRuns(here);
  await aGangFails(here);
  const jobs = await jobsOf(here, cluster);
  for (const program of ["sky", "skyhead", "skylet"] as const) installed.replace(program, "kept");
  for (const head of here.heads()) await ends(head);
  const { code, stderr } = await here.sky(["queue", cluster, "-a"]);
  if (code === 0) {
    assert.deepEqual(await jobsOf(here, cluster), jobs);
    await aGangRuns(here);
    assert.equal((await jobOf(here, cluster)).id, jobs.length + 1, "no id is given twice");
    return;
  }
  assert.match(stderr, /the journal cannot be written: .*journal.* it is of a newer version/);
  // Nothing was harmed: it goes on where it was.
  for (const program of ["sky", "skyhead", "skylet"] as const) installed.replace(program, "today");
  assert.deepEqual(await jobsOf(here, cluster), jobs);
});

/** A gang that counts until each rank is told to end, with a follower that has seen some of it. */
async function aLongGang(here: Place) {
  const mark = `${here.folder}/go`;
  const run = [
    "num_nodes: 2",
    "run: |",
    "  n=0",
    `  while [ ! -e ${mark}-$SKYPILOT_NODE_RANK ] && [ $n -lt 6000 ]; do`,
    '    n=$((n + 1)); echo "line $n of rank $SKYPILOT_NODE_RANK"; sleep 0.02',
    "  done",
    '  echo "$n" > "$HOME/last"',
    "  exit $((SKYPILOT_NODE_RANK * 7))",
  ];
  const id = await submit(here, cluster, here.file("long.yaml", `${run.join("\n")}\n`));
  await phaseReached(here, { cluster, id }, "RUNNING");
  const follower = here.start(["logs", cluster, String(id)], { timeoutMs: 120_000 });
  await more(follower, "at first");
  const go = (rank: number): void => writeFileSync(`${mark}-${rank}`, "");
  return { id, follower, go };
}

/** The follower sees new lines of these ranks. */
async function more(
  follower: { stdout(): string },
  when: string,
  ranks: readonly number[] = [0, 1],
): Promise<void> {
  const seen = follower.stdout().length;
  await until(`the follower sees more ${when}`, () => {
    const news = follower.stdout().slice(seen);
    return ranks.every((rank) => news.includes(`of rank ${rank}`));
  });
}

/** Every line that the rank wrote came once and in order. */
function wholeLog(
  here: Place,
  { rank, stdout }: { readonly rank: number; readonly stdout: string },
): void {
  const node = rank === 0 ? "head" : "worker1";
  const root = `${here.home}/clusters/${cluster}/nodes/${node}`;
  const last = Number(readFileSync(`${root}/home/last`, "utf8"));
  const numbers = [...stdout.matchAll(new RegExp(`line (\\d+) of rank ${rank}`, "g"))].map(
    ([, number]) => Number(number),
  );
  const wanted = Array.from({ length: last }, (_, index) => index + 1);
  assert.deepEqual(numbers, wanted, `the log of rank ${rank}`);
}

async function ends({ pid }: ProcessSeen): Promise<void> {
  process.kill(pid, "SIGKILL");
  await until(`process ${pid} is gone`, () => !isAlive(pid));
}

function skylets(here: Place): readonly ProcessSeen[] {
  return here.processes().filter(({ command }) => /\/skylet\.js$/.test(command));
}

/** Those of `before` that still live. */
function left(here: Place, before: readonly ProcessSeen[]): readonly ProcessSeen[] {
  return skylets(here).filter(({ pid }) => before.some((old) => old.pid === pid));
}

function two<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 2 ? list : undefined;
}
