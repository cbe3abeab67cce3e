// The fleet: reconciling machines, the life of a cluster's record, and fitting requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../../clouds/cloud.ts";
import { createMemoryCloud } from "../../clouds/cloud-memory.ts";
import type { ClusterRecord, Goal, NewCluster } from "../../clouds/cluster-record.ts";
import { mismatchOf, newRecord } from "../../clouds/cluster-record.ts";
import type { FleetEffect, FleetEvent, FleetState } from "../../clouds/fleet.ts";
import { resume, step } from "../../clouds/fleet.ts";
import { fleetActor } from "../../clouds/fleet-actor.ts";
import { declaredCapacity } from "../../clouds/local-machine.ts";
import { loopbackAddress } from "../../clouds/loopback.ts";
import { remaining } from "../../clouds/remaining.ts";
import type { Address } from "../../model/address.ts";
import { fc } from "../support/property.ts";

const nodes = ["head", "worker1", "worker2"];
const at = { wallMs: 1_000, monoMs: 0, bootId: "b" };
const asker: Address = { cluster: "_home", node: "skyhead", kind: "ask", id: "1" };

const request: NewCluster = {
  name: "demo",
  numNodes: 2,
  asked: {},
  capacity: { cpus: 1, memoryBytes: 1_000, accelerators: [] },
  cloud: "memory",
  isolation: "embedded",
  token: "t",
  command: "sky launch",
};

test("whatever a cloud lists, three rounds of reconciling reach what is wanted", async () => {
  const goal = fc.constantFrom<Goal>("running", "stopped", "absent");
  const before = fc.uniqueArray(fc.constantFrom(...nodes, "stranger"), { maxLength: 4 });
  const asleep = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
  const { signal } = new AbortController();
  await fc.assert(
    fc.asyncProperty(goal, before, asleep, async (wanted, launched, stopped) => {
      const cloud = createMemoryCloud();
      const capacity = request.capacity;
      const asked = launched.map((id, index) => ({ id, index, capacity }));
      await cloud.launch({ token: "t", cluster: "demo", nodes: asked }, signal);
      const seen = await cloud.list("demo", signal);
      await cloud.stop(
        seen.filter((_, index) => stopped[index]).map(({ id }) => id),
        signal,
      );
      let rounds = 0;
      for (;;) {
        const actions = remaining({ goal: wanted, nodes }, await cloud.list("demo", signal));
        if (actions.length === 0) break;
        rounds += 1;
        assert.ok(rounds <= 3);
        for (const action of actions) {
          if (action.kind === "launch") {
            const missing = action.nodes.map((id, index) => ({ id, index, capacity }));
            await cloud.launch({ token: "t", cluster: "demo", nodes: missing }, signal);
          } else await cloud[action.kind](action.ids, signal);
        }
      }
      const ended = await cloud.list("demo", signal);
      if (wanted === "absent") assert.deepEqual(ended, []);
      if (wanted === "running") assert.equal(ended.length, nodes.length);
      if (wanted === "running") assert.ok(ended.every(({ phase }) => phase === "up"));
      if (wanted === "stopped") assert.ok(ended.every(({ phase }) => phase === "stopped"));
    }),
  );
});

/** Runs events through the machine; gives the last state and all effects. */
function run(events: readonly FleetEvent[], record?: ClusterRecord) {
  const [first, started] = resume("demo", record);
  let state: FleetState = first;
  const effects: FleetEffect[] = [...started];
  for (const event of events) {
    const outcome = step(state, { ...event, at });
    if (!outcome.taken) continue;
    state = outcome.state;
    effects.push(...outcome.effects);
  }
  return { state, effects, kinds: effects.map(({ kind }) => kind) };
}

const launch: FleetEvent = { kind: "launch", request, replyTo: asker };
const up = (id: string, index: number): Machine => ({
  id: `demo/${id}`,
  node: id,
  ip: `127.0.0.${index + 2}`,
  phase: "up",
});
const bothUp: FleetEvent = { kind: "seen", machines: [up("head", 0), up("worker1", 1)] };
const bothAlive: FleetEvent = { kind: "alive", nodes: ["head", "worker1"] };
const down: FleetEvent = { kind: "down", cause: "asked", user: "ada", replyTo: asker };

test("the record says INIT before the cloud is asked for anything", () => {
  const { kinds, effects } = run([launch, { kind: "seen", machines: [] }]);
  assert.ok(kinds.indexOf("save") < kinds.indexOf("open-head"));
  assert.ok(kinds.indexOf("save") < kinds.indexOf("act"));
  const [save] = effects;
  assert.equal(save?.kind === "save" && save.record.status, "INIT");
});

test("a cluster is up when the cloud shows every node and every node is alive", () => {
  assert.equal(run([launch, bothUp]).state.phase, "init");
  assert.equal(run([launch, bothUp, { kind: "alive", nodes: ["head"] }]).state.phase, "init");
  const { state, effects } = run([launch, bothUp, bothAlive]);
  assert.equal(state.phase, "up");
  const answers = effects.filter((effect) => effect.kind === "answer");
  assert.equal(answers.length, 1);
  assert.equal(answers[0]?.reply.kind, "cluster");
});

test("nodes are declared once, when their addresses are known", () => {
  const declared = run([launch, bothUp, bothUp, bothAlive]).effects.filter(
    (effect) => effect.kind === "declare",
  );
  assert.equal(declared.length, 1);
  assert.deepEqual(
    declared[0]?.nodes.map(({ ip }) => ip),
    ["127.0.0.2", "127.0.0.3"],
  );
});

test("going down ends jobs, then machines, then logs and folders, then the record", () => {
  const steps: readonly FleetEvent[] = [
    launch,
    bothUp,
    bothAlive,
    down,
    { kind: "closed" },
    bothUp,
    { kind: "seen", machines: [] },
    { kind: "cleared", logsArchive: "/logs" },
  ];
  const { state, effects } = run(steps);
  assert.equal(state.phase, "absent");
  const order = effects.flatMap((effect) => {
    if (effect.kind === "act") return effect.actions.map(({ kind }) => kind);
    return ["close-head", "clear", "erase"].includes(effect.kind) ? [effect.kind] : [];
  });
  assert.deepEqual(order, ["close-head", "terminate", "clear", "erase"]);
});

test("a crash anywhere on the way down goes on from the record", () => {
  const record: ClusterRecord = { ...newRecord(request, 0), status: "STOPPING", goal: "absent" };
  const { state, kinds } = run(
    [{ kind: "closed" }, { kind: "seen", machines: [] }, { kind: "cleared", logsArchive: "" }],
    record,
  );
  assert.equal(state.phase, "absent");
  assert.ok(kinds.includes("close-head"));
});

test("a cloud that cannot be listed is told to who waits for a cluster to go, and tried on", () => {
  const failed: FleetEvent = { kind: "failed", of: "look", why: "EACCES", retry: false };
  const begun = [launch, bothUp, bothAlive, down, { kind: "closed" }] as const;
  const repliesOf = (events: readonly FleetEvent[]) =>
    run(events).effects.flatMap((one) => (one.kind === "answer" ? [one.reply] : []));
  // Looks from before the cluster was asked to go say nothing of that.
  assert.equal(repliesOf([...begun, failed, failed]).length, 1);
  const refused = [...begun, failed, failed, failed];
  const [, reply] = repliesOf(refused);
  assert.equal(reply?.kind === "refused" && reply.code, "cluster/stop-failed");
  assert.equal(run(refused).effects.at(-1)?.kind, "look-later");
  const over = [
    { kind: "seen", machines: [] },
    { kind: "cleared", logsArchive: "" },
  ] as const;
  assert.equal(repliesOf([...refused, down, failed])[2]?.kind, "refused", "a later one hears too");
  assert.equal(repliesOf([...refused, down, ...over]).at(-1)?.kind, "gone");
});

test("whoever waits is answered exactly once, whatever happens", () => {
  const events: readonly FleetEvent[] = [
    launch,
    { kind: "start", command: "", user: "ada", force: false, replyTo: asker },
    { kind: "start", command: "", user: "ada", force: true, replyTo: asker },
    { kind: "stop", cause: "asked", user: "bob", replyTo: asker },
    down,
    { kind: "down", cause: "asked", user: "bob", purge: true, replyTo: asker },
    { kind: "stop", cause: "it was idle" },
    { kind: "used", command: "x" },
    { kind: "refresh", replyTo: asker },
    { kind: "found", machines: [] },
    { kind: "found", machines: [up("head", 0), up("worker1", 1)] },
    { kind: "found", machines: [up("head", 0)] },
    { kind: "inquiry-due" },
    { kind: "failed", of: "inquire", why: "no", retry: true },
    { kind: "failed", of: "close-head", why: "no", retry: false },
    { kind: "seen", machines: [] },
    bothUp,
    bothAlive,
    { kind: "closed" },
    { kind: "cleared", logsArchive: "" },
    { kind: "failed", of: "act", why: "no", retry: true },
    { kind: "failed", of: "clear", why: "no", retry: false },
    { kind: "look-due" },
    { kind: "deadline" },
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (sequence) => {
      const { state, effects } = run(sequence);
      const asked = sequence.filter((event) => "replyTo" in event).length;
      const answered = effects.filter(({ kind }) => kind === "answer").length;
      const waiters = state.phase === "absent" ? [] : state.waiters;
      const queued = "queued" in state ? state.queued.length : 0;
      assert.equal(answered + waiters.length + queued, asked);
      if (state.phase === "up" || state.phase === "stopped") {
        assert.ok(waiters.every(({ what }) => what === "Refresh"));
      }
    }),
  );
});

test("a request fits a cluster that has as much or more", () => {
  const capacity = {
    cpus: 4,
    memoryBytes: 8 * 1024 ** 3,
    accelerators: [{ name: "V100", count: 2 }],
  };
  const record = newRecord({ ...request, capacity }, 0);
  const rows: readonly [Partial<NewCluster>, string | undefined][] = [
    [{}, undefined],
    [{ numNodes: 1 }, undefined],
    [{ numNodes: 3 }, "3 nodes"],
    [{ asked: { cpus: 4 } }, undefined],
    [{ asked: { cpus: 8 } }, "cpus=8"],
    [{ asked: { memoryBytes: 16 * 1024 ** 3 } }, "memory=16GB"],
    [{ asked: { accelerators: { name: "v100", count: 0.5 } } }, undefined],
    [{ asked: { accelerators: { name: "V100", count: 4 } } }, "{'V100': 4}"],
    [{ asked: { accelerators: { name: "A100", count: 1 } } }, "{'A100': 1}"],
  ];
  for (const [change, requested] of rows) {
    assert.equal(mismatchOf(record, { ...request, ...change })?.requested, requested);
  }
});

test("no two nodes of a home share an address, and none has a byte of 0 or 255", () => {
  const taken = new Set<string>();
  for (let cluster = 0; cluster < 200; cluster += 1) {
    for (let index = 0; index < 10; index += 1) {
      const ip = loopbackAddress({ home: "/h", cluster: `c${cluster}`, index, taken });
      assert.ok(!taken.has(ip));
      const [net, ...bytes] = ip.split(".").map(Number);
      assert.equal(net, 127);
      assert.ok(
        bytes.every((byte) => byte > 0 && byte < 255),
        ip,
      );
      taken.add(ip);
    }
  }
});

test("a change of status says from where to where; what changes none is only noted", () => {
  const self = { cluster: "_home", node: "skyhead", kind: "fleet", id: "demo" };
  const cloud = createMemoryCloud();
  const ports = {
    cloud: () => cloud,
    heads: {
      open: async () => {},
      declare: () => {},
      dismiss: () => {},
      close: async () => {},
      disarm: async () => {},
      clear: async () => ({ logsArchive: "" }),
    },
    onRecord: () => {},
    onProgress: () => {},
  };
  const actor = fleetActor(self, ports);
  let { state } = actor.start({ record: undefined }, at);
  const told = (event: FleetEvent): unknown => {
    const turn = actor.step(state, { ...event, at, from: "skyhead" });
    state = turn.state;
    return turn.commit?.events.map(({ body }) => {
      const { kind, from, to } = JSON.parse(body);
      return [kind, from, to];
    });
  };
  assert.deepEqual(told({ kind: "launch", request, replyTo: asker }), [
    ["status", undefined, "INIT"],
  ]);
  const machines = ["head", "worker1"].map((node): Machine => {
    return { id: node, node, ip: "127.0.0.1", phase: "up" };
  });
  assert.deepEqual(told({ kind: "seen", machines }), [["noted", undefined, undefined]]);
  const alive = { kind: "alive", nodes: ["head", "worker1"] } as const;
  assert.deepEqual(told(alive), [["status", "INIT", "UP"]]);
  assert.deepEqual(told({ kind: "down", cause: "asked" }), [["status", "UP", "STOPPING"]]);
});

test("a local node has whole devices, whatever share of one is asked", () => {
  const machine = { cpus: 4, memoryBytes: 8 };
  const declared = (count: number) =>
    declaredCapacity(machine, { accelerators: { name: "V100", count } }, 2).accelerators;
  assert.deepEqual(declared(0.5), [{ name: "V100", count: 1 }]);
  assert.deepEqual(declared(4), [{ name: "V100", count: 4 }]);
});
