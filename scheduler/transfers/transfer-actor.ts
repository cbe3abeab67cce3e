// The actor of one transfer: the edge of `transfer-machine.ts`.
//
// Its state is its record, committed before anything is done for it. Rounds and clearing up are
// effects; they may be begun again after a crash, because destinations and ledger know what is
// there. Nothing secret is in the record: the order has paths and options, never credentials.

import type { Address } from "../../model/address.ts";
import { errorText } from "../../model/errors.ts";
import type { TransferCounts } from "../../model/transfer.ts";
import type { Actor, EffectContext, Turn } from "../../runtime/actor.ts";
import { type Backoff, backoff, backoffMs } from "../../runtime/backoff.ts";
import type { Instant } from "../../runtime/clock.ts";
import { batchOf, eventDraft, jsonRecord, recordKey } from "../../runtime/journal.ts";
import type { Random } from "../../runtime/random.ts";
import type { Batch } from "../../runtime/store.ts";
import {
  type RoundEnd,
  stepTransfer,
  type TransferEffect,
  type TransferEnd,
  type TransferEvent,
  type TransferFacts,
  type TransferState,
} from "../../transfer/job/transfer-machine.ts";

export const transferKind = "transfer";

export interface TransferPorts {
  readonly random: Random;
  round(facts: TransferFacts): Promise<RoundEnd>;
  clear(facts: TransferFacts, end: TransferEnd): Promise<Cleared>;
  /** Its record is on disk as it is now. */
  onState(state: TransferState): void;
}

export interface Cleared {
  /** What could not be done. */
  readonly why: string;
  readonly counts: TransferCounts;
  readonly cost: number;
}

export interface TransferArgs {
  readonly state: TransferState;
  /** It was in the journal: a head before this one had it. */
  readonly isRestored: boolean;
}

type Effect = TransferEffect | { readonly kind: "saved"; readonly state: TransferState };
type State = TransferState;

const waits: Backoff = backoff({ initialMs: 500, capMs: 30_000 });

export function transferActor(
  self: Address,
  ports: TransferPorts,
): Actor<TransferEvent, State, Effect, TransferArgs> {
  return {
    kind: transferKind,
    // It is asked by this process alone.
    fromOtherNodes: [],
    start: ({ state, isRestored }, at) => {
      if (isRestored) return turnOf(self, state, { event: { kind: "restarted" }, at });
      const { facts } = state;
      const effects: Effect[] = [
        { kind: "saved", state },
        { kind: "run-round", facts },
      ];
      return { state, effects, commit: commitOf(self, state, { at, cause: facts.order.command }) };
    },
    step: (state, message) => turnOf(self, state, { event: message, at: message.at }),
    perform: (effect, context) => perform(ports, effect, context),
  };
}

export function transferRecordKey(self: Address): string {
  return recordKey(self, "record");
}

interface Moment {
  readonly event: TransferEvent;
  readonly at: Instant;
}

function turnOf(
  self: Address,
  before: State,
  { event, at }: Moment,
): Turn<State, Effect, TransferEvent> {
  const outcome = stepTransfer(before, { ...event, at });
  if (!outcome.taken) return { state: before, effects: [] };
  const { state } = outcome;
  const effects: readonly Effect[] = [{ kind: "saved", state }, ...outcome.effects];
  const cause = state.phase === before.phase ? undefined : causeOf(state);
  return { state, effects, commit: commitOf(self, state, { at, cause }) };
}

function commitOf(
  self: Address,
  state: State,
  { at, cause }: { readonly at: Instant; readonly cause: string | undefined },
): Batch {
  const { facts, phase } = state;
  const body = { at: at.wallMs, subject: "transfer", actor: "transfers", phase, cause };
  const events = cause === undefined ? [] : [eventDraft(subjectOf(facts.id), at.wallMs, body)];
  return batchOf({ puts: [jsonRecord(transferRecordKey(self), state)], events });
}

/** Of a transfer's history in the journal. */
export function subjectOf(id: number): string {
  return `_home/transfer/${id}`;
}

function causeOf(state: State): string {
  if (state.phase === "ended" || state.phase === "finishing") {
    return state.end.why === "" ? state.end.outcome : `${state.end.outcome}: ${state.end.why}`;
  }
  return state.facts.why;
}

async function perform(
  ports: TransferPorts,
  effect: Effect,
  context: EffectContext<TransferEvent>,
): Promise<void> {
  switch (effect.kind) {
    case "saved":
      ports.onState(effect.state);
      return;
    case "run-round": {
      const { facts } = effect;
      const end = await ports.round(facts).catch(brokenRound);
      if (!context.signal.aborted) {
        context.tellSelf({ kind: "round-ended", round: facts.rounds, end });
      }
      return;
    }
    case "clear": {
      const cleared = await ports.clear(effect.facts, effect.end);
      if (!context.signal.aborted) context.tellSelf({ kind: "cleared", ...cleared });
      return;
    }
    case "wait": {
      const ms = backoffMs(waits, effect.failures, ports.random);
      const cancel = context.clock.after(ms, () => context.tellSelf({ kind: "due" }));
      context.signal.addEventListener("abort", cancel, { once: true });
      return;
    }
  }
}

/** A fault of our own: said as it is, and not tried again. */
function brokenRound(error: unknown): RoundEnd {
  return { kind: "fatal", why: errorText(error), mayPass: true };
}
