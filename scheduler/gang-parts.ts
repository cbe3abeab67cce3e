// What the gang's moves are made of: marks on processes, effects in bulk, words for the history.
//
// Nothing here decides anything.

import type { Exit, RankKey, StopCause, SweepRecord } from "../model/job.ts";
import type { Reason } from "../model/reason.ts";
import type { Instant } from "../runtime/clock.ts";
import type { Stamped, Transition } from "../runtime/machine.ts";
import { exitText, isLeaseOver, isSuccess } from "./exit-text.ts";
import type {
  Draining,
  GangEffect,
  GangEvent,
  GangRank,
  GangState,
  Note,
  PlacedState,
  Preparing,
  Running,
  SettingUp,
  Starting,
} from "./gang-state.ts";
import { awaitsSweep, processesOf, processOf } from "./gang-state.ts";

export type Next = Transition<GangState, GangEffect>;
export type On<K extends GangEvent["kind"]> = Stamped<Extract<GangEvent, { readonly kind: K }>>;
export type Live = Preparing | SettingUp | Starting | Running;
export type Named = ReturnType<typeof processesOf>;

export function processes(state: PlacedState, phase: RankKey["phase"]): readonly GangRank[] {
  return phase === "setup" ? state.setups : state.ranks;
}

export function inPlay(state: PlacedState): Named {
  return processesOf(state).filter(({ key, process }) => awaitsSweep(key, process));
}

export function isOn(state: PlacedState, node: string): boolean {
  return [...state.ranks, ...state.setups].some((process) => process.node === node);
}

/** Whether something that was asked of this node has not ended. */
export function runsOn(state: PlacedState, node: string): boolean {
  return processesOf(state).some(
    ({ process }) => process.node === node && process.exit === undefined,
  );
}

/** Whether it is known to have run, if only by how it ended. */
export function hasStarted({ pid, exit }: GangRank): boolean {
  return pid !== undefined || exit?.kind === "code" || exit?.kind === "signal";
}

export function mark<S extends PlacedState>(state: S, key: RankKey, change: Partial<GangRank>): S {
  const edit = (list: readonly GangRank[]): readonly GangRank[] =>
    list.map((process) => (process.rank === key.index ? { ...process, ...change } : process));
  return key.phase === "setup"
    ? { ...state, setups: edit(state.setups) }
    : { ...state, ranks: edit(state.ranks) };
}

export function markReady<S extends PlacedState>(
  state: S,
  { key, askedAt }: On<"rank-prepared">,
): S {
  const asked = askedAt === undefined ? {} : { preparedAt: askedAt };
  return mark(state, key, { ready: true, ...asked });
}

export function markStart<S extends PlacedState>(
  state: S,
  { key, pid, startedAt }: On<"rank-started">,
): S {
  return mark(state, key, { ready: true, pid, startedAt });
}

export function markExit<S extends PlacedState>(
  state: S,
  { key, exit, endedAt, logBytes }: On<"rank-exited"> | On<"setup-exited">,
): S {
  return mark(state, key, { exit, endedAt, logBytes });
}

/** Where a process runs that does not in `~/sky_workdir`, and why. */
export function placeNote(
  state: PlacedState,
  { key, place }: On<"rank-started">,
): readonly GangEffect[] {
  if (place === undefined) return [];
  const { folder, inUseBy } = place;
  const node = processOf(state, key)?.node ?? "?";
  const what = `${nameOf(key)} on ${node} runs in ~/${folder}`;
  const why = inUseBy === undefined ? "" : `: job ${inUseBy} uses another version in ~/sky_workdir`;
  return [note({ actor: `agent:${node}`, kind: "workdir", cause: `${what}${why}` })];
}

/** A gang runs once all its ranks began. One that is over did, even if that word was lost. */
export function onceBegun(state: Live, effects: readonly GangEffect[]): Next {
  const hasBegun = ({ pid, exit }: GangRank): boolean => pid !== undefined || exit !== undefined;
  if (state.phase !== "starting" || !state.ranks.every(hasBegun)) return [state, effects];
  const why = `all ${state.ranks.length} ranks started`;
  const told = note({ actor: "scheduler", kind: "phase", cause: why });
  return [{ ...state, phase: "running" }, [...effects, told]];
}

export function toAll(
  kind: "prepare" | "go",
  state: PlacedState,
  phase: RankKey["phase"],
): readonly GangEffect[] {
  return processesOf(state)
    .filter(({ key }) => key.phase === phase)
    .map(({ key, process }) => ({ kind, key, node: process.node }));
}

export function acknowledge(state: PlacedState, key: RankKey): GangEffect {
  return { kind: "acknowledge", key, node: processOf(state, key)?.node ?? "?" };
}

export function failure(state: PlacedState, key: RankKey, exit: Exit): Reason {
  const node = processOf(state, key)?.node ?? "?";
  if (isLeaseOver(exit)) return { code: "lease-expired", params: { what: nameOf(key), node } };
  const peers = state.ranks.length > 1 ? "; its peers were stopped" : "";
  const params = { rank: String(key.index), node, outcome: exitText(exit), peers };
  return { code: exit.kind === "unknown" ? "exit-unknown" : "rank-failed", params };
}

/** Every node whose setup failed, the one that failed first ahead, with how. */
export function setupFailure(state: PlacedState, first: number): Reason {
  const hasFailed = ({ exit }: GangRank): boolean =>
    exit !== undefined && exit.kind !== "stopped" && !isSuccess(exit);
  const failed = state.setups.filter(hasFailed);
  const others = failed.filter(({ rank }) => rank !== first);
  const told = (exit: Exit | undefined): string => (exit === undefined ? "?" : exitText(exit));
  const shown = others.slice(0, failedSetupsMax).map((one) => `, on ${one.node} ${told(one.exit)}`);
  const more = others.length - shown.length;
  const tail = more > 0 ? `, and on ${more} more nodes it failed` : "";
  const one = state.setups.find(({ rank }) => rank === first);
  const outcome = `${told(one?.exit)}${shown.join("")}${tail}`;
  const params = { node: one?.node ?? "?", rank: String(first), outcome };
  return { code: "setup-failed", params };
}

/** Nodes that the sentence names beside the first; the exits of all are on record. */
const failedSetupsMax = 63;

export function endReason(event: On<"cancel-requested"> | On<"cluster-closed">): Reason {
  return event.kind === "cancel-requested"
    ? { code: "cancelled-by-user", params: { user: event.user } }
    : { code: "cluster-stopped", params: { verb: event.verb } };
}

export function actorOf(event: On<"cancel-requested"> | On<"cluster-closed">): string {
  return event.kind === "cancel-requested" ? `user:${event.user}` : "scheduler";
}

export function nameOf(key: RankKey): string {
  return key.phase === "setup" ? "setup" : `rank ${key.index}`;
}

/** Whether it is drained because its attempt took too long. */
export function isTimedOut({ outcome }: Draining): boolean {
  const code = outcome.kind === "end" ? outcome.reason.code : outcome.after;
  return code === "timed-out";
}

export function sweepText(key: RankKey, sweep: SweepRecord): string {
  const { node, found, killed, survivors, unproven: doubts } = sweep;
  const what = `${nameOf(key)} on ${node}`;
  if (doubts.length > 0) return `${what}: what is left is not proven: ${doubts.join("; ")}`;
  if (survivors > 0) return `${what}: ${survivors} of ${found} processes survive`;
  return `${what}: ${found} left over, ${killed} killed, none survives`;
}

export function sweepEvidence(key: RankKey, sweep: SweepRecord): Readonly<Record<string, string>> {
  const { node, found, killed, survivors } = sweep;
  const counts = { found: String(found), killed: String(killed), survivors: String(survivors) };
  return { process: nameOf(key), node, ...counts, unproven: sweep.unproven.join("; ") };
}

export function note(told: Note): GangEffect {
  return { kind: "note", note: told };
}

export function then([state, effects]: Next, before: readonly GangEffect[]): Next {
  return [state, [...before, ...effects]];
}

/** From now on its timeout counts, if it has one and it does not count already. */
export function begin(
  { terms, begunAt }: PlacedState | Omit<Preparing, "goWhenReady">,
  { wallMs, monoMs, bootId }: Instant,
): readonly [{ readonly begunAt?: Instant }, readonly GangEffect[]] {
  if (terms.timeoutMs === undefined) return [{}, []];
  if (begunAt !== undefined) return [{ begunAt }, []];
  return [{ begunAt: { wallMs, monoMs, bootId } }, [{ kind: "start-timeout" }]];
}

/** Whoever leaves what a timeout limits need not be watched for it. */
export function unwatched({ begunAt }: Pick<PlacedState, "begunAt">): readonly GangEffect[] {
  return begunAt === undefined ? [] : [{ kind: "stop-timeout" }];
}

/** Why the processes of a draining gang are stopped. */
export function stopCauseOf(gang: PlacedState): StopCause {
  if (gang.phase !== "draining") return "cancelled";
  if (isTimedOut(gang)) return "timed-out";
  if (gang.outcome.kind === "requeue") {
    // Those that run are stopped for the sake of the one that never did: nobody cancelled them.
    const { counted, unlessStarted } = gang.outcome;
    return counted || unlessStarted !== undefined ? "peer-failed" : "cancelled";
  }
  const { code } = gang.outcome.reason;
  if (code === "node-lost" || code === "node-restarted") return "node-lost";
  return code === "cancelled-by-user" || code === "cluster-stopped" ? "cancelled" : "peer-failed";
}
