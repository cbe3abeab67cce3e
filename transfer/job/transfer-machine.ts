// The life of a transfer: pending, moving, waiting between rounds, finishing, ended. The table.
//
// A round does what it can: all of what is left, or as much as the world lets it. What is left is
// done by another one, after a wait that grows while rounds bring nothing; a round that brought
// something begins that count anew. Finishing has an outcome already, and only clears up: what a
// sync deletes, uploads, partial files.
//
// What must always hold: an end is on record before anybody is told; the first outcome stays,
// whatever a later cancel or round says; a start of the head goes on in the same phase.

import type { TransferCounts, TransferOrder } from "../../model/transfer.ts";
import type { Plan } from "../../model/transfer-plan.ts";
import type { Table, Transition } from "../../runtime/machine.ts";
import { machine } from "../../runtime/machine.ts";

/** What is known of a transfer in every phase. Plain data, and no secret is in it. */
export interface TransferFacts {
  readonly id: number;
  /** 32 hexadecimal digits: its name at gateways. One that is resumed keeps it. */
  readonly key: string;
  readonly order: TransferOrder;
  readonly submittedAt: number;
  readonly startedAt?: number;
  readonly rounds: number;
  /** Rounds one after the other that brought nothing. */
  readonly idle: number;
  readonly plan?: Plan;
  /** What went wrong last, while it goes on. */
  readonly why: string;
  /** What it goes on with: the ledger of that one is its own now. */
  readonly resumes?: number;
}

export type Outcome = "succeeded" | "failed" | "cancelled";

/** What comes at the end, from when it is known. */
export interface TransferEnd {
  readonly outcome: Outcome;
  readonly why: string;
  /** Of partial files and uploads: `keep` where another try may go on with them. */
  readonly leave: "keep" | "remove";
}

export type TransferState =
  | { readonly phase: "pending"; readonly facts: TransferFacts }
  | { readonly phase: "moving"; readonly facts: TransferFacts }
  | { readonly phase: "waiting"; readonly facts: TransferFacts }
  | { readonly phase: "finishing"; readonly facts: TransferFacts; readonly end: TransferEnd }
  | {
      readonly phase: "ended";
      readonly facts: TransferFacts;
      readonly end: TransferEnd;
      readonly endedAt: number;
      /** As they were then: the ledger goes before the record does. */
      readonly counts: TransferCounts;
      readonly cost: number;
    };

/** How a round ended. */
export type RoundEnd =
  /** Nothing is left to do. */
  | {
      readonly kind: "whole";
      readonly failed: number;
      readonly mayPass: number;
      readonly why: string;
    }
  | { readonly kind: "again"; readonly why: string; readonly hasMoved: boolean }
  /** Nothing more can come of it. */
  | { readonly kind: "fatal"; readonly why: string; readonly mayPass: boolean };

export type TransferEvent =
  /** Its gateways are about to begin, by this plan. */
  | { readonly kind: "planned"; readonly plan: Plan }
  | { readonly kind: "round-ended"; readonly round: number; readonly end: RoundEnd }
  | { readonly kind: "due" }
  | { readonly kind: "cancel"; readonly user: string }
  /** The head started again. */
  | { readonly kind: "restarted" }
  /** It is cleared up. `why`: what could not be done; that is a failure. */
  | {
      readonly kind: "cleared";
      readonly why: string;
      readonly counts: TransferCounts;
      readonly cost: number;
    };

export type TransferEffect =
  | { readonly kind: "run-round"; readonly facts: TransferFacts }
  /** Ends the round that is under way, and clears up. */
  | { readonly kind: "clear"; readonly facts: TransferFacts; readonly end: TransferEnd }
  | { readonly kind: "wait"; readonly failures: number };

type Next = Transition<TransferState, TransferEffect>;
type In<P> = Extract<TransferState, { readonly phase: P }>;
type Of<K> = Extract<TransferEvent, { readonly kind: K }>;

/** Rounds one after the other that bring nothing, before it is given up. */
export const idleRoundsMax = 12;

export const transferTable: Table<TransferState, TransferEvent, TransferEffect> = {
  pending: {
    planned: (state, { plan, at }): Next => {
      const startedAt = state.facts.startedAt ?? at.wallMs;
      return [{ phase: "moving", facts: { ...state.facts, plan, startedAt } }, []];
    },
    "round-ended": roundEnded,
    due: "ignore",
    cancel: cancelled,
    restarted: runNext,
    cleared: "ignore",
  },
  moving: {
    planned: (state, { plan }): Next => [
      // What was wrong with the last round is over.
      { phase: "moving", facts: { ...state.facts, plan, why: "" } },
      [],
    ],
    "round-ended": roundEnded,
    due: "ignore",
    cancel: cancelled,
    restarted: runNext,
    cleared: "ignore",
  },
  waiting: {
    planned: "ignore",
    "round-ended": "ignore",
    due: runNext,
    cancel: cancelled,
    // Whatever it waited for may have passed with the old process.
    restarted: runNext,
    cleared: "ignore",
  },
  finishing: {
    planned: "ignore",
    "round-ended": "ignore",
    due: "ignore",
    cancel: "ignore",
    restarted: ({ facts, end }): Next => [
      { phase: "finishing", facts, end },
      [{ kind: "clear", facts, end }],
    ],
    cleared: ({ facts, end }, { why, counts, cost, at }): Next => {
      const last = why === "" ? end : { ...end, ...worse(end, why) };
      return [{ phase: "ended", facts, end: last, endedAt: at.wallMs, counts, cost }, []];
    },
  },
  ended: {
    planned: "ignore",
    "round-ended": "ignore",
    due: "ignore",
    cancel: "ignore",
    restarted: "ignore",
    cleared: "ignore",
  },
};

export const stepTransfer = machine<TransferState, TransferEvent, TransferEffect>(transferTable);

/** What could not be cleared up is a failure; of one that failed or was cancelled it is told. */
function worse({ outcome, why }: TransferEnd, left: string): Pick<TransferEnd, "outcome" | "why"> {
  if (outcome === "succeeded") return { outcome: "failed", why: left };
  return { outcome, why: `${why}; ${left}` };
}

type Running = In<"pending"> | In<"moving"> | In<"waiting">;

function runNext({ facts }: Running): Next {
  const next = { ...facts, rounds: facts.rounds + 1 };
  const phase = facts.startedAt === undefined ? "pending" : "moving";
  return [{ phase, facts: next }, [{ kind: "run-round", facts: next }]];
}

function cancelled({ facts }: Running, { user }: Of<"cancel">): Next {
  const why = `cancelled by ${user || "the user"}`;
  return finish(facts, { outcome: "cancelled", why, leave: "remove" });
}

function roundEnded(
  { facts }: In<"pending"> | In<"moving">,
  { round, end }: Of<"round-ended">,
): Next {
  const phase = facts.startedAt === undefined ? "pending" : "moving";
  // Of a round that another one has taken the place of.
  if (round !== facts.rounds) return [{ phase, facts }, []];
  if (end.kind === "whole") {
    if (end.failed === 0) return finish(facts, { outcome: "succeeded", why: "", leave: "remove" });
    const leave = end.mayPass > 0 ? "keep" : "remove";
    return finish(facts, { outcome: "failed", why: end.why, leave });
  }
  if (end.kind === "fatal") {
    const leave = end.mayPass ? "keep" : "remove";
    return finish(facts, { outcome: "failed", why: end.why, leave });
  }
  const idle = end.hasMoved ? 0 : facts.idle + 1;
  const next = { ...facts, idle, why: end.why };
  if (idle >= idleRoundsMax) {
    const why = `${idle} rounds brought nothing: ${end.why}`;
    return finish(next, { outcome: "failed", why, leave: "keep" });
  }
  return [{ phase: "waiting", facts: next }, [{ kind: "wait", failures: Math.max(1, idle) }]];
}

function finish(facts: TransferFacts, end: TransferEnd): Next {
  const last = { ...facts, why: end.why };
  return [{ phase: "finishing", facts: last, end }, [{ kind: "clear", facts: last, end }]];
}
