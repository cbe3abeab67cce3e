// State machines as full tables: every (phase, event) pair has a decision, and the compiler counts.
//
// A cell is a function, `"ignore"` (expected here and harmless: a late timer, a duplicate) or
// `"reject"` (a caller's mistake: answered with a conflict, state unchanged). Terminal phases hold
// no functions, so the first terminal outcome wins for ever.

import type { Instant } from "./clock.ts";

/** An event together with the moment at which it was taken from the mailbox. */
export type Stamped<E> = E & { readonly at: Instant };

/** The next state, and the effects to perform once that state is stored. */
export type Transition<S, F> = readonly [state: S, effects: readonly F[]];

/** A decision for one (phase, event) pair. */
export type Cell<S, E, F, P, K> =
  | ((
      state: Extract<S, { readonly phase: P }>,
      event: Stamped<Extract<E, { readonly kind: K }>>,
    ) => Transition<S, F>)
  | "ignore"
  | "reject";

export type Table<S extends { readonly phase: string }, E extends { readonly kind: string }, F> = {
  readonly [P in S["phase"]]: { readonly [K in E["kind"]]: Cell<S, E, F, P, K> };
};

export type Outcome<S, F> =
  | { readonly taken: true; readonly state: S; readonly effects: readonly F[] }
  | { readonly taken: false; readonly why: "ignored" | "rejected" };

export type Step<S, E, F> = (state: S, event: Stamped<E>) => Outcome<S, F>;

/** The step function of a table. */
export function machine<
  S extends { readonly phase: string },
  E extends { readonly kind: string },
  F,
>(table: Table<S, E, F>): Step<S, E, F> {
  const rows = table as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  return (state, event) => {
    const cell = rows[state.phase]?.[event.kind];
    if (cell === "ignore") return { taken: false, why: "ignored" };
    if (typeof cell !== "function") return { taken: false, why: "rejected" };
    const [next, effects] = cell(state, event) as Transition<S, F>;
    return { taken: true, state: next, effects };
  };
}
