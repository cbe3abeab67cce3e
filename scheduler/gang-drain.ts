// The gang's way out: stopping, sweeping, and the end or the queue again.
//
// As in `gang-moves.ts`, one function for each cell of the table. What must always hold: a gang
// leaves `draining` only when every node has said that nothing is left, or the record says of
// which nodes nobody can know.

import type { Exit, RankKey, StopCause } from "../model/job.ts";
import type { Reason } from "../model/reason.ts";
import { reasons, reasonText } from "../model/reason.ts";
import { isSuccess } from "./exit-text.ts";
import type { Live, Named, Next, On } from "./gang-parts.ts";
import {
  acknowledge,
  actorOf,
  endReason,
  failure,
  hasStarted,
  inPlay,
  isTimedOut,
  mark,
  markExit,
  markStart,
  nameOf,
  note,
  setupFailure,
  stopCauseOf,
  sweepEvidence,
  sweepText,
  unwatched,
} from "./gang-parts.ts";
import type {
  Draining,
  Ended,
  GangEffect,
  Outcome,
  PlacedState,
  Preparing,
  SettingUp,
  Starting,
  Waiting,
} from "./gang-state.ts";
import { processOf } from "./gang-state.ts";

// ---- draining

/** Everything that may run is stopped, and every node must answer. */
export function drain(
  state: Live,
  outcome: Outcome,
  { why, wallMs }: { readonly why: StopCause; readonly wallMs: number },
): Next {
  const { terms, attempt, restarts, tries, past, ranks, setups, sweeps, startedAt } = state;
  const next: Draining = {
    phase: "draining",
    ...{ terms, attempt, restarts, tries, past, ranks, setups, sweeps, outcome },
    ...(startedAt === undefined ? {} : { startedAt }),
  };
  const left = inPlay(next);
  // Between setup and the barrier nothing may be in play.
  if (left.length === 0) return settle(next, wallMs, unwatched(state));
  const stops = left.map(
    ({ key, process }): GangEffect => ({ kind: "stop", key, node: process.node, why }),
  );
  const nodes = [...new Set(left.map(({ process }) => process.node))].join(", ");
  return [
    next,
    [
      ...stops,
      { kind: "start-deadline", name: "drain" },
      ...unwatched(state),
      note({ actor: "scheduler", kind: "phase", cause: `stopping and sweeping ${nodes}` }),
    ],
  ];
}

/** The end, or another attempt if that may help, was asked for, and is left. */
export function afterFailure({ terms, restarts }: PlacedState, reason: Reason): Outcome {
  const mayRestart = reasons[reason.code].retry === "if-asked" && restarts < terms.restartsMax;
  return mayRestart
    ? { kind: "requeue", why: reasonText(reason), counted: true, after: reason.code }
    : { kind: "end", reason };
}

/**
 * It was told to go, and its agent ended before it could: it never started. If no other rank did
 * either, the job waits again; a gang of which a part ran is run anew only if that was asked for.
 */
export function neverStarted(
  state: Preparing | SettingUp | Starting,
  event: On<"rank-refused">,
): Next {
  const { key, why, at } = event;
  const process = processOf(state, key);
  if (process === undefined || hasStarted(process) || process.exit !== undefined) {
    return [state, []];
  }
  const { node } = process;
  const params = { rank: String(key.index), node, why };
  const outcome: Outcome = {
    ...{ kind: "requeue", why: `${nameOf(key)} on ${node} never started: ${why}`, counted: false },
    unlessStarted: { code: "never-started", params },
  };
  return drain(state, outcome, { why: "peer-failed", wallMs: at.wallMs });
}

export function startedWhileDraining(state: Draining, event: On<"rank-started">): Next {
  return [markStart(state, event), []];
}

export function exitedWhileDraining(
  state: Draining,
  event: On<"rank-exited"> | On<"setup-exited">,
): Next {
  const process = processOf(state, event.key);
  if (process === undefined || process.exit !== undefined) return [state, []];
  const next = markExit(state, isTimedOut(state) ? inItsWords(event) : event);
  // A setup that was done before the stop reached it needs no sweep, so this may be the last word.
  const known = event.neverStarted ? next : reconsidered(next, event.key, event.exit);
  return settle(known, event.at.wallMs, []);
}

/**
 * A rank that seemed never to have got ready had run after all: what it did counts. Only one that
 * was stopped by us goes back to the queue.
 */
function reconsidered(state: Draining, key: RankKey, exit: Exit): Draining {
  if (isTimedOut(state)) return afterTimeout(state, key, exit);
  if (state.outcome.kind === "end" || state.outcome.counted) return state;
  if (state.outcome.unlessStarted !== undefined) return state;
  if (exit.kind === "stopped" || key.phase === "setup") return state;
  const reason = isSuccess(exit) ? allWell : failure(state, key, exit);
  return { ...state, outcome: { kind: "end", reason } };
}

/** It was stopped for its timeout. That is not said to nodes: for them it was cancelled. */
function inItsWords<E extends On<"rank-exited"> | On<"setup-exited">>(event: E): E {
  const { exit } = event;
  const isOurs = exit.kind === "stopped" && exit.why === "cancelled";
  return isOurs ? { ...event, exit: { ...exit, why: "timed-out" } } : event;
}

/** What ended before its stop came ended by itself: by that it is judged. */
function afterTimeout(state: Draining, key: RankKey, exit: Exit): Draining {
  if (exit.kind === "stopped" || exit.kind === "unknown") return state;
  if (key.phase === "run" && state.ranks.every((rank) => isSuccess(rank.exit))) {
    return { ...state, outcome: { kind: "end", reason: allWell } };
  }
  if (isSuccess(exit)) return state;
  const reason = key.phase === "setup" ? setupFailure(state, key.index) : failure(state, key, exit);
  return { ...state, outcome: afterFailure(state, reason) };
}

export function swept(state: Draining, { key, sweep, at }: On<"rank-swept">): Next {
  const process = processOf(state, key);
  if (process === undefined || !process.asked) return [state, []];
  if (process.swept) return [state, [acknowledge(state, key)]];
  const sweeps = [...state.sweeps, sweep];
  const evidence = sweepEvidence(key, sweep);
  const told = note({
    actor: `agent:${process.node}`,
    kind: "swept",
    cause: sweepText(key, sweep),
    evidence,
  });
  // A survivor is no end: the node is asked again until it finds none, or the deadline passes.
  if (sweep.survivors > 0) return [{ ...state, sweeps }, [told]];
  // It ran, we stopped it and nothing is left: how it ended is known even if that word was lost.
  const silent = process.exit === undefined && process.pid !== undefined;
  const exit: Exit = { kind: "stopped", why: stopCauseOf(state) };
  const ended = silent ? { exit, endedAt: at.wallMs } : {};
  const next = mark({ ...state, sweeps }, key, { ...ended, swept: true });
  return settle(next, at.wallMs, [acknowledge(state, key), told]);
}

export function lostWhileDraining(state: Draining, event: On<"node-lost">): Next {
  // A new attempt must not run beside an old one: without the node's word, wait.
  if (state.outcome.kind === "requeue") return [state, []];
  const here = inPlay(state).filter(({ process }) => process.node === event.node);
  const why = `${event.node} is lost: ${event.evidence}`;
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  return giveUpOn(state, here, { why, exit, wallMs: event.at.wallMs });
}

/**
 * What ran on the node before is dead, and that is said of it; but only the node's own answer to
 * `stop` makes sure that a message on its way does not start it again.
 */
export function restartedWhileDraining(state: Draining, event: On<"node-restarted">): Next {
  const here = inPlay(state).filter(({ process }) => process.node === event.node);
  if (here.length === 0) return [state, []];
  const reason: Reason = { code: "node-restarted", params: { node: event.node } };
  const isDoubtful = state.outcome.kind === "requeue" && !state.outcome.counted;
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  let next: Draining = isDoubtful ? { ...state, outcome: afterFailure(state, reason) } : state;
  for (const { key, process } of here) {
    if (process.exit === undefined) next = mark(next, key, { exit, endedAt: event.at.wallMs });
  }
  const stops = here.map(
    ({ key, process }): GangEffect => ({ kind: "stop", key, node: process.node, why: "node-lost" }),
  );
  return [next, stops];
}

export function endedWhileDraining(
  state: Draining,
  event: On<"cancel-requested"> | On<"cluster-closed">,
): Next {
  // What it ends as was decided before.
  if (state.outcome.kind === "end") return [state, []];
  const reason = endReason(event);
  const next: Draining = { ...state, outcome: { kind: "end", reason } };
  const asked = note({ actor: actorOf(event), kind: event.kind, cause: reasonText(reason) });
  return settle(next, event.at.wallMs, [asked, { kind: "start-deadline", name: "drain" }]);
}

export function notSweptInTime(state: Draining, event: On<"deadline-passed">): Next {
  if (state.outcome.kind === "requeue") return [state, []];
  const why = `no answer within ${event.waited}`;
  const exit: Exit = { kind: "unknown", evidence: why };
  return giveUpOn(state, inPlay(state), { why, exit, wallMs: event.at.wallMs });
}

/** Nobody can know what is left of these. The record says so, and their nodes take no work. */
export function giveUpOn(
  state: Draining,
  left: Named,
  how: { readonly why: string; readonly exit: Exit; readonly wallMs: number },
): Next {
  const { why, exit, wallMs } = how;
  const effects: GangEffect[] = [];
  let next = state;
  for (const { key, process } of left) {
    const { node } = process;
    const ended = process.exit === undefined ? { exit, endedAt: wallMs } : {};
    const sweep = { node, found: 0, killed: 0, survivors: 0, unproven: [why] };
    next = mark({ ...next, sweeps: [...next.sweeps, sweep] }, key, { ...ended, swept: true });
    const cause = sweepText(key, sweep);
    const evidence = sweepEvidence(key, sweep);
    effects.push({ kind: "haunt", node, key });
    effects.push(note({ actor: "scheduler", kind: "swept", cause, evidence }));
  }
  return settle(next, wallMs, effects);
}

/** Ends or requeues the gang once no node has anything left to say. */
function settle(state: Draining, wallMs: number, effects: readonly GangEffect[]): Next {
  if (inPlay(state).length > 0) return [state, effects];
  const { outcome } = state;
  if (outcome.kind === "end")
    return conclude(state, { reason: inFull(state, outcome.reason), endedAt: wallMs, effects });
  const { unlessStarted } = outcome;
  if (unlessStarted !== undefined && state.ranks.some(hasStarted)) {
    return settle({ ...state, outcome: afterFailure(state, unlessStarted) }, wallMs, effects);
  }
  return requeue(state, outcome, [
    ...effects,
    note({ actor: "scheduler", kind: "requeued", cause: outcome.why }),
  ]);
}

/** The setups of other nodes may have failed as well before they were stopped. */
function inFull(state: Draining, reason: Reason): Reason {
  return reason.code === "setup-failed"
    ? setupFailure(state, Number(reason.params["rank"] ?? 0))
    : reason;
}

// ---- ends

export const allWell: Reason = { code: "all-ranks-exited-0", params: {} };

export const nothingToRun: Reason = { code: "nothing-to-run", params: {} };

export type PlacedFields = Omit<Ended, "phase" | "reason" | "endedAt">;

export function conclude(
  state: PlacedFields,
  end: {
    readonly reason: Reason;
    readonly endedAt: number;
    readonly effects?: readonly GangEffect[];
    readonly actor?: string;
  },
): Next {
  const { reason, endedAt, effects = [], actor = "scheduler" } = end;
  const { terms, attempt, restarts, tries, past, ranks, setups, sweeps, startedAt } = state;
  const next: Ended = {
    phase: "ended",
    ...{ terms, attempt, restarts, tries, past, ranks, setups, sweeps, reason, endedAt },
    ...(startedAt === undefined ? {} : { startedAt }),
  };
  return [
    next,
    [
      ...effects,
      { kind: "stop-deadline" },
      ...unwatched(state),
      { kind: "release" },
      { kind: "conclude" },
      note({
        actor,
        kind: "ended",
        cause: reasonText(reason),
        evidence: { reason: reason.code, ...reason.params },
      }),
    ],
  ];
}

export type Again = Omit<Extract<Outcome, { readonly kind: "requeue" }>, "kind">;

export function requeue(
  state: PlacedState,
  { why, counted, refusals }: Again,
  before: readonly GangEffect[],
): Next {
  const { terms, attempt, restarts, tries, past, ranks, setups } = state;
  const over = {
    attempt,
    ranks: ranks.map(({ node }) => node),
    setups: setups.map(({ rank, node }) => ({ index: rank, node })),
  };
  const next: Waiting = {
    phase: "queued",
    terms,
    attempt: attempt + 1,
    restarts: counted ? restarts + 1 : restarts,
    tries: counted ? 0 : tries + 1,
    ...(refusals === undefined ? {} : { refusals }),
    past: [...past.slice(-pastAttemptsMax + 1), over],
    notBefore: 0,
    why,
  };
  return [
    next,
    [
      ...before,
      { kind: "stop-deadline" },
      ...unwatched(state),
      { kind: "release" },
      { kind: "requeue", pause: !counted },
    ],
  ];
}

/** Attempts whose directories we can still ask nodes to forget; older ones an inventory finds. */
const pastAttemptsMax = 20;
