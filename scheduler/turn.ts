// One turn of the scheduler while it is being made: what must be written, told and announced.
//
// The modules that decide add to a draft; `finish` makes the turn of it: one commit with every
// record that changed and the events that explain why, then the effects, the nodes first (they are
// what a user waits for), then the board, then the replies: who hears of a job finds it there.

import type { Address } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import type { AutostopView } from "../model/cluster.ts";
import type { Event } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { AgentMessage } from "../proto/messages.ts";
import type { RuntimeEffect, Turn } from "../runtime/actor.ts";
import type { Instant } from "../runtime/clock.ts";
import type { Batch, StoreRecord } from "../runtime/store.ts";
import type { Announcement } from "./board.ts";
import { jobView } from "./job-view.ts";
import type { SchedulerMessage, SubmitReply } from "./messages.ts";
import type { ClusterRecord, NodeRecord } from "./records.ts";
import { recordKeys, stateRecord } from "./records.ts";
import type { NodeEntry, SchedulerState } from "./table.ts";
import { entryOf, needsCopies } from "./table.ts";
import type { Secrets } from "./vault.ts";
import { verdict } from "./why.ts";

/** What the scheduler sends itself besides what others send it. */
export type SchedulerInput =
  | SchedulerMessage
  | { readonly kind: "secrets-kept"; readonly submission: number }
  | {
      readonly kind: "secrets-refused";
      readonly submission: number;
      readonly refusal: Extract<SubmitReply, { readonly kind: "refused" }>;
    };

export type SchedulerEffect =
  | { readonly kind: "announce"; readonly announcement: Announcement }
  | { readonly kind: "request-shutdown"; readonly verb: "stop" | "down" }
  /** Answered by `secrets-kept` or `secrets-refused`. */
  | {
      readonly kind: "keep-secrets";
      readonly submission: number;
      readonly secrets: readonly (readonly [job: number, secrets: Secrets])[];
    }
  | { readonly kind: "remove-secrets"; readonly jobs: readonly number[] }
  /** A node reported what is not its own. */
  | { readonly kind: "count-refusal"; readonly node: string };

export type SchedulerTurn = Turn<SchedulerState, SchedulerEffect, SchedulerInput>;

type Effect = SchedulerEffect | RuntimeEffect<SchedulerInput>;

export interface Draft {
  readonly at: Instant;
  /** Jobs to announce, and those of them whose state must be written. */
  readonly changed: Set<number>;
  readonly durable: Set<number>;
  /** Jobs that left the table in this turn, and what is to be told of them for the last time. */
  readonly settled: number[];
  readonly lastViews: Job[];
  /** The scheduler has just started: nobody knows of anything. */
  isFirst: boolean;
  readonly puts: StoreRecord[];
  readonly deletes: string[];
  readonly events: Event[];
  readonly tells: Effect[];
  readonly timers: Effect[];
  readonly replies: Effect[];
  readonly others: SchedulerEffect[];
  readonly nodePhases: Map<string, NodePhase>;
  readonly nodeRecords: Set<NodeEntry>;
  clusterChanged: boolean;
  autostopChanged: boolean;
  /** Something may be placed now that could not be before. */
  mayPlace: boolean;
}

export function newDraft(at: Instant): Draft {
  return {
    at,
    changed: new Set(),
    durable: new Set(),
    settled: [],
    lastViews: [],
    isFirst: false,
    puts: [],
    deletes: [],
    events: [],
    tells: [],
    timers: [],
    replies: [],
    others: [],
    nodePhases: new Map(),
    nodeRecords: new Set(),
    clusterChanged: false,
    autostopChanged: false,
    mayPlace: false,
  };
}

export function tellAgent(
  state: SchedulerState,
  draft: Draft,
  to: { readonly node: string; readonly message: AgentMessage },
): void {
  const { cluster } = state;
  const address: Address = { cluster, node: to.node, kind: "agent", id: "main" };
  draft.tells.push({ kind: "tell", to: address, message: to.message });
}

export function reply(draft: Draft, to: Address, message: object): void {
  draft.replies.push({ kind: "tell", to, message });
}

/** One timer of a name; starting replaces. */
export function startTimer(
  draft: Draft,
  timer: { readonly name: string; readonly ms: number; readonly message: SchedulerInput },
): void {
  draft.timers.push({ kind: "start-timer", ...timer });
}

/** Adds to the history. */
export function tellHistory(
  draft: Draft,
  event: Omit<Event, "at" | "evidence"> & { readonly evidence?: Event["evidence"] },
): void {
  draft.events.push({ at: draft.at.wallMs, evidence: {}, ...event });
}

export function finish(state: SchedulerState, draft: Draft): SchedulerTurn {
  const announce = announcementOf(state, draft);
  const effects: Effect[] = [
    ...draft.tells,
    ...draft.timers,
    ...(announce === undefined ? [] : [{ kind: "announce" as const, announcement: announce }]),
    ...draft.replies,
    ...draft.others,
  ];
  const commit = commitOf(state, draft);
  return { state, effects, ...(commit === undefined ? {} : { commit }) };
}

function announcementOf(state: SchedulerState, draft: Draft): Announcement | undefined {
  const { changed, events, nodePhases, autostopChanged } = draft;
  const { settled, lastViews, isFirst } = draft;
  const count = changed.size + lastViews.length + settled.length + events.length + nodePhases.size;
  if (count === 0 && !autostopChanged && !isFirst) return undefined;
  const nodes = [...nodePhases].map(([id, phase]) => {
    const node = state.nodesById.get(id);
    return { id, phase, misfit: node?.misfit, ...(node && needsCopies(node) ? copies : {}) };
  });
  return {
    jobs: [...changed]
      .map((id) => jobView(state, entryOf(state, id), draft.at.monoMs))
      .concat(lastViews),
    events,
    ...(settled.length === 0 ? {} : { settled }),
    ...(isFirst ? { newest: state.nextId - 1 } : {}),
    ...(nodes.length === 0 ? {} : { nodes }),
    ...(autostopChanged ? { autostop: autostopView(state, draft) } : {}),
  };
}

const copies = { needsCopies: true } as const;

function autostopView(
  { autostop, transfersHeld }: SchedulerState,
  { at }: Draft,
): AutostopView | null {
  if (autostop.phase === "off") return null;
  const { idleMs, verb } = autostop;
  const since = autostop.phase === "idle" ? { idleSince: autostop.since.wallMs } : {};
  return { idleMs, verb, verdict: verdict(autostop, at, transfersHeld), ...since };
}

function commitOf(state: SchedulerState, draft: Draft): Batch | undefined {
  const { cluster } = state;
  const puts = [...draft.puts];
  for (const id of draft.durable) {
    const { gang, logs, logBytes } = entryOf(state, id);
    const value = stateRecord({ gang, logs, logBytes });
    puts.push({ key: recordKeys.state(cluster, id), value });
  }
  for (const { node, bootId, capabilities, ghosts } of draft.nodeRecords) {
    const record: NodeRecord = { bootId, capabilities, ghosts: [...ghosts] };
    const value = JSON.stringify(record);
    puts.push({ key: recordKeys.node(cluster, node.id), value });
  }
  if (draft.settled.length > 0) {
    state.history.newest = state.nextId - 1;
    puts.push({ key: recordKeys.history(cluster), value: JSON.stringify(state.history) });
  }
  if (draft.clusterChanged) {
    puts.push({ key: recordKeys.cluster(cluster), value: JSON.stringify(clusterRecord(state)) });
  }
  const events = draft.events.map((event) => ({
    subject: event.subject === "cluster" ? cluster : `${cluster}/${event.subject}`,
    wallMs: event.at,
    body: JSON.stringify(event),
  }));
  if (puts.length + draft.deletes.length + events.length === 0) return undefined;
  return { puts, deletes: draft.deletes, events };
}

function clusterRecord(state: SchedulerState): ClusterRecord {
  const { autostop, closed, reservation, restored } = state;
  return {
    autostop,
    ...(restored === undefined ? {} : { restored }),
    ...(closed === undefined ? {} : { closed }),
    ...(reservation === undefined ? {} : { reservation }),
  };
}

/** Where replies to the scheduler go. */
export function schedulerAddress(cluster: string): Address {
  return { cluster, node: headNode, kind: "scheduler", id: "main" };
}
