// A head over a restored journal: ids that may have been given are not given again, and what nodes
// have of jobs that were lost is said, once for each. Nothing of it without a restore.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoredState } from "../../scheduler/records.ts";
import { noteLost, noteRestore } from "../../scheduler/restored.ts";
import type { SchedulerState } from "../../scheduler/table.ts";
import { newDraft } from "../../scheduler/turn.ts";

const at = { wallMs: 5, monoMs: 5, bootId: "b" };
const restore = { atWallMs: 4, untilWallMs: 3 };

/** What these functions look at. */
function stateOf(nextId: number, restored?: RestoredState): SchedulerState {
  const state = { nextId, restored, lostJobs: new Set<number>(), jobs: new Map() };
  return state as unknown as SchedulerState;
}

function about(job: number) {
  return { node: "worker1", key: { job, attempt: 1, phase: "run", index: 0 } } as const;
}

test("a restore skips ids once, and says so", () => {
  const state = stateOf(7);
  const draft = newDraft(at);
  noteRestore(state, draft, restore);
  assert.deepEqual(state.restored, { atWallMs: 4, lostFrom: 7, idMin: 1_007 });
  assert.equal(state.nextId, 1_007);
  assert.ok(draft.clusterChanged, "it is kept");
  assert.match(draft.events[0]?.cause ?? "", /as of 1970-.*ids of new jobs begin at 1007/);
  noteRestore(state, draft, restore);
  noteRestore(stateOf(7), draft, undefined);
  assert.equal(state.nextId, 1_007);
  assert.equal(draft.events.length, 1);
});

test("a job that was lost is named once; one that is old or unknown otherwise is not", () => {
  const state = stateOf(1_007, { atWallMs: 4, lostFrom: 7, idMin: 1_007 });
  const draft = newDraft(at);
  for (const job of [8, 8, 6, 1_005]) noteLost(state, draft, about(job));
  const said = draft.events.map(({ evidence }) => evidence["job"]);
  assert.deepEqual(said, ["8", "1005"]);
  assert.match(draft.events[0]?.cause ?? "", /worker1 has a process of job 8, which was lost/);
  noteLost(stateOf(7), draft, about(9));
  assert.equal(draft.events.length, 2, "without a restore nothing is lost");
});

test("an id above those that were skipped raises them, within reason", () => {
  const state = stateOf(1_007, { atWallMs: 4, lostFrom: 7, idMin: 1_007 });
  const draft = newDraft(at);
  noteLost(state, draft, about(4_000));
  assert.equal(state.nextId, 4_001);
  assert.ok(draft.clusterChanged);
  noteLost(state, draft, about(Number.MAX_SAFE_INTEGER - 1));
  assert.equal(state.nextId, 4_001, "a node cannot use the ids up");
});
