// Settled jobs leave the scheduler. A job is settled when it has ended, the head has its logs, and
// nothing of it can be left on a node: nobody will ever say or ask anything that changes it.
//
// In one commit its spec and state make room for one record that readers need (`done`), and for a
// place in the order in which jobs settled, by which they are forgotten later. What must always
// hold: a job is either in the table, or settled and on record; its id is never used again.

import type { RankKey } from "../model/job.ts";
import { parseRankKey, rankKeyText } from "../model/job.ts";
import { processesOf } from "./gang-state.ts";
import { jobView } from "./job-view.ts";
import type { OrderRecord, SettledRecord } from "./records.ts";
import { recordKeys } from "./records.ts";
import type { JobEntry, SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";
import { startTimer, tellAgent } from "./turn.ts";

/** Jobs that one turn settles; with more, the next turn comes soon. */
export const settleMax = 256;
const settleMs = 10;
/** Shapes that no job asks for any more are dropped when there are so many more than jobs. */
const shapesSpare = 256;

/** The head has every byte of an attempt's logs: its directories on the nodes may go. */
export function logsComplete(
  state: SchedulerState,
  draft: Draft,
  told: { readonly job: number; readonly attempt: number; readonly bytes?: number },
): void {
  const { job, attempt, bytes = 0 } = told;
  const entry = state.jobs.get(job);
  if (entry === undefined || entry.logs.includes(attempt)) return;
  entry.logs = [...entry.logs, attempt];
  entry.logBytes += bytes;
  draft.durable.add(job);
  for (const { node, key } of placesOf(entry, attempt)) {
    // What must still be swept is not forgotten: its directory is how the node finds what is left.
    if (isGhost(state, node, key)) continue;
    tellAgent(state, draft, { node, message: { kind: "forget", key } });
  }
  consider(state, job);
}

/** Something of a job changed that may have kept it from being settled. */
export function consider(state: SchedulerState, job: number): void {
  const entry = state.jobs.get(job);
  if (entry !== undefined && isSettled(state, entry)) state.settling.add(job);
}

/** A process of an ended job is proven to be gone. */
export function considerGhost(state: SchedulerState, ghost: string): void {
  const key = parseRankKey(ghost);
  if (key !== undefined) consider(state, key.job);
}

/** After a start of the head. */
export function considerAll(state: SchedulerState): void {
  for (const job of state.jobs.keys()) consider(state, job);
}

/** Part of every turn: settles what can be, within a bound. */
export function settleSome(state: SchedulerState, draft: Draft): void {
  if (state.settling.size === 0) return;
  let count = 0;
  for (const job of state.settling) {
    if (count === settleMax) break;
    count += 1;
    state.settling.delete(job);
    const entry = state.jobs.get(job);
    if (entry !== undefined && isSettled(state, entry)) settle(state, draft, entry);
  }
  dropShapes(state);
  if (state.settling.size === 0) return;
  startTimer(draft, { name: "settle", ms: settleMs, message: { kind: "settle-due" } });
}

function isSettled(state: SchedulerState, entry: JobEntry): boolean {
  const { gang, logs, logsFrom } = entry;
  if (gang.phase !== "ended") return false;
  const attempts = [...gang.past.map(({ attempt }) => attempt), gang.attempt];
  const isOver = (attempt: number): boolean => logs.includes(attempt) || attempt < logsFrom;
  return attempts.every(
    (attempt) =>
      isOver(attempt) &&
      !placesOf(entry, attempt).some(({ node, key }) => isGhost(state, node, key)),
  );
}

function settle(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  const { id } = entry.spec;
  const { cluster, history } = state;
  const { past } = entry.gang;
  history.settled += 1;
  history.logBytes += entry.logBytes;
  const job = jobView(state, entry, draft.at.monoMs);
  const record: SettledRecord = {
    ...{ job, order: history.settled },
    ...(past.length === 0 ? {} : { past }),
  };
  const place: OrderRecord = [id, history.logBytes];
  draft.puts.push(
    { key: recordKeys.done(cluster, id), value: JSON.stringify(record) },
    { key: recordKeys.order(cluster, history.settled), value: JSON.stringify(place) },
  );
  draft.deletes.push(recordKeys.spec(cluster, id), recordKeys.state(cluster, id));
  if (draft.changed.delete(id)) draft.lastViews.push(job);
  draft.durable.delete(id);
  draft.settled.push(id);
  state.jobs.delete(id);
}

function dropShapes(state: SchedulerState): void {
  if (state.shapes.size <= state.jobs.size + shapesSpare) return;
  const used = new Set([...state.jobs.values()].map(({ shape }) => shape));
  for (const shape of state.shapes.keys()) if (!used.has(shape)) state.shapes.delete(shape);
}

function isGhost(state: SchedulerState, node: string, key: RankKey): boolean {
  return state.nodesById.get(node)?.ghosts.has(rankKeyText(key)) === true;
}

/** Where an attempt had its processes. */
function placesOf(
  { spec, gang }: JobEntry,
  attempt: number,
): readonly { readonly node: string; readonly key: RankKey }[] {
  const job = spec.id;
  if (gang.phase !== "queued" && gang.attempt === attempt) {
    return processesOf(gang).map(({ key, process }) => ({ key, node: process.node }));
  }
  const past = gang.past.find((over) => over.attempt === attempt);
  if (past === undefined) return [];
  const ranks = past.ranks.map((node, index) => {
    const key: RankKey = { job, attempt, phase: "run", index };
    return { node, key };
  });
  const setups = past.setups.map(({ index, node }) => {
    const key: RankKey = { job, attempt, phase: "setup", index };
    return { node, key };
  });
  return [...ranks, ...setups];
}
