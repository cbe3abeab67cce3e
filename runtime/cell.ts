// What an actor's cell and its system know of each other (`runtime/cell-actor.ts`).
//
// The types of an actor are checked where it is spawned; from there on its messages, state and
// effects are carried without being looked into, so one cell serves every kind.

import type { Address } from "../model/address.ts";
import type { Actor, Turn } from "./actor.ts";
import type { Clock, Instant } from "./clock.ts";
import type { Log } from "./log.ts";
import type { Batch, Store } from "./store.ts";
import type { Timer } from "./timers.ts";

export interface AnyMessage {
  readonly kind: string;
}

export interface AnyEffect {
  readonly kind: string;
}

export type AnyActor = Actor<AnyMessage, unknown, AnyEffect, unknown>;
export type AnyTurn = Turn<unknown, AnyEffect, AnyMessage>;

/** One message in a mailbox. */
export interface Letter {
  readonly message: AnyMessage;
  readonly from: string;
  /** Set when this is a timer that fired: the letter counts only while the timer is current. */
  readonly timer?: Timer<AnyMessage>;
}

/** What happened in a turn, for simulations, recordings and `sky debug`. */
export interface TurnReport {
  readonly address: Address;
  readonly turn: number;
  readonly at: Instant;
  /** `undefined` for the turn of `start`. */
  readonly message: AnyMessage | undefined;
  readonly from: string;
  readonly state: unknown;
  /** All that the turn asked for, the durable ones last. */
  readonly effects: readonly AnyEffect[];
  readonly commit: Batch | undefined;
}

/** What a cell needs of its system. */
export interface CellHost {
  readonly incarnation: number;
  readonly clock: Clock;
  readonly store: Store | undefined;
  readonly observe: ((turn: TurnReport) => void) | undefined;
  /** @throws SkyError as `System.tell` does. */
  tell(to: Address, message: object): void;
  /** Nobody will ever take this letter of an actor that has ended. */
  discarded(letter: Letter, to: Address): void;
}

/** One life at one address. */
export interface Life {
  readonly address: Address;
  /** Rises with every spawn in the system. */
  readonly incarnation: number;
  /** Opens the actor's log. Most actors never write a line. */
  readonly log: () => Log;
  readonly mailboxMax: number | undefined;
  /** There are letters to take. */
  readonly onReady: () => void;
  /** The actor is down; called once. */
  readonly onDown: (reason: string, crashed: boolean) => void;
}
