// The gang's moves up to the first exit or stop: placed, getting ready, setup, barrier, running.
//
// One function for each cell of the table that does something: it takes the state of its phase and
// one event, and gives the next state with the effects to perform once it is stored. Pure.

import type { Exit, StopCause } from "../model/job.ts";
import type { Reason } from "../model/reason.ts";
import { reasonText } from "../model/reason.ts";
import type { Instant } from "../runtime/clock.ts";
import { exitText, isSuccess } from "./exit-text.ts";
import {
  afterFailure,
  allWell,
  conclude,
  drain,
  lostWhileDraining,
  neverStarted,
  nothingToRun,
  requeue,
} from "./gang-drain.ts";
import type { Live, Next, On } from "./gang-parts.ts";
import {
  acknowledge,
  actorOf,
  begin,
  endReason,
  failure,
  inPlay,
  isOn,
  mark,
  markExit,
  markReady,
  markStart,
  nameOf,
  note,
  onceBegun,
  placeNote,
  processes,
  runsOn,
  then,
  toAll,
} from "./gang-parts.ts";
import type {
  GangEffect,
  GangRank,
  PlacedState,
  Preparing,
  Refusals,
  Running,
  SettingUp,
  Starting,
  Waiting,
} from "./gang-state.ts";
import { processesOf, processOf } from "./gang-state.ts";

type Going = Starting | Running;

/** With pauses that double from a second to a minute: about two minutes. */
export const refusalsMax = 8;
/** Of refusals that are the job's own doing, whatever their texts: about half a minute. */
export const ownRefusalsMax = 6;
const ownDoing = "the job's own doing";

// ---- the queue

export function seated(state: Waiting, { ranks, setups, at }: On<"placed">): Next {
  const { terms, attempt, restarts, tries, past, refusals } = state;
  const said = refusals === undefined ? {} : { refusals };
  const course = { terms, attempt, restarts, tries, past, ...said, sweeps: [] };
  const hasSetup = setups.length > 0;
  if (!hasSetup && !terms.hasRun) {
    return conclude({ ...course, ranks, setups: [] }, { reason: nothingToRun, endedAt: at.wallMs });
  }
  // What runs on a lease starts on a word that the lease can be counted from.
  const isLeased = ranks.some(({ leaseMs }) => leaseMs !== undefined);
  const goWhenReady = !hasSetup && ranks.length === 1 && !isLeased;
  const asked = (list: readonly GangRank[]) => list.map((rank) => ({ ...rank, asked: true }));
  const next: Preparing = {
    ...course,
    phase: "preparing",
    goWhenReady,
    ranks: hasSetup ? ranks : asked(ranks),
    setups: asked(setups),
  };
  const nodes = ranks.map(({ node }) => node).join(", ");
  return [
    next,
    [
      ...toAll("prepare", next, hasSetup ? "setup" : "run"),
      { kind: "start-deadline", name: "prepare" },
      note({
        actor: "scheduler",
        kind: "placed",
        cause: `attempt ${attempt} was placed on ${nodes}`,
      }),
    ],
  ];
}

export function endedWhileQueued(
  state: Waiting,
  event: On<"cancel-requested"> | On<"cluster-closed">,
): Next {
  const { terms, attempt, restarts, tries, past } = state;
  const course = { terms, attempt, restarts, tries, past, sweeps: [], ranks: [], setups: [] };
  return conclude(course, {
    reason: endReason(event),
    endedAt: event.at.wallMs,
    actor: actorOf(event),
  });
}

// ---- getting ready

export function preparedFirst(state: Preparing, event: On<"rank-prepared">): Next {
  const { at } = event;
  const next = markReady(state, event);
  const phase = state.setups.length > 0 ? "setup" : "run";
  if (state.goWhenReady || !processes(next, phase).every(({ ready }) => ready)) return [next, []];
  if (phase === "run") return open(next, at);
  const { goWhenReady: _, ...rest } = next;
  const [begun, timeout] = begin(rest, at);
  const settingUp: SettingUp = {
    ...{ ...rest, ...begun },
    ...{ phase: "setting-up", stage: "setup", tries: 0 },
  };
  const what = state.terms.hasSetup ? "setup starts on" : "files go to";
  const why = `${what} ${settingUp.setups.length} node(s)`;
  return [
    settingUp,
    [
      ...toAll("go", settingUp, "setup"),
      { kind: "stop-deadline" },
      ...timeout,
      note({ actor: "scheduler", kind: "phase", cause: why }),
    ],
  ];
}

/** The barrier opens: every rank stands ready, so all are told to go. */
export function open(state: Preparing | SettingUp, at: Instant): Next {
  const { terms, attempt, restarts, past, ranks, setups, sweeps } = state;
  const [begun, timeout] = begin(state, at);
  const next: Starting = {
    phase: "starting",
    ...{ terms, attempt, restarts, tries: 0, past, ranks, setups, sweeps, ...begun },
    startedAt: at.wallMs,
  };
  const why = `all ${ranks.length} ranks stand ready`;
  return [
    next,
    [
      ...toAll("go", next, "run"),
      { kind: "stop-deadline" },
      ...timeout,
      note({ actor: "scheduler", kind: "phase", cause: why }),
    ],
  ];
}

export function refused(state: Preparing, event: On<"rank-refused">): Next {
  if (event.neverStarted && isOwnBarrier(state)) return neverStarted(state, event);
  return notPrepared(state, event);
}

export function refusedAfterSetup(state: SettingUp, event: On<"rank-refused">): Next {
  return event.key.phase === "setup" ? neverStarted(state, event) : notPrepared(state, event);
}

/**
 * Tried again after a pause, elsewhere if it can be; not for ever if the cause stays one. What is
 * the job's own doing keeps no other job from the node.
 */
function notPrepared(state: Preparing | SettingUp, event: On<"rank-refused">): Next {
  const { key, why, fault, at } = event;
  const node = processOf(state, key)?.node ?? "?";
  const how = { why: `${node} refused to prepare ${nameOf(key)}: ${why}`, wallMs: at.wallMs };
  if (event.neverStarted) return giveBack(state, [], how);
  const isOwn = fault === "job";
  const refusals = refusedAgain(state.refusals, isOwn ? ownDoing : why.replaceAll(node, "*"));
  const [blamed, max] = isOwn ? [[], ownRefusalsMax] : [[node], refusalsMax];
  if (refusals.times < max) return giveBack(state, blamed, { ...how, refusals });
  const params = { node, what: nameOf(key), why, times: String(refusals.times - 1) };
  return fail(state, { code: "refused", params }, { why: "peer-failed", wallMs: at.wallMs });
}

/** Digests and numbers may be others each time, though the cause is the same. */
function refusedAgain(before: Refusals | undefined, why: string): Refusals {
  const cause = why.replace(/\b[0-9a-f]{4,}\b|[0-9a-f]*\d[0-9a-f]*/gi, "#");
  return { cause, times: before?.cause === cause ? before.times + 1 : 1 };
}

/** A shim that stood at the barrier ended: nothing of the job has started. */
export function diedAtBarrier(
  state: Preparing | SettingUp,
  { key, exit, at }: On<"rank-exited"> | On<"setup-exited">,
): Next {
  if (processOf(state, key)?.asked !== true) return [state, []];
  const node = processOf(state, key)?.node ?? "?";
  return giveBack(state, [node], {
    why: `${nameOf(key)} on ${node} ${exitText(exit)} before its start`,
    wallMs: at.wallMs,
  });
}

export function notReadyInTime(
  state: Preparing | SettingUp,
  { waited, at }: On<"deadline-passed">,
): Next {
  if (state.phase === "setting-up" && state.stage === "setup") return [state, []];
  const isSetup = state.phase === "preparing" && state.setups.length > 0;
  const late = processes(state, isSetup ? "setup" : "run").filter(({ ready }) => !ready);
  const nodes = [...new Set(late.map(({ node }) => node))];
  if (nodes.length === 0 && !isOwnBarrier(state)) return [state, []];
  return giveBack(state, nodes, {
    why: `${nodes.join(", ")} did not get ready within ${waited}`,
    wallMs: at.wallMs,
  });
}

export function lostWhilePreparing(state: Preparing, event: On<"node-lost">): Next {
  if (!isOn(state, event.node)) return [state, []];
  return giveBack(state, [], {
    why: `${event.node} was lost before the start: ${event.evidence}`,
    wallMs: event.at.wallMs,
  });
}

export function restartedWhilePreparing(state: Preparing, event: On<"node-restarted">): Next {
  if (!isOn(state, event.node)) return [state, []];
  if (state.goWhenReady) return restarted(state, event);
  return giveBack(state, [], {
    why: `${event.node} restarted before the start`,
    wallMs: event.at.wallMs,
  });
}

/**
 * All nodes are given back and the job waits again. Ranks behind a barrier can not have started,
 * so nothing needs to be confirmed; one that was its own barrier may have.
 */
function giveBack(
  state: Preparing | SettingUp,
  blamed: readonly string[],
  {
    wallMs,
    ...about
  }: { readonly why: string; readonly wallMs: number; readonly refusals?: Refusals },
): Next {
  const { why } = about;
  const shuns = blamed.map((node): GangEffect => ({ kind: "shun", node }));
  if (isOwnBarrier(state)) {
    const [next, effects] = drain(
      state,
      { kind: "requeue", counted: false, ...about },
      { why: "cancelled", wallMs },
    );
    return [next, [...shuns, ...effects]];
  }
  const stops = inPlay(state).map(
    ({ key, process }): GangEffect => ({ kind: "stop", key, node: process.node, why: "cancelled" }),
  );
  return requeue(state, { counted: false, ...about }, [
    ...shuns,
    ...stops,
    note({ actor: "scheduler", kind: "gave-back", cause: why }),
  ]);
}

function isOwnBarrier(state: PlacedState): boolean {
  return state.phase === "preparing" && state.goWhenReady;
}

// ---- running

export function startedAtOnce(state: Preparing, event: On<"rank-started">): Next {
  if (!state.goWhenReady) return [state, []];
  const { goWhenReady: _, ...rest } = markStart(state, event);
  const [begun, timeout] = begin(rest, event.at);
  const { startedAt } = event;
  const next: Running = { ...rest, ...begun, phase: "running", tries: 0, startedAt };
  const { rank, node } = next.ranks[0] ?? { rank: 0, node: "?" };
  const why = `rank ${rank} started on ${node}`;
  return [
    next,
    [
      { kind: "stop-deadline" },
      ...timeout,
      note({ actor: `agent:${node}`, kind: "phase", cause: why }),
      ...placeNote(next, event),
    ],
  ];
}

export function started<S extends SettingUp | Going>(state: S, event: On<"rank-started">): Next {
  if (processOf(state, event.key)?.pid !== undefined) return [state, []];
  return onceBegun(markStart(state, event), placeNote(state, event));
}

/** A short job may be over before its start was heard of. */
export function exitedWhilePreparing(state: Preparing, event: On<"rank-exited">): Next {
  if (!state.goWhenReady) return diedAtBarrier(state, event);
  const { goWhenReady: _, ...rest } = state;
  const running: Running = { ...rest, phase: "running", tries: 0, startedAt: event.endedAt };
  const [next, effects] = exited(running, event);
  return [next, [{ kind: "stop-deadline" }, ...effects]];
}

export function exited(state: Going, event: On<"rank-exited">): Next {
  const { key, exit, at } = event;
  if (processOf(state, key)?.exit !== undefined) return [state, [acknowledge(state, key)]];
  const next = markExit(state, event);
  if (!isSuccess(exit))
    return fail(next, failure(next, key, exit), { why: "peer-failed", wallMs: at.wallMs });
  const effects = [acknowledge(next, key)];
  if (!next.ranks.every((rank) => isSuccess(rank.exit))) return onceBegun(next, effects);
  return conclude(next, { reason: allWell, endedAt: at.wallMs, effects });
}

export function lost(state: Live, event: On<"node-lost">): Next {
  if (!runsOn(state, event.node)) return [state, []];
  const params = { node: event.node, evidence: event.evidence };
  const [next, effects] = fail(
    state,
    { code: "node-lost", params },
    { why: "node-lost", wallMs: event.at.wallMs },
  );
  return next.phase === "draining"
    ? then(lostWhileDraining(next, event), effects)
    : [next, effects];
}

export function restarted(state: Live, event: On<"node-restarted">): Next {
  if (!runsOn(state, event.node)) return [state, []];
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  const here = processesOf(state).filter(({ process }) => process.node === event.node);
  let dead = state;
  for (const { key, process } of here) {
    if (!process.asked || process.exit !== undefined) continue;
    dead = mark(dead, key, { exit, endedAt: event.at.wallMs });
  }
  const reason: Reason = { code: "node-restarted", params: { node: event.node } };
  return fail(dead, reason, { why: "node-lost", wallMs: event.at.wallMs });
}

export function stopped(state: Live, event: On<"cancel-requested"> | On<"cluster-closed">): Next {
  const [next, effects] = drain(
    state,
    { kind: "end", reason: endReason(event) },
    { why: "cancelled", wallMs: event.at.wallMs },
  );
  const asked = note({
    actor: actorOf(event),
    kind: event.kind,
    cause: reasonText(endReason(event)),
  });
  return [next, [asked, ...effects]];
}

/** The job failed: it ends, or is tried again if that may help and was asked for. */
export function fail(
  state: Live,
  reason: Reason,
  how: { readonly why: StopCause; readonly wallMs: number },
): Next {
  const text = reasonText(reason);
  const [next, effects] = drain(state, afterFailure(state, reason), how);
  return [
    next,
    [
      note({ actor: "scheduler", kind: "failed", cause: text, evidence: reason.params }),
      ...effects,
    ],
  ];
}
