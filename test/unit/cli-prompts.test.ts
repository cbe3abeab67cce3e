// What launch, the interactive nodes and the commands on several clusters ask, of whom, and what
// they then ask the head for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { autostop } from "../../client/cli/autostop.ts";
import { down } from "../../client/cli/down.ts";
import { launch } from "../../client/cli/launch.ts";
import { cpunode, gpunode } from "../../client/cli/nodes.ts";
import { start } from "../../client/cli/start.ts";
import { stop } from "../../client/cli/stop.ts";
import type { Head } from "../../client/head.ts";
import { userName } from "../../client/world-os.ts";
import type { ClusterStatus, ClusterView } from "../../model/cluster.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { clusterOf, stage } from "./cli-stage.ts";

interface Calls {
  readonly head: Partial<Head>;
  readonly made: string[];
}

/** A head that has these clusters and notes what it is asked for. */
function headOf(clusters: readonly ClusterView[], over: Partial<Head> = {}): Calls {
  const made: string[] = [];
  async function* up(name: string) {
    yield { kind: "cluster", cluster: clusterOf({ name }) } as const;
  }
  const head: Partial<Head> = {
    status: async () => clusters,
    launch: ({ cluster }) => {
      made.push(`launch ${cluster}`);
      return up(cluster);
    },
    start: ({ cluster, force, autostop: rule }) => {
      made.push(`start ${cluster} ${force} ${JSON.stringify(rule)}`);
      return up(cluster);
    },
    submit: async ({ noSetup, autostop: rule }) => {
      made.push(`submit noSetup=${noSetup} ${JSON.stringify(rule)}`);
      return [1];
    },
    setAutostop: async (name, rule) => void made.push(`autostop ${name} ${JSON.stringify(rule)}`),
    stop: async ({ cluster }) => void made.push(`stop ${cluster}`),
    down: async ({ cluster, purge }) => {
      made.push(`down ${cluster} ${purge}`);
      return { logsArchive: "", leftBehind: purge ? "vm-1" : "", kept: [] };
    },
    ...over,
  };
  return { head, made };
}

const parsed = (words: readonly string[], flags: Readonly<Record<string, unknown>> = {}) => ({
  ...{ args: [words], flags },
});

const questions: readonly (readonly [ClusterStatus | undefined, string | undefined])[] = [
  [undefined, "Launching a new cluster 'demo'. Proceed?"],
  ["STOPPED", "Restarting the stopped cluster 'demo'. Proceed?"],
  ["UP", undefined],
  ["INIT", undefined],
];

for (const [status, question] of questions) {
  test(`launch on a cluster that is ${status ?? "not there"} asks: ${question}`, async () => {
    const { head, made } = headOf(status === undefined ? [] : [clusterOf({ status })]);
    const { shell, asked, said } = stage({ head, answer: true });
    await launch.run(shell, parsed(["hostname"], { cluster: "demo", detachRun: true }));
    assert.deepEqual(asked, question === undefined ? [] : [question]);
    assert.equal(said.includes("Running task on cluster demo..."), question === undefined);
    assert.deepEqual(made, ["launch demo", "submit noSetup=false undefined"]);
  });
}

test("no is no: nothing is asked of the head", async () => {
  const { head, made } = headOf([]);
  const { shell } = stage({ head, answer: false });
  await assert.rejects(
    launch.run(shell, parsed(["hostname"], { cluster: "demo" })),
    /^Error: Aborted/,
  );
  await assert.rejects(
    stop.run(stage({ ...headOf([clusterOf()]), answer: false }).shell, parsed(["demo"])),
  );
  assert.deepEqual(made, []);
});

test("without a terminal only what is named exactly is done unasked", async () => {
  const { head, made } = headOf([clusterOf({ user: userName() })]);
  for (const given of [parsed(["d*"]), parsed([], { all: true }), parsed([], { allUsers: true })]) {
    await assert.rejects(down.run(stage({ head }).shell, given), /cannot be asked/);
  }
  assert.deepEqual(made, []);
  const { shell, asked } = stage({ head });
  await down.run(shell, parsed(["demo"]));
  assert.deepEqual([asked, made], [[], ["down demo false"]]);
  assert.match(down.flags.find(({ usage }) => usage.startsWith("-y"))?.about ?? "", /terminal/);
});

test("--fast leaves the setup out where the cluster is up, and only there", async () => {
  for (const [status, skips] of [
    ["UP", true],
    ["STOPPED", false],
  ] as const) {
    const { head, made } = headOf([clusterOf({ status })]);
    const flags = { cluster: "demo", detachRun: true, yes: true, fast: true };
    await launch.run(stage({ head }).shell, parsed(["hostname"], flags));
    assert.equal(made[1], `submit noSetup=${skips} undefined`);
  }
});

test("all of mine is not all: those of others stay, -u takes them too", async () => {
  const mine = clusterOf({ name: "mine", user: userName() });
  const clusters = [
    mine,
    clusterOf({ name: "old", user: "" }),
    clusterOf({ name: "hers", user: "x" }),
  ];
  const own = headOf(clusters);
  const { shell, said } = stage(own);
  await down.run(shell, parsed([], { all: true, yes: true }));
  assert.deepEqual(own.made.sort(), ["down mine false", "down old false"]);
  assert.deepEqual(said, [
    "1 cluster of another user is left alone: -u means the clusters of all.",
  ]);
  const all = headOf(clusters);
  await down.run(stage(all).shell, parsed([], { allUsers: true, yes: true }));
  assert.equal(all.made.length, 3);
});

test("neither --all nor a glob means a controller; its exact name does", async () => {
  const name = "sky-jobs-controller-1a2b3c4d";
  const clusters = [clusterOf({ name, user: userName() })];
  for (const given of [parsed([], { all: true, yes: true }), parsed(["*"], { yes: true })]) {
    const { head, made } = headOf(clusters);
    const { shell, printed } = stage({ head });
    assert.equal(await down.run(shell, given), 0);
    assert.deepEqual(made, []);
    assert.deepEqual(printed, ["Cluster(s) not found (tip: see `sky status`)."]);
  }
  const exact = headOf(clusters);
  await down.run(stage(exact).shell, parsed([name], { yes: true }));
  assert.deepEqual(exact.made, [`down ${name} false`]);
  const gone = stage(headOf([]));
  assert.equal(await down.run(gone.shell, parsed([name])), 0);
  assert.deepEqual(gone.printed, [`Controller ${name} has already been torn down.`]);
});

test("what failed is told, and does not stop the others", async () => {
  const { head, made } = headOf([clusterOf({ name: "a" }), clusterOf({ name: "b" })], {
    stop: async ({ cluster }) => {
      if (cluster === "a") throw new SkyError("cluster/stop-failed", { name: "a", why: "because" });
      made.push(`stop ${cluster}`);
    },
  });
  const { shell, said, asked } = stage({ head, answer: true });
  assert.equal(await stop.run(shell, parsed(["a", "b"])), 1);
  assert.deepEqual(asked, ["Stopping 2 clusters: a, b. Proceed?"]);
  assert.deepEqual(said, ["Stopping cluster a...failed. Reason: a did not stop: because"]);
  assert.deepEqual(made, ["stop b"]);
});

test("start leaves what is up alone, unless forced, and guesses the only cluster", async () => {
  const up = headOf([clusterOf()]);
  const { shell, printed, asked } = stage({ ...up, answer: true });
  assert.equal(await start.run(shell, parsed([])), 0);
  assert.deepEqual(printed, ["Cluster demo already has status UP."]);
  assert.deepEqual([asked, up.made], [[], []]);
  const flags = { force: true, idleMinutesToAutostop: "10m", down: true };
  await start.run(shell, parsed([], flags));
  assert.deepEqual(asked, ["Restarting 1 cluster: demo. Proceed?"]);
  assert.deepEqual(up.made, ['start demo true {"idleSeconds":600,"down":true}']);
  const two = headOf([clusterOf(), clusterOf({ name: "other" })]);
  await assert.rejects(start.run(stage(two).shell, parsed([])), /sky start: name the clusters/);
});

test("start -i holds for what is up too: it is armed, not started, and told", async () => {
  const clusters = [clusterOf(), clusterOf({ name: "off", status: "STOPPED" })];
  const flags = { idleMinutesToAutostop: "5" };
  const { head, made } = headOf(clusters);
  const { shell, printed } = stage({ head });
  assert.equal(await start.run(shell, parsed(["demo"], { ...flags, yes: true })), 0);
  assert.deepEqual(made, ['autostop demo {"idleSeconds":300,"down":false}']);
  const armed = "demo: autostop after 5m idle. To cancel it: sky autostop demo --cancel";
  assert.deepEqual(printed, [`Cluster demo already has status UP. ${armed}`]);
  const both = headOf(clusters);
  const person = stage({ ...both, answer: true });
  await start.run(person.shell, parsed(["demo", "off"], { ...flags, down: true }));
  assert.deepEqual(person.asked, [
    "Restarting 1 cluster: off; Scheduling autodown on 1 cluster: demo. Proceed?",
  ]);
  assert.deepEqual(both.made.sort(), [
    'autostop demo {"idleSeconds":300,"down":true}',
    'start off false {"idleSeconds":300,"down":true}',
  ]);
});

test("a launch says when its cluster will go, and nothing where it stays", async () => {
  const saidBy = async (words: readonly string[], flags: object): Promise<string> => {
    const { shell, said } = stage(headOf([]));
    await launch.run(
      shell,
      parsed(words, { cluster: "demo", detachRun: true, yes: true, ...flags }),
    );
    return said.join("\n");
  };
  const keep = "To keep it: sky autostop demo --cancel";
  const after = "after this job and what else is in its queue";
  const down = await saidBy(["true"], { down: true });
  assert.ok(down.includes(`demo will be taken down when it is idle, ${after}. ${keep}`), down);
  const stops = await saidBy(["true"], { idleMinutesToAutostop: "10" });
  assert.ok(stops.includes(`demo will stop when it is idle for 10m, ${after}. ${keep}`), stops);
  const bare = await saidBy([], { idleMinutesToAutostop: "90s", down: true });
  assert.ok(bare.includes(`demo will be taken down when it is idle for 90s. ${keep}`), bare);
  assert.doesNotMatch(await saidBy(["true"], {}), /when it is idle/);
});

test("what a purge may have left behind is told", async () => {
  const { head, made } = headOf([clusterOf()]);
  const { shell, said } = stage({ head });
  assert.equal(await down.run(shell, parsed(["demo"], { purge: true })), 0);
  assert.deepEqual(made, ["down demo true"]);
  assert.deepEqual(said, ["Warning: demo was purged; left behind: vm-1"]);
});

test("autostop asks, and a time with a unit is that time", async () => {
  const { head, made } = headOf([clusterOf()]);
  const { shell, asked, printed } = stage({ head, answer: true });
  await autostop.run(shell, parsed(["demo"], { idleMinutes: "90s", down: true }));
  assert.deepEqual(asked, ["Scheduling autodown on 1 cluster: demo. Proceed?"]);
  assert.deepEqual(made, ['autostop demo {"idleSeconds":90,"down":true}']);
  assert.match(
    printed[0] ?? "",
    /autodown after 90s idle\. To cancel it: sky autostop demo --cancel/,
  );
});

const gpus = { cpus: 2, memoryBytes: 4 * 2 ** 30, accelerators: [{ name: "V100", count: 2 }] };
const [plainNode] = clusterOf().nodes;

function gpuCluster(): ClusterView {
  if (plainNode === undefined) throw new Error("a cluster has a node");
  return clusterOf({ name: "gpus", nodes: [{ ...plainNode, capacity: gpus }] });
}

test("a node of the wrong kind is refused with the command that fits", async () => {
  const clusters = [clusterOf(), gpuCluster()];
  const ask = (command: typeof cpunode, cluster: string, flags = {}) => {
    return command.run(stage(headOf(clusters)).shell, parsed([], { cluster, ...flags }));
  };
  await assert.rejects(ask(cpunode, "gpus"), /has accelerators: use sky gpunode -c gpus/);
  await assert.rejects(ask(gpunode, "demo"), /has no accelerators: use sky cpunode -c demo/);
  await assert.rejects(ask(cpunode, "demo", { cpus: "4" }), /does not fit --cpus 4/);
  await assert.rejects(ask(cpunode, "demo", { memory: "8+" }), /does not fit --memory 8/);
  await assert.rejects(ask(gpunode, "gpus", { gpus: "V100:4" }), /does not fit --gpus V100:4/);
  await assert.rejects(ask(gpunode, "gpus", { gpus: "T4" }), /does not fit --gpus T4:1/);
});

test("a node that is up is not launched again, but its autostop is set", async () => {
  const { head, made } = headOf([clusterOf(), gpuCluster()]);
  const { shell, asked } = stage({ head });
  // There is no folder for its home: that is as far as it goes here.
  await cpunode.run(shell, parsed([], { cluster: "demo", idleMinutesToAutostop: "5" }));
  await gpunode.run(shell, parsed([], { cluster: "gpus", gpus: "V100:1" }));
  assert.deepEqual(made, ['autostop demo {"idleSeconds":300,"down":false}']);
  assert.deepEqual(asked, []);
});

test("a node that is not there is launched, one that is stopped is started as it was", async () => {
  const { head, made } = headOf([clusterOf({ status: "STOPPED" })]);
  const { shell, asked } = stage({ head, answer: true });
  await gpunode.run(shell, parsed([], { cluster: "fresh" }));
  await cpunode.run(shell, parsed([], { cluster: "demo", down: true }));
  assert.deepEqual(asked, [
    "Launching a new cluster 'fresh'. Proceed?",
    "Restarting the stopped cluster 'demo'. Proceed?",
  ]);
  assert.deepEqual(made, ["launch fresh", 'start demo false {"idleSeconds":0,"down":true}']);
});

test("what goes over SSH needs a cloud", async () => {
  const { shell } = stage(headOf([]));
  for (const flags of [{ screen: true }, { tmux: true }, { portForward: ["8080"] }]) {
    await assert.rejects(cpunode.run(shell, parsed([], flags)), (error: unknown) => {
      return isSkyError(error, "cloud/needed");
    });
  }
});
