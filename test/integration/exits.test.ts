// Exit codes: each way in which a rank can end is reported as what it was.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "one", "--cpus", "4"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

const rows = [
  { name: "exit 0", run: "exit 0", cli: 0, status: "SUCCEEDED", exit: 0 },
  { name: "exit 1", run: "exit 1", cli: 100, status: "FAILED", exit: 1 },
  { name: "exit 7", run: "exit 7", cli: 100, status: "FAILED", exit: 7 },
  { name: "kill -9 of itself", run: "kill -9 $$", cli: 100, status: "FAILED", exit: 137 },
  {
    name: "a script that does not exist",
    run: "./no-such.sh",
    cli: 100,
    status: "FAILED",
    exit: 127,
  },
  {
    name: "a script that ends by TERM",
    run: "kill -TERM $$; sleep 9",
    cli: 100,
    status: "FAILED",
    exit: 143,
  },
  { name: "rm -rf of its cwd", run: 'rm -rf "$PWD"', cli: 0, status: "SUCCEEDED", exit: 0 },
  { name: "a job after that", run: "cd ~/sky_workdir", cli: 0, status: "SUCCEEDED", exit: 0 },
  { name: "kill -9 0", run: "kill -9 0", cli: 100, status: "FAILED", exit: 137 },
  {
    name: "trap TERM and end well",
    run: "trap '' TERM; exit 0",
    cli: 0,
    status: "SUCCEEDED",
    exit: 0,
  },
  { name: "set -e", run: "set -e; false; echo no", cli: 100, status: "FAILED", exit: 1 },
] as const;

for (const row of rows) {
  test(`${row.name} is ${row.status} with ${row.exit}`, async () => {
    const done = await here.sky(["exec", "one", row.run]);
    assert.equal(done.code, row.cli, done.stdout + done.stderr);
    const job = await jobOf(here, "one");
    assert.equal(job.status, row.status);
    assert.equal(job.ranks[0]?.exitCode, row.exit);
  });
}

test("137 says that it is SIGKILL or exit 137 when nothing tells which", async () => {
  await here.sky(["exec", "one", "bash -c 'kill -9 $$'; exit 137"]);
  const { id } = await jobOf(here, "one");
  const { stdout } = await here.sky(["why", "one", String(id)]);
  assert.match(stdout, /137 \(SIGKILL or exit 137\)/);
});

test("a rank whose shim is killed is exit-unknown, never succeeded", async () => {
  const id = await submit(here, "one", "echo up; sleep 300; exit 0");
  const job = await phaseReached(here, { cluster: "one", id: id }, "RUNNING");
  const pid = await until("the rank's pid is known", async () => {
    return job.ranks[0]?.pid ?? (await jobOf(here, "one", id)).ranks[0]?.pid;
  });
  const rank = here.processes().find((seen) => seen.ownPid === pid);
  const shim = rank?.parent;
  assert.ok(shim !== undefined && shim > 1, "the shim is the rank's parent");
  process.kill(shim, "SIGKILL");
  const ended = await phaseReached(here, { cluster: "one", id: id }, "FAILED");
  assert.equal(ended.ranks[0]?.exitCode ?? null, null);
  const { stdout } = await here.sky(["why", "one", String(id)]);
  assert.match(stdout, /unknown/);
  await until(
    "nothing of it is left",
    () => !here.processes().some((seen) => seen.pid === rank?.pid),
  );
});

test("logs --status has the exit codes of the outcome", async () => {
  const good = await submit(here, "one", "exit 0");
  await phaseReached(here, { cluster: "one", id: good }, "SUCCEEDED");
  const bad = await submit(here, "one", "exit 4");
  await phaseReached(here, { cluster: "one", id: bad }, "FAILED");
  const runs = await submit(here, "one", "sleep 300");
  await phaseReached(here, { cluster: "one", id: runs }, "RUNNING");
  const codeOf = async (id: number) =>
    (await here.sky(["logs", "one", String(id), "--status"])).code;
  assert.equal(await codeOf(good), 0);
  assert.equal(await codeOf(bad), 100);
  assert.equal(await codeOf(runs), 101);
  assert.equal(await codeOf(9999), 102);
  assert.equal((await here.sky(["cancel", "-y", "one", String(runs)])).code, 0);
  assert.equal(await codeOf(runs), 103);
});
