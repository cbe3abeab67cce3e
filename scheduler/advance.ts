// Carries events to a job's gang, and what its table decides to the rest of the scheduler.
//
// The gang decides; this module keeps the ledger, the queue, the nodes, autostop and the waiting
// askers in step with it, within the same turn.

import { assert } from "../model/errors.ts";
import type { RankKey, StopCause } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import { givenText } from "../proto/fields.ts";
import type { AutostopEvent } from "./autostop.ts";
import { stepAutostop } from "./autostop.ts";
import { stepGang } from "./gang.ts";
import { stopCauseOf } from "./gang-parts.ts";
import type { GangEffect, GangEvent, GangState, PlacedState } from "./gang-state.ts";
import { awaitsSweep, processesOf, processOf } from "./gang-state.ts";
import { startDeadline, startTimeout, stopDeadline, stopTimeout } from "./job-timers.ts";
import { goOrder } from "./leases.ts";
import { pauseAfter } from "./pause.ts";
import { rankSpec } from "./rank-spec.ts";
import { considerGhost } from "./settle.ts";
import { stopOrder } from "./stops.ts";
import type { JobEntry, NodeEntry, SchedulerState } from "./table.ts";
import { activityOf, entryOf, isHalfTold, nodeCan } from "./table.ts";
import type { Draft } from "./turn.ts";
import { reply, startTimer, tellAgent, tellHistory } from "./turn.ts";
import { verdict } from "./why.ts";

/** Takes one event to a job's gang. */
export function advance(
  state: SchedulerState,
  draft: Draft,
  { entry, event }: { readonly entry: JobEntry; readonly event: GangEvent },
): void {
  const outcome = stepGang(entry.gang, { ...event, at: draft.at });
  if (!outcome.taken) return;
  const before = entry.gang;
  entry.gang = outcome.state;
  if (before !== entry.gang) changed(state, draft, { entry, before, event });
  for (const effect of outcome.effects) perform(state, draft, { entry, before, effect });
  if (event.kind !== "node-lost") adviseLost(state, draft, entry);
}

/** Autostop hears of every change of the number of jobs, in the turn of the change. */
export function adviseAutostop(state: SchedulerState, draft: Draft, event: AutostopEvent): boolean {
  const outcome = stepAutostop(state.autostop, { ...event, at: draft.at });
  if (!outcome.taken) return false;
  const before = state.autostop;
  state.autostop = outcome.state;
  for (const effect of outcome.effects) {
    if (effect.kind === "start-autostop-timer") {
      const message = { kind: "autostop-due" } as const;
      startTimer(draft, { name: "autostop", ms: effect.ms, message });
    } else if (effect.kind === "cancel-autostop-timer") {
      draft.timers.push({ kind: "cancel-timer", name: "autostop" });
    } else {
      // From here on the cluster takes no jobs, so the shutdown can meet none.
      state.closed = { verb: effect.verb === "stop" ? "stopped" : "terminated", why: "autostop" };
      draft.clusterChanged = true;
      draft.others.push(effect);
    }
  }
  const now = state.autostop;
  const same = before.phase === now.phase && event.kind === "jobs-changed";
  if (same || (before.phase === "off" && now.phase === "off")) return true;
  draft.clusterChanged = true;
  draft.autostopChanged = true;
  const cause = verdict(now, draft.at, state.transfersHeld);
  const change = { from: before.phase, to: now.phase, cause };
  tellHistory(draft, { subject: "cluster", actor: "autostop", kind: "verdict", ...change });
  return true;
}

/** Asks the nodes again for everything that a job still waits for. Harmless if nothing was lost. */
export function repeat(
  state: SchedulerState,
  draft: Draft,
  { entry, node: only }: { readonly entry: JobEntry; readonly node?: string },
): void {
  const { gang } = entry;
  if (gang.phase === "queued" || gang.phase === "ended") return;
  const unheard = new Set<string>();
  for (const { key, process } of processesOf(gang)) {
    const node = state.nodesById.get(process.node);
    if (node === undefined || node.phase === "lost") continue;
    if (only !== undefined && process.node !== only) continue;
    const kind = awaited(gang, key);
    if (kind === undefined) continue;
    if (kind === "prepare") unheard.add(process.node);
    send(state, draft, { entry, kind, key, node: process.node, why: stopCauseOf(gang) });
  }
  if (only !== undefined) return;
  for (const node of unheard)
    tellAgent(state, draft, { node, message: { kind: "report-inventory" } });
}

/** What a gang waits to hear of one of its processes: the answer to which message. */
export function awaited(gang: PlacedState, key: RankKey): "prepare" | "go" | "stop" | undefined {
  const process = processOf(gang, key);
  if (process === undefined || !process.asked) return undefined;
  if (gang.phase === "draining") return awaitsSweep(key, process) ? "stop" : undefined;
  if (process.exit !== undefined || process.pid !== undefined) return undefined;
  switch (gang.phase) {
    case "preparing":
      return process.ready && !gang.goWhenReady ? undefined : "prepare";
    case "setting-up":
      if (key.phase === "setup") return "go";
      return process.ready ? undefined : "prepare";
    case "starting":
    case "running":
      return "go";
    case "ended":
      return undefined;
  }
}

/** A shunned node takes work again when its time is over. */
export function forgive(state: SchedulerState, draft: Draft, node: NodeEntry): void {
  if (node.shunnedUntil === 0) return;
  node.shunnedUntil = 0;
  state.placer.open(node.index, "shunned");
  draft.mayPlace = true;
}

/** A process of an ended job is proven to be gone. */
export function layGhost(
  state: SchedulerState,
  draft: Draft,
  { node, ghost }: { readonly node: NodeEntry; readonly ghost: string },
): void {
  if (!node.ghosts.delete(ghost)) return;
  draft.nodeRecords.add(node);
  considerGhost(state, ghost);
  if (node.ghosts.size > 0) return;
  state.placer.open(node.index, "haunted");
  draft.mayPlace = true;
}

/** Sees to it that messages which may have been lost are repeated while anybody waits. */
export function keepReconciling(state: SchedulerState, draft: Draft): void {
  if (state.reconciling) return;
  const waits = (node: NodeEntry): boolean =>
    node.shunnedUntil > 0 || node.ghosts.size > 0 || isHalfTold(node);
  if (state.moving.size === 0 && !state.nodes.some(waits)) return;
  state.reconciling = true;
  const message = { kind: "reconcile-due" } as const;
  startTimer(draft, { name: "reconcile", ms: state.options.reconcileMs, message });
}

/** What a job that went back to the queue waits for, and why it did. */
export function nextAttempt(why: string): string {
  return `its next attempt: ${why}`;
}

export function setWaiting(draft: Draft, entry: JobEntry, why: string): void {
  if (entry.waiting === why) return;
  entry.waiting = why;
  draft.changed.add(entry.spec.id);
}

interface Change {
  readonly entry: JobEntry;
  readonly before: GangState;
  readonly event: GangEvent;
}

function changed(state: SchedulerState, draft: Draft, { entry, before, event }: Change): void {
  const { id } = entry.spec;
  const { phase } = entry.gang;
  entry.movedAt = draft.at.monoMs;
  // That a process stands ready is not written: the node says it again if the head starts anew.
  if (event.kind === "rank-prepared" && before.phase === phase && !asksMore(before, entry.gang)) {
    return;
  }
  draft.changed.add(id);
  draft.durable.add(id);
  if (phase === "queued" || phase === "running" || phase === "ended") state.moving.delete(id);
  else state.moving.add(id);
}

function asksMore(before: GangState, after: GangState): boolean {
  return before.phase === "setting-up" && after.phase === "setting-up"
    ? before.stage !== after.stage
    : false;
}

/** Notes that tell of the change of phase itself; others in the same turn tell of its cause. */
const moves: ReadonlySet<string> = new Set(["placed", "phase", "gave-back", "requeued", "ended"]);

interface Performed {
  readonly entry: JobEntry;
  readonly before: GangState;
  readonly effect: GangEffect;
}

function perform(state: SchedulerState, draft: Draft, { entry, before, effect }: Performed): void {
  const { id } = entry.spec;
  switch (effect.kind) {
    case "prepare":
    case "go":
    case "acknowledge":
    case "stop":
      send(state, draft, { entry, why: "cancelled", ...effect });
      return;
    case "start-deadline":
      startDeadline(state, draft, { entry, name: effect.name });
      return;
    case "start-timeout":
      startTimeout(draft, entry);
      return;
    case "stop-timeout":
      stopTimeout(draft, entry);
      return;
    case "stop-deadline":
      stopDeadline(draft, entry);
      return;
    case "release":
      release(state, draft, entry);
      return;
    case "requeue":
      requeue(state, draft, { entry, pause: effect.pause });
      return;
    case "shun":
      shun(state, draft, state.nodesById.get(effect.node));
      return;
    case "haunt":
      haunt(state, draft, { node: state.nodesById.get(effect.node), key: effect.key });
      return;
    case "conclude":
      if (before.phase === "queued") dropRetry(draft, id);
      conclude(state, draft, entry);
      return;
    case "note": {
      const from = before.phase;
      const to = entry.gang.phase;
      const isMove = from !== to && moves.has(effect.note.kind);
      const moved = isMove ? { from, to } : {};
      tellHistory(draft, { subject: `job/${id}`, ...moved, ...effect.note });
      return;
    }
  }
}

interface Sent {
  readonly entry: JobEntry;
  readonly kind: "prepare" | "go" | "acknowledge" | "stop";
  readonly key: RankKey;
  readonly node: string;
  readonly why: StopCause;
}

function send(state: SchedulerState, draft: Draft, { entry, kind, key, node, why }: Sent): void {
  switch (kind) {
    case "prepare": {
      const seat = state.nodesById.get(node);
      // Its agent made way for an older one: it would run the job without its files. The deadline
      // takes the job elsewhere.
      if (entry.need.mounts && seat !== undefined && !nodeCan(seat, "mounts")) return;
      const spec = rankSpec(state, entry, key);
      const { bootId = "" } = seat ?? {};
      const message = { kind, key, spec, ...givenText("bootId", bootId) };
      tellAgent(state, draft, { node, message });
      return;
    }
    case "stop":
      tellAgent(state, draft, { node, message: stopOrder(state, key, why) });
      return;
    case "go":
      tellAgent(state, draft, { node, message: goOrder(state, draft, { entry, key, node }) });
      return;
    case "acknowledge":
      tellAgent(state, draft, { node, message: { kind, key } });
      return;
  }
}

function release(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  for (const held of entry.held) {
    const node = state.nodesById.get(held);
    if (node !== undefined) state.placer.release(entry.spec.id, node.index);
  }
  entry.held = [];
  for (const seat of entry.seats) state.nodesById.get(seat)?.jobs.delete(entry.spec.id);
  entry.seats = [];
  draft.mayPlace = true;
}

function requeue(
  state: SchedulerState,
  draft: Draft,
  { entry, pause }: { readonly entry: JobEntry; readonly pause: boolean },
): void {
  const { gang, spec } = entry;
  assert(gang.phase === "queued", `job ${spec.id} goes back to the queue`);
  setWaiting(draft, entry, nextAttempt(gang.why));
  if (!pause) {
    state.queue.add({ id: spec.id, priority: spec.task.priority, shape: entry.shape });
    return;
  }
  const { pauseMs, pauseMaxMs } = state.options;
  const ms = pauseAfter(gang.tries, pauseMs, pauseMaxMs);
  entry.gang = { ...gang, notBefore: draft.at.wallMs + ms };
  const message = { kind: "retry-due", job: spec.id } as const;
  startTimer(draft, { name: `retry-${spec.id}`, ms, message });
}

/** A node that left the cluster in the meantime needs no shunning. */
function shun(state: SchedulerState, draft: Draft, node: NodeEntry | undefined): void {
  if (node === undefined) return;
  node.failures += 1;
  const { shunMs, pauseMaxMs } = state.options;
  node.shunnedUntil = draft.at.monoMs + pauseAfter(node.failures, shunMs, pauseMaxMs);
  state.placer.close(node.index, "shunned");
}

function haunt(
  state: SchedulerState,
  draft: Draft,
  { node, key }: { readonly node: NodeEntry | undefined; readonly key: RankKey },
): void {
  if (node === undefined) return;
  node.ghosts.add(rankKeyText(key));
  state.placer.close(node.index, "haunted");
  draft.nodeRecords.add(node);
}

function conclude(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  const { id } = entry.spec;
  state.active.delete(id);
  state.queue.remove(id);
  draft.mayPlace = true;
  if (entry.spec.hasSecrets) {
    state.secrets.delete(id);
    draft.others.push({ kind: "remove-secrets", jobs: [id] });
  }
  adviseAutostop(state, draft, { kind: "jobs-changed", running: activityOf(state) });
  answerCancels(state, draft, entry);
  if (state.active.size > 0) return;
  for (const waiter of state.closeWaiters.splice(0)) reply(draft, waiter, { kind: "done" });
}

function dropRetry(draft: Draft, job: number): void {
  draft.timers.push({ kind: "cancel-timer", name: `retry-${job}` });
}

function answerCancels(state: SchedulerState, draft: Draft, { spec, gang }: JobEntry): void {
  const byUser = gang.phase === "ended" && gang.reason.code === "cancelled-by-user";
  for (const waiter of state.cancels.get(spec.id) ?? []) {
    waiter.left.delete(spec.id);
    if (byUser) waiter.cancelled.push(spec.id);
    if (waiter.left.size > 0) continue;
    const { cancelled, unknown } = waiter;
    const jobs = [...cancelled].sort((a, b) => a - b);
    reply(draft, waiter.replyTo, { kind: "cancelled", jobs, unknown });
  }
  state.cancels.delete(spec.id);
}

/** A gang that begins to drain on a node that is lost already needs not wait for its answer. */
function adviseLost(state: SchedulerState, draft: Draft, entry: JobEntry): void {
  const { gang } = entry;
  if (gang.phase !== "draining" || gang.outcome.kind === "requeue") return;
  const left = processesOf(gang).filter(({ key, process }) => awaitsSweep(key, process));
  for (const node of new Set(left.map(({ process }) => process.node))) {
    const phase = state.nodesById.get(node)?.phase;
    if (phase !== undefined && phase !== "lost") continue;
    const evidence = phase === undefined ? "it left the cluster" : "it does not beat";
    advance(state, draft, { entry, event: { kind: "node-lost", node, evidence } });
  }
}

/** Every job that has not ended and has something on a node. */
export function jobsOn(state: SchedulerState, node: NodeEntry): readonly JobEntry[] {
  return [...node.jobs].map((id) => entryOf(state, id));
}
