// The decisions behind the gang's table: one function for each cell that does something.
//
// Each takes the state of its phase and one event, and gives the next state with the effects to
// perform once it is stored. Pure.

import type { Exit, RankKey, SweepRecord } from "../model/job.ts";
import type { Reason } from "../model/reason.ts";
import { reasons, reasonText } from "../model/reason.ts";
import type { Stamped, Transition } from "../runtime/machine.ts";
import { exitText, isSuccess } from "./exit-text.ts";
import type {
  Draining,
  Ended,
  GangEffect,
  GangEvent,
  GangRank,
  GangState,
  Note,
  Outcome,
  PlacedState,
  Preparing,
  Running,
  SettingUp,
  Starting,
  StopCause,
  Waiting,
} from "./gang.ts";
import { awaitsSweep, processesOf, processOf } from "./gang.ts";

type Next = Transition<GangState, GangEffect>;
type On<K extends GangEvent["kind"]> = Stamped<Extract<GangEvent, { readonly kind: K }>>;
type Live = Preparing | SettingUp | Starting | Running;
type Going = Starting | Running;

// ---- the queue

export function placed(state: Waiting, { ranks, setups, at }: On<"placed">): Next {
  const { terms, attempt, restarts, tries, past } = state;
  const course = { terms, attempt, restarts, tries, past, sweeps: [] };
  if (!terms.hasSetup && !terms.hasRun) {
    return conclude({ ...course, ranks, setups: [] }, nothingToRun, at.wallMs, []);
  }
  const goWhenReady = !terms.hasSetup && ranks.length === 1;
  const asked = (list: readonly GangRank[]) => list.map((rank) => ({ ...rank, asked: true }));
  const next: Preparing = {
    ...course,
    phase: "preparing",
    goWhenReady,
    ranks: terms.hasSetup ? ranks : asked(ranks),
    setups: terms.hasSetup ? asked(setups) : [],
  };
  const nodes = ranks.map(({ node }) => node).join(", ");
  return [
    next,
    [
      ...toAll("prepare", next, terms.hasSetup ? "setup" : "run"),
      { kind: "start-deadline", name: "prepare" },
      note("scheduler", "placed", `attempt ${attempt} was placed on ${nodes}`),
    ],
  ];
}

export function endedWhileQueued(
  state: Waiting,
  event: On<"cancel-requested"> | On<"cluster-closed">,
): Next {
  const { terms, attempt, restarts, tries, past } = state;
  const course = { terms, attempt, restarts, tries, past, sweeps: [], ranks: [], setups: [] };
  return conclude(course, endReason(event), event.at.wallMs, [], actorOf(event));
}

// ---- getting ready

export function preparedFirst(state: Preparing, { key, at }: On<"rank-prepared">): Next {
  const next = mark(state, key, { ready: true });
  const phase = state.terms.hasSetup ? "setup" : "run";
  if (state.goWhenReady || !processes(next, phase).every(({ ready }) => ready)) return [next, []];
  if (phase === "run") return open(next, at.wallMs);
  const { goWhenReady: _, ...rest } = next;
  const settingUp: SettingUp = { ...rest, phase: "setting-up", stage: "setup", tries: 0 };
  const why = `setup starts on ${settingUp.setups.length} node(s)`;
  return [
    settingUp,
    [
      ...toAll("go", settingUp, "setup"),
      { kind: "stop-deadline" },
      note("scheduler", "phase", why),
    ],
  ];
}

export function preparedAfterSetup(state: SettingUp, { key, at }: On<"rank-prepared">): Next {
  if (state.stage === "setup" || key.phase === "setup") return [state, []];
  const next = mark(state, key, { ready: true });
  return next.ranks.every(({ ready }) => ready) ? open(next, at.wallMs) : [next, []];
}

/** The barrier opens: every rank stands ready, so all are told to go. */
function open(state: Preparing | SettingUp, wallMs: number): Next {
  const { terms, attempt, restarts, past, ranks, setups, sweeps } = state;
  const next: Starting = {
    phase: "starting",
    ...{ terms, attempt, restarts, tries: 0, past, ranks, setups, sweeps },
    startedAt: wallMs,
  };
  const why = `all ${ranks.length} ranks stand ready`;
  return [
    next,
    [...toAll("go", next, "run"), { kind: "stop-deadline" }, note("scheduler", "phase", why)],
  ];
}

export function refused(state: Preparing, { key, why }: On<"rank-refused">): Next {
  const node = processOf(state, key)?.node ?? "?";
  return giveBack(state, [node], `${node} refused to prepare ${nameOf(key)}: ${why}`);
}

export function refusedAfterSetup(state: SettingUp, { key, why }: On<"rank-refused">): Next {
  if (key.phase === "setup") return [state, []];
  const node = processOf(state, key)?.node ?? "?";
  return giveBack(state, [node], `${node} refused to prepare ${nameOf(key)}: ${why}`);
}

/** A shim that stood at the barrier ended: nothing of the job has started. */
export function diedAtBarrier(
  state: Preparing | SettingUp,
  { key, exit }: On<"rank-exited"> | On<"setup-exited">,
): Next {
  if (processOf(state, key)?.asked !== true) return [state, []];
  const node = processOf(state, key)?.node ?? "?";
  return giveBack(state, [node], `${nameOf(key)} on ${node} ${exitText(exit)} before its start`);
}

export function notReadyInTime(
  state: Preparing | SettingUp,
  { waited }: On<"deadline-passed">,
): Next {
  if (state.phase === "setting-up" && state.stage === "setup") return [state, []];
  const isSetup = state.phase === "preparing" && state.terms.hasSetup;
  const late = processes(state, isSetup ? "setup" : "run").filter(({ ready }) => !ready);
  const nodes = [...new Set(late.map(({ node }) => node))];
  if (nodes.length === 0 && !isOwnBarrier(state)) return [state, []];
  return giveBack(state, nodes, `${nodes.join(", ")} did not get ready within ${waited}`);
}

export function lostWhilePreparing(state: Preparing, event: On<"node-lost">): Next {
  if (!isOn(state, event.node)) return [state, []];
  return giveBack(state, [], `${event.node} was lost before the start: ${event.evidence}`);
}

export function restartedWhilePreparing(state: Preparing, event: On<"node-restarted">): Next {
  if (!isOn(state, event.node)) return [state, []];
  if (state.goWhenReady) return restarted(state, event);
  return giveBack(state, [], `${event.node} restarted before the start`);
}

/**
 * All nodes are given back and the job waits again. Ranks behind a barrier can not have started,
 * so nothing needs to be confirmed; one that was its own barrier may have.
 */
function giveBack(state: Preparing | SettingUp, blamed: readonly string[], why: string): Next {
  const shuns = blamed.map((node): GangEffect => ({ kind: "shun", node }));
  if (isOwnBarrier(state)) {
    const [next, effects] = drain(state, { kind: "requeue", why, counted: false }, "cancelled");
    return [next, [...shuns, ...effects]];
  }
  const stops = inPlay(state).map(
    ({ key, process }): GangEffect => ({ kind: "stop", key, node: process.node, why: "cancelled" }),
  );
  return requeue(state, { why, counted: false }, [
    ...shuns,
    ...stops,
    note("scheduler", "gave-back", why),
  ]);
}

function isOwnBarrier(state: PlacedState): boolean {
  return state.phase === "preparing" && state.goWhenReady;
}

// ---- setup

export function setupExited(state: SettingUp, event: On<"setup-exited">): Next {
  const { key, exit, at } = event;
  if (processOf(state, key)?.exit !== undefined) return [state, []];
  const next = markExit(state, event);
  if (isSuccess(exit)) return afterSetup(next, at.wallMs, [acknowledge(next, key)]);
  const node = processOf(state, key)?.node ?? "?";
  const params = { node, rank: String(key.index), outcome: exitText(exit) };
  return fail(next, { code: "setup-failed", params }, "peer-failed");
}

/** Goes on to the barrier once every setup is done. */
function afterSetup(state: SettingUp, wallMs: number, effects: readonly GangEffect[]): Next {
  const done = state.setups.every(({ exit, swept }) => isSuccess(exit) || swept);
  if (!done || state.stage === "barrier") return [state, effects];
  if (!state.terms.hasRun) return conclude(state, nothingToRun, wallMs, effects);
  const ranks = state.ranks.map((rank) => ({ ...rank, asked: true }));
  const next: SettingUp = { ...state, stage: "barrier", ranks };
  return [
    next,
    [
      ...effects,
      ...toAll("prepare", next, "run"),
      { kind: "start-deadline", name: "prepare" },
      note("scheduler", "setup-done", "setup exited with 0 on every node"),
    ],
  ];
}

export function lostInSetup(state: SettingUp, event: On<"node-lost">): Next {
  if (state.ranks.some(({ node }) => node === event.node)) return lost(state, event);
  return withoutSetupOn(state, event.node, event.at.wallMs);
}

export function restartedInSetup(state: SettingUp, event: On<"node-restarted">): Next {
  if (state.ranks.some(({ node }) => node === event.node)) return restarted(state, event);
  return withoutSetupOn(state, event.node, event.at.wallMs);
}

/** A node on which no rank will run does not hold up the others. */
function withoutSetupOn(state: SettingUp, node: string, wallMs: number): Next {
  const gone = state.setups.find((setup) => setup.node === node && setup.exit === undefined);
  if (gone === undefined) return [state, []];
  const key: RankKey = {
    job: state.terms.job,
    attempt: state.attempt,
    phase: "setup",
    index: gone.rank,
  };
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  const next = mark(state, key, { exit, endedAt: wallMs, swept: true });
  return afterSetup(next, wallMs, [{ kind: "haunt", node, key }]);
}

// ---- running

export function startedAtOnce(state: Preparing, event: On<"rank-started">): Next {
  if (!state.goWhenReady) return [state, []];
  const { goWhenReady: _, ...rest } = markStart(state, event);
  const next: Running = { ...rest, phase: "running", tries: 0, startedAt: event.startedAt };
  const { rank, node } = next.ranks[0] ?? { rank: 0, node: "?" };
  const why = `rank ${rank} started on ${node}`;
  return [next, [{ kind: "stop-deadline" }, note(`agent:${node}`, "phase", why)]];
}

export function started<S extends SettingUp | Going>(state: S, event: On<"rank-started">): Next {
  if (processOf(state, event.key)?.pid !== undefined) return [state, []];
  const next = markStart(state, event);
  if (next.phase !== "starting" || !next.ranks.every(({ pid }) => pid !== undefined)) {
    return [next, []];
  }
  const why = `all ${next.ranks.length} ranks started`;
  return [{ ...next, phase: "running" }, [note("scheduler", "phase", why)]];
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
  if (!isSuccess(exit)) return fail(next, failure(next, key, exit), "peer-failed");
  const effects = [acknowledge(next, key)];
  if (!next.ranks.every((rank) => isSuccess(rank.exit))) return [next, effects];
  return conclude(next, { code: "all-ranks-exited-0", params: {} }, at.wallMs, effects);
}

export function lost(state: Live, event: On<"node-lost">): Next {
  if (!runsOn(state, event.node)) return [state, []];
  const params = { node: event.node, evidence: event.evidence };
  const [next, effects] = fail(state, { code: "node-lost", params }, "node-lost");
  return next.phase === "draining"
    ? then(lostWhileDraining(next, event), effects)
    : [next, effects];
}

export function restarted(state: Live, event: On<"node-restarted">): Next {
  if (!runsOn(state, event.node)) return [state, []];
  const reason: Reason = { code: "node-restarted", params: { node: event.node } };
  const [next, effects] = fail(state, reason, "node-lost");
  return next.phase === "draining"
    ? then(restartedWhileDraining(next, event), effects)
    : [next, effects];
}

export function stopped(state: Live, event: On<"cancel-requested"> | On<"cluster-closed">): Next {
  const [next, effects] = drain(state, { kind: "end", reason: endReason(event) }, "cancelled");
  const asked = note(actorOf(event), event.kind, reasonText(endReason(event)));
  return [next, [asked, ...effects]];
}

/** The job failed: it ends, or is tried again if that may help and was asked for. */
function fail(state: Live, reason: Reason, why: StopCause): Next {
  const mayRestart = reasons[reason.code].retry === "if-asked";
  const text = reasonText(reason);
  const outcome: Outcome =
    mayRestart && state.restarts < state.terms.restartsMax
      ? { kind: "requeue", why: text, counted: true }
      : { kind: "end", reason };
  const [next, effects] = drain(state, outcome, why);
  return [next, [note("scheduler", "failed", text, reason.params), ...effects]];
}

// ---- draining

/** Everything that may run is stopped, and every node must answer. */
function drain(state: Live, outcome: Outcome, why: StopCause): Next {
  const { terms, attempt, restarts, tries, past, ranks, setups, sweeps, startedAt } = state;
  const next: Draining = {
    phase: "draining",
    ...{ terms, attempt, restarts, tries, past, ranks, setups, sweeps, outcome },
    ...(startedAt === undefined ? {} : { startedAt }),
  };
  const stops = inPlay(next).map(
    ({ key, process }): GangEffect => ({ kind: "stop", key, node: process.node, why }),
  );
  const nodes = [...new Set(inPlay(next).map(({ process }) => process.node))].join(", ");
  return [
    next,
    [
      ...stops,
      { kind: "start-deadline", name: "drain" },
      note("scheduler", "phase", `stopping and sweeping ${nodes}`),
    ],
  ];
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
  const next = markExit(state, event);
  return [reconsidered(next, event.key, event.exit), []];
}

/**
 * A rank that seemed never to have got ready had run after all: what it did counts. Only one that
 * was stopped by us goes back to the queue.
 */
function reconsidered(state: Draining, key: RankKey, exit: Exit): Draining {
  if (state.outcome.kind === "end" || state.outcome.counted) return state;
  if (exit.kind === "stopped" || key.phase === "setup") return state;
  const reason: Reason = isSuccess(exit)
    ? { code: "all-ranks-exited-0", params: {} }
    : failure(state, key, exit);
  return { ...state, outcome: { kind: "end", reason } };
}

export function swept(state: Draining, { key, sweep, at }: On<"rank-swept">): Next {
  const process = processOf(state, key);
  if (process === undefined || !process.asked) return [state, []];
  if (process.swept) return [state, [acknowledge(state, key)]];
  const sweeps = [...state.sweeps, sweep];
  const evidence = sweepEvidence(key, sweep);
  const told = note(`agent:${process.node}`, "swept", sweepText(key, sweep), evidence);
  // A survivor is no end: the node is asked again until it finds none, or the deadline passes.
  if (sweep.survivors > 0) return [{ ...state, sweeps }, [told]];
  const next = mark({ ...state, sweeps }, key, { swept: true });
  return settle(next, at.wallMs, [acknowledge(state, key), told]);
}

export function lostWhileDraining(state: Draining, event: On<"node-lost">): Next {
  // A new attempt must not run beside an old one: without the node's word, wait.
  if (state.outcome.kind === "requeue") return [state, []];
  const here = inPlay(state).filter(({ process }) => process.node === event.node);
  const why = `${event.node} is lost: ${event.evidence}`;
  return settle(...unproven(state, here, why, event.at.wallMs));
}

export function restartedWhileDraining(state: Draining, event: On<"node-restarted">): Next {
  const here = inPlay(state).filter(({ process }) => process.node === event.node);
  if (here.length === 0) return [state, []];
  const restartedReason: Reason = { code: "node-restarted", params: { node: event.node } };
  const doubtful = state.outcome.kind === "requeue" && !state.outcome.counted;
  let next: Draining = doubtful
    ? { ...state, outcome: { kind: "end", reason: restartedReason } }
    : state;
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  for (const { key, process } of here) {
    const ended = process.exit === undefined ? { exit, endedAt: event.at.wallMs } : {};
    next = mark(next, key, { ...ended, swept: true });
  }
  const sweep: SweepRecord = noSweep(event.node, []);
  const told = note(`agent:${event.node}`, "swept", `${event.node} restarted: nothing is left`);
  return settle({ ...next, sweeps: [...next.sweeps, sweep] }, event.at.wallMs, [told]);
}

export function endedWhileDraining(
  state: Draining,
  event: On<"cancel-requested"> | On<"cluster-closed">,
): Next {
  // What it ends as was decided before.
  if (state.outcome.kind === "end") return [state, []];
  const reason = endReason(event);
  const next: Draining = { ...state, outcome: { kind: "end", reason } };
  const asked = note(actorOf(event), event.kind, reasonText(reason));
  return settle(next, event.at.wallMs, [asked, { kind: "start-deadline", name: "drain" }]);
}

export function notSweptInTime(state: Draining, event: On<"deadline-passed">): Next {
  if (state.outcome.kind === "requeue") return [state, []];
  const why = `no answer within ${event.waited}`;
  return settle(...unproven(state, inPlay(state), why, event.at.wallMs));
}

type Named = ReturnType<typeof processesOf>;

/** Nobody can know what is left of these. The record says so, and their nodes take no work. */
function unproven(
  state: Draining,
  left: Named,
  why: string,
  wallMs: number,
): [Draining, number, readonly GangEffect[]] {
  const effects: GangEffect[] = [];
  const lostToUs = why.includes("is lost");
  const exit: Exit = lostToUs
    ? { kind: "stopped", why: "node-lost" }
    : { kind: "unknown", evidence: why };
  let next = state;
  for (const { key, process } of left) {
    const ended = process.exit === undefined ? { exit, endedAt: wallMs } : {};
    next = mark(next, key, { ...ended, swept: true });
    const sweep = noSweep(process.node, [why]);
    next = { ...next, sweeps: [...next.sweeps, sweep] };
    effects.push({ kind: "haunt", node: process.node, key });
    effects.push(note("scheduler", "swept", sweepText(key, sweep), sweepEvidence(key, sweep)));
  }
  return [next, wallMs, effects];
}

/** Ends or requeues the gang once no node has anything left to say. */
function settle(state: Draining, wallMs: number, effects: readonly GangEffect[]): Next {
  if (inPlay(state).length > 0) return [state, effects];
  const { outcome } = state;
  if (outcome.kind === "end") return conclude(state, outcome.reason, wallMs, effects);
  return requeue(state, outcome, [...effects, note("scheduler", "requeued", outcome.why)]);
}

// ---- ends

const nothingToRun: Reason = { code: "nothing-to-run", params: {} };

type PlacedFields = Omit<Ended, "phase" | "reason" | "endedAt">;

function conclude(
  state: PlacedFields,
  reason: Reason,
  endedAt: number,
  before: readonly GangEffect[],
  actor = "scheduler",
): Next {
  const { terms, attempt, restarts, tries, past, ranks, setups, sweeps, startedAt } = state;
  const next: Ended = {
    phase: "ended",
    ...{ terms, attempt, restarts, tries, past, ranks, setups, sweeps, reason, endedAt },
    ...(startedAt === undefined ? {} : { startedAt }),
  };
  return [
    next,
    [
      ...before,
      { kind: "stop-deadline" },
      { kind: "release" },
      { kind: "conclude" },
      note(actor, "ended", reasonText(reason), { reason: reason.code, ...reason.params }),
    ],
  ];
}

function requeue(
  state: PlacedState,
  { why, counted }: { readonly why: string; readonly counted: boolean },
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
    past: [...past.slice(-pastAttemptsMax + 1), over],
    notBefore: 0,
    why,
  };
  return [
    next,
    [
      ...before,
      { kind: "stop-deadline" },
      { kind: "release" },
      { kind: "requeue", pause: !counted },
    ],
  ];
}

/** Attempts whose directories we can still ask nodes to forget; older ones an inventory finds. */
const pastAttemptsMax = 20;

// ---- small parts

function processes(state: PlacedState, phase: RankKey["phase"]): readonly GangRank[] {
  return phase === "setup" ? state.setups : state.ranks;
}

function inPlay(state: PlacedState): Named {
  return processesOf(state).filter(({ key, process }) => awaitsSweep(key, process));
}

function isOn(state: PlacedState, node: string): boolean {
  return [...state.ranks, ...state.setups].some((process) => process.node === node);
}

/** Whether something that was asked of this node has not ended. */
function runsOn(state: PlacedState, node: string): boolean {
  return processesOf(state).some(
    ({ process }) => process.node === node && process.exit === undefined,
  );
}

function mark<S extends PlacedState>(state: S, key: RankKey, change: Partial<GangRank>): S {
  const edit = (list: readonly GangRank[]): readonly GangRank[] =>
    list.map((process) => (process.rank === key.index ? { ...process, ...change } : process));
  return key.phase === "setup"
    ? { ...state, setups: edit(state.setups) }
    : { ...state, ranks: edit(state.ranks) };
}

function markStart<S extends PlacedState>(
  state: S,
  { key, pid, startedAt }: On<"rank-started">,
): S {
  return mark(state, key, { ready: true, pid, startedAt });
}

function markExit<S extends PlacedState>(
  state: S,
  { key, exit, endedAt, logBytes }: On<"rank-exited"> | On<"setup-exited">,
): S {
  return mark(state, key, { exit, endedAt, logBytes });
}

function toAll(
  kind: "prepare" | "go",
  state: PlacedState,
  phase: RankKey["phase"],
): readonly GangEffect[] {
  return processesOf(state)
    .filter(({ key }) => key.phase === phase)
    .map(({ key, process }) => ({ kind, key, node: process.node }));
}

function acknowledge(state: PlacedState, key: RankKey): GangEffect {
  return { kind: "acknowledge", key, node: processOf(state, key)?.node ?? "?" };
}

function failure(state: PlacedState, key: RankKey, exit: Exit): Reason {
  const node = processOf(state, key)?.node ?? "?";
  const params = { rank: String(key.index), node, outcome: exitText(exit) };
  return { code: exit.kind === "unknown" ? "exit-unknown" : "rank-failed", params };
}

function endReason(event: On<"cancel-requested"> | On<"cluster-closed">): Reason {
  return event.kind === "cancel-requested"
    ? { code: "cancelled-by-user", params: { user: event.user } }
    : { code: "cluster-stopped", params: { verb: event.verb } };
}

function actorOf(event: On<"cancel-requested"> | On<"cluster-closed">): string {
  return event.kind === "cancel-requested" ? `user:${event.user}` : "scheduler";
}

function nameOf(key: RankKey): string {
  return key.phase === "setup" ? "setup" : `rank ${key.index}`;
}

function noSweep(node: string, reasonsUnproven: readonly string[]): SweepRecord {
  return { node, found: 0, killed: 0, survivors: 0, unproven: reasonsUnproven };
}

function sweepText(key: RankKey, sweep: SweepRecord): string {
  const { node, found, killed, survivors, unproven: doubts } = sweep;
  const what = `${nameOf(key)} on ${node}`;
  if (doubts.length > 0) return `${what}: what is left is not proven: ${doubts.join("; ")}`;
  if (survivors > 0) return `${what}: ${survivors} of ${found} processes survive`;
  return `${what}: ${found} left over, ${killed} killed, none survives`;
}

function sweepEvidence(key: RankKey, sweep: SweepRecord): Readonly<Record<string, string>> {
  const { node, found, killed, survivors } = sweep;
  const counts = { found: String(found), killed: String(killed), survivors: String(survivors) };
  return { process: nameOf(key), node, ...counts, unproven: sweep.unproven.join("; ") };
}

function note(
  actor: string,
  kind: string,
  cause: string,
  evidence: Readonly<Record<string, string>> = {},
): GangEffect {
  const told: Note = { actor, kind, cause, evidence };
  return { kind: "note", note: told };
}

function then([state, effects]: Next, before: readonly GangEffect[]): Next {
  return [state, [...before, ...effects]];
}
