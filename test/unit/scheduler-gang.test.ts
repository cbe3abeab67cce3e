// The gang's table: every short sequence of events that changes something, for each kind of gang.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exit, RankKey } from "../../model/job.ts";
import type { Instant } from "../../runtime/clock.ts";
import { stepGang } from "../../scheduler/gang.ts";
import type { GangEffect, GangEvent, GangRank, GangState } from "../../scheduler/gang-state.ts";
import { newGang, processesOf, processOf } from "../../scheduler/gang-state.ts";

const at: Instant = { wallMs: 5, monoMs: 5, bootId: "boot" };
const nodes = ["head", "worker1"] as const;
const ok: Exit = { kind: "code", code: 0 };
const bad: Exit = { kind: "code", code: 7 };

interface Kind {
  readonly ranks: number;
  readonly setup: boolean;
  readonly restarts: number;
  readonly timeout?: true;
}

function member(rank: number): GangRank {
  const node = nodes[rank] ?? "head";
  return {
    ...{ rank, node, ip: `10.0.0.${rank}`, devices: [] },
    ...{ asked: false, ready: false, swept: false },
  };
}

/** What may happen, with keys of the given attempt. */
function alphabet(kind: Kind, attempt: number): readonly GangEvent[] {
  const members = Array.from({ length: kind.ranks }, (_, rank) => member(rank));
  const key = (phase: RankKey["phase"], index: number): RankKey => {
    return { job: 1, attempt, phase, index };
  };
  const exit = { endedAt: 4, logBytes: 0 };
  const clean = { found: 0, killed: 0, survivors: 0, unproven: [] };
  const about = (index: number): readonly GangEvent[] => {
    const run = key("run", index);
    const node = nodes[index] ?? "head";
    const setup: readonly GangEvent[] = [
      { kind: "rank-prepared", key: key("setup", index) },
      { kind: "setup-exited", key: key("setup", index), exit: ok, ...exit },
      { kind: "rank-swept", key: key("setup", index), sweep: { node, ...clean } },
    ];
    return [
      { kind: "rank-prepared", key: run },
      { kind: "rank-started", key: run, pid: 1, startedAt: 3 },
      { kind: "rank-exited", key: run, exit: ok, ...exit },
      { kind: "rank-swept", key: run, sweep: { node, ...clean } },
      ...(kind.setup ? setup : []),
    ];
  };
  return [
    { kind: "placed", ranks: members, setups: kind.setup ? members : [] },
    ...members.flatMap(({ rank }) => about(rank)),
    { kind: "rank-refused", key: key("run", 0), why: "full" },
    { kind: "rank-refused", key: key("run", 0), why: "taken", fault: "job" },
    { kind: "rank-exited", key: key("run", kind.ranks - 1), exit: bad, ...exit },
    { kind: "setup-exited", key: key("setup", 0), exit: bad, ...exit },
    { kind: "node-lost", node: "head", evidence: "silent" },
    { kind: "node-restarted", node: "head" },
    { kind: "cancel-requested", user: "ann" },
    { kind: "deadline-passed", waited: "15 s" },
    ...(kind.timeout ? [{ kind: "timeout-passed" } as const] : []),
  ];
}

/** What must hold of one step. */
function judge(before: GangState, after: GangState, effects: readonly GangEffect[]): void {
  const count = (kind: GangEffect["kind"]): number =>
    effects.filter((effect) => effect.kind === kind).length;
  for (const effect of effects) {
    if (effect.kind !== "go" || after.phase === "queued") continue;
    const peers = effect.key.phase === "run" ? after.ranks : after.setups;
    assert.ok(
      peers.every(({ ready }) => ready),
      "no go before every process stands ready",
    );
  }
  const isOver = after.phase === "queued" || after.phase === "ended";
  const held = before.phase !== "queued";
  judgeTimeout(before, after, effects);
  const released = held && isOver ? 1 : 0;
  if (held) assert.equal(count("release"), released, `${before.phase} → ${after.phase}`);
  assert.equal(count("conclude"), after.phase === "ended" ? 1 : 0);
  assert.equal(count("requeue"), held && after.phase === "queued" ? 1 : 0);
  if (after.phase === "queued" && held) assert.equal(after.attempt, before.attempt + 1);
  if (after.phase === "ended" && after.reason.code === "all-ranks-exited-0") {
    assert.ok(after.ranks.every(({ exit }) => exit?.kind === "code" && exit.code === 0));
  }
  if (after.phase === "ended" && before.phase === "draining") judgeSweeps(after, effects);
  if (after.phase === "queued" && before.phase === "draining") judgeConfirmed(before, effects);
}

/** It is watched from when it counts, and until then or from the stop on it is not. */
function judgeTimeout(before: GangState, after: GangState, effects: readonly GangEffect[]): void {
  const counts = (state: GangState): boolean =>
    state.phase !== "queued" && "begunAt" in state && state.begunAt !== undefined;
  const told = (kind: GangEffect["kind"]): boolean => effects.some((one) => one.kind === kind);
  const isOverAtOnce = told("start-timeout") && told("stop-timeout");
  if (isOverAtOnce) return;
  assert.equal(told("start-timeout"), !counts(before) && counts(after), "watched from its start");
  assert.equal(told("stop-timeout"), counts(before) && !counts(after), "not watched any more");
  const mayCount = ["setting-up", "starting", "running"].includes(after.phase);
  if (after.terms.timeoutMs !== undefined) assert.equal(counts(after), mayCount, after.phase);
}

/** Whatever was asked to run is swept, or is done by itself, or haunts its node. */
function judgeSweeps(after: GangState, effects: readonly GangEffect[]): void {
  for (const { key, process } of processesOf(after)) {
    const done = key.phase === "setup" && process.exit?.kind === "code" && process.exit.code === 0;
    const haunts = effects.some(({ kind }) => kind === "haunt");
    assert.ok(!process.asked || process.swept || done || haunts);
  }
}

/** A new attempt may begin: nothing of the old one can run, by the nodes' own word. */
function judgeConfirmed(before: GangState, effects: readonly GangEffect[]): void {
  const open = processesOf(before).filter(
    ({ key, process }) =>
      process.asked && !process.swept && !(key.phase === "setup" && process.exit?.kind === "code"),
  );
  assert.ok(open.length <= 1, "only the one whose word just came was open");
  assert.equal(
    effects.some(({ kind }) => kind === "haunt"),
    false,
  );
}

function explore(kind: Kind, depth: number): number {
  const limit = kind.timeout ? { timeoutMs: 10 } : {};
  const terms = {
    job: 1,
    hasSetup: kind.setup,
    hasRun: true,
    restartsMax: kind.restarts,
    ...limit,
  };
  let seen = 0;
  const visit = (state: GangState, left: number): void => {
    if (left === 0) return;
    for (const event of alphabet(kind, state.attempt)) {
      if ("key" in event && processOf(state, event.key) === undefined) continue;
      const outcome = stepGang(state, { ...event, at });
      if (!outcome.taken || outcome.state === state) continue;
      assert.notEqual(state.phase, "ended", "an end takes nothing");
      seen += 1;
      judge(state, outcome.state, outcome.effects);
      visit(outcome.state, left - 1);
    }
  };
  visit(newGang(terms), depth);
  return seen;
}

for (const kind of [
  { ranks: 1, setup: false, restarts: 0 },
  { ranks: 1, setup: false, restarts: 1 },
  { ranks: 2, setup: false, restarts: 0 },
  { ranks: 2, setup: false, restarts: 1 },
  { ranks: 1, setup: true, restarts: 1 },
  { ranks: 2, setup: true, restarts: 0 },
  { ranks: 1, setup: false, restarts: 1, timeout: true },
  { ranks: 2, setup: true, restarts: 1, timeout: true },
] as const) {
  const extras = `${kind.setup ? " with setup" : ""}${"timeout" in kind ? " and a timeout" : ""}`;
  const what = `${kind.ranks} ranks${extras}, ${kind.restarts} restarts`;
  test(`gang of ${what}: no sequence breaks a promise`, () => {
    assert.ok(explore(kind, 6) > 1_000);
  });
}

/** Plays events on a gang of two that may not restart. */
function play(...events: readonly GangEvent[]): GangState {
  let state: GangState = newGang({ job: 1, hasSetup: false, hasRun: true, restartsMax: 0 });
  for (const event of events) {
    const outcome = stepGang(state, { ...event, at });
    if (outcome.taken) state = outcome.state;
  }
  return state;
}

const run = (index: number): RankKey => ({ job: 1, attempt: 1, phase: "run", index });
const began: readonly GangEvent[] = [
  { kind: "placed", ranks: [member(0), member(1)], setups: [] },
  { kind: "rank-prepared", key: run(0) },
  { kind: "rank-prepared", key: run(1) },
];
const ended = { endedAt: 4, logBytes: 0 };
const swept = (index: number): GangEvent => {
  const sweep = { found: 1, killed: 1, survivors: 0, unproven: [] };
  return { kind: "rank-swept", key: run(index), sweep: { node: nodes[index] ?? "", ...sweep } };
};

test("the first outcome wins: a cancel that comes after a failure changes nothing", () => {
  const state = play(
    ...began,
    { kind: "rank-exited", key: run(1), exit: bad, ...ended },
    { kind: "cancel-requested", user: "ann" },
    { kind: "rank-exited", key: run(0), exit: ok, ...ended },
    swept(0),
    swept(1),
    { kind: "cancel-requested", user: "ann" },
  );
  assert.equal(state.phase === "ended" && state.reason.code, "rank-failed");
});

test("an exit that nobody knows is never a success", () => {
  const exit: Exit = { kind: "unknown", evidence: "the shim was killed" };
  const state = play(
    ...began,
    { kind: "rank-exited", key: run(0), exit: ok, ...ended },
    { kind: "rank-exited", key: run(1), exit, ...ended },
    swept(0),
    swept(1),
  );
  assert.equal(state.phase === "ended" && state.reason.code, "exit-unknown");
});

test("a survivor is no end: only a clean sweep or the deadline is", () => {
  const sweep = { node: "head", found: 2, killed: 1, survivors: 1, unproven: [] };
  const failed: readonly GangEvent[] = [
    ...began,
    { kind: "rank-exited", key: run(0), exit: bad, ...ended },
    swept(1),
    { kind: "rank-swept", key: run(0), sweep },
  ];
  assert.equal(play(...failed).phase, "draining");
  assert.equal(play(...failed, swept(0)).phase, "ended");
  const late = play(...failed, { kind: "deadline-passed", waited: "120 s" });
  assert.equal(late.phase, "ended");
  assert.match(JSON.stringify(late), /no answer within 120 s/);
});

test("a gang runs when all ranks have begun, though the word of one start was lost", () => {
  const key = (index: number): RankKey => ({ job: 1, attempt: 1, phase: "run", index });
  const events: readonly GangEvent[] = [
    { kind: "placed", ranks: [member(0), member(1)], setups: [] },
    { kind: "rank-prepared", key: key(0) },
    { kind: "rank-prepared", key: key(1) },
    { kind: "rank-started", key: key(0), pid: 1, startedAt: 3 },
    { kind: "rank-exited", key: key(1), exit: ok, endedAt: 4, logBytes: 0 },
  ];
  const terms = { job: 1, hasSetup: false, hasRun: true, restartsMax: 0 };
  const phases: string[] = [];
  let state: GangState = newGang(terms);
  for (const event of events) {
    const outcome = stepGang(state, { ...event, at });
    if (outcome.taken) state = outcome.state;
    phases.push(state.phase);
  }
  assert.deepEqual(phases, ["preparing", "preparing", "starting", "starting", "running"]);
});

test("where a rank runs in a folder of its job's own is told once, with the reason", () => {
  const key = (index: number): RankKey => ({ job: 7, attempt: 1, phase: "run", index });
  const place = { folder: "sky_workdirs/7", inUseBy: 5 };
  const begun = (index: number) =>
    ({ kind: "rank-started", key: key(index), pid: 1, startedAt: 3 }) as const;
  const told = (ranks: readonly GangRank[], starts: readonly GangEvent[]): readonly string[] => {
    const terms = { job: 7, hasSetup: false, hasRun: true, restartsMax: 0 };
    const ready = ranks.map((_, index) => ({ kind: "rank-prepared", key: key(index) }) as const);
    const before = ranks.length === 1 ? [] : ready;
    let state: GangState = newGang(terms);
    const notes: string[] = [];
    for (const event of [{ kind: "placed", ranks, setups: [] } as const, ...before, ...starts]) {
      const outcome = stepGang(state, { ...event, at });
      if (!outcome.taken) continue;
      state = outcome.state;
      notes.push(
        ...outcome.effects
          .flatMap((one) => (one.kind === "note" ? [one.note] : []))
          .filter(({ kind }) => kind === "workdir")
          .map(({ cause }) => cause),
      );
    }
    return notes;
  };
  const [first, second] = [
    { ...begun(0), place },
    { ...begun(1), place: { folder: "x/7" } },
  ];
  const why = "runs in ~/sky_workdirs/7: job 5 uses another version in ~/sky_workdir";
  assert.deepEqual(told([member(0)], [first, first]), [`rank 0 on head ${why}`]);
  const node = member(1).node;
  const both = [`rank 0 on head ${why}`, `rank 1 on ${node} runs in ~/x/7`];
  assert.deepEqual(told([member(0), member(1)], [first, second, second]), both);
  assert.deepEqual(told([member(0), member(1)], [begun(0), begun(1)]), []);
});
