// Autostop: fires when idle, never while a job has not ended, and says why it did not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { place, until } from "../support/programs.ts";
import { jobOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  for (const name of ["stops", "downs", "busy"]) {
    const up = await here.sky(["launch", "-y", "-c", name, "--cpus", "4"]);
    assert.equal(up.code, 0, up.stdout + up.stderr);
  }
});
after(() => here.close());

async function statusOf(name: string): Promise<string | undefined> {
  const { stdout } = await here.sky(["status", "-o", "json"]);
  const rows: { name: string; status: string }[] = JSON.parse(stdout);
  return rows.find((row) => row.name === name)?.status;
}

test("an idle cluster stops, and starts again with its job history", async () => {
  await here.sky(["exec", "stops", "echo before"]);
  const set = await here.sky(["autostop", "-y", "stops", "--idle-seconds", "0.5"]);
  assert.equal(set.code, 0, set.stderr);
  await until("it has stopped", async () => (await statusOf("stops")) === "STOPPED");
  const refused = await here.sky(["exec", "stops", "true"]);
  assert.equal(refused.code, 1, refused.stderr);
  const started = await here.sky(["start", "-y", "stops"]);
  assert.equal(started.code, 0, started.stderr);
  assert.equal(await statusOf("stops"), "UP");
  assert.equal((await jobOf(here, "stops")).status, "SUCCEEDED");
  assert.equal((await here.sky(["exec", "stops", "echo after"])).code, 0);
});

test("with --down an idle cluster goes for good", async () => {
  await here.sky(["autostop", "-y", "downs", "--idle-seconds", "0.5", "--down"]);
  await until("it is gone", async () => (await statusOf("downs")) === undefined);
});

test("it never fires while a job runs; the timer starts again when the job has ended", async () => {
  const id = await submit(here, "busy", "until [ -e ~/go ]; do sleep 0.05; done");
  await phaseReached(here, { cluster: "busy", id: id }, "RUNNING");
  await here.sky(["autostop", "-y", "busy", "--idle-seconds", "1"]);
  const why = await here.sky(["why", "busy"]);
  assert.match(why.stdout, new RegExp(`not idle: job ${id}`), why.stdout);
  assert.equal((await here.sky(["exec", "busy", "touch ~/go"])).code, 0);
  const ended = await phaseReached(here, { cluster: "busy", id: id }, "SUCCEEDED");
  await until("it has stopped", async () => (await statusOf("busy")) === "STOPPED");
  const after = await here.sky(["why", "busy", "-o", "json"]);
  const chain: { at: number; to?: string }[] = JSON.parse(after.stdout).chain;
  const stopped = chain.filter((event) => event.to?.toLowerCase() === "stopping").at(-1);
  assert.ok(stopped !== undefined && ended.endedAt !== undefined, after.stdout);
  assert.ok(stopped.at - ended.endedAt >= 900, `stopped ${stopped.at - ended.endedAt} ms after`);
});

test("autostop --cancel disarms it", async () => {
  await here.sky(["start", "-y", "busy"]);
  await here.sky(["autostop", "-y", "busy", "--idle-seconds", "600"]);
  assert.match((await here.sky(["status", "busy"])).stdout, /10m/);
  await here.sky(["autostop", "-y", "busy", "--cancel"]);
  const { stdout } = await here.sky(["status", "busy", "-o", "json"]);
  assert.equal(JSON.parse(stdout)[0].autostop ?? null, null);
});
