// What the scheduler knows: one large table that its actor owns and changes in place.
//
// Everything durable in here can be rebuilt from the records (`records.ts`); the rest are indexes
// over it, or things that the nodes will say again. Lookups only; changes are made by the modules
// beside this one, always within a turn (`turn.ts`).

import type { Ref } from "../model/address.ts";
import { assert } from "../model/errors.ts";
import { leaseMsDefault } from "../model/lease.ts";
import type { Node, NodePhase } from "../model/node.ts";
import type { DeviceShare } from "../model/resources.ts";
import type { Gathered } from "../proto/inventory-parts.ts";
import type { AutostopState } from "./autostop.ts";
import type { Need } from "./demand.ts";
import type { GangState } from "./gang-state.ts";
import type { ApiRequest, CancelReply, Done, SubmitReply } from "./messages.ts";
import type { Placer } from "./placement.ts";
import type { Queue, Queued } from "./queue.ts";
import type {
  Closed,
  HistoryRecord,
  JobSpec,
  KeyRecord,
  NodeRecord,
  Reservation,
  RestoredState,
} from "./records.ts";
import type { Secrets } from "./vault.ts";

export interface SchedulerOptions {
  /** From TERM to KILL when ranks are stopped. */
  readonly graceMs: number;
  /** How long nodes may take to get ready before the job goes back to the queue. */
  readonly prepareMs: number;
  /** The same for nodes that say that they are still at it (a large workdir). */
  readonly prepareMaxMs: number;
  /** How long a stop may take, grace included, before it is recorded as unproven. */
  readonly drainMs: number;
  /** Of ranks of jobs that may be restarted; 0 = none: a restart waits for the node's own word. */
  readonly leaseMs: number;
  /** How often a message that may have been lost is repeated. */
  readonly reconcileMs: number;
  /** First pause of a job whose nodes did not get ready, and of such a node; they double. */
  readonly pauseMs: number;
  readonly shunMs: number;
  readonly pauseMaxMs: number;
  /** Lines of the queue that one event may try behind a waiting gang. */
  readonly backfillLinesMax: number;
  /** Idempotency keys that are remembered. */
  readonly keysMax: number;
  /** Jobs of a cluster that have not settled. */
  readonly jobsMax: number;
}

export const defaultOptions: SchedulerOptions = {
  graceMs: 30_000,
  prepareMs: 15_000,
  prepareMaxMs: 600_000,
  drainMs: 120_000,
  leaseMs: leaseMsDefault,
  reconcileMs: 2_000,
  pauseMs: 1_000,
  shunMs: 5_000,
  pauseMaxMs: 60_000,
  backfillLinesMax: 64,
  keysMax: 65_536,
  jobsMax: 200_000,
};

export interface JobEntry {
  readonly spec: JobSpec;
  readonly need: Need;
  readonly shape: string;
  gang: GangState;
  logs: readonly number[];
  /** What the head has of them, in bytes. */
  logBytes: number;
  /**
   * Logs of attempts before this one, if they were not complete when the head started, never will
   * be: nobody is asked for them any more, and nobody could read them.
   */
  readonly logsFrom: number;
  /** Nodes of which it holds a part, and all on which it has a process. */
  held: readonly string[];
  seats: readonly string[];
  /** Why it waits, while it is queued. */
  waiting: string;
  /** When it last made progress, and when a node last said that it is preparing (monotonic). */
  movedAt: number;
  preparingAt: number;
  deadline: boolean;
}

export interface NodeEntry {
  readonly index: number;
  readonly node: Node;
  phase: NodePhase;
  /** Empty until its first inventory. */
  bootId: string;
  /** What its agent and this head can both do beyond the wire version, by its newest inventory. */
  capabilities: readonly string[];
  /** Why its agent may not join, as it was told last; until one is let in. */
  misfit: string | undefined;
  /** What has come of an inventory in parts. */
  gathered: Gathered | undefined;
  /** Processes of ended jobs that may still run there: `7-1-run-0`. */
  readonly ghosts: Set<string>;
  /** Monotonic; 0 = not shunned. */
  shunnedUntil: number;
  failures: number;
  /** When it was last told to start something on a lease, and last heard; monotonic. */
  grantedAt: number;
  silentSince: number;
  /** Jobs that have not ended and have a process there. */
  readonly jobs: Set<number>;
}

/** Jobs that ask for the same thing are judged together. */
export interface ShapeEntry {
  readonly need: Need;
  readonly numNodes: number;
  /** How many living nodes could hold it, as of `epoch`. */
  living: number;
  epoch: number;
}

export type SubmitRequest = Extract<ApiRequest, { readonly kind: "submit" }>;

/** A submission whose secrets are on their way to the vault. */
export interface PendingSubmit {
  readonly request: SubmitRequest;
  readonly first: number;
  readonly replyTo: Ref<SubmitReply>[];
}

export interface CancelWaiter {
  readonly left: Set<number>;
  readonly cancelled: number[];
  readonly unknown: readonly number[];
  readonly replyTo: Ref<CancelReply>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface SchedulerState {
  readonly cluster: string;
  readonly options: SchedulerOptions;
  nodes: readonly NodeEntry[];
  nodesById: ReadonlyMap<string, NodeEntry>;
  placer: Placer;
  readonly queue: Queue;
  /** What the records say of nodes, also of those that are not declared now. */
  readonly remembered: ReadonlyMap<string, NodeRecord>;
  /** Those that have not settled (`settle.ts`). */
  readonly jobs: Map<number, JobEntry>;
  /** Those of them that may be settled now. */
  readonly settling: Set<number>;
  readonly history: Mutable<HistoryRecord>;
  /** Jobs that have not ended. */
  readonly active: Set<number>;
  /** Jobs that wait for an answer of a node. */
  readonly moving: Set<number>;
  readonly shapes: Map<string, ShapeEntry>;
  /** Jobs that were taken back into the order and may need a new reason to wait. */
  readonly unparked: Queued[];
  /** Rises when the set of living nodes changes. */
  epoch: number;
  nextId: number;
  reservation: Reservation | undefined;
  restored: RestoredState | undefined;
  /** Jobs that a restore lost and nodes have spoken of. */
  readonly lostJobs: Set<number>;
  readonly keys: Map<string, KeyRecord>;
  readonly pending: Map<number, PendingSubmit>;
  readonly secrets: Map<number, Secrets>;
  readonly cancels: Map<number, Set<CancelWaiter>>;
  readonly closeWaiters: Ref<Done>[];
  closed: Closed | undefined;
  autostop: AutostopState;
  /** Submits whose files are still being packed. Not on record: they end with the process. */
  submitsHeld: number;
  /** Channels of transfers that lead to its nodes. Not on record: they end with the process. */
  transfersHeld: number;
  reconciling: boolean;
}

/** What keeps the cluster from being idle. */
export function activityOf({ active, submitsHeld, transfersHeld }: SchedulerState): number {
  return active.size + submitsHeld + transfersHeld;
}

export function entryOf(state: SchedulerState, job: number): JobEntry {
  const entry = state.jobs.get(job);
  assert(entry !== undefined, `job ${job} is in the table`);
  return entry;
}

export function nodeOf(state: SchedulerState, id: string): NodeEntry {
  const node = state.nodesById.get(id);
  assert(node !== undefined, `node ${id} is in the table`);
  return node;
}

/** What a gang holds of each of its nodes, as the ledger keeps it. */
export function holdingsOf(
  entry: JobEntry,
): readonly { readonly node: string; readonly devices: readonly DeviceShare[] }[] {
  const { gang } = entry;
  if (gang.phase === "queued" || gang.phase === "ended") return [];
  return gang.ranks.map(({ node, devices }) => ({ node, devices }));
}

/** Whether parts of its inventory have come, and a part is missing. */
export function isHalfTold({ gathered }: NodeEntry): boolean {
  return gathered !== undefined && !gathered.isWhole;
}

/** Whether a node's agent and this head can both do something; see `model/wire.ts`. */
export function nodeCan({ capabilities }: NodeEntry, name: string): boolean {
  return capabilities.includes(name);
}

/** Whether it is known that a node's agent cannot take chunks. */
export function needsCopies(node: NodeEntry): boolean {
  return node.bootId !== "" && !nodeCan(node, "chunks");
}

/** Whether a node counts for what could ever run: it lives, or may come back in a moment. */
export function isLiving(node: NodeEntry): boolean {
  return node.phase === "alive" || node.phase === "suspect";
}
