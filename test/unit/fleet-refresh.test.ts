// Status refresh: each row of SkyPilot's table, against a cloud whose machines change unasked.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../../clouds/cloud.ts";
import { isOpen } from "../../clouds/usage.ts";
import { SkyError } from "../../model/errors.ts";
import { launched, never, request, type Stage, stage } from "./fleet-stage.ts";

async function refreshed(made: Stage, isAutodown = false): Promise<[string, boolean]> {
  const asked = made.fleets().refresh("demo", { isAutodown }, never);
  await made.pass(10_000);
  const { text, failed } = await asked;
  return [text, failed];
}

function turnAll({ cloud }: Stage, phase: Machine["phase"]): void {
  for (const { id } of cloud.machines()) cloud.turn(id, phase);
}

/** A cluster that was stopped. */
async function stoppedStage(): Promise<Stage> {
  const made = await launched();
  void made.fleets().stop("demo", "ada", never);
  await made.pass(3_000);
  assert.equal(made.record().status, "STOPPED");
  return made;
}

test("all up and alive: UP, and nothing to say", async () => {
  const made = await launched();
  assert.deepEqual(await refreshed(made), ["", false]);
  assert.equal(made.record().status, "UP");
  assert.deepEqual(made.asked, ["open"], "autostop stays, nothing is closed");
});

test("none left: the record goes, and the text says whether it went by itself", async () => {
  for (const [isAutodown, text] of [
    [true, "Autodowned cluster(s): demo"],
    [false, "Cluster(s) terminated on the cloud: demo"],
  ] as const) {
    const made = await launched();
    for (const { id } of made.cloud.machines()) made.cloud.lose(id);
    assert.deepEqual(await refreshed(made, isAutodown), [text, false]);
    assert.equal(made.fleets().record("demo"), undefined);
    assert.deepEqual(made.asked, ["open", "close", "clear"]);
    assert.deepEqual(made.cloud.machines(), [], "none was launched in their place");
    assert.equal(made.fleets().gone()[0]?.name, "demo");
  }
});

test("none left of a stopped cluster: the same", async () => {
  const made = await stoppedStage();
  for (const { id } of made.cloud.machines()) made.cloud.lose(id);
  assert.match((await refreshed(made))[0], /terminated on the cloud: demo/);
  assert.equal(made.fleets().record("demo"), undefined);
});

test("none left, and its jobs take long to end: that is not waited for", async () => {
  const made = await launched({ closeHead: () => new Promise(() => {}) });
  for (const { id } of made.cloud.machines()) made.cloud.lose(id);
  assert.deepEqual(await refreshed(made), ["Cluster(s) terminated on the cloud: demo", false]);
  assert.equal(made.record().status, "STOPPING");
  assert.deepEqual(await refreshed(made), ["", false]);
});

test("all stopped: STOPPED, without any being woken", async () => {
  const made = await launched();
  turnAll(made, "stopped");
  assert.deepEqual(await refreshed(made), ["", false]);
  assert.equal(made.record().status, "STOPPED");
  assert.ok(!isOpen(made.record().usage ?? { intervals: [], earlierMs: 0 }), "it costs nothing");
  assert.ok(made.cloud.machines().every(({ phase }) => phase === "stopped"));
  assert.ok(made.asked.includes("close"), "its jobs are told");
});

test("a part is missing: INIT, autostop off, and none is launched unasked", async () => {
  const made = await launched();
  made.cloud.lose(made.cloud.machines()[0]?.id ?? "");
  const [text, failed] = await refreshed(made);
  assert.match(text, /^Cluster 'demo' is INIT: 1 of 2 machines up\. .*sky start demo$/);
  assert.equal(failed, false);
  assert.equal(made.record().status, "INIT");
  assert.ok(made.asked.includes("disarm"));
  assert.equal(made.cloud.machines().length, 1);
  assert.match((await refreshed(made))[0], /1 of 2 machines up/, "as often as it is asked");
  await made.restart();
  await made.pass(3_000);
  assert.equal(made.cloud.machines().length, 1, "nor by a start of the head");
  const start = { command: "", user: "bob", force: false };
  void made.fleets().start("demo", start, never);
  await made.pass(3_000);
  assert.equal(made.cloud.machines().length, 2);
  assert.equal(made.record().status, "UP");
});

test("some stopped: INIT; when all are up and alive again it is UP by itself", async () => {
  const made = await launched();
  const [first] = made.cloud.machines();
  made.cloud.turn(first?.id ?? "", "stopped");
  assert.match((await refreshed(made))[0], /INIT: 1 of 2/);
  made.cloud.turn(first?.id ?? "", "up");
  await made.pass(3_000);
  assert.equal(made.record().status, "UP");
});

test("all up and an agent is silent: INIT, and which one", async () => {
  const made = await launched();
  made.silence("worker1");
  assert.match((await refreshed(made))[0], /2 of 2 machines up and worker1 silent/);
  assert.equal(made.record().status, "INIT");
});

test("a machine that comes up within seconds is waited for", async () => {
  const made = await launched();
  const [first] = made.cloud.machines();
  made.cloud.turn(first?.id ?? "", "starting");
  const asked = made.fleets().refresh("demo", { isAutodown: false }, never);
  await made.pass(1_000);
  made.cloud.turn(first?.id ?? "", "up");
  await made.pass(3_000);
  assert.deepEqual(await asked, { text: "", failed: false });
  assert.equal(made.record().status, "UP");
});

test("a stopped cluster whose machines run: INIT, and they cost", async () => {
  const made = await stoppedStage();
  made.silence("head");
  turnAll(made, "up");
  assert.match((await refreshed(made))[0], /INIT: 2 of 2 machines up/);
  assert.ok(isOpen(made.record().usage ?? { intervals: [], earlierMs: 0 }));
});

test("more than were launched: what was known is kept, and the machines are named", async () => {
  const made = await launched();
  made.cloud.stray("demo");
  const [text, failed] = await refreshed(made);
  assert.equal(failed, true);
  assert.match(text, /the cloud has 3 of its machines, not 2 \(m-1, m-2, m-3\)/);
  assert.equal(made.record().status, "UP");
});

test("the cloud cannot be asked: what was known is kept", async () => {
  let isAway = false;
  const fault = () =>
    isAway ? new SkyError("head/unreachable", { why: "no network" }) : undefined;
  const made = await launched({ fault });
  isAway = true;
  const [text, failed] = await refreshed(made);
  assert.equal(failed, true);
  assert.match(text, /^Failed to refresh status for cluster 'demo': .*no network/);
  assert.equal(made.record().status, "UP");
});

test("while it is being stopped by autostop that is said, and nothing is changed", async () => {
  for (const [verb, text] of [
    ["stop", "Cluster 'demo' is autostopping."],
    ["down", "Cluster 'demo' is autodowning."],
  ] as const) {
    const made = await launched({ closeHead: () => new Promise(() => {}) });
    made.fleets().windDown("demo", verb, "it was idle");
    await made.pass(1_000);
    for (const { id } of made.cloud.machines()) made.cloud.lose(id);
    assert.deepEqual(await refreshed(made), [text, false]);
    assert.equal(made.record().status, "STOPPING", "never INIT");
    assert.ok(!made.asked.includes("disarm"));
  }
});

test("after a start of the head nodes that it must wake are waited for", async () => {
  const made = await launched();
  // As on a local cloud: the agents ended with the head.
  turnAll(made, "stopped");
  await made.restart();
  assert.deepEqual(await refreshed(made), ["", false]);
  assert.equal(made.record().status, "UP");
  assert.ok(!made.asked.includes("close"), "no job was ended");
});

test("what a refresh found INIT stays so over a start of the head, and is woken", async () => {
  const made = await launched();
  const [first, second] = made.cloud.machines();
  made.cloud.lose(first?.id ?? "");
  await refreshed(made);
  made.cloud.turn(second?.id ?? "", "stopped");
  await made.restart();
  await made.pass(3_000);
  assert.equal(made.cloud.machines()[0]?.phase, "up", "its jobs may go on");
  made.cloud.turn(second?.id ?? "", "stopped");
  await made.pass(3_000);
  assert.equal(made.cloud.machines()[0]?.phase, "stopped", "only once");
  assert.equal(made.record().status, "INIT");
});

test("while it is being launched the launch itself tells how far it is", async () => {
  const made = await stage({ listsUntilUp: 1_000 });
  void made.fleets().launch(request(), never);
  await made.pass(1_000);
  assert.deepEqual(await refreshed(made), ["", false]);
  assert.equal(made.cloud.machines().length, 2);
});
