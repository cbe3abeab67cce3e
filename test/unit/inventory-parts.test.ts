// Inventories that are too large for one message: what comes out of parts is what went in, whole,
// whatever of them was lost, doubled or late; and nothing is concluded from half of one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agentActor, start as startAgent } from "../../agent/agent-actor.ts";
import type { RankState } from "../../agent/rank.ts";
import type { RankKey } from "../../model/job.ts";
import { encodeEnvelope } from "../../proto/envelope.ts";
import {
  type Gathered,
  type Inventory,
  type InventoryPart,
  inventoryBytesMax,
  inventoryMessages,
  inventoryPartsMax,
  takePart,
} from "../../proto/inventory-parts.ts";
import type { AgentMessage, RankReport } from "../../proto/messages.ts";
import { busPayloadBytesMax } from "../../runtime/bus.ts";
import { startScheduler, stepScheduler } from "../../scheduler/scheduler.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";
import { rankReport } from "../support/arbitraries.ts";
import { fc } from "../support/property.ts";

const about = { bootId: "b", capacity: capacity(4, 2), version: "1", capabilities: [] } as const;

/** Some kilobytes each, so that few of them make parts. */
function longRank(job: number): RankReport {
  const key: RankKey = { job, attempt: 1, phase: "run", index: 0 };
  const exit = { kind: "unknown", evidence: `${job} `.repeat(8_000) } as const;
  return { phase: "exited", key, exit, endedAt: job, logBytes: job };
}

function inventoryOf(jobs: readonly number[]): Inventory {
  return { kind: "inventory", ...about, ranks: jobs.map(longRank) };
}

function partsOf(jobs: readonly number[], snapshot: number): readonly InventoryPart[] {
  const messages = inventoryMessages(inventoryOf(jobs), snapshot);
  return messages.map((message) =>
    message.kind === "inventory-part" ? message : assert.fail("it has parts"),
  );
}

const count = (n: number, from = 0): readonly number[] =>
  Array.from({ length: n }, (_, index) => from + index);

test("what fits goes as it is", () => {
  const inventory = inventoryOf([1, 2, 3]);
  assert.deepEqual(inventoryMessages(inventory, 1), [inventory]);
  const empty = { ...inventory, ranks: [] };
  assert.deepEqual(inventoryMessages(empty, 1), [empty]);
});

test("every message fits the bus, and the parts hold every rank once, in order", () => {
  const many = fc.array(rankReport, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(many, fc.integer({ min: 1, max: 20_000 }), (kinds, length) => {
      const ranks = Array.from({ length }, (_, index) => kinds[index % kinds.length]);
      const inventory = { kind: "inventory", ...about, ranks: ranks as RankReport[] } as const;
      const messages = inventoryMessages(inventory, 7);
      for (const message of messages) {
        assert.ok(encodeEnvelope(message, Number.MAX_SAFE_INTEGER).length < busPayloadBytesMax);
      }
      const told = messages.flatMap((message) =>
        message.kind === "inventory" ? message.ranks : message.inventory.ranks,
      );
      assert.deepEqual(told, ranks);
    }),
    { numRuns: 15 },
  );
});

test("of parts that are lost, doubled and late, only whole inventories come out", () => {
  const snapshots = [count(120), count(90, 1_000), count(150, 2_000)];
  const parts = snapshots.flatMap((jobs, index) => partsOf(jobs, index + 1));
  assert.ok(parts.length >= 9, "several parts each");
  const wire = fc.array(fc.constantFrom(...parts), { maxLength: 60 });
  fc.assert(
    fc.property(wire, (arrived) => {
      let gathered: Gathered | undefined;
      for (const message of arrived) {
        const taken = takePart(gathered, message);
        assert.notEqual(taken.kind, "refused");
        if (taken.kind === "refused") continue;
        gathered = taken.gathered;
        assert.ok(gathered.have.size < gathered.parts, "of one inventory at most, less than all");
        if (taken.kind !== "whole") continue;
        const jobs = taken.inventory.ranks.map(({ key }) => key.job);
        assert.deepEqual(jobs, snapshots[message.snapshot - 1]);
      }
    }),
  );
});

test("whatever came before, all parts of the newest in any order are that inventory, once", () => {
  const old = partsOf(count(120), 1);
  const parts = partsOf(count(150, 2_000), 2);
  const rest = fc.subarray([...old, ...parts.slice(1)]);
  const order = fc.shuffledSubarray([...parts], { minLength: parts.length });
  fc.assert(
    fc.property(rest, order, fc.nat(), (before, newest, twice) => {
      let gathered: Gathered | undefined;
      const wholes: Inventory[] = [];
      const take = (message: InventoryPart): void => {
        const taken = takePart(gathered, message);
        if (taken.kind !== "refused") gathered = taken.gathered;
        if (taken.kind === "whole") wholes.push(taken.inventory);
      };
      for (const message of before) take(message);
      wholes.length = 0;
      for (const message of newest) take(message);
      take(newest[twice % newest.length] ?? assert.fail());
      assert.deepEqual(wholes, [inventoryOf(count(150, 2_000))]);
    }),
  );
});

test("parts that make no sense are refused, and nothing is kept of them", () => {
  const [part = assert.fail()] = partsOf(count(120), 1);
  const wrong: readonly Partial<InventoryPart>[] = [
    { part: -1 },
    { part: part.parts },
    { parts: 0 },
    { parts: inventoryPartsMax + 1 },
  ];
  for (const fields of wrong) {
    assert.deepEqual(takePart(undefined, { ...part, ...fields }), { kind: "refused" });
  }
  const taken = takePart(undefined, part);
  assert.ok(taken.kind === "kept");
  assert.equal(takePart(taken.gathered, { ...part, parts: part.parts + 1 }).kind, "refused");
});

test("half an inventory ends nothing, and is asked for again until it is whole", () => {
  const nodes = nodesOf([capacity(1), capacity(1)]);
  let asked = 0;
  const step: typeof stepScheduler = (state, message) => {
    const turn = stepScheduler(state, message);
    for (const effect of turn.effects) {
      if (effect.kind !== "tell" || effect.to.node !== "worker1") continue;
      if ((effect.message as AgentMessage).kind === "report-inventory") asked += 1;
    }
    return turn;
  };
  const world = new World({ nodes, scheduler: { start: startScheduler, step } }).join();
  const [id = 0] = world.submitted(task({ numNodes: 2 }));
  const strangers = partsOf(count(120, 5_000), 9);
  world.agent("worker1").up = false;
  asked = 0;
  for (const part of strangers.slice(1)) world.say(part, "worker1");
  assert.equal(world.job(id).status, "RUNNING", "its rank is not in the parts that came");
  world.pass(5_000);
  assert.equal(asked, 2, "with each reconcile");
  world.say(strangers[0] ?? assert.fail(), "worker1");
  assert.equal(world.job(id).phase, "draining", "a whole one that does not have it ends it");
  asked = 0;
  world.pass(10_000);
  assert.equal(asked, 0, "it is not asked for any more");
});

test("a node's refused parts are counted as its own", () => {
  const world = new World({ nodes: nodesOf([capacity(1)]) }).join();
  const [part = assert.fail()] = partsOf(count(120), 1);
  world.say({ ...part, parts: inventoryPartsMax + 1 }, "head");
  world.say(part, "stranger");
  assert.deepEqual(world.refused, ["head", "stranger"]);
});

test("an agent with 20,000 ranks tells of all of them, each time anew", () => {
  const ranks = count(20_000, 1).map((job): RankState => {
    const key: RankKey = { job, attempt: 1, phase: "run", index: 0 };
    const end = { exit: { kind: "code", code: 0 }, endedAt: job, logBytes: 0 } as const;
    const rest = { start: undefined, sweep: undefined, sweeping: false, acknowledged: true };
    return { phase: "exited", key, end, ...rest };
  });
  const at = { wallMs: 5, monoMs: 5, bootId: "b" };
  const args = { cluster: "demo", node: "worker1", capacity: capacity(1), version: "1", ranks };
  const told = (turn: ReturnType<typeof startAgent>): readonly InventoryPart[] =>
    turn.effects.flatMap((effect) => {
      const message = effect.kind === "tell" ? (effect.message as InventoryPart) : undefined;
      return message?.kind === "inventory-part" ? [message] : [];
    });
  const first = startAgent(args, at);
  const { step } = agentActor({} as never);
  const second = step(first.state, { kind: "report-inventory", from: "skyhead", at });
  for (const turn of [first, second]) {
    const jobs = told(turn).flatMap(({ inventory }) => inventory.ranks.map(({ key }) => key.job));
    assert.deepEqual(jobs, count(20_000, 1));
    for (const part of told(turn)) {
      assert.ok(encodeEnvelope(part, 1).length <= inventoryBytesMax + 100);
    }
  }
  assert.notEqual(told(first)[0]?.snapshot, told(second)[0]?.snapshot);
});
