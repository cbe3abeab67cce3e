// When the machines of a cluster ran, what that costs, and what stays of a cluster that is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClusterRecord, clusterOf, newRecord } from "../../clouds/cluster-record.ts";
import {
  closed,
  costOf,
  costOfGone,
  isOpen,
  neverUsed,
  opened,
  type Usage,
  usageOf,
  usedMs,
} from "../../clouds/usage.ts";
import { fc } from "../support/property.ts";
import { launched, never, request, type Stage } from "./fleet-stage.ts";

const down = { user: "ada", purge: false };

async function stopAndStart(made: Stage): Promise<void> {
  void made.fleets().stop("demo", "ada", never);
  await made.pass(10_000);
  void made.fleets().start("demo", { command: "", user: "ada", force: false }, never);
  await made.pass(10_000);
}

function usageIn(made: Stage): Usage {
  return made.record().usage ?? neverUsed;
}

test("an interval opens with a launch or a start and closes with a stop", async () => {
  const made = await launched();
  assert.equal(usageIn(made).intervals.length, 1);
  assert.ok(isOpen(usageIn(made)));
  void made.fleets().launch(request(), never);
  await made.pass(1_000);
  assert.equal(usageIn(made).intervals.length, 1, "one that is open goes on");
  void made.fleets().stop("demo", "ada", never);
  await made.pass(5_000);
  assert.ok(!isOpen(usageIn(made)));
  await stopAndStart(made);
  assert.equal(usageIn(made).intervals.length, 2);
  assert.ok(isOpen(usageIn(made)));
  const [first, second] = usageIn(made).intervals;
  assert.ok((first?.endedAt ?? 0) <= (second?.startedAt ?? 0));
});

test("what is gone leaves a small record, the newest first, up to a limit", async () => {
  const made = await launched({ goneMax: 2, pricePerHour: 3 });
  for (const user of ["ada", "bob", "carol"]) {
    const price = { nodePricePerHour: 3 };
    void made.fleets().launch(request({ user, ...price, token: user }), never);
    await made.pass(5_000);
    void made.fleets().down("demo", down, never);
    await made.pass(5_000);
  }
  const users = () =>
    made
      .fleets()
      .gone()
      .map(({ user }) => user);
  assert.deepEqual(users(), ["carol", "bob"]);
  const [last] = made.fleets().gone();
  assert.ok(last !== undefined && !isOpen(last.usage));
  assert.equal(last.resources, "2x Memory(cpus=1)");
  assert.equal(costOfGone(last, 0).costPerHour, 6);
  await made.restart();
  assert.deepEqual(users(), ["carol", "bob"], "they are on disk, and the others are not");
});

test("the cost is nodes times price times hours, if the price is known", () => {
  const hour = 3_600_000;
  const made = newRecord(request({ nodePricePerHour: 0.5 }), 0);
  const record: ClusterRecord = { ...made, status: "UP", usage: opened(neverUsed, hour) };
  const cost = costOf(record, { nowWallMs: 3 * hour });
  assert.deepEqual(
    [cost.launchedAt, cost.durationMs, cost.costPerHour, cost.cost, cost.status, cost.user],
    [hour, 2 * hour, 1, 2, "UP", "ada"],
  );
  assert.deepEqual(cost.usage, [{ startedAt: hour }], "it goes on");
  const { nodePricePerHour, ...unpriced } = record;
  assert.equal(nodePricePerHour, 0.5);
  assert.equal(costOf(unpriced, { nowWallMs: 3 * hour }).cost, undefined);
  assert.equal(costOf(unpriced, { nowWallMs: 3 * hour, nodePricePerHour: 0 }).cost, 0);
});

test("records of earlier versions: what is not stopped has run since its last launch", () => {
  const { usage, ...old } = newRecord(request(), 1_000);
  assert.deepEqual(usage, neverUsed);
  assert.deepEqual(usageOf({ ...old, status: "UP" }).intervals, [{ startedAt: 1_000 }]);
  assert.deepEqual(usageOf({ ...old, status: "STOPPED" }).intervals, []);
  assert.equal(clusterOf(old).lastUsedAt, 1_000);
  const { user, ...older } = old;
  assert.equal(user, "ada");
  assert.equal(costOf({ ...older, status: "STOPPED" }, { nowWallMs: 5_000 }).launchedAt, 1_000);
});

test("whatever opens and closes, the sum is right, and the list stays short", () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -50, max: 1_000 })), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(steps, (sequence) => {
      let usage = neverUsed;
      let now = 10_000;
      let since: number | undefined;
      let sum = 0;
      for (const [opens, ms] of sequence) {
        now += ms;
        if (opens) {
          usage = opened(usage, now);
          since ??= now;
        } else {
          usage = closed(usage, now);
          if (since !== undefined) sum += Math.max(0, now - since);
          since = undefined;
        }
        assert.ok(usage.intervals.length <= 100);
      }
      const open = since === undefined ? 0 : Math.max(0, now - since);
      assert.equal(usedMs(usage, now), sum + open);
    }),
  );
});
