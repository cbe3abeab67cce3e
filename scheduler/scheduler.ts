// The scheduler's step: one message in, one turn out. Pure: no clock, no I/O.
//
// What changes together (the queue, the ledger, the records of jobs, autostop) changes here, in one
// turn and one commit. `start` rebuilds the table from the records of an earlier one: whatever
// point a crash left it at, the nodes are asked what they have and the two are reconciled.

import type { Node } from "../model/node.ts";
import type { Received } from "../runtime/actor.ts";
import type { Instant } from "../runtime/clock.ts";
import type { StoreRecord } from "../runtime/store.ts";
import { adviseAutostop, forgive, keepReconciling, repeat } from "./advance.ts";
import { dispatch, keepFor } from "./dispatch.ts";
import { inventoryPart } from "./inventory-part.ts";
import { deadlinePassed, timeoutDue } from "./job-dues.ts";
import { startDeadline, startTimeout } from "./job-timers.ts";
import { askSilence } from "./leases.ts";
import type { NodeReport, SchedulerTimer } from "./messages.ts";
import { changePhase, declare, nodeSilent, noteMisfit, seat } from "./node-set.ts";
import { createPlacer } from "./placement.ts";
import { createQueue } from "./queue.ts";
import type { Records } from "./records.ts";
import { readRecords } from "./records.ts";
import { inventory, report } from "./reports.ts";
import * as requests from "./requests.ts";
import type { Restore } from "./restored.ts";
import { noteRestore } from "./restored.ts";
import { considerAll, logsComplete, settleSome } from "./settle.ts";
import type { JobEntry, SchedulerOptions, SchedulerState } from "./table.ts";
import { defaultOptions, isHalfTold } from "./table.ts";
import type { Draft, SchedulerInput, SchedulerTurn } from "./turn.ts";
import { finish, newDraft, startTimer, tellAgent } from "./turn.ts";
import type { Secrets } from "./vault.ts";

export interface SchedulerArgs {
  readonly cluster: string;
  /** In the cluster's stable order, head first. */
  readonly nodes: readonly Node[];
  /** Every record under the cluster's prefix, as the store has them. */
  readonly records: readonly StoreRecord[];
  /** What the vault holds. */
  readonly secrets: ReadonlyMap<number, Secrets>;
  /** The last time that the journal was restored from a replica. */
  readonly restored?: Restore;
  readonly options?: Partial<SchedulerOptions>;
}

export function startScheduler(args: SchedulerArgs, at: Instant): SchedulerTurn {
  const records = readRecords(args.cluster, args.records);
  const state = newState(args, records);
  const draft = newDraft(at);
  for (const job of records.jobs) {
    const entry = requests.enter(state, job);
    draft.changed.add(job.spec.id);
    if (job.gang.phase !== "ended") state.active.add(entry.spec.id);
  }
  seat(state, args.nodes);
  for (const id of state.active) resume(state, draft, id);
  keepSecrets(state, draft, args.secrets);
  noteRestore(state, draft, args.restored);
  const kept = records.cluster.reservation;
  const isKept = kept?.nodes.every((id) => state.nodesById.has(id)) && state.queue.has(kept.job);
  if (kept !== undefined && isKept) keepFor(state, draft, kept);
  adviseAutostop(state, draft, { kind: "resumed", running: state.active.size });
  for (const { node, phase } of state.nodes) {
    draft.nodePhases.set(node.id, phase);
    tellAgent(state, draft, { node: node.id, message: { kind: "report-inventory" } });
  }
  considerAll(state);
  draft.isFirst = true;
  draft.autostopChanged = true;
  draft.mayPlace = true;
  return close(state, draft);
}

export function stepScheduler(
  state: SchedulerState,
  message: Received<SchedulerInput>,
): SchedulerTurn {
  const draft = newDraft(message.at);
  take(state, draft, message);
  return close(state, draft);
}

/** Whether a node has ever joined, by its record: such nodes are expected to beat. */
export function joinedNodes(cluster: string, records: readonly StoreRecord[]): readonly string[] {
  const { nodes } = readRecords(cluster, records);
  return [...nodes].flatMap(([id, { bootId }]) => (bootId === "" ? [] : [id]));
}

function close(state: SchedulerState, draft: Draft): SchedulerTurn {
  if (draft.mayPlace) dispatch(state, draft);
  settleSome(state, draft);
  keepReconciling(state, draft);
  return finish(state, draft);
}

function take(state: SchedulerState, draft: Draft, message: Received<SchedulerInput>): void {
  switch (message.kind) {
    case "rank-prepared":
    case "rank-refused":
    case "rank-started":
    case "rank-exited":
    case "rank-swept":
      report(state, draft, { from: message.from, message });
      return;
    case "inventory":
      inventory(state, draft, { from: message.from, message });
      return;
    case "inventory-part":
      inventoryPart(state, draft, { from: message.from, message });
      return;
    case "node-phase-changed":
    case "node-silent":
    case "node-misfit":
    case "nodes-declared":
      takeOfNode(state, draft, message);
      return;
    case "submit":
      requests.submit(state, draft, message);
      return;
    case "secrets-kept":
      requests.secretsKept(state, draft, message.submission);
      return;
    case "secrets-refused":
      requests.secretsRefused(state, draft, message);
      return;
    case "cancel":
      requests.cancel(state, draft, message);
      return;
    case "set-autostop":
      requests.setAutostop(state, draft, message);
      return;
    case "submits-held":
      requests.holdSubmits(state, draft, message.count);
      return;
    case "transfers-held":
      requests.holdTransfers(state, draft, message.count);
      return;
    case "close":
      requests.close(state, draft, message);
      return;
    case "open":
      requests.openAgain(state, draft);
      return;
    case "logs-complete":
      logsComplete(state, draft, message);
      return;
    default:
      takeTimer(state, draft, message);
      return;
  }
}

function takeOfNode(state: SchedulerState, draft: Draft, message: NodeReport): void {
  switch (message.kind) {
    case "node-phase-changed": {
      const node = state.nodesById.get(message.node);
      if (node === undefined) return;
      changePhase(state, draft, { ...message, node });
      return;
    }
    case "node-silent":
      nodeSilent(state, draft, message);
      return;
    case "node-misfit":
      noteMisfit(state, draft, message);
      return;
    case "nodes-declared":
      declare(state, draft, message.nodes);
      return;
  }
}

function takeTimer(state: SchedulerState, draft: Draft, timer: SchedulerTimer): void {
  switch (timer.kind) {
    case "job-deadline":
      deadlinePassed(state, draft, timer);
      return;
    case "timeout-due":
      timeoutDue(state, draft, timer);
      return;
    case "retry-due": {
      const entry = state.jobs.get(timer.job);
      if (entry?.gang.phase === "queued") wait(state, draft, entry);
      return;
    }
    case "autostop-due":
      adviseAutostop(state, draft, { kind: "due" });
      return;
    // Every turn settles some.
    case "settle-due":
      return;
    case "reconcile-due":
      reconcile(state, draft);
      return;
  }
}

/** Nothing happened for a while: says again what is still waited for, and forgives nodes. */
function reconcile(state: SchedulerState, draft: Draft): void {
  state.reconciling = false;
  const { monoMs } = draft.at;
  for (const id of state.moving) {
    const entry = state.jobs.get(id);
    if (entry !== undefined && monoMs - entry.movedAt >= state.options.reconcileMs) {
      repeat(state, draft, { entry });
    }
    if (entry !== undefined) askSilence(state, draft, entry);
  }
  for (const node of state.nodes) {
    if (node.shunnedUntil > 0 && node.shunnedUntil <= monoMs) forgive(state, draft, node);
    const mustTell = isHalfTold(node) || (node.ghosts.size > 0 && node.phase === "alive");
    if (!mustTell) continue;
    tellAgent(state, draft, { node: node.node.id, message: { kind: "report-inventory" } });
  }
}

function newState(args: SchedulerArgs, records: Records): SchedulerState {
  const newest = Math.max(records.jobs.at(-1)?.spec.id ?? 0, records.history.newest);
  return {
    cluster: args.cluster,
    options: { ...defaultOptions, ...args.options },
    ...{ nodes: [], nodesById: new Map(), placer: createPlacer([]), queue: createQueue() },
    remembered: records.nodes,
    ...{ jobs: new Map(), settling: new Set(), history: { ...records.history } },
    ...{ active: new Set(), moving: new Set(), shapes: new Map(), unparked: [] },
    ...{ epoch: 0, reservation: undefined, keys: new Map(records.keys) },
    nextId: Math.max(newest + 1, records.cluster.restored?.idMin ?? 1),
    ...{ restored: records.cluster.restored, lostJobs: new Set() },
    ...{ pending: new Map(), secrets: new Map(), cancels: new Map(), closeWaiters: [] },
    closed: records.cluster.closed,
    autostop: records.cluster.autostop,
    ...{ submitsHeld: 0, transfersHeld: 0 },
    reconciling: false,
  };
}

/** Goes on with a job where the records left it. */
function resume(state: SchedulerState, draft: Draft, id: number): void {
  const entry = state.jobs.get(id);
  if (entry === undefined) return;
  const { gang } = entry;
  entry.movedAt = draft.at.monoMs;
  startTimeout(draft, entry);
  switch (gang.phase) {
    case "queued":
      resumeQueued(state, draft, entry);
      return;
    case "preparing":
      state.moving.add(id);
      startDeadline(state, draft, { entry, name: "prepare" });
      return;
    case "setting-up":
      state.moving.add(id);
      if (gang.stage === "barrier") startDeadline(state, draft, { entry, name: "prepare" });
      return;
    case "starting":
      state.moving.add(id);
      return;
    case "draining":
      state.moving.add(id);
      startDeadline(state, draft, { entry, name: "drain" });
      return;
    case "running":
    case "ended":
  }
}

function resumeQueued(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  const { gang, spec } = entry;
  if (gang.phase !== "queued") return;
  const left = Math.min(gang.notBefore - draft.at.wallMs, state.options.pauseMaxMs);
  if (left <= 0) {
    wait(state, draft, entry);
    return;
  }
  const message = { kind: "retry-due", job: spec.id } as const;
  startTimer(draft, { name: `retry-${spec.id}`, ms: left, message });
}

/** Stands in line. */
function wait(state: SchedulerState, draft: Draft, { spec, shape }: JobEntry): void {
  state.queue.add({ id: spec.id, priority: spec.task.priority, shape });
  draft.mayPlace = true;
}

/** Takes the secrets of jobs that need them; those of nobody leave the vault. */
function keepSecrets(
  state: SchedulerState,
  draft: Draft,
  secrets: ReadonlyMap<number, Secrets>,
): void {
  const strangers: number[] = [];
  for (const [job, values] of secrets) {
    if (state.active.has(job)) state.secrets.set(job, values);
    else strangers.push(job);
  }
  if (strangers.length > 0) draft.others.push({ kind: "remove-secrets", jobs: strangers });
}
