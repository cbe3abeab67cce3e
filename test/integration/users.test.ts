// Several users on one cluster, and what a task says of its own place in the queue and its time.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { place, until } from "../support/programs.ts";
import type { SeenJob } from "./jobs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined, { env: { SKYPILOT_USER: "ann" } });
const bob = { env: { SKYPILOT_USER: "bob" } };
const cluster = "one";

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

test("nobody cancels another's job, by its id or with all", async () => {
  const hers = await submit(here, cluster, "sleep 300");
  const hersToo = await submit(here, cluster, "sleep 300");
  const said = await here.sky(["exec", cluster, "-d", "sleep 300"], bob);
  assert.equal(said.code, 0, said.stdout + said.stderr);
  const his = Number(/Job ID: (\d+)/.exec(said.stdout)?.[1]);
  await phaseReached(here, { cluster, id: hers }, "RUNNING");

  const named = await here.sky(["cancel", "-y", cluster, String(his), String(hers)], bob);
  assert.equal(named.code, 2, named.stdout + named.stderr);
  assert.match(
    named.stderr,
    new RegExp(`Job ${hers} on cluster 'one' is ann's: bob cannot cancel`),
  );
  const statuses = async (): Promise<readonly string[]> => {
    const { stdout } = await here.sky(["queue", cluster, "-a", "-o", "json"]);
    const jobs = JSON.parse(stdout) as readonly SeenJob[];
    return [hers, hersToo, his].map((id) => jobs.find((job) => job.id === id)?.status ?? "?");
  };
  assert.ok(!(await statuses()).includes("CANCELLED"), "nothing of it was done");

  assert.equal((await here.sky(["cancel", "-y", "-a", cluster], bob)).code, 0);
  assert.deepEqual((await statuses()).indexOf("CANCELLED"), 2);
  assert.equal((await statuses())[0], "RUNNING");

  const own = await here.sky(["queue", cluster, "-o", "json"], bob);
  const ids = (JSON.parse(own.stdout) as readonly SeenJob[]).map(({ id }) => id);
  assert.deepEqual(ids, [his]);
  assert.equal((await here.sky(["cancel", "-y", cluster, String(hers), String(hersToo)])).code, 0);
  assert.deepEqual(await statuses(), ["CANCELLED", "CANCELLED", "CANCELLED"]);
});

test("a name that is none is refused, and nothing is done", async () => {
  const odd = { env: { SKYPILOT_USER: "a\u001b[2Jb" } };
  const { code, stderr } = await here.sky(["exec", cluster, "-d", "true"], odd);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /SKYPILOT_USER/);
});

test("of those that wait the higher priority starts first, as their files say", async () => {
  const order = join(here.folder, "order");
  const gate = join(here.folder, "gate");
  const whole = ["resources:", "  cpus: 2"];
  const file = (name: string, ...lines: readonly string[]): string =>
    here.file(`${name}.yaml`, `${[...whole, ...lines].join("\n")}\n`);
  const launch = async (path: string): Promise<void> => {
    const { code, stdout, stderr } = await here.sky(["launch", "-y", "-d", "-c", cluster, path]);
    assert.equal(code, 0, stdout + stderr);
  };
  await launch(file("holds", `run: until [ -e ${gate} ]; do sleep 0.1; done`));
  await phaseReached(here, { cluster, id: (await jobOf(here, cluster)).id }, "RUNNING");
  const ids: number[] = [];
  for (const [name, priority] of [
    ["low", -3],
    ["usual", 0],
    ["high", 10],
    ["late", 10],
  ] as const) {
    await launch(file(name, `priority: ${priority}`, `run: echo ${name} >>${order}`));
    ids.push((await jobOf(here, cluster)).id);
  }
  writeFileSync(gate, "");
  for (const id of ids) await phaseReached(here, { cluster, id }, "SUCCEEDED");
  assert.equal(readFileSync(order, "utf8"), "high\nlate\nusual\nlow\n");
});

test("a job that fails runs again as often as its file says", async () => {
  const tries = join(here.folder, "tries");
  const file = here.file("again.yaml", `max_restarts: 2\nrun: echo try >>${tries}; exit 9\n`);
  const { code, stdout } = await here.sky(["launch", "-y", "-c", cluster, file]);
  assert.equal(code, 100, stdout);
  assert.equal(readFileSync(tries, "utf8"), "try\n".repeat(3));
  assert.equal((await jobOf(here, cluster)).status, "FAILED");
});

test("a job that takes longer than its timeout is ended, with its own grace", async () => {
  const traces = join(here.folder, "traces");
  const run = [
    "timeout: 2s",
    "config:",
    "  grace_seconds: 20",
    "run: |",
    `  trap 'echo asked >>${traces}; sleep 1; echo done >>${traces}; exit 0' TERM`,
    "  while true; do sleep 0.1; done",
  ];
  const file = here.file("slow.yaml", `${run.join("\n")}\n`);
  const { code, stdout, stderr } = await here.sky(["launch", "-y", "-c", cluster, file]);
  assert.equal(code, 100, stdout + stderr);
  await until("it had its grace", () => existsSync(traces));
  assert.equal(readFileSync(traces, "utf8"), "asked\ndone\n");
  const { id } = await jobOf(here, cluster);
  const why = await here.sky(["why", cluster, String(id)]);
  assert.match(why.stdout, /FAILED: it took longer than its timeout of 2s\./);
  assert.match(why.stdout, /rank 0 on head was stopped \(timed-out\)/);
});

test("a stop fails what runs and keeps what ended; ids go on", async () => {
  const done = await submit(here, cluster, "true");
  await phaseReached(here, { cluster, id: done }, "SUCCEEDED");
  const runs = await submit(here, cluster, "sleep 10000");
  await phaseReached(here, { cluster, id: runs }, "RUNNING");
  assert.equal((await here.sky(["stop", "-y", cluster], { timeoutMs: 120_000 })).code, 0);
  assert.equal((await here.sky(["start", "-y", cluster], { timeoutMs: 120_000 })).code, 0);
  assert.equal((await jobOf(here, cluster, done)).status, "SUCCEEDED");
  assert.equal((await jobOf(here, cluster, runs)).status, "FAILED");
  const why = await here.sky(["why", cluster, String(runs)]);
  assert.match(why.stdout, /FAILED: the cluster was stopped/);
  assert.equal(await submit(here, cluster, "true"), runs + 1);
});
