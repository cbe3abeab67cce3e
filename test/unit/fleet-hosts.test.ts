// The fleet over machines that were there before: nodes that differ, troubles that are told, and
// launches that find no cluster where they knew of one.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FoundNodes, Machine } from "../../clouds/cloud.ts";
import {
  clusterOf,
  knownNodes,
  mismatchOf,
  type NewCluster,
  newRecord,
  shapeText,
} from "../../clouds/cluster-record.ts";
import type { FleetEffect, FleetEvent, FleetState } from "../../clouds/fleet.ts";
import { resume, step } from "../../clouds/fleet.ts";
import type { Address } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import type { Capacity } from "../../model/resources.ts";
import { launched, never, request as onStage, stage, watched } from "./fleet-stage.ts";

const at = { wallMs: 1_000, monoMs: 0, bootId: "b" };
const asker: Address = { cluster: "_home", node: "skyhead", kind: "ask", id: "1" };
const small: Capacity = { cpus: 4, memoryBytes: 8e9, accelerators: [] };
const big: Capacity = {
  cpus: 64,
  memoryBytes: 256e9,
  accelerators: [{ name: "A100", count: 2, ids: [4, 5] }],
};

const found: FoundNodes = {
  region: "lab",
  nodes: [small, big].map((capacity, index) => ({
    capacity,
    ...{ host: `gpu${index + 1}`, ip: `10.0.0.${index + 1}`, arch: "x64" },
    target: { host: `gpu${index + 1}.lab`, user: "ada" },
  })),
  leftOut: [],
};

const request: NewCluster = {
  ...{ name: "demo", numNodes: 2, asked: {}, cloud: "ssh", isolation: "process", token: "t" },
  ...{ command: "sky launch", capacity: small, found },
};

const launch: FleetEvent = { kind: "launch", request, replyTo: asker };

function run(events: readonly FleetEvent[]) {
  const [first, started] = resume("demo", undefined);
  let state: FleetState = first;
  const effects: FleetEffect[] = [...started];
  for (const event of events) {
    const outcome = step(state, { ...event, at });
    if (!outcome.taken) continue;
    state = outcome.state;
    effects.push(...outcome.effects);
  }
  return { state, effects };
}

function machine(index: number, more: Partial<Machine> = {}): Machine {
  const node = index === 0 ? "head" : `worker${index}`;
  return { id: `demo/${node}`, node, ip: `10.0.0.${index + 1}`, phase: "starting", ...more };
}

test("each node is the host that was found for it; how it is reached is nobody else's", () => {
  const record = newRecord(request, 0);
  assert.deepEqual(
    record.nodes.map(({ host, ip, target }) => [host, ip, target?.user]),
    [
      ["gpu1", "10.0.0.1", "ada"],
      ["gpu2", "10.0.0.2", "ada"],
    ],
  );
  const shown = clusterOf(record);
  assert.equal(shown.region, "lab");
  assert.equal(shown.nodes[1]?.host, "gpu2");
  assert.deepEqual(shown.nodes, knownNodes(record));
  assert.equal(JSON.stringify(shown).includes("gpu2.lab"), false);
});

test("what a cluster is made of is told by kinds; devices of others are not told", () => {
  const none = { ...small, accelerators: [{ name: "A100", count: 0, ids: [] }] };
  const text = shapeText("ssh", [small, big, none, small]);
  assert.equal(text, "3x SSH(cpus=4), 1x SSH(cpus=64, {'A100': 2})");
  assert.equal(shapeText("local", [small, small]), "2x Local(cpus=4)");
});

test("a request fits a cluster of different nodes if enough of them satisfy", () => {
  const record = newRecord(request, 0);
  const gpus = { accelerators: { name: "a100", count: 2 } };
  const rows: readonly [Parameters<typeof mismatchOf>[1], string | undefined][] = [
    [{ numNodes: 2, asked: {} }, undefined],
    [{ numNodes: 1, asked: gpus }, undefined],
    [{ numNodes: 1, asked: { cpus: 64 } }, undefined],
    [{ numNodes: 2, asked: gpus }, "2 nodes with {'a100': 2} / 1 such"],
    [{ numNodes: 2, asked: { cpus: 128 } }, "cpus=128 / cpus=4"],
    [{ numNodes: 1, asked: {}, region: "lab" }, undefined],
    [{ numNodes: 1, asked: {}, region: "attic" }, "region=attic / region=lab"],
    [{ numNodes: 1, asked: {}, cloud: "local" }, "cloud=local / cloud=ssh"],
  ];
  for (const [wanted, told] of rows) {
    const mismatch = mismatchOf(record, wanted);
    assert.equal(mismatch && `${mismatch.requested} / ${mismatch.existing}`, told);
  }
});

test("what stands in the way is told as progress, and at the deadline", () => {
  const trouble = "gpu2: no route to host";
  const seen = { kind: "seen", machines: [machine(0, { phase: "up" }), machine(1, { trouble })] };
  const alive: FleetEvent = { kind: "alive", nodes: ["head"] };
  const { effects, state } = run([launch, alive, seen as FleetEvent, { kind: "deadline" }]);
  const progress = effects.filter((effect) => effect.kind === "progress").at(-1);
  assert.deepEqual(progress?.troubles, [trouble]);
  const answer = effects.find((effect) => effect.kind === "answer");
  assert.ok(answer?.reply.kind === "refused" && answer.reply.code === "cluster/start-failed");
  assert.equal(answer.reply.params["why"], `1 of 2 nodes are up; ${trouble}`);
  assert.equal(state.phase, "init");
});

test("who waits is told at once when all that is missing is stuck, and not before", () => {
  const stuck = machine(1, { trouble: "gpu2: the disk is full", stuck: true });
  const seen: FleetEvent = { kind: "seen", machines: [machine(0, { phase: "up" }), stuck] };
  const isTold = (events: readonly FleetEvent[]) =>
    run(events).effects.some((effect) => effect.kind === "answer");
  assert.equal(isTold([launch, seen]), false);
  assert.equal(isTold([launch, seen, { kind: "alive", nodes: ["head"] }]), false);
  assert.equal(isTold([launch, { kind: "alive", nodes: ["head"] }, seen]), true);
});

test("a launch that knew of a cluster and finds none is refused, not made up", () => {
  const { capacity, found: nodes, ...known } = request;
  const { effects, state } = run([{ kind: "launch", request: known, replyTo: asker }]);
  assert.equal(state.phase, "absent");
  const [answer] = effects;
  assert.ok(answer?.kind === "answer" && answer.reply.kind === "refused");
  assert.equal(answer.reply.code, "cluster/superseded");
});

test("a cloud says how long its nodes may take, what it does and what it kept", async () => {
  const slow = await stage({ startMs: 600_000, kept: ["gpu1: 3 files"], listsUntilUp: 300 });
  const told: string[] = [];
  slow.fleets().onProgress("demo", ({ doing, nodesUp }) => told.push(`${nodesUp} ${doing}`));
  const asked = watched(slow.fleets().launch(onStage(), never));
  await slow.pass(1_000);
  slow.fleets().doing("demo", "installing on gpu2");
  await slow.pass(120_000);
  assert.equal(asked.outcome(), undefined);
  assert.ok(told.includes("0 installing on gpu2"), told.join());
  const down = watched(slow.fleets().down("demo", { user: "ada", purge: false }, never));
  await slow.pass(5_000);
  assert.deepEqual(down.outcome(), {
    logsArchive: "/logs",
    leftBehind: "",
    kept: ["gpu1: 3 files"],
  });
});

test("what a head on a host says of its cluster is said once", async () => {
  const params = { name: "demo", why: "its agent does not answer" };
  const made = await launched({
    closeHead: () => Promise.reject(new SkyError("cluster/stop-failed", params)),
  });
  const told = watched(made.fleets().down("demo", { user: "ada", purge: false }, never));
  await made.pass(5_000);
  assert.match(String(told.outcome()), /^demo did not stop: its agent does not answer; it is/);
});

test("whoever waits for the end of a cluster is woken by it", async () => {
  const made = await launched();
  const gone = watched(
    made
      .fleets()
      .whenGone("demo", never)
      .then(() => "gone"),
  );
  const other = new AbortController();
  const left = watched(made.fleets().whenGone("demo", other.signal));
  other.abort();
  await made.pass(1_000);
  assert.match(String(left.outcome()), /waiting for the end of demo was cancelled/);
  assert.equal(gone.outcome(), undefined);
  void made.fleets().down("demo", { user: "ada", purge: false }, never);
  await made.pass(5_000);
  assert.equal(gone.outcome(), "gone");
  await made.fleets().whenGone("other", never);
});
