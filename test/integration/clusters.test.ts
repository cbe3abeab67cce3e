// The life of a cluster as several users see it: who is at it, what becomes of its nodes, what it
// cost, and that its logs outlive it whole.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isolation, type Place, place, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

interface Seen {
  readonly name: string;
  readonly status: string;
  readonly user: string;
  readonly lastUsedAt: number;
  readonly busyWith?: string;
  readonly autostop?: object;
}

const cluster = "demo";

async function launched(t: TestContext, nodes = 1): Promise<Place> {
  const here = place(undefined);
  t.after(async () => {
    // It is not the user's who takes down all that is theirs.
    await here.sky(["down", "-y", cluster], as("ada"));
    await here.close();
  });
  const size = ["--num-nodes", String(nodes), "--cpus", "4"];
  const up = await here.sky(["launch", "-y", "-c", cluster, ...size], as("ada"));
  assert.equal(up.code, 0, up.stdout + up.stderr);
  return here;
}

function as(user: string): { readonly env: Readonly<Record<string, string>> } {
  return { env: { SKYPILOT_USER: user } };
}

async function seen(here: Place, ...flags: readonly string[]): Promise<Seen | undefined> {
  const { stdout } = await here.sky(["status", "-o", "json", ...flags]);
  return (JSON.parse(stdout) as readonly Seen[]).find(({ name }) => name === cluster);
}

function removeNodes(here: Place, nodes: readonly string[]): void {
  for (const node of nodes) {
    const folder = join(here.home, "clusters", cluster, "nodes", node);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** All archived logs, by the names of their files. */
function archived(here: Place): ReadonlyMap<string, string> {
  const root = join(here.home, "logs");
  const [folder] = readdirSync(root).filter((name) => name.startsWith(`${cluster}-`));
  assert.ok(folder !== undefined, "there is an archive");
  const dir = join(root, folder);
  return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), "utf8")]));
}

test("who is at a cluster is seen by everybody, and whoever must wait is told", async (t) => {
  const here = await launched(t);
  // A job that does not go when it is asked: the stop takes as long as its grace.
  const task = "config:\n  grace_seconds: 4\nrun: |\n  trap '' TERM\n  echo up\n  sleep 300\n";
  const id = await submit(here, cluster, here.file("stays.yaml", task));
  await phaseReached(here, { cluster, id }, "RUNNING");
  const stop = here.start(["stop", "-y", cluster], as("bob"));
  await until("the stop is seen", async () => (await seen(here))?.busyWith === "stop by bob");
  const launch = await here.sky(["launch", "-y", "-c", cluster, "echo again"], as("carol"));
  assert.equal((await stop.ended).code, 0, stop.stderr());
  assert.equal(launch.code, 0, launch.stdout + launch.stderr);
  assert.match(launch.stdout + launch.stderr, /waiting for the stop by bob \(since \d+ s\)/);
  assert.match(launch.stdout, /again/);
  const after = await seen(here);
  assert.deepEqual([after?.status, after?.user, after?.busyWith], ["UP", "ada", undefined]);
});

test("each command that uses a cluster is its last use", async (t) => {
  const here = await launched(t);
  const first = (await seen(here))?.lastUsedAt ?? 0;
  // It is on record to the second.
  await until("a later use is on record", async () => {
    assert.equal((await here.sky(["exec", cluster, "true"])).code, 0);
    return ((await seen(here))?.lastUsedAt ?? 0) >= first + 1_000;
  });
});

test("a node whose folder was removed: INIT, autostop off, and a start mends it", async (t) => {
  const here = await launched(t, 2);
  const id = await submit(here, cluster, "sleep 300");
  await phaseReached(here, { cluster, id }, "RUNNING");
  await here.sky(["autostop", "-y", cluster, "-i", "60"]);
  // Within a second of its launch the head still sees to it that every node is there.
  const found = await until("it is INIT", async () => {
    removeNodes(here, ["worker1"]);
    const now = await seen(here, "-r");
    return now?.status === "INIT" ? now : undefined;
  });
  assert.equal(found.autostop, undefined);
  const refused = await here.sky(["exec", cluster, "true"]);
  assert.equal(refused.code, 1, refused.stderr);
  const start = await here.sky(["start", "-y", cluster]);
  assert.equal(start.code, 0, start.stdout + start.stderr);
  assert.equal((await seen(here, "-r"))?.status, "UP");
  assert.equal((await jobOf(here, cluster, id)).status, "RUNNING", "it runs on the other node");
  const gang = await here.sky(["exec", cluster, "--num-nodes", "2", "echo mended"]);
  assert.equal(gang.code, 0, gang.stdout + gang.stderr);
});

test("a cluster whose nodes were all removed is gone, and says so once", async (t) => {
  const here = await launched(t, 2);
  await here.sky(["exec", cluster, "echo kept"]);
  await until("a refresh tells it", async () => {
    removeNodes(here, ["head", "worker1"]);
    const { stdout, stderr } = await here.sky(["status", "-r"]);
    return (stdout + stderr).includes("Cluster(s) terminated on the cloud: demo");
  });
  await until("it is gone", async () => (await seen(here)) === undefined);
  assert.ok([...archived(here).values()].some((text) => text.includes("kept")));
  assert.equal((await launchedAgain(here)).code, 0, "its name is free");
});

function launchedAgain(here: Place) {
  return here.sky(["launch", "-y", "-c", cluster, "--cpus", "4", "echo anew"]);
}

test("start -f on a cluster that is up ends nothing that runs", async (t) => {
  const here = await launched(t, 2);
  const id = await submit(here, cluster, "--num-nodes", "2", "sleep 300");
  await phaseReached(here, { cluster, id }, "RUNNING");
  const before = (await jobOf(here, cluster, id)).ranks.map(({ pid }) => pid);
  if (isolation === "process") {
    const skylets = here.processes().filter(({ command }) => /skylet(-main)?\.js/.test(command));
    assert.equal(skylets.length, 2);
    process.kill(skylets[0]?.pid ?? 0, "SIGKILL");
  }
  const start = await here.sky(["start", "-y", "-f", cluster, "-i", "60"]);
  assert.equal(start.code, 0, start.stdout + start.stderr);
  const after = await seen(here, "-r");
  assert.equal(after?.status, "UP");
  assert.ok(after.autostop !== undefined, "armed with the start");
  const job = await jobOf(here, cluster, id);
  assert.equal(job.status, "RUNNING");
  assert.deepEqual(
    job.ranks.map(({ pid }) => pid),
    before,
  );
});

test("a report of costs has what runs and what is gone, and local machines are free", async (t) => {
  const here = await launched(t, 2);
  await here.sky(["stop", "-y", cluster]);
  await here.sky(["start", "-y", cluster]);
  assert.equal((await here.sky(["down", "-y", cluster])).code, 0);
  assert.equal((await launchedAgain(here)).code, 0);
  const { stdout } = await here.sky(["cost-report", "-o", "json"]);
  type Cost = { status?: string; cost: number; numNodes: number; user: string; usage: object[] };
  const [live, gone, ...more] = JSON.parse(stdout) as readonly Cost[];
  assert.deepEqual([live?.status, live?.cost, live?.numNodes], ["UP", 0, 1], stdout);
  assert.deepEqual([gone?.status, gone?.cost, gone?.numNodes], [undefined, 0, 2]);
  assert.deepEqual([gone?.user, gone?.usage.length, more.length], ["ada", 2, 0]);
  assert.ok(gone?.usage.every((interval) => "endedAt" in interval));
});

for (const how of ["down", "autodown"] as const) {
  test(`logs are kept whole when a cluster goes by ${how}`, async (t) => {
    const here = await launched(t, 2);
    const task = "num_nodes: 2\nsetup: echo prepared\nrun: seq 1 60000\n";
    const many = await here.sky(["launch", "-y", "-c", cluster, here.file("many.yaml", task)]);
    assert.equal(many.code, 0, many.stderr);
    if (how === "down") {
      const id = await submit(here, cluster, "echo unfinished; sleep 300");
      await phaseReached(here, { cluster, id }, "RUNNING");
      assert.equal((await here.sky(["down", "-y", cluster])).code, 0);
    } else {
      await here.sky(["autostop", "-y", cluster, "--idle-seconds", "0.2", "--down"]);
      await until("it is gone", async () => (await seen(here)) === undefined);
    }
    const logs = archived(here);
    const whole = Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join("");
    for (const rank of [0, 1]) {
      assert.equal(logs.get(`1-1-run-${rank}.log`), whole, `rank ${rank}`);
      assert.equal(logs.get(`1-1-setup-${rank}.log`), "prepared\n", `setup of node ${rank}`);
    }
    if (how === "down") assert.match(logs.get("2-1-run-0.log") ?? "", /^unfinished\n/);
  });
}
