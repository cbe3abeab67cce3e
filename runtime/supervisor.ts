// Supervision as a pure function over child specs, after Erlang's `supervisor`.
//
// Children start in list order and stop in reverse order. When one ends, the strategy says which
// others end and start with it. More than `restartsMax` restarts within `periodMs` is somebody
// else's problem: all children are stopped and the reason goes up. Nothing here starts anything;
// `supervise-actor.ts` carries the effects out.
//
// Source: erlang.org/doc/system/sup_princ.html, and lib/stdlib/src/supervisor.erl for the edges: a
// restart exactly `periodMs` ago still counts; a child that is never restarted is forgotten when it
// ends, also when a sibling's end ends it.

import { assert } from "../model/errors.ts";

export interface ChildSpec {
  readonly id: string;
  /** `on-crash`: a stop is its normal end. */
  readonly restart: "always" | "on-crash" | "never";
}

export interface SupervisorSpec {
  /** With a child that ends: none other, all others, or those that started after it. */
  readonly strategy: "one-for-one" | "one-for-all" | "rest-for-one";
  readonly restartsMax: number;
  readonly periodMs: number;
}

export interface SupervisorState extends SupervisorSpec {
  /** Those that run, or are about to, in start order. */
  readonly children: readonly ChildSpec[];
  /** When the latest restarts happened, oldest first, on the monotonic clock. */
  readonly restartedAt: readonly number[];
}

export type SupervisorEffect =
  | { readonly kind: "start-child"; readonly id: string }
  | { readonly kind: "stop-child"; readonly id: string }
  | { readonly kind: "escalate"; readonly reason: string };

export type Supervision = readonly [SupervisorState, readonly SupervisorEffect[]];

/** A supervisor of nobody yet. */
export function supervisor(spec: SupervisorSpec): SupervisorState {
  assert(spec.restartsMax >= 0 && spec.periodMs > 0, "restarts are limited per period");
  return { ...spec, children: [], restartedAt: [] };
}

/** Adds a child after all others and starts it. */
export function addChild(state: SupervisorState, child: ChildSpec): Supervision {
  assert(!state.children.some(({ id }) => id === child.id), `child ${child.id} exists`);
  return [{ ...state, children: [...state.children, child] }, [start(child)]];
}

/** Stops a child for good. */
export function removeChild(state: SupervisorState, id: string): Supervision {
  const child = state.children.find((one) => one.id === id);
  if (child === undefined) return [state, []];
  return [{ ...state, children: without(state.children, [child]) }, [stop(child)]];
}

/** Stops all children, the last first. */
export function stopAll(state: SupervisorState): Supervision {
  return [{ ...state, children: [] }, state.children.toReversed().map(stop)];
}

/** One child ended by itself: it crashed, or somebody else stopped it. */
export function onExit(
  state: SupervisorState,
  exit: { readonly id: string; readonly crashed: boolean; readonly atMs: number },
): Supervision {
  const index = state.children.findIndex(({ id }) => id === exit.id);
  const child = state.children[index];
  if (child === undefined) return [state, []];
  const wanted = child.restart === "always" || (child.restart === "on-crash" && exit.crashed);
  if (!wanted) return [{ ...state, children: without(state.children, [child]) }, []];

  const restartedAt = [...state.restartedAt, exit.atMs].filter(
    (atMs) => exit.atMs - atMs <= state.periodMs,
  );
  const others = without(state.children, [child]);
  if (restartedAt.length > state.restartsMax) {
    const reason = `${exit.id}: ${restartedAt.length} restarts within ${state.periodMs} ms`;
    const [stopped, stops] = stopAll({ ...state, restartedAt, children: others });
    return [stopped, [...stops, { kind: "escalate", reason }]];
  }

  const affected = {
    "one-for-one": [child],
    "one-for-all": state.children,
    "rest-for-one": state.children.slice(index),
  }[state.strategy];
  const forgotten = affected.filter(({ restart }) => restart === "never");
  return [
    { ...state, restartedAt, children: without(state.children, forgotten) },
    [...without(affected, [child]).reverse().map(stop), ...without(affected, forgotten).map(start)],
  ];
}

function start({ id }: ChildSpec): SupervisorEffect {
  return { kind: "start-child", id };
}

function stop({ id }: ChildSpec): SupervisorEffect {
  return { kind: "stop-child", id };
}

function without(children: readonly ChildSpec[], gone: readonly ChildSpec[]): ChildSpec[] {
  return children.filter((child) => !gone.includes(child));
}
