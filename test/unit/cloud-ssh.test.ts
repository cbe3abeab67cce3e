// The cloud `ssh`: finding hosts, bringing nodes up on them, and what a host's failure does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { shownKeys } from "../../clouds/ssh/host-key-text.ts";
import { errorText, SkyError } from "../../model/errors.ts";
import type { HeadFile, HostFile } from "../../model/host-file.ts";
import {
  never,
  nodeIds,
  phasesOf,
  settings,
  settle,
  sshStage,
  unreachable,
} from "./cloud-ssh-stage.ts";

const lab = { lab: [{ name: "h1" }, { name: "h2" }, { name: "h3" }, { name: "h4" }] };
const gpuLab = {
  lab: [
    { name: "h1", gpus: 2 },
    { name: "h2", gpus: 4 },
  ],
};

test("a launch installs on the first host, opens its head, then starts all nodes", async () => {
  const stage = sshStage({ pools: lab });
  const record = await stage.asked("demo", { numNodes: 3 });
  assert.deepEqual(
    record.nodes.map(({ host, ip, target }) => [host, ip, target?.user]),
    [1, 2, 3].map((n) => [`h${n}`, `10.0.0.${n}`, "ada"]),
  );
  assert.deepEqual(await stage.list("demo"), []);
  const place = await stage.cloud.heads.openHead(record, never);
  const folder = `.skylet/clusters/demo-${record.token}/head`;
  assert.deepEqual([place.host, place.home], ["h1", folder]);
  assert.equal(place.socket, `${folder}/head/api.sock`);
  const made = stage.hosts.calls.filter((call) => !call.startsWith("status")).slice(0, 3);
  assert.deepEqual(made.slice(0, 2).sort(), ["install h1", "natsServer h1"]);
  assert.equal(made[2], "start h1");
  const headFile = stage.folder("demo", "h1")?.roles.get("head")?.file as HeadFile;
  assert.deepEqual(headFile.settings, settings);
  await stage.cloud.launch({ token: record.token, cluster: "demo", nodes: record.nodes }, never);
  await settle();
  assert.deepEqual(phasesOf(await stage.list("demo")), ["up", "up", "up"]);
  assert.deepEqual(stage.invited, ["demo head", "demo worker1", "demo worker2"]);
  const file = stage.folder("demo", "h2")?.roles.get("node")?.file as HostFile;
  assert.deepEqual([file.node, file.index, file.ip], ["worker1", 1, "10.0.0.2"]);
});

test("what is being done is told once for hosts that come to it together", async () => {
  let isSlow = true;
  const stage = sshStage({
    pools: lab,
    fault: ({ verb }) => (verb === "claim" && isSlow ? "hang" : undefined),
  });
  await stage.launched("demo", { numNodes: 3 });
  await stage.pass(200);
  isSlow = false;
  await stage.cloud.close();
  await stage.pass(200);
  assert.deepEqual(stage.said, ["installing on all 3 hosts", ""]);
});

test("whatever is asked twice is done once", async () => {
  const stage = sshStage({ pools: lab });
  const record = await stage.launched("demo", { numNodes: 2 });
  const request = { token: record.token, cluster: "demo", nodes: record.nodes };
  stage.set("demo", { status: "INIT" });
  const before = stage.hosts.calls.length;
  const [first, second] = [stage.cloud.launch(request, never), stage.cloud.launch(request, never)];
  await Promise.all([first, second]);
  await settle();
  const starts = stage.hosts.calls.slice(before).filter((call) => call.startsWith("start"));
  assert.deepEqual(starts, ["start h1", "start h2"]);
  const installs = stage.hosts.calls.filter((call) => call === "install h2");
  assert.equal(installs.length, 1);
});

test("a host that is being cleaned is not cleaned by two at a time", async () => {
  const stage = sshStage({ pools: lab });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "STOPPING", goal: "absent" });
  const ids = (await stage.list("demo")).map(({ id }) => id);
  const once = () => stage.cloud.terminate(ids, never);
  await Promise.all([once(), once(), once()]);
  const removals = stage.hosts.calls.filter((call) => call.startsWith("remove"));
  assert.deepEqual([...removals].sort(), ["remove h1", "remove h2"]);
});

test("one host's failure is told with its name, harms no other, and is tried again", async () => {
  let isDown = true;
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) =>
      isDown && host === "h3" && verb !== "status" ? unreachable("h3") : undefined,
  });
  const record = await stage.asked("demo", { numNodes: 4 });
  await stage.cloud.heads.openHead(record, never);
  await stage.cloud.launch({ token: record.token, cluster: "demo", nodes: record.nodes }, never);
  await settle();
  assert.deepEqual(await stage.shown("demo"), [
    "head up",
    "worker1 up",
    "worker2 starting host h3 cannot be reached: no route",
    "worker3 up",
  ]);
  isDown = false;
  const before = stage.hosts.calls.length;
  await stage.list("demo");
  assert.deepEqual(stage.hosts.calls.slice(before), [], "not before its time");
  await stage.pass(1_500);
  await stage.list("demo");
  await settle();
  assert.deepEqual(phasesOf(await stage.list("demo")), ["up", "up", "up", "up"]);
});

test("a failure that stays is stuck, until somebody asks anew", async () => {
  const full = new SkyError("host/unfit", {
    host: "h2",
    why: "the disk is full",
    fix: "Make room",
  });
  let isFull = true;
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) => (isFull && verb === "install" && host === "h2" ? full : undefined),
  });
  const record = await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "INIT" });
  const [, told] = await stage.shown("demo");
  assert.match(told ?? "", /^worker1 starting stuck host h2 cannot be used: the disk is full/);
  isFull = false;
  stage.set("demo", { launchedAt: record.launchedAt + 1 });
  assert.deepEqual((await stage.shown("demo")).slice(1), ["worker1 starting"]);
  await settle();
  assert.deepEqual((await stage.shown("demo")).slice(1), ["worker1 up"]);
});

test("a host that stays away long enough is stuck too", async () => {
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) => (verb === "claim" && host === "h2" ? unreachable("h2") : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  stage.set("demo", { status: "INIT" });
  for (let round = 0; round < 40; round += 1) {
    await stage.pass(1_000);
    await stage.list("demo");
  }
  const [, told] = await stage.shown("demo");
  assert.match(told ?? "", /^worker1 starting stuck host h2 cannot be reached/);
});

test("a host that is gone before anything was done to it is stuck in the end", async () => {
  let isAway = true;
  const stage = sshStage({
    pools: lab,
    fault: ({ host }) => (isAway && host === "h2" ? unreachable("h2") : undefined),
  });
  const record = await stage.asked("demo", { numNodes: 2 });
  stage.set("demo", { busy: { verb: "launch", user: "", since: 0 } });
  const last = async (): Promise<string> => (await stage.shown("demo")).at(-1) ?? "";
  assert.equal(await last(), "worker1 starting host h2 cannot be reached: no route");
  await stage.pass(31_000);
  assert.equal(await last(), "worker1 starting stuck host h2 cannot be reached: no route");
  stage.set("demo", { launchedAt: record.launchedAt + 1 });
  assert.equal(await last(), "worker1 starting host h2 cannot be reached: no route");
  isAway = false;
  await stage.pass(1_000);
  assert.deepEqual(await stage.shown("demo"), []);
});

test("keys that nobody said yes to are told all at once, and nothing is done", async () => {
  const stage = sshStage({ pools: lab, strangers: ["h2", "h4"] });
  const asked = stage.asked("demo", { numNodes: 2 });
  const error = await asked.then(
    () => undefined,
    (why: unknown) => why,
  );
  assert.ok(error instanceof SkyError && error.code === "ssh/host-key-unknown");
  assert.deepEqual(shownKeys(errorText(error)), [
    { host: "h2", type: "ED25519", fingerprint: "SHA256:h2" },
    { host: "h4", type: "ED25519", fingerprint: "SHA256:h4" },
  ]);
  assert.deepEqual(stage.trusted, []);
  await assert.rejects(stage.asked("demo", { numNodes: 2, trustedHostKeys: ["SHA256:h2"] }));
  await stage.asked("demo", { numNodes: 2, trustedHostKeys: ["SHA256:h4"] });
  assert.deepEqual(stage.trusted, ["SHA256:h2", "SHA256:h4"]);
});

test("with `*` every new key is trusted, and a host that is away is left out", async () => {
  const stage = sshStage({
    pools: lab,
    strangers: ["h1", "h3"],
    probeFault: (host) => (host === "h2" ? unreachable("h2") : undefined),
  });
  const wanted = { cluster: "demo", asked: {}, numNodes: 3, trustedHostKeys: ["*"] };
  const found = await stage.cloud.find(wanted, never);
  assert.deepEqual(
    found.nodes.map(({ host }) => host),
    ["h1", "h3", "h4"],
  );
  assert.deepEqual(found.leftOut, [{ host: "h2", why: "host h2 cannot be reached: no route" }]);
});

test("a pool that is not there, or none at all, is told with what there is", async () => {
  const none = sshStage({ pools: {} });
  await assert.rejects(none.asked("demo", { numNodes: 1 }), /ssh_node_pools.yaml/);
  const stage = sshStage({ pools: lab });
  const wrong = stage.asked("demo", { numNodes: 1, region: "attic" });
  await assert.rejects(wrong, /there is no pool attic: there are lab/);
});

test("without a pool the first that fits is taken; where none does, each says why", async () => {
  const stage = sshStage({ pools: { small: [{ name: "h9" }], ...lab } });
  assert.equal((await stage.asked("demo", { numNodes: 3 })).region, "lab");
  await assert.rejects(
    stage.asked("large", { numNodes: 7 }),
    /pool small has 1 of 7.*pool lab has 4 of 7/s,
  );
});

test("two clusters that are launched at the same time share hosts and no device", async () => {
  const stage = sshStage({ pools: gpuLab });
  const accelerators = { name: "A100", count: 2 };
  const [one, two] = await Promise.all([
    stage.asked("one", { numNodes: 2, accelerators }),
    stage.asked("two", { numNodes: 1, accelerators }),
  ]);
  const held = [one, two].flatMap(({ nodes }) =>
    nodes.flatMap(({ host, capacity }) =>
      capacity.accelerators.flatMap(({ ids = [] }) => ids.map((id) => `${host} ${id}`)),
    ),
  );
  assert.equal(new Set(held).size, 6, held.join());
  await assert.rejects(
    stage.asked("three", { numNodes: 1, accelerators }),
    /pool lab has 0 of 1 node/,
  );
  const plain = await stage.launched("plain", { numNodes: 1 });
  // Its jobs see none of the devices that others hold.
  assert.deepEqual(plain.nodes[0]?.capacity.accelerators, [{ name: "A100", count: 0, ids: [] }]);
});

test("a device that a cluster of another home took meanwhile fails its node alone", async () => {
  const stage = sshStage({ pools: gpuLab });
  const accelerators = { name: "A100", count: 2 };
  const record = await stage.asked("demo", { numNodes: 2, accelerators });
  stage.hosts.host("h2").claims.set("gpu-1", "theirs-12345678");
  await stage.cloud.heads.openHead(record, never);
  await stage.cloud.launch({ token: record.token, cluster: "demo", nodes: record.nodes }, never);
  await settle();
  const [, told] = await stage.shown("demo");
  assert.match(told ?? "", /^worker1 starting stuck host h2 .*theirs-12345678 has gpu-1/);
  assert.equal(stage.hosts.host("h2").claims.get("gpu-0"), undefined);
});

test("the second cluster on a host has a workdir of another name", async () => {
  const stage = sshStage({ pools: { lab: [{ name: "h1" }] } });
  await stage.launched("one", { numNodes: 1 });
  await stage.launched("two", { numNodes: 1 });
  const files = ["one", "two"].map((name) => stage.folder(name, "h1")?.roles.get("node")?.file);
  const names = files.map((file) => file && "workdir" in file && file.workdir);
  assert.deepEqual(names, ["sky_workdir", "sky_workdir-two"]);
});

test("close leaves what runs on hosts, and ends what is being done", async () => {
  const stage = sshStage({
    pools: lab,
    fault: ({ verb, host }) => (verb === "start" && host === "h2" ? "hang" : undefined),
  });
  await stage.launched("demo", { numNodes: 2 });
  assert.deepEqual(await stage.shown("demo"), ["head up", "worker1 starting"]);
  await stage.cloud.close();
  assert.equal(stage.folder("demo", "h1")?.roles.get("node")?.status, "running");
  assert.deepEqual(nodeIds(2, "demo"), ["demo/head", "demo/worker1"]);
});
