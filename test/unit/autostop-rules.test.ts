// The rules of autostop that users of SkyPilot know, through the whole scheduler. Those of its
// machine alone are in `scheduler-autostop.test.ts`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import type { AutostopSetting } from "../../scheduler/messages.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";
import { launched } from "./fleet-stage.ts";

const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "1" };
const minute = 60_000;
const refusal = new SkyError("process/failed", { what: "stop", why: "denied" });

function armed(setting: AutostopSetting | undefined, nodes = 1): World {
  const world = new World({ nodes: nodesOf(Array(nodes).fill(capacity(1))) }).join();
  set(world, setting);
  return world;
}

function set(world: World, setting: AutostopSetting | undefined): void {
  world.say({ kind: "set-autostop", setting, replyTo });
}

const stopAfter = (idleMs: number): AutostopSetting => ({ idleMs, verb: "stop" });

test("an idle cluster stops after the time that was set, and asks once", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute - 1_000);
  assert.deepEqual(world.shutdowns, []);
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("with down it goes for good", () => {
  const world = armed({ idleMs: minute, verb: "down" });
  world.pass(minute);
  assert.deepEqual(world.shutdowns, ["down"]);
});

test("zero means as soon as it is idle", () => {
  const world = armed(stopAfter(0));
  world.pass(0);
  assert.deepEqual(world.shutdowns, ["stop"]);
  const busy = armed(undefined);
  const [id = 0] = busy.submitted(task());
  set(busy, stopAfter(0));
  busy.pass(10 * minute);
  assert.deepEqual(busy.shutdowns, []);
  busy.exit(busy.rank(id, 0));
  busy.pass(0);
  assert.deepEqual(busy.shutdowns, ["stop"]);
});

test("a job restarts the timer, however short, and whatever it was idle before", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute - 1_000);
  const [id = 0] = world.submitted(task());
  world.exit(world.rank(id, 0));
  world.pass(minute - 1_000);
  assert.deepEqual(world.shutdowns, []);
  world.pass(2_000);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("setup is busy, and so is waiting for room", () => {
  const world = armed(stopAfter(minute), 1);
  const wide = { resources: { cpus: { amount: 1, orMore: false } } };
  const [id = 0, waits = 0] = world.submitted(task({ ...wide, setup: "make" }), task(wide));
  assert.equal(world.job(id).status, "SETTING_UP");
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  world.exit({ job: id, attempt: 1, phase: "setup", index: 0 });
  world.exit(world.rank(id, 0));
  assert.equal(world.job(waits).status, "RUNNING");
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  world.cancel([waits]);
  world.pass(minute + 1_000);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("the launch that arms it is activity: its job is there before the timer is", () => {
  const world = armed(undefined);
  world.submit([task({ name: "first" })], { autostop: stopAfter(0) });
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  world.exit(world.running()[0]?.process.key ?? assert.fail("it runs"));
  world.pass(0);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("a submit whose files are being packed is activity, and restarts the timer", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute - 1_000);
  world.say({ kind: "submits-held", count: 1 });
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  world.say({ kind: "submits-held", count: 0 });
  world.pass(minute - 1_000);
  assert.deepEqual(world.shutdowns, []);
  world.pass(2_000);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("a node that takes part in a transfer keeps its cluster from being idle", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute - 1_000);
  world.say({ kind: "transfers-held", count: 2 });
  assert.match(world.board.autostop()?.verdict ?? "", /not idle: a transfer uses its nodes/);
  world.say({ kind: "transfers-held", count: 1 });
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  world.say({ kind: "transfers-held", count: 0 });
  world.pass(minute + 1_000);
  assert.deepEqual(world.shutdowns, ["stop"]);
});

test("cancelled is off; set again it starts anew; changed it keeps the idleness", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute / 2);
  set(world, undefined);
  world.pass(10 * minute);
  assert.deepEqual(world.shutdowns, []);
  set(world, stopAfter(minute));
  world.pass(minute - 1_000);
  assert.deepEqual(world.shutdowns, []);
  set(world, stopAfter(minute / 2));
  world.pass(0);
  assert.deepEqual(world.shutdowns, ["stop"], "it has been idle for longer than that");
});

test("a stop clears the setting: what is started again has none", () => {
  for (const isAutostop of [true, false]) {
    const world = armed(stopAfter(minute));
    if (isAutostop) world.pass(minute);
    const before = world.shutdowns.length;
    assert.equal(before, isAutostop ? 1 : 0);
    world.say({ kind: "close", verb: "stopped", replyTo });
    world.say({ kind: "open" });
    assert.equal(world.board.autostop(), undefined);
    world.pass(10 * minute);
    assert.equal(world.shutdowns.length, before);
    world.submitted(task());
    assert.equal(world.running().length, 1, "it takes jobs");
  }
});

test("a launch on a cluster that is up restarts the timer", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute - 1_000);
  world.say({ kind: "open" });
  world.pass(minute - 1_000);
  assert.deepEqual(world.shutdowns, []);
});

test("a head that is killed while it stops asks again; the verdict is on record", () => {
  const world = armed(stopAfter(minute));
  world.pass(minute);
  assert.deepEqual(world.shutdowns, ["stop"]);
  world.restartHead();
  assert.deepEqual(world.shutdowns, ["stop", "stop"]);
  assert.match(world.board.autostop()?.verdict ?? "", /stopping the cluster/);
});

test("a stop that the cloud refuses is tried again; asked for twice it is one", async () => {
  let left = 5;
  const made = await launched({
    fault: ({ verb }) => (verb === "stop" && left-- > 0 ? refusal : undefined),
  });
  for (let times = 0; times < 3; times += 1) {
    made.fleets().windDown("demo", "stop", "it was idle");
    await made.pass(1_000);
    assert.equal(made.record().status, "STOPPING", "never INIT");
  }
  await made.pass(20_000);
  assert.equal(made.record().status, "STOPPED");
  assert.ok(made.cloud.machines().every(({ phase }) => phase === "stopped"));
  assert.equal(made.cloud.machines().length, 2, "none was made on the way");
});
