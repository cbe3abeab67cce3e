// What the coordinator of a fan-out decides in the situations that it is there for.
//
// Sinks are a fluid here: in each step one takes as much as its own rate allows of what its parent
// has and it lacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Coordinator, createCoordinator } from "../../transfer/fanout/coordinator.ts";
import type { Rules } from "../../transfer/fanout/rules.ts";
import { type Decision, type FanOutEvent, rulesDefault } from "../../transfer/fanout/rules.ts";
import { source } from "../../transfer/fanout/tree.ts";

const rules: Rules = { ...rulesDefault, totalBytes: 60_000_000, slackBytes: 500_000 };
const stepMs = 500;

class Flow {
  readonly coordinator: Coordinator;
  readonly rules: Rules;
  /** Bytes per second that each can take. */
  readonly rates = new Map<string, number>();
  readonly safe = new Map<string, number>();
  readonly decisions: Decision[] = [];
  readonly doneAt = new Map<string, number>();
  at = 0;
  sourceBytes = 0;

  constructor(change: Partial<Rules> = {}, expected: readonly string[] = []) {
    this.rules = { ...rules, ...change };
    this.coordinator = createCoordinator(this.rules, [...expected, "c/absent"]);
  }

  tell(event: FanOutEvent): readonly Decision[] {
    const decided = this.coordinator.take(event);
    this.decisions.push(...decided);
    return decided;
  }

  join(sink: string, more: { rate?: number; serves?: boolean; safe?: number } = {}): void {
    const { rate = 1_000_000, serves = true, safe = 0 } = more;
    this.rates.set(sink, rate);
    this.safe.set(sink, safe);
    this.tell({ type: "joined", sink, serves, safe, at: this.at });
  }

  leave(sink: string): readonly Decision[] {
    this.safe.delete(sink);
    return this.tell({ type: "left", sink, why: "killed", at: this.at });
  }

  fail(sink: string): void {
    const { move } = this.follows(sink);
    this.tell({ type: "parent-failed", sink, move, why: "no route", at: this.at });
  }

  follows(sink: string): Extract<Decision, { type: "follow" }> {
    const last = this.decisions.findLast((one) => one.type === "follow" && one.sink === sink);
    assert.ok(last?.type === "follow", `${sink} was never told to follow`);
    return last;
  }

  pass(ms: number): void {
    for (const end = this.at + ms; this.at < end; ) {
      this.at += stepMs;
      const before = new Map(this.safe);
      for (const [sink, safe] of before) this.#flow(sink, safe, before);
      this.tell({ type: "tick", at: this.at });
    }
  }

  /** Until all have everything. */
  finish(msMax: number): void {
    const end = this.at + msMax;
    const { totalBytes } = this.rules;
    while ([...this.safe.values()].some((safe) => safe < totalBytes)) {
      assert.ok(this.at < end, `after ${msMax} ms: ${JSON.stringify([...this.safe])}`);
      this.pass(stepMs);
    }
  }

  #flow(sink: string, safe: number, before: ReadonlyMap<string, number>): void {
    const parent = this.coordinator.parentOf(sink);
    if (parent === undefined || safe === this.rules.totalBytes) return;
    const offered = parent === source ? this.rules.totalBytes : (before.get(parent) ?? 0);
    const most = ((this.rates.get(sink) ?? 0) * stepMs) / 1_000;
    const bytes = Math.max(0, Math.min(most, offered - safe));
    if (parent === source) this.sourceBytes += bytes;
    this.safe.set(sink, safe + bytes);
    this.tell({ type: "progress", sink, safe: safe + bytes, at: this.at });
  }
}

test("the source feeds one, that feeds two, and all are done in about the time of one", () => {
  const flow = new Flow();
  for (let index = 0; index < 20; index += 1) flow.join(`c/${index}`);
  assert.equal(flow.coordinator.childrenOf(source).size, 1);
  flow.finish(75_000);
  const most = flow.rules.totalBytes * 1.1;
  assert.ok(flow.sourceBytes <= most, `${flow.sourceBytes} bytes left the source`);
});

test("the children of a dead sink move at once, and one of them only to the source", () => {
  const flow = new Flow();
  for (const sink of ["c/a", "c/b", "c/c", "c/d"]) flow.join(sink);
  flow.pass(3_000);
  const orphans = [...flow.coordinator.childrenOf("c/a")];
  assert.equal(orphans.length, 2);
  const moved = flow.leave("c/a").flatMap((one) => (one.type === "follow" ? one : []));
  assert.deepEqual(moved.map(({ sink }) => sink).sort(), orphans.sort());
  assert.equal(moved.filter(({ parent }) => parent === source).length, 1);
});

test("who comes late takes from a peer, and nothing more leaves the source", () => {
  const flow = new Flow();
  for (const sink of ["c/a", "c/b"]) flow.join(sink);
  flow.finish(65_000);
  const before = flow.sourceBytes;
  flow.join("c/late");
  assert.notEqual(flow.follows("c/late").parent, source);
  flow.finish(65_000);
  assert.equal(flow.sourceBytes, before);
});

test("who can reach no peer takes from the source itself, and goes back to a peer later", () => {
  const flow = new Flow();
  for (const sink of ["c/a", "c/b", "c/c"]) flow.join(sink);
  const tried = new Set<string | undefined>();
  while (flow.follows("c/c").parent !== source) {
    assert.ok(!tried.has(flow.follows("c/c").parent), "nobody is tried twice");
    tried.add(flow.follows("c/c").parent);
    flow.fail("c/c");
  }
  assert.deepEqual([...tried].sort(), ["c/a", "c/b"]);
  flow.pass(rules.unreachedMs - 20_000);
  assert.equal(flow.coordinator.parentOf("c/c"), source);
  flow.rates.set("c/a", 1).set("c/b", 1).set("c/c", 1);
  flow.pass(25_000);
  assert.equal(flow.coordinator.childrenOf(source).size, 1, "the source is relieved");
});

test("who fails again and again is moved a few times a minute; late words move nobody", () => {
  const flow = new Flow();
  for (const sink of ["c/a", "c/b", "c/c", "c/d"]) flow.join(sink);
  const movesOf = (sink: string): number => {
    const told = flow.decisions.filter((one) => one.type === "follow" && one.sink === sink);
    return told.filter((one) => one.type === "follow" && one.parent !== undefined).length;
  };
  for (let time = 0; time < 50; time += 1) flow.fail("c/d");
  assert.equal(movesOf("c/d"), rules.movesMax);
  assert.equal(flow.coordinator.parentOf("c/d"), undefined);
  flow.pass(rules.movesMs);
  assert.notEqual(flow.coordinator.parentOf("c/d"), undefined);
  const before = flow.decisions.length;
  const { move } = flow.follows("c/d");
  flow.tell({ type: "parent-failed", sink: "c/d", move: move - 1, why: "old", at: flow.at });
  assert.equal(flow.decisions.length, before);
});

test("a slow sink between others becomes a leaf", () => {
  for (const children of [1, 2]) {
    const flow = new Flow({ children });
    flow.join("c/a");
    flow.join("c/slow", { rate: 50_000 });
    for (const sink of ["c/b", "c/c", "c/d", "c/e"]) flow.join(sink);
    assert.ok(flow.coordinator.childrenOf("c/slow").size > 0, "it has children at first");
    flow.pass(15_000);
    assert.equal(flow.coordinator.childrenOf("c/slow").size, 0);
    flow.pass(57_000);
    const { totalBytes } = flow.rules;
    for (const [sink, safe] of flow.safe)
      assert.equal(safe === totalBytes, sink !== "c/slow", sink);
  }
});

test("a slow sink that is the source's only child gives its place to a fast one", () => {
  const flow = new Flow();
  flow.join("c/slow", { rate: 50_000 });
  for (const sink of ["c/a", "c/b", "c/c"]) flow.join(sink);
  flow.pass(85_000);
  const { totalBytes } = flow.rules;
  for (const [sink, safe] of flow.safe) assert.equal(safe === totalBytes, sink !== "c/slow", sink);
  assert.ok(flow.sourceBytes < totalBytes * 1.1);
  assert.ok(flow.coordinator.counts().sourceMoves <= 6);
});

test("where all are alike, trials become rare", () => {
  const flow = new Flow({ totalBytes: 600_000_000 });
  for (const sink of ["c/a", "c/b", "c/c"]) flow.join(sink);
  flow.finish(660_000);
  assert.ok(
    flow.coordinator.counts().sourceMoves <= 12,
    `${flow.coordinator.counts().sourceMoves}`,
  );
});

test("who comes back with more than the source's child has takes its place", () => {
  const flow = new Flow();
  flow.join("c/a");
  flow.pass(3_000);
  flow.join("c/b", { safe: 40_000_000 });
  flow.pass(stepMs);
  assert.equal(flow.coordinator.parentOf("c/b"), source);
  assert.equal(flow.coordinator.parentOf("c/a"), "c/b");
  flow.finish(60_000);
  assert.ok(flow.sourceBytes < 32_000_000, `${flow.sourceBytes} bytes left the source`);
});

test("a sink that stands still is given another parent, then given up; the others finish", () => {
  const flow = new Flow({ giveUpMs: 100_000 });
  flow.join("c/dead", { rate: 0 });
  for (const sink of ["c/a", "c/b"]) flow.join(sink);
  flow.pass(110_000);
  assert.equal(flow.safe.get("c/a"), flow.rules.totalBytes);
  assert.equal(flow.safe.get("c/b"), flow.rules.totalBytes);
  flow.pass(100_000);
  assert.equal(flow.coordinator.outcomes().get("c/dead")?.outcome, "given-up");
});

test("it is finished when each one who is expected is done or was waited for long enough", () => {
  const flow = new Flow({}, ["c/a", "c/b"]);
  flow.join("c/a");
  flow.join("c/b");
  flow.pass(10_000);
  flow.leave("c/b");
  flow.finish(65_000);
  const isFinished = (): boolean => flow.decisions.some(({ type }) => type === "finished");
  assert.ok(!isFinished());
  flow.pass(rules.absentMs);
  assert.ok(isFinished());
  const outcomes = flow.coordinator.outcomes();
  assert.deepEqual(outcomes.get("c/a"), { outcome: "done" });
  assert.deepEqual(outcomes.get("c/b"), { outcome: "given-up", why: "killed" });
  assert.deepEqual(outcomes.get("c/absent"), { outcome: "given-up", why: "it never joined" });
});

test("ten thousand sinks all have a place, and one more is refused", () => {
  const flow = new Flow();
  for (let index = 0; index < rules.sinksMax; index += 1) flow.join(`c/${index}`);
  assert.equal(flow.coordinator.counts().waiting, 0);
  flow.join("c/more");
  assert.equal(flow.coordinator.outcomes().get("c/more")?.outcome, "given-up");
});
