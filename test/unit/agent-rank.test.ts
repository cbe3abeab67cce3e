// The rank's table: every short sequence of events, and the promises that hold in all of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RankEffect, RankEvent, RankState } from "../../agent/rank.ts";
import { isOver, isUnheard, rankReport, rankStep } from "../../agent/rank.ts";
import { stopUnheard } from "../../agent/rank-moves.ts";
import type { RankKey, SweepRecord } from "../../model/job.ts";

const at = { wallMs: 0, monoMs: 0, bootId: "b" };
const key: RankKey = { job: 7, attempt: 1, phase: "run", index: 0 };
const clean: SweepRecord = { node: "n", found: 1, killed: 1, survivors: 0, unproven: [] };
const dirty: SweepRecord = { ...clean, killed: 0, survivors: 1 };

const events: readonly RankEvent[] = [
  { kind: "prepare-asked" },
  { kind: "go-asked" },
  { kind: "stop-asked", graceMs: 30_000, why: "cancelled" },
  { kind: "acknowledged" },
  { kind: "laid", place: { folder: "sky_workdirs/7", inUseBy: 5 } },
  { kind: "prepared" },
  { kind: "refused", why: "claimed before" },
  { kind: "started", pid: 42, startedAt: 1 },
  { kind: "exited", exit: { kind: "code", code: 3 }, endedAt: 2, logBytes: 9 },
  { kind: "swept", sweep: clean },
  { kind: "swept", sweep: dirty },
  { kind: "grace-over" },
  { kind: "repeat-due" },
];

const born: RankState = { phase: "preparing", key };

function play(state: RankState, event: RankEvent): readonly [RankState, readonly RankEffect[]] {
  const outcome = rankStep(state, { ...event, at });
  return outcome.taken ? [outcome.state, outcome.effects] : [state, []];
}

function playAll(list: readonly RankEvent[]): readonly [RankState, readonly RankEffect[]] {
  let state = born;
  const all: RankEffect[] = [];
  for (const event of list) {
    const [next, effects] = play(state, event);
    state = next;
    all.push(...effects);
  }
  return [state, all];
}

/** Calls `visit` for every step of every sequence of `length` events. */
function explore(
  length: number,
  visit: (before: RankState, event: RankEvent, after: ReturnType<typeof play>) => void,
): void {
  const seen = new Set<string>();
  const walk = (state: RankState, left: number): void => {
    const mark = `${left} ${JSON.stringify(state)}`;
    if (left === 0 || seen.has(mark)) return;
    seen.add(mark);
    for (const event of events) {
      const after = play(state, event);
      visit(state, event, after);
      walk(after[0], left - 1);
    }
  };
  walk(born, length);
}

test("in every sequence of seven events the promises of the table hold", () => {
  let steps = 0;
  explore(7, (before, event, [after, effects]) => {
    steps += 1;
    const trace = `${JSON.stringify(before)} ${JSON.stringify(event)} ${JSON.stringify(after)}`;
    // The first exit stands.
    if (before.phase === "exited") {
      assert.equal(after.phase, "exited", trace);
      assert.deepEqual(after.phase === "exited" && after.end, before.end, trace);
    }
    // What was stopped before it ran never runs.
    if (before.phase === "stopped") assert.equal(after.phase, "stopped", trace);
    if (before.phase === "stopping") {
      assert.ok(["stopping", "exited", "stopped"].includes(after.phase), trace);
    }
    // Over by a stop means swept clean.
    if (after.phase === "stopped") assert.equal(after.sweep.survivors, 0, trace);
    if (after.phase === "exited" && after.end.exit.kind === "stopped") {
      assert.equal(after.sweep?.survivors, 0, trace);
    }
    // One sweep at a time.
    const sweeps = effects.filter((effect) => effect.kind === "sweep").length;
    const sweeping =
      (before.phase === "stopping" && before.doing === "sweep") ||
      (before.phase === "exited" && before.sweeping);
    assert.ok(sweeps <= (sweeping ? 0 : 1), trace);
    // An exit is reported before the sweep, and a stopped rank's only together with it.
    const reports = effects.flatMap((effect) => (effect.kind === "report" ? [effect.report] : []));
    const kinds = reports.map((report) => report.kind);
    if (kinds.includes("rank-exited")) assert.equal(kinds[0], "rank-exited", trace);
    for (const report of reports) {
      if (report.kind === "rank-exited" && report.exit.kind === "stopped") {
        assert.ok(kinds.includes("rank-swept"), trace);
      }
    }
    // A new end is told at once, and again whenever asked for, until it is acknowledged.
    if (isUnheard(after) && !isOver(before)) assert.ok(kinds.length > 0, trace);
    if (event.kind === "repeat-due" && isUnheard(before)) assert.ok(kinds.length > 0, trace);
  });
  assert.ok(steps > 1_000);
});

test("from wherever it is, a stop leads to a clean sweep that is reported", () => {
  explore(5, (_, __, [state]) => {
    let [next, effects] = play(state, { kind: "stop-asked", graceMs: 0, why: "cancelled" });
    const reported = () =>
      effects.some((effect) => effect.kind === "report" && effect.report.kind === "rank-swept");
    for (const event of [
      { kind: "refused", why: "gone" },
      { kind: "grace-over" },
      { kind: "swept", sweep: clean },
      { kind: "exited", exit: { kind: "code", code: 0 }, endedAt: 5, logBytes: 0 },
      { kind: "swept", sweep: clean },
      { kind: "repeat-due" },
    ] as const) {
      const [later, more] = play(next, event);
      next = later;
      effects = [...effects, ...more];
    }
    assert.ok(isOver(next) && next.phase !== "refused", JSON.stringify([state, next]));
    assert.ok(reported(), JSON.stringify([state, next]));
  });
});

test("prepare, go, start, end: each is told once", () => {
  const [state, effects] = playAll([
    { kind: "prepared" },
    { kind: "go-asked" },
    { kind: "started", pid: 42, startedAt: 1 },
    { kind: "exited", exit: { kind: "code", code: 3 }, endedAt: 2, logBytes: 9 },
    { kind: "acknowledged" },
    { kind: "repeat-due" },
  ]);
  assert.deepEqual(
    effects.map((effect) => (effect.kind === "report" ? effect.report.kind : effect.kind)),
    ["rank-prepared", "go", "rank-started", "ship-log", "rank-exited", "end-log"],
  );
  assert.equal(isUnheard(state), false);
});

test("a rank that starts at once may start, and end, before it is known to be prepared", () => {
  const [state, effects] = playAll([
    { kind: "started", pid: 42, startedAt: 1 },
    { kind: "prepared" },
    { kind: "exited", exit: { kind: "code", code: 0 }, endedAt: 2, logBytes: 0 },
  ]);
  assert.equal(state.phase, "exited");
  assert.ok(!effects.some((effect) => effect.kind === "go"));
});

test("a rank with a folder of its own says so when it starts, and in inventories", () => {
  const place = { folder: "sky_workdirs/7", inUseBy: 5 };
  const started = { kind: "started", pid: 42, startedAt: 1 } as const;
  const laid = { kind: "laid", place } as const;
  for (const events of [
    [laid, { kind: "prepared" }, started],
    [laid, started, { kind: "prepared" }],
  ] as const) {
    const [state, effects] = playAll(events);
    const told = effects.flatMap((effect) => (effect.kind === "report" ? [effect.report] : []));
    const [start] = told.filter(({ kind }) => kind === "rank-started");
    assert.deepEqual(start, { kind: "rank-started", key, pid: 42, startedAt: 1, place });
    assert.deepEqual(rankReport(state), { phase: "running", key, pid: 42, startedAt: 1, place });
    const exit = { kind: "exited", exit: { kind: "code", code: 0 }, endedAt: 2, logBytes: 0 };
    const [ended] = play(state, exit as RankEvent);
    assert.deepEqual((rankReport(ended) as { place?: unknown }).place, place);
  }
});

test("a stop gives a running rank its grace, and one that waits none", () => {
  const stop = { kind: "stop-asked", graceMs: 30_000, why: "peer-failed" } as const;
  const [, running] = play({ phase: "running", key, start: { pid: 1, startedAt: 1 } }, stop);
  assert.deepEqual(running, [
    { kind: "terminate", key, why: "peer-failed", graceMs: 30_000 },
    { kind: "start-grace", key, ms: 30_000 },
  ]);
  const [, ready] = play({ phase: "ready", key }, stop);
  assert.deepEqual(
    ready.map((effect) => effect.kind),
    ["terminate", "sweep"],
  );
});

test("a stop of an unheard rank is swept, and no prepare comes through later", () => {
  const [state, effects] = stopUnheard(key, { graceMs: 0, why: "cancelled" });
  assert.deepEqual(
    effects.map((effect) => effect.kind),
    ["terminate", "sweep"],
  );
  const [stopped] = play(state, { kind: "swept", sweep: { ...clean, found: 0, killed: 0 } });
  assert.equal(stopped.phase, "stopped");
  const outcome = rankStep(stopped, { kind: "prepare-asked", at });
  assert.equal(outcome.taken, false);
  assert.equal(rankReport(stopped), undefined);
});

test("survivors are reported, and looked for again until there are none", () => {
  const [state, effects] = playAll([
    { kind: "started", pid: 1, startedAt: 1 },
    { kind: "stop-asked", graceMs: 0, why: "cancelled" },
    { kind: "grace-over" },
    { kind: "exited", exit: { kind: "code", code: 0 }, endedAt: 2, logBytes: 0 },
    { kind: "swept", sweep: dirty },
    { kind: "grace-over" },
    { kind: "swept", sweep: clean },
  ]);
  const sweeps = effects.flatMap((effect) =>
    effect.kind === "report" && effect.report.kind === "rank-swept" ? [effect.report.sweep] : [],
  );
  assert.deepEqual(sweeps, [dirty, clean]);
  assert.deepEqual(state.phase === "exited" && state.end.exit, {
    kind: "stopped",
    why: "cancelled",
  });
});
