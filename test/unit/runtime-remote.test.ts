// Between nodes: who sent a message is what the subject says; requests to nobody are refused; what
// is late, forged or garbage reaches nobody.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ref } from "../../model/address.ts";
import { headNode, subjectOf } from "../../model/address.ts";
import { isSkyError } from "../../model/errors.ts";
import { encodeEnvelope } from "../../proto/envelope.ts";
import type { AgentMessage, Inspection } from "../../proto/messages.ts";
import type { Actor, Received } from "../../runtime/actor.ts";
import { busPayloadBytesMax } from "../../runtime/bus.ts";
import { type BusHub, createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import {
  address,
  batch,
  createManualStore,
  type Stage,
  setStage,
  settle,
} from "./runtime-stage.ts";

type Inspect = Extract<AgentMessage, { readonly kind: "inspect" }>;
type Taken = Received<AgentMessage>;

const everything = { publish: [">"], subscribe: [">"] };

/** An actor that answers `inspect` with what it took, unless it is mute. */
function inspected(taken: Taken[], mute = false): Actor<AgentMessage, null, never, undefined> {
  return {
    kind: "agent",
    fromOtherNodes: [
      "report-inventory",
      "inspect",
      "go",
      "stop",
      "prepare",
      "forget",
      "acknowledge",
    ],
    start: () => ({ state: null, effects: [] }),
    step: (state, message) => {
      taken.push(message);
      if (message.kind !== "inspect" || mute) return { state, effects: [] };
      const answer: Inspection = { kind: "inspection", json: `{"taken":${taken.length}}` };
      return { state, effects: [{ kind: "tell", to: message.replyTo, message: answer }] };
    },
    perform: () => {},
  };
}

interface Pair {
  readonly hub: BusHub;
  readonly head: Stage;
  readonly worker: Stage;
  readonly taken: Taken[];
  readonly agent: Ref<AgentMessage>;
}

function pair(options: { readonly mute?: boolean; readonly mailboxMax?: number } = {}): Pair {
  const hub = createBusHub();
  const head = setStage({ hub });
  const worker = setStage({ hub, node: "worker1", clock: head.clock });
  const taken: Taken[] = [];
  const { mailboxMax = 10 } = options;
  const agent = worker.system.spawn(inspected(taken, options.mute), "main", undefined, {
    mailboxMax,
  });
  return { hub, head, worker, taken, agent };
}

const inspect = (stage: Stage, to: Ref<AgentMessage>): Promise<Inspection> =>
  stage.system.ask<AgentMessage, Inspection>(to, (replyTo) => ({ kind: "inspect", replyTo }), {
    timeoutMs: 1_000,
  });

const counted = (stage: Stage, name: string): number => {
  const all = [...stage.system.metrics.snapshot()];
  return all.find(([series]) => series.startsWith(`${name}{`))?.[1] ?? 0;
};

test("a message reaches the actor of another node with its sender and moment", async () => {
  const { head, agent, taken } = pair();
  head.system.tell(agent, { kind: "report-inventory" });
  await settle();
  assert.deepEqual(taken, [{ kind: "report-inventory", at: head.clock.now(), from: "head" }]);
});

test("a request is answered across the bus", async () => {
  const { head, agent } = pair();
  assert.equal((await inspect(head, agent)).json, '{"taken":1}');
  assert.equal(head.clock.waiting().count, 0);
});

test("a request to nobody on another node is refused at once", async () => {
  const { head, worker } = pair();
  const nobody = { ...address("nobody", "worker1"), kind: "agent" };
  await assert.rejects(inspect(head, nobody), (error) => isSkyError(error, "bus/no-such-actor"));
  head.system.tell(nobody as Ref<AgentMessage>, { kind: "report-inventory" });
  await settle();
  assert.equal(counted(worker, "letters_to_nobody_total"), 2);
});

test("a request into a full mailbox on another node is refused at once", async () => {
  const { head, worker, agent } = pair({ mailboxMax: 1 });
  worker.system.tell(agent, { kind: "report-inventory" });
  const asks = [1, 2, 3].map(() => inspect(head, agent));
  const outcomes = await Promise.allSettled([
    ...asks,
    // Ten at once from the worker's own side: one is in line, the rest cannot be.
    ...Array.from({ length: 10 }, () => inspect(worker, agent)),
  ]);
  const full = outcomes.filter(
    (outcome) => outcome.status === "rejected" && isSkyError(outcome.reason, "mailbox/full"),
  );
  const answered = outcomes.filter(({ status }) => status === "fulfilled");
  assert.equal(full.length + answered.length, outcomes.length);
  assert.ok(full.length >= 9, `${full.length} were refused`);
});

test("a request that waits in the mailbox of an actor that ends is refused", async () => {
  const { head, worker } = pair();
  const brief: Actor<AgentMessage, null, { readonly kind: "leave" }, undefined> = {
    kind: "brief",
    fromOtherNodes: ["report-inventory", "inspect"],
    start: () => ({ state: null, effects: [] }),
    step: (state) => ({ state, effects: [{ kind: "leave" }] }),
    perform: (_, { self }) => worker.system.stop(self, "one message is enough"),
  };
  const ref = worker.system.spawn(brief, "main", undefined);
  head.system.tell(ref, { kind: "report-inventory" });
  await assert.rejects(inspect(head, ref), (error) => isSkyError(error, "bus/no-such-actor"));
});

test("a request to an actor that is about to be down is refused", async () => {
  const store = createManualStore();
  const head = setStage();
  const worker = setStage({ hub: head.hub, node: "worker1", store, clock: head.clock });
  const ref = worker.spawn();
  worker.system.tell(ref, { kind: "do", commit: batch("demo/worker1/scripted/one/x") });
  await settle();
  const stopped = worker.system.stop(ref, "enough");
  const asked = inspect(head, ref as Ref<unknown> as Ref<AgentMessage>);
  await assert.rejects(asked, (error) => isSkyError(error, "bus/no-such-actor"));
  assert.equal(store.waiting().length, 1, "the actor still waits for the disk");
  store.finish(1);
  await stopped;
});

test("the second reply to a request is a reply to nobody", async () => {
  const { hub, head, agent } = pair();
  await inspect(head, agent);
  const replyTo = { cluster: "demo", node: "head", kind: "ask", id: "1-1" };
  const reply = encodeEnvelope({ kind: "inspection", json: "{}" }, 1);
  hub.connect("worker1", everything).publish(subjectOf("worker1", replyTo), reply);
  await settle();
  assert.equal(counted(head, "replies_to_nobody_total"), 1);
});

test("a reply of an older incarnation is dropped", async () => {
  const { hub, head, agent } = pair({ mute: true });
  const asked = inspect(head, agent);
  const refused = assert.rejects(asked, (error) => isSkyError(error, "bus/timeout"));
  await settle();
  const spy = hub.connect("worker1", everything);
  const reply: Inspection = { kind: "inspection", json: "{}" };
  const scheduler = { cluster: "demo", node: "head", kind: "scheduler", id: "main" };
  spy.publish(subjectOf("worker1", scheduler), encodeEnvelope(reply, 7));
  const replyTo = { cluster: "demo", node: "head", kind: "ask", id: "1-1" };
  spy.publish(subjectOf("worker1", replyTo), encodeEnvelope(reply, 6));
  await settle();
  assert.equal(counted(head, "stale_replies_total"), 1);
  head.clock.advance(1_000);
  await refused;
});

test("an ask of an earlier life of the asker is answered to nobody", async () => {
  const { hub, agent } = pair();
  const replyTo = { cluster: "demo", node: "head", kind: "ask", id: "0-1" };
  const spy = hub.connect("head", everything);
  const received: string[] = [];
  spy.subscribe("sky.demo.from.worker1.to.head.>", ({ subject }) => received.push(subject));
  spy.publish(subjectOf("head", agent), encodeEnvelope({ kind: "inspect", replyTo }, 0));
  await settle();
  assert.deepEqual(received, ["sky.demo.from.worker1.to.head.ask.0-1"]);
});

test("only the node that was asked may answer or refuse", async () => {
  const { hub, head, agent } = pair({ mute: true });
  const asked = inspect(head, agent);
  const refused = assert.rejects(asked, (error) => isSkyError(error, "bus/timeout"));
  const liar = hub.connect("worker2", everything);
  const replyTo = { cluster: "demo", node: "head", kind: "ask", id: "1-1" };
  const lies = [
    { kind: "inspection", json: "{}" },
    { kind: "refusal", code: "bus/no-such-actor", to: "demo/worker1/agent/main" },
  ] as const;
  for (const lie of lies) liar.publish(subjectOf("worker2", replyTo), encodeEnvelope(lie, 1));
  await settle();
  assert.equal(counted(head, "replies_to_nobody_total"), 2);
  head.clock.advance(1_000);
  await refused;
});

test("nobody can have an actor answer to a third node", async () => {
  const { hub, worker, agent, taken } = pair();
  const replyTo = { cluster: "demo", node: "worker2", kind: "ask", id: "1-1" };
  const message: Inspect = { kind: "inspect", replyTo };
  hub.connect("head", everything).publish(subjectOf("head", agent), encodeEnvelope(message, 1));
  await settle();
  assert.deepEqual(taken, []);
  assert.equal(counted(worker, "forged_reply_addresses_total"), 1);
});

test("the sender is who the subject says, whatever the payload says", async () => {
  const { hub, agent, taken } = pair();
  const liar = hub.connect("worker2", {
    publish: ["sky.demo.from.worker2.to.>"],
    subscribe: [],
  });
  const denied: string[] = [];
  liar.onDenied((subject) => denied.push(subject));
  const bytes = encodeEnvelope({ kind: "report-inventory" }, 1);
  liar.publish(subjectOf("head", agent), bytes);
  liar.publish(subjectOf("worker2", agent), bytes);
  await settle();
  assert.deepEqual(
    taken.map(({ from }) => from),
    ["worker2"],
  );
  assert.equal(denied.length, 1);
});

test("an actor gets nothing from other nodes but what it says that they may send", async () => {
  const { head, worker } = pair();
  const taken: Taken[] = [];
  const actor = { ...inspected(taken), kind: "picky", fromOtherNodes: ["inspect"] as const };
  const picky = worker.system.spawn(actor, "main", undefined);
  head.system.tell(picky, { kind: "report-inventory" });
  await inspect(head, picky);
  worker.system.tell(picky, { kind: "report-inventory" });
  await settle();
  assert.deepEqual(
    taken.map(({ kind, from }) => `${kind} from ${from}`),
    ["inspect from head", "report-inventory from worker1"],
  );
  assert.equal(counted(worker, "unexpected_messages_total"), 1);
});

test("a step that answers a message with nothing ends its actor and no other", async () => {
  const { head, worker, agent } = pair();
  const blind: Actor<AgentMessage, null, never, undefined> = {
    ...{ kind: "blind", start: () => ({ state: null, effects: [] }), perform: () => {} },
    fromOtherNodes: ["inspect"],
    step: () => undefined as never,
  };
  const ref = worker.system.spawn(blind, "main", undefined);
  await assert.rejects(inspect(head, ref), (error) => isSkyError(error, "bus/no-such-actor"));
  assert.equal((await inspect(head, agent)).kind, "inspection");
});

test("what cannot be decoded is counted and dropped, and the node lives on", async () => {
  const { hub, head, worker, agent } = pair();
  const spy = hub.connect("head", everything);
  spy.publish(subjectOf("head", agent), new Uint8Array([255, 255, 255]));
  spy.publish("sky.demo.from.head.to.worker1.agent.main.and.more", new Uint8Array());
  await settle();
  assert.equal(counted(worker, "undecodable_messages_total"), 2);
  assert.equal(worker.log.lines.filter(({ level }) => level === "warn").length, 2);
  assert.equal((await inspect(head, agent)).kind, "inspection");
});

test("over a closed bus a tell is lost and an ask times out", async () => {
  const { head, agent } = pair();
  await head.system.close("over");
  const hub = createBusHub();
  const bus = hub.connect("head", everything);
  const alone = setStage({ hub: { ...hub, connect: () => bus } });
  await bus.close();
  alone.system.tell(agent, { kind: "report-inventory" });
  assert.equal(counted(alone, "messages_lost_total"), 1);
  const asked = assert.rejects(inspect(alone, agent), (e) => isSkyError(e, "bus/timeout"));
  alone.clock.advance(1_000);
  await asked;
});

test("a message that no bus takes is lost and logged; its sender goes on", async () => {
  const log = createMemoryLog();
  const bus = createBusHub().connect(headNode, headPermissions("demo"));
  const clock = createMemoryClock();
  const system = createSystem({ cluster: "demo", node: headNode, incarnation: 1, clock, bus, log });
  const to = { cluster: "demo", node: "worker1", kind: "agent", id: "main" };
  const ref = system.spawn(
    {
      kind: "shouter",
      start: () => ({ state: 0, effects: [] }),
      step: (state: number, { length }: { readonly kind: "shout"; readonly length: number }) => {
        const message = { kind: "inspection", json: "x".repeat(length) };
        return { state: state + 1, effects: [{ kind: "tell" as const, to, message }] };
      },
      perform: () => {},
    },
    "main",
    undefined,
  );
  for (const length of [10, busPayloadBytesMax, 10]) system.tell(ref, { kind: "shout", length });
  await settle();
  assert.deepEqual([system.inspect()[0]?.turns, system.inspect().length], [4, 1]);
  const warned = log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  assert.deepEqual(warned, ["effect failed"]);
});
