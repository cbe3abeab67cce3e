// Reconciling by level: the queue of keys that somebody has to look at again.
//
// A key names a thing with a mind of its own (a VM, a node's ranks). Asking for a key says "look at
// it", never what happened to it, so asks for one key are the same ask however many they are. Each
// look reads everything and does what remains; it ends `done`, or wants to look `again` after a
// while, or `failed`. A failure whose remedy is `retry` is looked at again after a growing wait;
// any other is shown and stays until somebody asks anew.
//
// What must always hold: at most one look per key at a time, at most `looksMax` in all; an ask
// during a look causes one more look after it; no ask is lost.

import { assert, isSkyError } from "../model/errors.ts";
import type { Backoff } from "./backoff.ts";
import { backoffMs } from "./backoff.ts";
import type { Random } from "./random.ts";

/** How a look at a key ended. */
export type ReconcileOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "again"; readonly afterMs: number }
  | { readonly kind: "failed"; readonly error: unknown };

export interface ReconcileState {
  readonly looksMax: number;
  readonly backoff: Backoff;
  readonly keys: ReadonlyMap<string, KeyState>;
  /** Keys that may be looked at, in the order in which they were asked for. */
  readonly ready: readonly string[];
  readonly looking: number;
}

export type KeyState = {
  /** Failures in a row. */
  readonly failures: number;
} & (
  | { readonly phase: "ready" }
  /** `next`: what came in meanwhile. The last word counts. */
  | { readonly phase: "looking"; readonly next: "settle" | "look" | "forget" }
  /** Waits for its timer. */
  | { readonly phase: "waiting" }
  /** Failed for good; kept so that people see it. */
  | { readonly phase: "stuck"; readonly error: unknown }
);

export type ReconcileEvent =
  | { readonly kind: "asked"; readonly key: string }
  | { readonly kind: "looked"; readonly key: string; readonly outcome: ReconcileOutcome }
  | { readonly kind: "due"; readonly key: string }
  /** The thing is gone; nobody need look at it any more. */
  | { readonly kind: "dropped"; readonly key: string };

export type ReconcileEffect =
  | { readonly kind: "look"; readonly key: string }
  | { readonly kind: "wake-after"; readonly key: string; readonly ms: number }
  | { readonly kind: "cancel-wake"; readonly key: string }
  | { readonly kind: "show"; readonly key: string; readonly error: unknown };

export function reconcileQueue(limits: {
  readonly looksMax: number;
  readonly backoff: Backoff;
}): ReconcileState {
  return { ...limits, keys: new Map(), ready: [], looking: 0 };
}

/** The next state, and what to do. `random` is drawn from only to spread retries. */
export function reconcileStep(
  state: ReconcileState,
  event: ReconcileEvent,
  random: Random,
): readonly [ReconcileState, readonly ReconcileEffect[]] {
  const [next, effects] = decide(state, event, random);
  const [filled, looks] = startLooks(next);
  return [filled, [...effects, ...looks]];
}

type Decision = readonly [ReconcileState, readonly ReconcileEffect[]];

function decide(state: ReconcileState, event: ReconcileEvent, random: Random): Decision {
  const key = state.keys.get(event.key);
  switch (event.kind) {
    case "asked":
      return asked(state, event.key, key);
    case "due":
      return key?.phase === "waiting"
        ? [makeReady(state, event.key, key.failures), []]
        : [state, []];
    case "dropped":
      return dropped(state, event.key, key);
    case "looked":
      return looked(state, event, { key, random });
  }
}

function asked(state: ReconcileState, name: string, key: KeyState | undefined): Decision {
  switch (key?.phase) {
    case "ready":
      return [state, []];
    case "looking":
      return [put(state, name, { ...key, next: "look" }), []];
    case "waiting":
      return [makeReady(state, name, key.failures), [{ kind: "cancel-wake", key: name }]];
    case "stuck":
    case undefined:
      return [makeReady(state, name, 0), []];
  }
}

function dropped(state: ReconcileState, name: string, key: KeyState | undefined): Decision {
  switch (key?.phase) {
    case "looking":
      return [put(state, name, { ...key, next: "forget" }), []];
    case "waiting":
      return [forget(state, name), [{ kind: "cancel-wake", key: name }]];
    case "ready":
    case "stuck":
    case undefined:
      return [forget(state, name), []];
  }
}

function looked(
  state: ReconcileState,
  { key: name, outcome }: { readonly key: string; readonly outcome: ReconcileOutcome },
  { key, random }: { readonly key: KeyState | undefined; readonly random: Random },
): Decision {
  assert(key?.phase === "looking", `${name} is being looked at`);
  const free = { ...state, looking: state.looking - 1 };
  if (key.next === "forget") return [forget(free, name), []];
  if (outcome.kind === "failed") {
    return failed(free, name, { ...key, failures: key.failures + 1, error: outcome.error, random });
  }
  if (key.next === "look") return [makeReady(free, name, 0), []];
  if (outcome.kind === "done") return [forget(free, name), []];
  return wait(free, name, { failures: 0, ms: outcome.afterMs });
}

function failed(
  state: ReconcileState,
  name: string,
  look: {
    readonly next: "settle" | "look" | "forget";
    readonly failures: number;
    readonly error: unknown;
    readonly random: Random;
  },
): Decision {
  const { failures, error } = look;
  if (isSkyError(error) && error.remedy === "retry") {
    // Whoever asked meanwhile waits too: asking does not make a failing thing work.
    return wait(state, name, { failures, ms: backoffMs(state.backoff, failures, look.random) });
  }
  const shown: ReconcileEffect = { kind: "show", key: name, error };
  if (look.next === "look") return [makeReady(state, name, 0), [shown]];
  return [put(state, name, { phase: "stuck", failures, error }), [shown]];
}

function wait(
  state: ReconcileState,
  name: string,
  { failures, ms }: { readonly failures: number; readonly ms: number },
): Decision {
  return [
    put(state, name, { phase: "waiting", failures }),
    [{ kind: "wake-after", key: name, ms }],
  ];
}

function startLooks(state: ReconcileState): Decision {
  const started = state.ready.slice(0, Math.max(0, state.looksMax - state.looking));
  if (started.length === 0) return [state, []];
  const keys = new Map(state.keys);
  for (const name of started) {
    const failures = state.keys.get(name)?.failures ?? 0;
    keys.set(name, { phase: "looking", failures, next: "settle" });
  }
  return [
    {
      ...state,
      keys,
      ready: state.ready.slice(started.length),
      looking: state.looking + started.length,
    },
    started.map((key) => ({ kind: "look", key })),
  ];
}

function forget(state: ReconcileState, name: string): ReconcileState {
  const keys = new Map(state.keys);
  keys.delete(name);
  return { ...state, keys, ready: state.ready.filter((other) => other !== name) };
}

function makeReady(state: ReconcileState, name: string, failures: number): ReconcileState {
  return { ...put(state, name, { phase: "ready", failures }), ready: [...state.ready, name] };
}

function put(state: ReconcileState, name: string, key: KeyState): ReconcileState {
  return { ...state, keys: new Map(state.keys).set(name, key) };
}
