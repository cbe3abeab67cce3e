// The cloud `ssh` after a launch: what it sees of hosts, what it revives, stops and removes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import {
  never,
  nodeIds,
  phasesOf,
  type SshStage,
  type SshStageOptions,
  settle,
  sshStage,
  unreachable,
} from "./cloud-ssh-stage.ts";

const lab = { lab: [{ name: "h1" }, { name: "h2" }, { name: "h3" }] };

test("a host that cannot be reached is as it was last, with its trouble, never gone", async () => {
  const away = new Set<string>();
  const stage = sshStage({
    pools: lab,
    fault: ({ host }) => (away.has(host) ? unreachable(host) : undefined),
  });
  await stage.launched("demo", { numNodes: 3 });
  assert.deepEqual(phasesOf(await stage.list("demo")), ["up", "up", "up"]);
  away.add("h2");
  const [, told] = await stage.shown("demo");
  assert.equal(told, "worker1 up host h2 cannot be reached: no route");
});

test("a host that says nothing has its time, and holds up no other", async () => {
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) => (verb === "status" && host === "h2" ? "hang" : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  const shown = stage.shown("demo");
  await stage.pass(11_000);
  assert.deepEqual(await shown, [
    "head up",
    "worker1 up host h2 cannot be reached: no answer within 10 s",
  ]);
});

test("an agent that died is started at the next look, with a new invitation", async () => {
  const stage = sshStage({ pools: lab });
  await stage.launched("demo", { numNodes: 2 });
  stage.hosts.reboot("h2");
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 starting"]);
  await settle();
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up"]);
  assert.deepEqual(stage.invited, ["demo head", "demo worker1", "demo worker1"]);
});

test("a silent node is started where its agent is dead, and left where it runs", async () => {
  const stage = sshStage({ pools: lab });
  const record = await stage.launched("demo", { numNodes: 3 });
  stage.hosts.reboot("h2");
  const before = stage.hosts.calls.length;
  const silent = ["worker1", "worker2"];
  const again = stage.cloud.heads.revive(record, silent, never);
  await Promise.all([again, stage.cloud.heads.revive(record, silent, never)]);
  const starts = () => stage.hosts.calls.slice(before).filter((call) => call.startsWith("start"));
  assert.deepEqual(starts(), ["start h2"]);
  await stage.pass(61_000);
  await stage.cloud.heads.revive(record, ["worker2"], never);
  assert.deepEqual(starts(), ["start h2", "start h3"], "it runs, and has been silent for long");
});

test("reviving a host that is away waits longer each time", async () => {
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host, count }) =>
      verb === "status" && host === "h2" && count > 1 ? unreachable("h2") : undefined,
  });
  const record = await stage.launched("demo", { numNodes: 2 });
  await stage.list("demo");
  const before = stage.hosts.calls.length;
  for (let second = 0; second < 60; second += 1) {
    await stage.cloud.heads.revive(record, ["worker1"], never);
    await stage.pass(1_000);
  }
  const looks = stage.hosts.calls.slice(before).length;
  assert.ok(looks >= 5 && looks <= 8, `${looks} looks in a minute`);
});

test("what ended on purpose is not revived, nor brought back by a look", async () => {
  const stage = sshStage({ pools: lab });
  const record = await stage.launched("demo", { numNodes: 2 });
  for (const host of ["h1", "h2"]) {
    const folder = stage.folder("demo", host);
    if (folder !== undefined) folder.ended = { verb: "stop", why: "idle", at: 0 };
    stage.hosts.reboot(host);
  }
  const before = stage.hosts.calls.length;
  await stage.cloud.heads.revive(record, ["head", "worker1"], never);
  assert.deepEqual(await stage.shown("demo"), ["head stopped", "worker1 stopped"]);
  await stage.cloud.start(nodeIds(2, "demo"), never);
  await stage.cloud.heads.revive(record, ["head", "worker1"], never);
  await settle();
  const done = stage.hosts.calls.slice(before).filter((call) => !call.startsWith("status"));
  assert.deepEqual(done, []);
  assert.equal((await stage.cloud.heads.endOf(record, never))?.verb, "stop");
  // Until somebody asks for it.
  stage.set("demo", { status: "INIT", launchedAt: record.launchedAt + 1 });
  await stage.cloud.start(nodeIds(2, "demo"), never);
  await settle();
  assert.deepEqual(phasesOf(await stage.list("demo")), ["up", "up"]);
});

test("one that took itself down is gone; one that is taken down is there meanwhile", async () => {
  const stage = sshStage({ pools: lab });
  await stage.launched("demo", { numNodes: 1 });
  const folder = stage.folder("demo", "h1");
  if (folder !== undefined) folder.ended = { verb: "down", why: "idle", at: 0 };
  assert.deepEqual(await stage.shown("demo"), ["head gone"]);
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  assert.deepEqual(await stage.shown("demo"), ["head stopped"]);
});

test("stop and start: the runtime ends and comes back with new invitations", async () => {
  const stage = sshStage({ pools: lab });
  await stage.launched("demo", { numNodes: 2 });
  const ids = nodeIds(2, "demo");
  stage.set("demo", { status: "STOPPING", goal: "stopped" });
  await stage.cloud.stop(ids, never);
  await stage.cloud.stop(ids, never);
  assert.deepEqual(await stage.shown("demo"), ["head stopped", "worker1 stopped"]);
  await stage.cloud.start(ids, never);
  await settle();
  assert.deepEqual(await stage.shown("demo"), ["head stopped", "worker1 stopped"]);
  stage.set("demo", { status: "INIT", goal: "running", launchedAt: 1e6 });
  await stage.cloud.start(ids, never);
  await settle();
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up"]);
  assert.equal(stage.invited.length, 4);
});

test("terminate removes everywhere, tells what stays, and is done once", async () => {
  const stage = sshStage({ pools: lab, kept: ["~/sky_workdir: 3 files"] });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  await stage.cloud.terminate(nodeIds(2, "demo"), never);
  assert.deepEqual(await stage.list("demo"), []);
  assert.equal(stage.hosts.host("h1").claims.size, 0);
  await stage.cloud.terminate(nodeIds(2, "demo"), never);
  assert.deepEqual(stage.cloud.kept("demo"), [
    "h1: ~/sky_workdir: 3 files",
    "h2: ~/sky_workdir: 3 files",
  ]);
  assert.deepEqual(stage.cloud.kept("demo"), []);
});

test("what is being removed is not removed a second time meanwhile", async () => {
  let isSlow = true;
  const stage = sshStage({
    pools: lab,
    kept: ["~/sky_workdir: 3 files"],
    fault: ({ verb }) => (verb === "remove" && isSlow ? "hang" : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  const stop = new AbortController();
  const ids = nodeIds(2, "demo");
  const first = stage.cloud.terminate(ids, stop.signal);
  await settle();
  const again = stage.cloud.terminate(ids, never);
  await settle();
  const removals = () => stage.hosts.calls.filter((call) => call.startsWith("remove"));
  assert.equal(removals().length, 2);
  isSlow = false;
  stop.abort();
  await assert.rejects(first);
  await assert.rejects(again);
  await stage.cloud.terminate(ids, never);
  await stage.cloud.terminate(ids, never);
  assert.equal(removals().length, 4);
  assert.equal(stage.cloud.kept("demo").length, 2);
});

test("a host that is away keeps no other from being removed, and is told in the end", async () => {
  const away = new Set(["h1"]);
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) =>
      verb === "remove" && away.has(host) ? unreachable(host) : undefined,
  });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  const remove = () => stage.cloud.terminate(nodeIds(2, "demo"), never);
  const isRetry = (error: unknown) => error instanceof SkyError && error.remedy === "retry";
  await assert.rejects(remove(), isRetry);
  assert.deepEqual(await stage.shown("demo"), ["head up"]);
  await assert.rejects(remove(), isRetry);
  await assert.rejects(
    remove(),
    (error) => error instanceof SkyError && error.code === "ssh/failed",
  );
  // From here on it waits longer each time, unless it is to be given up.
  const before = stage.hosts.calls.length;
  const failing = assert.rejects(remove());
  await stage.pass(500);
  assert.equal(stage.hosts.calls.length, before);
  const plain = stage.set("demo", {});
  stage.set("demo", { purge: true });
  await Promise.all([failing, assert.rejects(remove())]);
  stage.records.set("demo", plain);
  away.clear();
  const removed = remove();
  await stage.pass(40_000);
  await removed;
  assert.deepEqual(await stage.list("demo"), []);
});

test("a removal that fails for what does not pass by itself is not hurried", async () => {
  const changed = new SkyError("ssh/host-key-changed", {
    host: "h2",
    file: "known",
    why: "another",
  });
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host, count }) =>
      host === "h2" && (verb === "remove" || (verb === "status" && count > 1))
        ? changed
        : undefined,
  });
  await stage.launched("demo", { numNodes: 2 });
  await stage.list("demo");
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  const before = stage.hosts.calls.length;
  for (let second = 0; second < 120; second += 1) {
    await stage.list("demo");
    stage.cloud.terminate(nodeIds(2, "demo"), never).catch(() => {}); // It is told above.
    await stage.pass(1_000);
  }
  const tries = stage.hosts.calls.slice(before).filter((call) => call.endsWith("h2")).length;
  // At most seven looks and seven removals: the pauses double from a second on.
  assert.ok(tries >= 4 && tries <= 14, `${tries} tries in two minutes`);
});

test("a host that stays away while its cluster goes is looked at less and less often", async () => {
  let isAway = false;
  const stage = sshStage({
    pools: lab,
    fault: ({ host }) => (isAway && host === "h2" ? unreachable("h2") : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  isAway = true;
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  const looks = () => stage.hosts.calls.filter((call) => call === "status h2").length;
  const before = looks();
  for (let second = 0; second < 60; second += 1) {
    await stage.list("demo");
    await stage.pass(1_000);
  }
  assert.ok(looks() - before <= 7, `${looks() - before} looks in a minute`);
  assert.match((await stage.shown("demo"))[1] ?? "", /cannot be reached/);
  stage.set("demo", { status: "UP", goal: "running" });
  isAway = false;
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up"]);
});

test("a launch that is taken down while it goes on starts nothing any more", async () => {
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) => (verb === "install" && host === "h2" ? "hang" : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  assert.equal(stage.hosts.hanging(), 1);
  await stage.cloud.terminate(nodeIds(2, "demo"), never);
  assert.equal(stage.hosts.hanging(), 0);
  await stage.pass(60_000);
  assert.equal(stage.hosts.host("h1").folders.size, 0);
  assert.equal(stage.hosts.host("h2").folders.size, 0);
  assert.deepEqual(await stage.list("demo"), []);
});

/** As a head that was started anew, with another bundle, over the same hosts. */
function later(stage: SshStage, options: Omit<SshStageOptions, "pools"> = {}): SshStage {
  const made = sshStage({ pools: lab, ...options });
  made.bundle = "b2";
  for (const { name } of lab.lab) {
    for (const [id, folder] of stage.hosts.host(name).folders) {
      made.hosts.host(name).folders.set(id, folder);
    }
  }
  for (const [name, record] of stage.records) made.records.set(name, record);
  return made;
}

test("a later version replaces what runs, and it is up all the time", async () => {
  const first = sshStage({ pools: lab });
  const record = await first.launched("demo", { numNodes: 3 });
  const stage = later(first);
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up", "worker2 up"]);
  const renewed = stage.cloud.heads.renew?.(record, never);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up", "worker2 up"]);
  await renewed;
  for (const host of ["h1", "h2", "h3"]) assert.equal(stage.folder("demo", host)?.bundle, "b2");
  const starts = stage.hosts.calls.filter((call) => call.startsWith("start"));
  assert.equal(starts[0], "start h1", "the head comes first");
  assert.equal(starts.length, 4);
  assert.match(
    stage.notes.join(),
    /is being replaced: from b1 to b2,.*was replaced: from b1 to b2/,
  );
  await stage.cloud.heads.renew?.(record, never);
  assert.equal(stage.hosts.calls.filter((call) => call.startsWith("start")).length, 4);
});

test("a host that a later version does not come to keeps its own, and that is told", async () => {
  const first = sshStage({ pools: lab });
  const record = await first.launched("demo", { numNodes: 2 });
  const stage = later(first, {
    fault: ({ verb, host }) =>
      verb === "install" && host === "h2" ? unreachable("h2") : undefined,
  });
  await assert.rejects(
    async () => stage.cloud.heads.renew?.(record, never),
    /h2 cannot be reached/,
  );
  assert.equal(stage.folder("demo", "h1")?.bundle, "b2");
  assert.equal(stage.folder("demo", "h2")?.bundle, "b1");
  assert.match(stage.notes.at(-1) ?? "", /not all from b1 to b2; host h2 cannot be reached/);
});

test("a host whose folder is gone is no machine any more, and can be made one again", async () => {
  const stage = sshStage({ pools: lab });
  const record = await stage.launched("demo", { numNodes: 2 });
  stage.hosts.host("h2").folders.clear();
  stage.hosts.host("h2").bundles.clear();
  assert.deepEqual(await stage.shown("demo"), ["head up"]);
  await stage.cloud.launch({ token: record.token, cluster: "demo", nodes: record.nodes }, never);
  await settle();
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 up"]);
});

test("a host is let go of when no cluster is on it any more", async () => {
  const stage = sshStage({ pools: { lab: [{ name: "h1" }, { name: "h2" }] } });
  await stage.launched("one", { numNodes: 2 });
  await stage.launched("two", { numNodes: 1 });
  for (const [name, count] of [
    ["one", 2],
    ["two", 1],
  ] as const) {
    stage.set(name, { status: "STOPPING", goal: "absent" });
    await stage.cloud.terminate(nodeIds(count, name), never);
    stage.records.delete(name);
    assert.deepEqual(stage.left, name === "one" ? ["h2"] : ["h2", "h1"]);
  }
});

test("a host is let go of too when its clusters go at the same time", async () => {
  const stage = sshStage({ pools: { lab: [{ name: "h1" }] } });
  for (const name of ["one", "two"]) await stage.launched(name, { numNodes: 1 });
  for (const name of ["one", "two"]) stage.set(name, { status: "STOPPING", goal: "absent" });
  for (const name of ["one", "two"]) await stage.cloud.terminate(nodeIds(1, name), never);
  assert.ok(stage.left.includes("h1"));
});
