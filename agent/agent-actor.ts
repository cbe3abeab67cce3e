// The actor `agent/main` of a node: takes the head's orders, runs ranks, reports.
//
// Volatile: its truth is the ranks' directories, which it reads when it starts. It obeys the head
// only; what anybody else sends is counted and ignored. Whatever the head has not acknowledged is
// said again about every two seconds, and the whole inventory after each start, each reconnect of
// the bus, every minute and whenever the head asks: no single message needs to arrive.

import type { Address, Ref } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import type { RankKey } from "../model/job.ts";
import { parseRankKey, rankKeyText } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";
import { leaseNotice } from "../model/lease.ts";
import type { Capacity } from "../model/resources.ts";
import type { AgentMessage, AgentReport } from "../proto/messages.ts";
import type { Actor, Received, RuntimeEffect, Turn } from "../runtime/actor.ts";
import type { Instant } from "../runtime/clock.ts";
import type { Transition } from "../runtime/machine.ts";
import type { ProcessEvent } from "../runtime/process.ts";
import type { AgentEffect, AgentPorts } from "./agent-effects.ts";
import { performAgent } from "./agent-perform-actor.ts";
import type { BeatMessage } from "./beat-actor.ts";
import { beatActorKind } from "./beat-actor.ts";
import { inspectionOf, inventoryOf, tombstones } from "./inventory.ts";
import type { Leases } from "./leases.ts";
import { asking, dueLeases, isAnyGranted, leaseOf, newLeases, noticeAt } from "./leases.ts";
import type { RankEffect, RankEvent, RankState } from "./rank.ts";
import { isOver, isSweeping, isUnheard, mayBeLeft, rankStep } from "./rank.ts";
import { stopUnheard } from "./rank-moves.ts";

export type AgentActorMessage = AgentMessage | OwnMessage;

/** What the agent's own parts tell it. */
type OwnMessage =
  | { readonly kind: "process-event"; readonly event: ProcessEvent }
  | { readonly kind: "rank-event"; readonly key: RankKey; readonly event: RankEvent }
  | { readonly kind: "inventory-due" }
  | { readonly kind: "lease-due" }
  | { readonly kind: "repeat-due" };

export interface AgentArguments {
  readonly cluster: string;
  readonly node: string;
  readonly capacity: Capacity;
  readonly version: string;
  /** Ranks of earlier agents, as their directories tell. */
  readonly ranks: readonly RankState[];
  /** Of those of them that run on one, or left something that may. */
  readonly leases?: readonly (readonly [rank: string, lease: Lease])[];
}

export interface AgentState extends Omit<AgentArguments, "ranks" | "leases"> {
  readonly bootId: string;
  /** Changed in place. */
  readonly ranks: Map<string, RankState>;
  readonly leases: Leases;
  /** Orders that did not come from the head. */
  strangers: number;
  /** Of the newest inventory; no other agent of this node used it. */
  snapshot: number;
  /** Whether the timer for what the head has not acknowledged runs. */
  repeating: boolean;
}

export const agentActorKind = "agent";

type Ordered<K extends AgentMessage["kind"]> = Extract<AgentMessage, { readonly kind: K }>;
type AgentTurn = Turn<AgentState, AgentEffect, AgentActorMessage>;
type Effects = (AgentEffect | RuntimeEffect<AgentActorMessage>)[];

const repeatMs = 2_000;
const snapshotsPerMs = 1_000;

const orders: readonly AgentMessage["kind"][] = [
  "prepare",
  "go",
  "renew-lease",
  "stop",
  "acknowledge",
  "forget",
  "report-inventory",
  "connect",
  "leave",
  "inspect",
];

/** The actor over these ports. */
export function agentActor(
  ports: AgentPorts,
): Actor<AgentActorMessage, AgentState, AgentEffect, AgentArguments> {
  return {
    kind: agentActorKind,
    fromOtherNodes: orders,
    start,
    step,
    perform: (effect, context) => performAgent(ports, effect, context),
  };
}

// ---- pure

export function start(args: AgentArguments, at: Instant): AgentTurn {
  const { ranks, leases = [], ...rest } = args;
  const found = new Map(ranks.map((rank) => [rankKeyText(rank.key), rank]));
  const known = { ...rest, bootId: at.bootId, ranks: found, leases: newLeases(leases) };
  const snapshot = Math.floor(at.wallMs) * snapshotsPerMs;
  const fresh = { strangers: 0, repeating: false, snapshot };
  const turn: Draft = { state: { ...known, ...fresh }, at, effects: [] };
  for (const rank of ranks) turn.effects.push(...resumed(rank));
  turn.effects.push(...inventory(turn.state));
  if (ranks.some(isUnheard)) repeatLater(turn);
  watchLeases(turn);
  return { state: turn.state, effects: turn.effects };
}

/** What goes on for a rank of an earlier agent. */
function resumed(rank: RankState): Effects {
  const { key } = rank;
  switch (rank.phase) {
    case "running":
      return [{ kind: "ship-log", key }];
    case "stopping":
      return [{ kind: "ship-log", key }, graceTimer(key, rank.graceMs)];
    case "exited":
      return [{ kind: "end-log", key, logBytes: rank.end.logBytes }];
    default:
      return [];
  }
}

export function step(state: AgentState, message: Received<AgentActorMessage>): AgentTurn {
  if (!isAllowed(state, message)) {
    state.strangers += 1;
    return { state, effects: [] };
  }
  const turn: Draft = { state, at: message.at, effects: [] };
  take(turn, message);
  return { state, effects: turn.effects };
}

/** A turn in the making. */
interface Draft {
  readonly state: AgentState;
  readonly at: Instant;
  readonly effects: Effects;
}

/** The head gives orders; everything else comes from this node itself. */
function isAllowed(state: AgentState, { kind, from }: Received<AgentActorMessage>): boolean {
  return from === (isOwn(kind) ? state.node : headNode);
}

function isOwn(kind: AgentActorMessage["kind"]): boolean {
  return ["process-event", "rank-event", "inventory-due", "repeat-due", "lease-due"].includes(kind);
}

function take(turn: Draft, message: AgentActorMessage): void {
  switch (message.kind) {
    case "prepare":
      prepare(turn, message);
      break;
    case "go":
      go(turn, message);
      break;
    case "renew-lease":
      renew(turn, message);
      break;
    case "stop":
      stop(turn, message);
      break;
    case "acknowledge":
      advance(turn, message.key, { kind: "acknowledged" });
      break;
    case "forget":
      forget(turn, message.key);
      break;
    case "report-inventory":
    case "inventory-due":
      turn.effects.push(...inventory(turn.state));
      break;
    case "connect":
      turn.effects.push({ kind: "connect" });
      break;
    case "leave": {
      const { replyTo: to, remove, why } = message;
      turn.effects.push({ kind: "leave", to, order: { remove, why } });
      break;
    }
    case "inspect":
      turn.effects.push({ kind: "answer", to: message.replyTo, json: inspectionOf(turn.state) });
      break;
    case "process-event":
      heard(turn, message.event);
      break;
    case "rank-event":
      advance(turn, message.key, message.event);
      break;
    case "repeat-due":
      repeat(turn);
      break;
    case "lease-due":
      watchLeases(turn);
      break;
  }
}

function prepare(turn: Draft, { key, spec, bootId }: Ordered<"prepare">): void {
  const { ranks } = turn.state;
  if (ranks.has(rankKeyText(key))) {
    advance(turn, key, { kind: "prepare-asked" });
    return;
  }
  if (bootId !== undefined && bootId !== turn.state.bootId) {
    turn.effects.push(...inventory(turn.state));
    return;
  }
  ranks.set(rankKeyText(key), { phase: "preparing", key });
  const { leaseMs } = spec;
  if (leaseMs !== undefined) turn.state.leases.byRank.set(rankKeyText(key), { leaseMs });
  turn.effects.push({ kind: "prepare", key, spec });
}

/** On a lease that is over, or that nobody counts, it does not start: it asks for another. */
function go(turn: Draft, { key, leaseFrom = Number.NEGATIVE_INFINITY }: Ordered<"go">): void {
  const { byRank } = turn.state.leases;
  const name = rankKeyText(key);
  const lease = byRank.get(name);
  if (lease !== undefined) {
    const granted = { leaseMs: lease.leaseMs, from: Math.max(leaseFrom, lease.from ?? leaseFrom) };
    if (leaseFrom > turn.at.monoMs || noticeAt(granted) <= turn.at.monoMs) {
      advance(turn, key, { kind: "prepare-asked" });
      return;
    }
    if (!isAnyGranted(turn.state.leases)) turn.effects.push(askForRenewal(turn.state, true));
    byRank.set(name, granted);
  }
  advance(turn, key, { kind: "go-asked" });
  watchLeases(turn);
}

function stop(turn: Draft, { key, graceMs, why }: Ordered<"stop">): void {
  if (turn.state.ranks.has(rankKeyText(key))) {
    advance(turn, key, { kind: "stop-asked", graceMs, why });
  } else {
    enter(turn, stopUnheard(key, { graceMs, why }));
  }
}

/** A rank that is still doing something is not forgotten: the head must have meant another. */
function forget({ state, effects }: Draft, key: RankKey): void {
  const rank = state.ranks.get(rankKeyText(key));
  if (rank && (!isOver(rank) || isSweeping(rank))) return;
  state.ranks.delete(rankKeyText(key));
  endLease({ state, effects }, key);
  effects.push({ kind: "forget", key });
}

function heard(turn: Draft, event: ProcessEvent): void {
  const key = parseRankKey(event.dir.slice(event.dir.lastIndexOf("/") + 1));
  if (key === undefined) return;
  if (event.kind === "started") {
    advance(turn, key, { kind: "started", pid: event.pid, startedAt: event.wallMs });
  } else {
    const { exit, wallMs: endedAt, logBytes } = event;
    advance(turn, key, { kind: "exited", exit, endedAt, logBytes });
  }
}

function repeat(turn: Draft): void {
  turn.state.repeating = false;
  for (const { key } of turn.state.ranks.values()) advance(turn, key, { kind: "repeat-due" });
  if ([...turn.state.ranks.values()].some(isUnheard)) repeatLater(turn);
}

function advance(turn: Draft, key: RankKey, event: RankEvent): void {
  const rank = turn.state.ranks.get(rankKeyText(key));
  if (rank === undefined) return;
  const outcome = rankStep(rank, { ...event, at: turn.at });
  if (outcome.taken) enter(turn, [outcome.state, outcome.effects]);
}

function enter(turn: Draft, [rank, wanted]: Transition<RankState, RankEffect>): void {
  const { ranks } = turn.state;
  const before = ranks.get(rankKeyText(rank.key));
  ranks.set(rankKeyText(rank.key), rank);
  const hasEnded = isOver(rank) && (before === undefined || !isOver(before));
  if (hasEnded) turn.effects.push({ kind: "leave-workdir", rank });
  for (const effect of wanted) turn.effects.push(translated(turn, effect));
  if (isUnheard(rank)) repeatLater(turn);
  if (isOver(rank) && !mayBeLeft(rank)) endLease(turn, rank.key);
}

// ---- leases

/** From the first that counts to the last, the node's beats ask for renewal. */
function endLease({ state, effects }: Pick<Draft, "state" | "effects">, key: RankKey): void {
  const { leases } = state;
  const counted = isAnyGranted(leases);
  leases.byRank.delete(rankKeyText(key));
  if (!counted || isAnyGranted(leases)) return;
  effects.push(askForRenewal(state, false), { kind: "cancel-timer", name: "lease" });
}

function askForRenewal(state: AgentState, wanted: boolean): RuntimeEffect<AgentActorMessage> {
  const { cluster, node } = state;
  const to: Ref<BeatMessage> = { cluster, node, kind: beatActorKind, id: "main" };
  return { kind: "tell", to, message: { kind: "renewal-wanted", wanted } };
}

/** A moment of another boot, or one that is yet to come, is not of this clock. */
function renew(turn: Draft, { bootId, leaseFrom: from }: Ordered<"renew-lease">): void {
  const { leases } = turn.state;
  if (bootId !== turn.at.bootId || from > turn.at.monoMs || from <= leases.renewedFrom) return;
  leases.renewedFrom = from;
  if (!isAnyGranted(leases)) return;
  turn.effects.push({ kind: "renew", from });
  watchLeases(turn);
}

/** Stops what is soon on no lease any more, and looks again when the next one is. */
function watchLeases(turn: Draft): void {
  const { state, at, effects } = turn;
  const { due, nextAt } = dueLeases(state.leases, at.monoMs);
  for (const name of due) {
    const rank = state.ranks.get(name);
    const lease = leaseOf(state.leases, name);
    if (rank === undefined || lease === undefined) continue;
    const { graceMs } = leaseNotice(lease.leaseMs);
    // Once: what is being stopped has no more need of the clock.
    if (rank.phase === "stopping") continue;
    advance(turn, rank.key, { kind: "stop-asked", graceMs, why: "lease-expired" });
  }
  if (nextAt === undefined) return;
  const message = { kind: "lease-due" } as const;
  effects.push({ kind: "start-timer", name: "lease", ms: nextAt - at.monoMs, message });
}

// ---- effects

/** One timer for all: it is never pushed back by a later end. */
function repeatLater({ state, effects }: Draft): void {
  if (state.repeating) return;
  state.repeating = true;
  const message = { kind: "repeat-due" } as const;
  effects.push({ kind: "start-timer", name: "repeat", ms: repeatMs, message });
}

function translated(
  { state, at }: Draft,
  effect: RankEffect,
): AgentEffect | RuntimeEffect<AgentActorMessage> {
  switch (effect.kind) {
    case "report":
      return told(state, asking(state.leases, effect.report, at.monoMs));
    case "go": {
      const lease = leaseOf(state.leases, rankKeyText(effect.key));
      return lease === undefined ? effect : { ...effect, lease };
    }
    case "start-grace":
      return graceTimer(effect.key, effect.ms);
    case "stop-grace":
      return { kind: "cancel-timer", name: `grace ${rankKeyText(effect.key)}` };
    default:
      return effect;
  }
}

function graceTimer(key: RankKey, ms: number): RuntimeEffect<AgentActorMessage> {
  const message = { kind: "rank-event", key, event: { kind: "grace-over" } } as const;
  return { kind: "start-timer", name: `grace ${rankKeyText(key)}`, ms, message };
}

function told(state: AgentState, message: AgentReport): RuntimeEffect<AgentActorMessage> {
  const to: Address = { cluster: state.cluster, node: headNode, kind: "scheduler", id: "main" };
  return { kind: "tell", to, message };
}

function inventory(state: AgentState): Effects {
  state.snapshot += 1;
  const messages = [...inventoryOf(state), ...tombstones(state.ranks)];
  return messages.map((message) => told(state, message));
}
