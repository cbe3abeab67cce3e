// Homes: long paths with a space, one head each however many commands come first, and two homes
// never meet.

import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { test } from "node:test";
import { place, processesOf, until } from "../support/programs.ts";
import { jobOf } from "./jobs.ts";

test("a home with a path of 200 characters and a space works", async (t) => {
  const here = place(t, { homeName: `with a space/${"long-".repeat(40)}` });
  assert.ok(here.home.length >= 200, String(here.home.length));
  const launched = await here.sky(["launch", "-y", "-c", "demo", "echo in $PWD"]);
  assert.equal(launched.code, 0, launched.stdout + launched.stderr);
  assert.match(launched.stdout, /in .*with a space/);
  assert.equal((await here.sky(["exec", "demo", "exit 3"])).code, 100);
});

test("the socket of the head is for its owner only", async (t) => {
  const here = place(t);
  await here.sky(["launch", "-y", "-c", "demo", "true"]);
  assert.equal(statSync(`${here.home}/head/api.sock`).mode & 0o777, 0o600);
  assert.equal(statSync(`${here.home}/head`).mode & 0o077, 0);
});

test("two simultaneous first commands start exactly one head", async (t) => {
  const here = place(t);
  // So many in each isolation, for which a head does the same here.
  const rounds = Number(process.env["SKY_TEST_ROUNDS"] ?? 25);
  // A home without a cluster needs no head: the very first ones launch.
  const firsts = [
    ["launch", "-y", "-c", "one"],
    ["launch", "-y", "-c", "two"],
  ];
  for (let round = 0; round < rounds; round += 1) {
    const pair = round === 0 ? firsts : [["status"], ["status"]];
    const both = await Promise.all(pair.map((args) => here.sky(args)));
    for (const { code, stderr } of both) assert.equal(code, 0, stderr);
    assert.equal(here.heads().length, 1, JSON.stringify(here.heads()));
    for (const { pid } of here.heads()) process.kill(pid, "SIGTERM");
    await until("the head has ended", () => here.heads().length === 0);
  }
});

test("two homes never meet", async (t) => {
  const one = place(t);
  const two = place(t);
  await one.sky(["launch", "-y", "-c", "demo", "echo one"]);
  await two.sky(["launch", "-y", "-c", "demo", "echo two; exit 5"]);
  assert.equal((await jobOf(one, "demo")).status, "SUCCEEDED");
  assert.equal((await jobOf(two, "demo")).status, "FAILED");
  assert.equal((await one.sky(["down", "-y", "demo"])).code, 0);
  assert.equal((await jobOf(two, "demo")).id, 1);
});

test("down leaves nothing but the archived logs", async (t) => {
  const here = place(t);
  await here.sky(["launch", "-y", "-c", "demo", "--num-nodes", "2", "echo kept"]);
  const head = here.heads()[0]?.pid;
  const down = await here.sky(["down", "-y", "demo"]);
  assert.equal(down.code, 0, down.stderr);
  assert.equal(existsSync(`${here.home}/clusters/demo`), false);
  const others = here.processes().filter((seen) => seen.pid !== head);
  const bus = others.filter((seen) => !seen.command.includes("nats-server"));
  assert.deepEqual(bus, [], "no process of the cluster is left");
  assert.equal((await here.sky(["queue", "demo"])).code, 2);
  assert.ok(existsSync(`${here.home}/logs`));
});

test("a head that is killed comes back with its jobs, and the ranks have run on", async (t) => {
  const here = place(t);
  await here.sky(["launch", "-y", "-c", "demo", "--cpus", "4", "echo done"]);
  await here.sky(["exec", "demo", "-d", "echo up; sleep 4; echo end; exit 9"]);
  await until("it runs", async () => (await jobOf(here, "demo", 2)).status === "RUNNING");
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const followed = await here.sky(["logs", "demo", "2"]);
  assert.equal(followed.code, 100, followed.stdout + followed.stderr);
  assert.match(followed.stdout, /up[\s\S]*end/);
  const job = await jobOf(here, "demo", 2);
  assert.equal(job.ranks[0]?.exitCode, 9);
  assert.equal((await jobOf(here, "demo", 1)).status, "SUCCEEDED");
});

test("down right after the head was killed ends the ranks that ran on", async (t) => {
  const here = place(t);
  const mark = `${here.folder}/ran-on`;
  await here.sky(["launch", "-y", "-c", "demo", "--num-nodes", "2", "--cpus", "4", "echo ready"]);
  const task = `num_nodes: 2\nenvs:\n  MARK: ${mark}\nrun: sleep 300\n`;
  await here.sky(["exec", "demo", "-d", here.file("runs-on.yaml", task)]);
  await until("both ranks run", () => ranksOf(mark).length === 2);
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  const down = await here.sky(["down", "-a", "-y"]);
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(processesOf(mark), []);
});

function ranksOf(mark: string) {
  return processesOf(mark).filter(({ command }) => command.startsWith("sleep"));
}
