// Actors: a pure `step(state, message) → turn` and one edge, `perform(effect)`.
//
// One turn: take a message, stamp it, `step`, commit what changed, then perform the effects. No
// effect is performed for a state that is not saved: effects of a turn wait for its own commit and
// for those of all turns before it. `step` itself runs ahead of the disk (group commit).
//
// The same `step` runs in production, in the simulator and in replay, so it reads no clock, draws
// no random number and touches nothing outside its state. A state may be a value that each step
// replaces or, where it is large, a table that the actor owns and changes in place; either way it
// must be a function of the messages taken. An actor whose `step` throws is restarted from its
// journal by its supervisor and never goes on with a half-changed state.

import type { Address, Ref } from "../model/address.ts";
import type { Clock, Instant } from "./clock.ts";
import type { OutboxEntry } from "./journal.ts";
import type { Batch } from "./store.ts";

/** A message as an actor receives it: with the moment, and the node that really sent it. */
export type Received<M> = M & { readonly at: Instant; readonly from: string };

/** What one message brought about. */
export interface Turn<S, F, M = never> {
  readonly state: S;
  readonly effects: readonly (F | RuntimeEffect<M>)[];
  /** What must be on disk before the effects. Absent in volatile actors and idle turns. */
  readonly commit?: Batch;
  /**
   * Domain effects that a crash must not forget; plain JSON. Stored with the commit, performed
   * after `effects`, and again with the same token by every later start until one of them
   * succeeded (`runtime/journal.ts`). Whatever they touch must bear that repetition.
   */
  readonly outbox?: readonly F[];
}

/** Effects that every actor may use; the system performs them. */
export type RuntimeEffect<M> =
  | { readonly kind: "tell"; readonly to: Address; readonly message: object }
  /** One timer of a name at a time; starting replaces. Fires as `message`. */
  | {
      readonly kind: "start-timer";
      readonly name: string;
      readonly ms: number;
      readonly message: M;
    }
  | { readonly kind: "cancel-timer"; readonly name: string };

/**
 * A kind of actor. `M` its messages, `S` its state, `F` its domain effects, `A` its arguments.
 *
 * @example
 * const counter: Actor<Add, number, Print, { from: number }> = {
 *   kind: "counter",
 *   start: ({ from }) => ({ state: from, effects: [] }),
 *   step: (sum, { by }) => ({ state: sum + by, effects: [{ kind: "print", text: `+${by}` }] }),
 *   perform: ({ text }) => console.log(text),
 * };
 * system.tell(system.spawn(counter, "main", { from: 7 }), { kind: "add", by: 1 });
 */
export interface Actor<
  M extends { readonly kind: string },
  S,
  F extends { readonly kind: string },
  A,
> {
  readonly kind: string;
  /**
   * The kinds of messages that other nodes may send it; none, if absent. Others are counted and
   * dropped, so that no peer can hand `step` what it was not written for.
   */
  readonly fromOtherNodes?: readonly M["kind"][];
  /** Durable actors read their records before they are spawned and get them in `args`. */
  readonly start: (args: A, at: Instant) => Turn<S, F, M>;
  readonly step: (state: S, message: Received<M>) => Turn<S, F, M>;
  /**
   * Carries out one domain effect. Must not throw for what can be expected: that becomes a message
   * through `context.tell`. Effects are started in order; asynchronous ones run side by side.
   */
  readonly perform: (effect: F, context: EffectContext<M>) => void | Promise<void>;
}

export interface EffectContext<M> {
  readonly self: Ref<M>;
  /** `<address>/<turn>/<index>`: the same effect after a crash has the same token. */
  readonly token: string;
  /** Aborted when the actor stops. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  tellSelf(message: M): void;
  tell<N>(to: Ref<N>, message: N): void;
}

/** The actors of one node of one cluster (or of the head process, as node `skyhead`). */
export interface System {
  readonly cluster: string;
  readonly node: string;
  /** @throws SkyError `core/broken-invariant` if an actor already lives there. */
  spawn<M extends { readonly kind: string }, S, F extends { readonly kind: string }, A>(
    actor: Actor<M, S, F, A>,
    id: string,
    args: A,
    options?: SpawnOptions,
  ): Ref<M>;
  /** Same node: straight into the mailbox. Other node: encoded and published, at most once. */
  tell<M>(to: Ref<M>, message: M): void;
  /** @throws SkyError `bus/timeout`, `bus/no-such-actor`, `mailbox/full`, `core/cancelled`. */
  ask<M, R>(
    to: Ref<M>,
    make: (replyTo: Ref<R>) => M,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<R>;
  /**
   * Hears once when the target ends; soon if nothing lives there. `crashed` tells a bug or a failed
   * commit from a stop. Only for actors of this node. Returns what stops watching.
   */
  watch(target: Address, onDown: (reason: string, crashed: boolean) => void): () => void;
  /** Ends an actor: it takes no more messages; what it committed is still performed. */
  stop(target: Address, reason: string): Promise<void>;
  inspect(): readonly ActorReport[];
  close(reason: string): Promise<void>;
}

export interface SpawnOptions {
  /** How many messages of others may wait; 1,024 unless said otherwise. */
  readonly mailboxMax?: number;
  /** What the journal's outbox still holds, from `splitJournal`: performed again, first. */
  readonly outbox?: readonly OutboxEntry[];
}

/** What `sky debug` shows of an actor. */
export interface ActorReport {
  readonly address: Address;
  readonly mailboxCount: number;
  readonly turns: number;
  readonly commitsPending: number;
  readonly timers: readonly string[];
  readonly incarnation: number;
}
