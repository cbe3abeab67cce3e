// What `perform` is given beside its effect: who it acts for, its token, its signal.
//
// One is made for every domain effect, so it is cheap: the token is only spelled out when somebody
// reads it. A context belongs to one life of its actor: what an effect tells itself after that life
// has ended goes nowhere, even if the actor lives again at the same address.

import type { Address, Ref } from "../model/address.ts";
import type { EffectContext } from "./actor.ts";
import type { AnyMessage } from "./cell.ts";
import type { Clock } from "./clock.ts";

/** The actor that a context speaks for. */
export interface ContextOwner {
  readonly address: Address;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  token(turn: number, index: number): string;
  postOwn(message: AnyMessage): void;
  tell(to: Address, message: object): void;
}

export class Context implements EffectContext<AnyMessage> {
  readonly #owner: ContextOwner;
  /** The turn, or the token of an effect from the outbox. */
  readonly #place: number | string;
  readonly #index: number;

  constructor(owner: ContextOwner, place: number | string, index = 0) {
    this.#owner = owner;
    this.#place = place;
    this.#index = index;
  }

  get self(): Ref<AnyMessage> {
    return this.#owner.address;
  }

  get token(): string {
    if (typeof this.#place === "string") return this.#place;
    return this.#owner.token(this.#place, this.#index);
  }

  get signal(): AbortSignal {
    return this.#owner.signal;
  }

  get clock(): Clock {
    return this.#owner.clock;
  }

  tellSelf(message: AnyMessage): void {
    this.#owner.postOwn(message);
  }

  tell<N>(to: Ref<N>, message: N): void {
    this.#owner.tell(to, message as object);
  }
}
