// What agents report, and how it is reconciled with what the scheduler wants.
//
// Who reports is taken from the bus, never from the message: a node speaks for its own processes
// only. Reports may come twice, late, or about attempts that are long over: what is over is
// acknowledged so that the node stops repeating it, and what still runs of it is stopped.
//
// An inventory is the whole truth of a node at one moment. It is compared with what should be
// there, by level: nothing else needs to arrive for the two to agree in the end.

import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import { given } from "../proto/fields.ts";
import type { AgentReport, RankReport } from "../proto/messages.ts";
import { advance, awaited, jobsOn, layGhost, repeat } from "./advance.ts";
import type { GangEvent, GangRank, PlacedState } from "./gang-state.ts";
import { awaitsSweep, processesOf, processOf } from "./gang-state.ts";
import { changePhase, noteCapabilities } from "./node-set.ts";
import { noteLost } from "./restored.ts";
import { stopOrder } from "./stops.ts";
import type { JobEntry, NodeEntry, SchedulerState } from "./table.ts";
import type { Draft } from "./turn.ts";
import { tellAgent, tellHistory } from "./turn.ts";

type Report = Exclude<AgentReport, { readonly kind: "inventory" | "inventory-part" }>;
type Inventory = Extract<AgentReport, { readonly kind: "inventory" }>;

export function report(
  state: SchedulerState,
  draft: Draft,
  { from, message }: { readonly from: string; readonly message: Report },
): void {
  const node = state.nodesById.get(from);
  if (node === undefined) {
    refuse(draft, from);
    return;
  }
  const { key } = message;
  const found = current(state, key);
  if (found === undefined) {
    stale(state, draft, { node, message });
    return;
  }
  if (found.process.node !== from) {
    refuse(draft, from);
    return;
  }
  if (message.kind === "rank-prepared") node.failures = 0;
  take(state, draft, { ...found, node, message });
}

export function inventory(
  state: SchedulerState,
  draft: Draft,
  { from, message }: { readonly from: string; readonly message: Inventory },
): void {
  const node = state.nodesById.get(from);
  // It came up before it was declared: it is asked again once it is.
  if (node === undefined) return;
  // One that is whole tells more than an older one of which a part is missing.
  if (!node.gathered?.isWhole) node.gathered = undefined;
  const reported = new Map(message.ranks.map((rank) => [rankKeyText(rank.key), rank]));
  noteCapabilities(state, draft, { node, said: message.capabilities });
  noteBoot(state, draft, { node, bootId: message.bootId, reported });
  for (const rank of message.ranks) takeRank(state, draft, { node, rank });
  for (const entry of jobsOn(state, node)) missing(state, draft, { entry, node, reported });
  for (const ghost of [...node.ghosts]) {
    if (!reported.has(ghost)) layGhost(state, draft, { node, ghost });
  }
  const isNews = node.phase === "absent" || node.phase === "suspect";
  if (isNews && state.closed === undefined) {
    changePhase(state, draft, { node, phase: "alive", evidence: "its inventory came" });
  }
}

/** A node spoke of what is not its own, or is no node of ours: it changes nothing. */
function refuse(draft: Draft, node: string): void {
  draft.others.push({ kind: "count-refusal", node });
}

interface Current {
  readonly entry: JobEntry;
  readonly gang: PlacedState;
  readonly process: GangRank;
}

/** The process that a key names, if it is of an attempt that is not over. */
function current(state: SchedulerState, key: RankKey): Current | undefined {
  const entry = state.jobs.get(key.job);
  const gang = entry?.gang;
  if (entry === undefined || gang === undefined) return undefined;
  if (gang.phase === "queued" || gang.phase === "ended") return undefined;
  const process = processOf(gang, key);
  return process === undefined ? undefined : { entry, gang, process };
}

function take(
  state: SchedulerState,
  draft: Draft,
  about: Current & { readonly node: NodeEntry; readonly message: Report },
): void {
  const { entry, gang, process, node, message } = about;
  const { key } = message;
  if (message.kind === "rank-exited") {
    const isAwaited = gang.phase === "draining" && awaitsSweep(key, process);
    if (process.exit !== undefined && !isAwaited) {
      tellAgent(state, draft, { node: node.node.id, message: { kind: "acknowledge", key } });
      return;
    }
    if (message.neverStarted && isBeforeStart(gang)) {
      advance(state, draft, { entry, event: neverStarted(key) });
      return;
    }
    const kind = key.phase === "setup" ? "setup-exited" : "rank-exited";
    advance(state, draft, { entry, event: { ...message, kind } });
    return;
  }
  advance(state, draft, { entry, event: message });
}

/** A report about something that is over. */
function stale(
  state: SchedulerState,
  draft: Draft,
  { node, message }: { readonly node: NodeEntry; readonly message: Report },
): void {
  const { key } = message;
  const { id } = node.node;
  const ghost = rankKeyText(key);
  noteLost(state, draft, { node: id, key });
  switch (message.kind) {
    case "rank-refused":
      settleStranger(state, draft, { id, key });
      return;
    case "rank-prepared":
    case "rank-started":
      if (isKnownEnd(state, key) && !node.ghosts.has(ghost)) return;
      stopStranger(state, draft, { id, key });
      return;
    case "rank-exited":
      if (node.ghosts.has(ghost)) {
        stopStranger(state, draft, { id, key });
        return;
      }
      tellAgent(state, draft, { node: id, message: { kind: "acknowledge", key } });
      return;
    case "rank-swept":
      if (message.sweep.survivors > 0) return;
      layGhost(state, draft, { node, ghost });
      settleStranger(state, draft, { id, key });
      return;
  }
}

/** Whether the head has this process's exit on record: late words of its start mean nothing. */
function isKnownEnd(state: SchedulerState, key: RankKey): boolean {
  const gang = state.jobs.get(key.job)?.gang;
  return gang?.phase === "ended" && processOf(gang, key)?.exit !== undefined;
}

function stopStranger(
  state: SchedulerState,
  draft: Draft,
  { id, key }: { readonly id: string; readonly key: RankKey },
): void {
  tellAgent(state, draft, { node: id, message: stopOrder(state, key, "cancelled") });
}

/** A node that restarted has nothing of before; what it says is alive was begun since. */
function noteBoot(state: SchedulerState, draft: Draft, { node, bootId, reported }: Boot): void {
  if (node.bootId === bootId) return;
  const { id } = node.node;
  const before = node.bootId;
  node.bootId = bootId;
  draft.nodeRecords.add(node);
  if (before === "") return;
  tellHistory(draft, {
    ...{ subject: `node/${id}`, actor: `agent:${id}`, kind: "restarted" },
    cause: `${id} restarted: what ran there before is gone`,
    evidence: { bootId, before },
  });
  // What ended in a way that is known ended before, or was begun since: it is taken as it is.
  const isLost = (key: string): boolean => {
    const rank = reported.get(key);
    return rank === undefined || (rank.phase === "exited" && rank.exit.kind === "unknown");
  };
  for (const entry of jobsOn(state, node)) {
    const died = processesOf(entry.gang).some(
      ({ key, process }) => process.node === id && process.asked && isLost(rankKeyText(key)),
    );
    if (died) advance(state, draft, { entry, event: { kind: "node-restarted", node: id } });
  }
}

interface Boot {
  readonly node: NodeEntry;
  readonly bootId: string;
  readonly reported: ReadonlyMap<string, RankReport>;
}

/** Takes what a node says of one process as if it were said anew. */
function takeRank(
  state: SchedulerState,
  draft: Draft,
  { node, rank }: { readonly node: NodeEntry; readonly rank: RankReport },
): void {
  const from = node.node.id;
  const { key } = rank;
  const found = current(state, key);
  if (found === undefined) {
    takeStranger(state, draft, { node, rank });
    return;
  }
  if (found.process.node !== from) {
    refuse(draft, from);
    return;
  }
  const say = (message: Report): void => report(state, draft, { from, message });
  switch (rank.phase) {
    case "preparing":
      found.entry.preparingAt = draft.at.monoMs;
      return;
    case "ready":
      say({ kind: "rank-prepared", key });
      demand(state, draft, { entry: found.entry, node, key });
      return;
    case "running":
      say(startOf(rank));
      demand(state, draft, { entry: found.entry, node, key });
      return;
    case "exited":
      takeExited(state, draft, { node, rank });
  }
}

function startOf(rank: Extract<RankReport, { readonly phase: "running" }>): Report {
  const { key, pid, startedAt, place } = rank;
  return { kind: "rank-started", key, pid, startedAt, ...given("place", place) };
}

function takeExited(
  state: SchedulerState,
  draft: Draft,
  {
    node,
    rank,
  }: { readonly node: NodeEntry; readonly rank: Extract<RankReport, { readonly phase: "exited" }> },
): void {
  const from = node.node.id;
  const { key, pid, startedAt, place, exit, endedAt, logBytes, sweep } = rank;
  const say = (message: Report): void => report(state, draft, { from, message });
  const before = current(state, key);
  const isNever = pid === undefined && exit.kind === "unknown";
  if (before !== undefined && isNever && isBeforeStart(before.gang)) {
    advance(state, draft, { entry: before.entry, event: neverStarted(key) });
    return;
  }
  if (pid !== undefined && startedAt !== undefined) {
    say({ kind: "rank-started", key, pid, startedAt, ...given("place", place) });
  }
  say({ kind: "rank-exited", key, exit, endedAt, logBytes });
  const found = current(state, key);
  if (sweep !== undefined) say({ kind: "rank-swept", key, sweep });
  else if (found !== undefined) demand(state, draft, { entry: found.entry, node, key });
}

/**
 * A process that stood ready and is over without ever having had a pid did nothing, whether or not
 * it was told to go.
 */
function neverStarted(key: RankKey): Extract<GangEvent, { readonly kind: "rank-refused" }> {
  const why = "its agent ended before it could start";
  return { kind: "rank-refused", key, why, neverStarted: true };
}

function isBeforeStart({ phase }: PlacedState): boolean {
  return phase === "preparing" || phase === "setting-up" || phase === "starting";
}

/** Sends again what a process that the node has should do next. */
function demand(
  state: SchedulerState,
  draft: Draft,
  {
    entry,
    node,
    key,
  }: { readonly entry: JobEntry; readonly node: NodeEntry; readonly key: RankKey },
): void {
  const { gang } = entry;
  if (gang.phase === "queued" || gang.phase === "ended") return;
  const kind = awaited(gang, key);
  const { id } = node.node;
  if (kind === "go") tellAgent(state, draft, { node: id, message: { kind, key } });
  if (kind === "stop") stopStranger(state, draft, { id, key });
}

/** Something that the node has of an attempt that is over, or of a job that nobody knows. */
function takeStranger(
  state: SchedulerState,
  draft: Draft,
  { node, rank }: { readonly node: NodeEntry; readonly rank: RankReport },
): void {
  const { key } = rank;
  const { id } = node.node;
  const ghost = rankKeyText(key);
  noteLost(state, draft, { node: id, key });
  if (rank.phase !== "exited") {
    stopStranger(state, draft, { id, key });
    return;
  }
  if (node.ghosts.has(ghost) && rank.sweep?.survivors !== 0) {
    stopStranger(state, draft, { id, key });
    return;
  }
  layGhost(state, draft, { node, ghost });
  settleStranger(state, draft, { id, key });
}

/** The node need not repeat it, and may remove it if all of its log is here. */
function settleStranger(
  state: SchedulerState,
  draft: Draft,
  { id, key }: { readonly id: string; readonly key: RankKey },
): void {
  tellAgent(state, draft, { node: id, message: { kind: "acknowledge", key } });
  const entry = state.jobs.get(key.job);
  if (entry === undefined || entry.logs.includes(key.attempt)) {
    tellAgent(state, draft, { node: id, message: { kind: "forget", key } });
  }
}

/** What should be on the node and is not in its inventory. */
function missing(
  state: SchedulerState,
  draft: Draft,
  {
    entry,
    node,
    reported,
  }: {
    readonly entry: JobEntry;
    readonly node: NodeEntry;
    readonly reported: ReadonlyMap<string, RankReport>;
  },
): void {
  const { gang } = entry;
  const { id } = node.node;
  for (const { key, process } of processesOf(gang)) {
    if (process.node !== id || !process.asked || reported.has(rankKeyText(key))) continue;
    const now = current(state, key);
    if (now === undefined) return;
    const kind = awaited(now.gang, key);
    const isGone = kind === "go" || (kind === undefined && now.process.exit === undefined);
    if (isGone && now.gang.phase !== "preparing") {
      const evidence = `${id} does not know of it`;
      const exit = { kind: "unknown", evidence } as const;
      const endedAt = draft.at.wallMs;
      const exitedKind = key.phase === "setup" ? "setup-exited" : "rank-exited";
      advance(state, draft, {
        entry,
        event: { kind: exitedKind, key, exit, endedAt, logBytes: 0 },
      });
    } else if (kind !== undefined) {
      repeat(state, draft, { entry, node: id });
    }
  }
}
