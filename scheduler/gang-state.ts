// The gang's states, events and effects: the nouns of its table (`gang.ts`).
//
// A state is a union by phase, each with only its own fields; effects are data that the scheduler
// performs in the same turn. Lookups that need nothing but a state are here too.

import type { Exit, RankKey, RankRecord, StopCause, SweepRecord } from "../model/job.ts";
import type { Reason, ReasonCode } from "../model/reason.ts";
import type { DeviceShare } from "../model/resources.ts";
import type { RankPlace } from "../proto/messages.ts";
import type { Instant } from "../runtime/clock.ts";

/** What the gang must know of its job. Never changes. */
export interface GangTerms {
  readonly job: number;
  readonly hasSetup: boolean;
  readonly hasRun: boolean;
  readonly restartsMax: number;
  /** An attempt that goes on for longer is ended. Absent: it may go on for ever. */
  readonly timeoutMs?: number;
}

/** One process of the gang: a rank, or the setup on the node whose index is `rank`. */
export interface GangRank extends RankRecord {
  readonly devices: readonly DeviceShare[];
  /** The node was asked to prepare it. */
  readonly asked: boolean;
  /** It stands ready. Known anew from the node after a restart of the head. */
  readonly ready: boolean;
  /** When it stood ready, on its node's monotonic clock: its lease is counted from there. */
  readonly preparedAt?: number;
  /** Its node ends it by itself when this lease is over. Absent: only on the head's word. */
  readonly leaseMs?: number;
  /** Its node found nothing of it left, or nobody can know (see the sweep's `unproven`). */
  readonly swept: boolean;
}

/** An attempt that is over, for cleaning up after it. */
export interface PastAttempt {
  readonly attempt: number;
  readonly ranks: readonly string[];
  readonly setups: readonly { readonly index: number; readonly node: string }[];
}

export interface Refusals {
  readonly cause: string;
  readonly times: number;
}

interface Course {
  readonly terms: GangTerms;
  readonly attempt: number;
  /** Restarts used up. */
  readonly restarts: number;
  /** Times in a row that the nodes did not get ready. */
  readonly tries: number;
  /** The last of them were all refused for one cause: so many. */
  readonly refusals?: Refusals;
  readonly past: readonly PastAttempt[];
}

interface Placed extends Course {
  readonly ranks: readonly GangRank[];
  readonly setups: readonly GangRank[];
  readonly sweeps: readonly SweepRecord[];
  readonly startedAt?: number;
  /** From when its timeout counts: its setup was told to go, or its run. Absent: it has none. */
  readonly begunAt?: Instant;
}

export interface Waiting extends Course {
  readonly phase: "queued";
  /** Not before this moment (wall clock); 0 = now. */
  readonly notBefore: number;
  /** Why it is back in the queue. Empty for a first attempt. */
  readonly why: string;
}
export interface Preparing extends Placed {
  readonly phase: "preparing";
  /** The only process starts as soon as it stands ready: it may run before we hear of it. */
  readonly goWhenReady: boolean;
}
export interface SettingUp extends Placed {
  readonly phase: "setting-up";
  /** `barrier`: setup is done, the ranks are asked to stand ready. */
  readonly stage: "setup" | "barrier";
}
export interface Starting extends Placed {
  readonly phase: "starting";
}
export interface Running extends Placed {
  readonly phase: "running";
}
export interface Draining extends Placed {
  readonly phase: "draining";
  readonly outcome: Outcome;
}
export interface Ended extends Placed {
  readonly phase: "ended";
  readonly reason: Reason;
  readonly endedAt: number;
}
export type PlacedState = Preparing | SettingUp | Starting | Running | Draining | Ended;
export type GangState = Waiting | PlacedState;

/** What follows when the last node has answered. */
export type Outcome =
  | { readonly kind: "end"; readonly reason: Reason }
  /** `counted`: it uses up a restart. Otherwise it is a placement that never got ready. */
  | {
      readonly kind: "requeue";
      readonly why: string;
      readonly counted: boolean;
      /** What the attempt would have ended with. Absent in records of earlier versions. */
      readonly after?: ReasonCode;
      /** What it ends with instead if any rank turns out to have started. */
      readonly unlessStarted?: Reason;
      readonly refusals?: Refusals;
    };

export type GangEvent =
  | {
      readonly kind: "placed";
      readonly ranks: readonly GangRank[];
      readonly setups: readonly GangRank[];
    }
  | { readonly kind: "rank-prepared"; readonly key: RankKey; readonly askedAt?: number }
  | {
      readonly kind: "rank-refused";
      readonly key: RankKey;
      readonly why: string;
      /** It stood ready or was on its way there, and its agent ended: no fault of its node. */
      readonly neverStarted?: true;
      /** It is the job's own doing: no fault of its node either. */
      readonly fault?: "job";
    }
  | {
      readonly kind: "rank-started";
      readonly key: RankKey;
      readonly pid: number;
      readonly startedAt: number;
      readonly place?: RankPlace;
    }
  | ({ readonly kind: "rank-exited" } & Exited)
  | ({ readonly kind: "setup-exited" } & Exited)
  | { readonly kind: "rank-swept"; readonly key: RankKey; readonly sweep: SweepRecord }
  | { readonly kind: "node-lost"; readonly node: string; readonly evidence: string }
  | { readonly kind: "node-restarted"; readonly node: string }
  /** What ran there on a lease of at most this length is dead: the node ended it by itself. */
  | { readonly kind: "lease-over"; readonly node: string; readonly leaseMs: number }
  | { readonly kind: "cancel-requested"; readonly user: string }
  | { readonly kind: "cluster-closed"; readonly verb: string }
  /** The phase's deadline: to get ready, or to be swept. */
  | { readonly kind: "deadline-passed"; readonly waited: string }
  /** The attempt has taken as long as its task may. */
  | { readonly kind: "timeout-passed" };

export interface Exited {
  readonly key: RankKey;
  readonly exit: Exit;
  readonly endedAt: number;
  readonly logBytes: number;
  readonly neverStarted?: true;
}

export type GangEffect =
  | {
      readonly kind: "prepare" | "go" | "acknowledge";
      readonly key: RankKey;
      readonly node: string;
    }
  | {
      readonly kind: "stop";
      readonly key: RankKey;
      readonly node: string;
      readonly why: StopCause;
    }
  | { readonly kind: "start-deadline"; readonly name: "prepare" | "drain" }
  | { readonly kind: "stop-deadline" }
  /** The attempt's timeout counts from now; it need not be watched any more. */
  | { readonly kind: "start-timeout" | "stop-timeout" }
  /** The nodes are free again. */
  | { readonly kind: "release" }
  /** Back to the queue; after a pause if it is a placement that did not get ready. */
  | { readonly kind: "requeue"; readonly pause: boolean }
  /** Take no new work to this node for a while. */
  | { readonly kind: "shun"; readonly node: string }
  /** Something may still run there: no new work until the node says otherwise. */
  | { readonly kind: "haunt"; readonly node: string; readonly key: RankKey }
  | { readonly kind: "conclude" }
  /** For `sky why`. */
  | { readonly kind: "note"; readonly note: Note };

export interface Note {
  readonly actor: string;
  readonly kind: string;
  readonly cause: string;
  readonly evidence?: Readonly<Record<string, string>>;
}

/** A job that was just submitted. */
export function newGang(terms: GangTerms): Waiting {
  return {
    phase: "queued",
    terms,
    attempt: 1,
    restarts: 0,
    tries: 0,
    past: [],
    notBefore: 0,
    why: "",
  };
}

/** The processes of a placed gang, with the phase that is part of their keys. */
export function processesOf(
  state: GangState,
): readonly { readonly key: RankKey; readonly process: GangRank }[] {
  if (state.phase === "queued") return [];
  const keyed = (phase: RankKey["phase"]) => (process: GangRank) => ({
    key: { job: state.terms.job, attempt: state.attempt, phase, index: process.rank },
    process,
  });
  return [...state.setups.map(keyed("setup")), ...state.ranks.map(keyed("run"))];
}

/** The process with this key, if it belongs to the current attempt. */
export function processOf(state: GangState, key: RankKey): GangRank | undefined {
  if (state.phase === "queued" || key.attempt !== state.attempt) return undefined;
  if (key.phase === "setup") return state.setups.find(({ rank }) => rank === key.index);
  return state.ranks[key.index];
}

/** Whether a draining gang still waits for its node to say that nothing is left of it. */
export function awaitsSweep(key: RankKey, process: GangRank): boolean {
  const setupDone =
    key.phase === "setup" && process.exit?.kind === "code" && process.exit.code === 0;
  return process.asked && !process.swept && !setupDone;
}
