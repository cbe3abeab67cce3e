// Liveness: what silence means, and when it means nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Instant } from "../../runtime/clock.ts";
import type { PhaseChange } from "../../scheduler/liveness.ts";
import {
  dismissNode,
  expectNode,
  heardNode,
  heardSelf,
  newLiveness,
} from "../../scheduler/liveness.ts";

const at = (ms: number): Instant => ({ wallMs: ms, monoMs: ms, bootId: "boot" });

/** Lets seconds pass, in each of which the head hears itself and those that beat. */
function beats(
  liveness: ReturnType<typeof newLiveness>,
  about: { readonly from: number; readonly to: number; readonly nodes: readonly string[] },
): readonly string[] {
  const changes: string[] = [];
  const say = (found: readonly PhaseChange[], second: number): void => {
    for (const { node, phase } of found) changes.push(`${second} ${node} ${phase}`);
  };
  for (let second = about.from; second <= about.to; second += 1) {
    say(heardSelf(liveness, at(second * 1_000)), second);
    for (const node of about.nodes) say(heardNode(liveness, node, at(second * 1_000 + 1)), second);
  }
  return changes;
}

test("a node is alive with its first beat, suspect after 3 s of silence, lost after 10 s", () => {
  const liveness = newLiveness(at(0));
  const first = beats(liveness, { from: 0, to: 5, nodes: ["head", "worker1"] });
  assert.deepEqual(first, ["0 head alive", "0 worker1 alive"]);
  const silent = beats(liveness, { from: 6, to: 30, nodes: ["head"] });
  assert.deepEqual(silent, ["8 worker1 suspect", "15 worker1 lost"]);
  const back = beats(liveness, { from: 31, to: 32, nodes: ["head", "worker1"] });
  assert.deepEqual(back, ["31 worker1 alive"]);
});

test("an outage of the bus is no loss of a node", () => {
  const liveness = newLiveness(at(0));
  beats(liveness, { from: 0, to: 5, nodes: ["worker1"] });
  // For a minute nothing comes through, not even the head's own beat.
  const after = beats(liveness, { from: 65, to: 66, nodes: [] });
  assert.deepEqual(after, []);
  const silent = beats(liveness, { from: 67, to: 100, nodes: [] });
  assert.deepEqual(silent, ["68 worker1 suspect", "95 worker1 lost"], "only heard time counts");
});

test("after an outage a node has 30 s to come back to the bus, and 10 s ever after", () => {
  const liveness = newLiveness(at(0));
  beats(liveness, { from: 0, to: 5, nodes: ["worker1", "worker2"] });
  // They were silent for 2 s when the bus went down; one needs 25 s when it is back.
  beats(liveness, { from: 6, to: 7, nodes: [] });
  const back = beats(liveness, { from: 40, to: 65, nodes: [] });
  assert.deepEqual(back, ["43 worker1 suspect", "43 worker2 suspect"]);
  const after = beats(liveness, { from: 66, to: 66, nodes: ["worker1"] });
  assert.deepEqual(after, ["66 worker1 alive"]);
  const silent = beats(liveness, { from: 67, to: 80, nodes: [] });
  assert.deepEqual(silent, ["69 worker1 suspect", "70 worker2 lost", "76 worker1 lost"]);
});

test("a head that stood still blames nobody", () => {
  const liveness = newLiveness(at(0));
  for (let second = 0; second < 60; second += 20) {
    assert.deepEqual(heardSelf(liveness, at(second * 1_000)), []);
    heardNode(liveness, "worker1", at(second * 1_000));
  }
  assert.equal(liveness.counted, 0);
});

test("a node that had joined before is suspect until it is heard, then lost", () => {
  const liveness = newLiveness(at(0));
  const [change] = expectNode(liveness, "worker1", at(0));
  assert.equal(change?.phase, "suspect");
  assert.deepEqual(beats(liveness, { from: 0, to: 12, nodes: [] }), ["10 worker1 lost"]);
});

test("a node that was stopped on purpose is absent, and its silence means nothing", () => {
  const liveness = newLiveness(at(0));
  beats(liveness, { from: 0, to: 2, nodes: ["worker1"] });
  assert.equal(dismissNode(liveness, "worker1", at(3_000))[0]?.phase, "absent");
  assert.deepEqual(beats(liveness, { from: 3, to: 30, nodes: [] }), []);
});

test("the evidence names the silence", () => {
  const liveness = newLiveness(at(0));
  beats(liveness, { from: 0, to: 0, nodes: ["worker1"] });
  const found: PhaseChange[] = [];
  for (let second = 1; second <= 10; second += 1) {
    found.push(...heardSelf(liveness, at(second * 1_000)));
  }
  assert.deepEqual(
    found.map(({ evidence }) => evidence),
    ["no beat for 3.0 s", "no beat for 10.0 s"],
  );
});
