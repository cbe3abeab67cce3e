// What each decision on a cluster's way down does: the functions behind the table of `fleet.ts`.
// Pure.
//
// What is asked for later takes precedence: a `down` ends a stop, and both end whatever was to come
// up. With `purge` a cloud that refuses keeps no record: what may be left is named instead.

import type { Address } from "../model/address.ts";
import { given } from "../proto/fields.ts";
import type { Machine } from "./cloud.ts";
import type { Busy, ClusterRecord } from "./cluster-record.ts";
import type { FleetEffect, FleetState, In, LaunchAsked, Next, On, StartAsked } from "./fleet.ts";
import {
  answer,
  clusterReply,
  type FleetReply,
  supersede,
  supersededReply,
  told,
  type Waiter,
  waitersOf,
} from "./fleet-answers.ts";
import { closeHead, lookLater, lookMsMax, pace, wait } from "./fleet-looks.ts";
import type { CloudAction } from "./remaining.ts";
import { remaining } from "./remaining.ts";
import { closed, goneCluster, usageOf } from "./usage.ts";

/** With `purge`: how often, and for how long, what cannot be reached is asked. */
const purgeFailuresMax = 8;
const purgeMs = 5_000;
/** For so long failures that may pass are nobody's business. */
const patienceMs = 60_000;

/** One look, and the one that was to follow it, may have begun before the cluster was to go. */
const looksUnderWay = 2;

export const nothingListed = {
  ...{ listed: [], failures: 0, leftBehind: [], gaveUp: false, reaped: false },
} as const;

type Goal = "stopped" | "absent";

export function windDown(
  s: Exclude<FleetState, In<"absent"> | In<"ending">>,
  event: On<"stop"> | On<"down">,
  goal: Goal,
): Next {
  const record = windingDown(s.record, { event, goal });
  const queued = s.phase === "stopping" ? waitersFor(s.queued) : [];
  const effects: readonly FleetEffect[] = [
    { kind: "save", record, cause: event.cause },
    { kind: "clear-deadline" },
    ...supersede([...s.waiters, ...queued], record),
    closeHead(record),
  ];
  const waiters = waitersOf(event.replyTo, goal === "absent" ? "Down" : "Stop");
  return [goingDown(record, waiters), effects];
}

/** An autodown that comes after a stop is late: whoever stopped the cluster wants to keep it. */
export function downUnlessLate(s: In<"stopping"> | In<"stopped">, event: On<"down">): Next {
  return event.user === undefined ? [s, []] : windDown(s, event, "absent");
}

/** The state in which a record is that goes down. */
export function goingDown(record: ClusterRecord, waiters: readonly Waiter[]): FleetState {
  const closing = { record, waiters, looks: 0, closed: false, queued: [] };
  if (record.goal !== "absent") return { phase: "stopping", ...closing };
  return { phase: "ending", ...closing, ...nothingListed };
}

function windingDown(
  before: ClusterRecord,
  { event, goal }: { readonly event: On<"stop"> | On<"down">; readonly goal: Goal },
): ClusterRecord {
  const { unasked, ...record } = before;
  const purge = event.kind === "down" && event.purge === true ? true : undefined;
  const busy: Busy = { ...whoAsked(event, goal), since: event.at.wallMs };
  return { ...record, status: "STOPPING", goal, busy, ...given("purge", purge) };
}

function whoAsked(event: On<"stop"> | On<"down">, goal: Goal): Pick<Busy, "verb" | "user"> {
  const { user } = event;
  if (user === undefined) return { verb: goal === "absent" ? "autodown" : "autostop", user: "" };
  return { verb: goal === "absent" ? "down" : "stop", user };
}

/** What waits for a stop to end, before it comes up again. */
export function queue(
  s: In<"stopping"> | In<"ending">,
  { at, ...event }: On<"launch"> | On<"start">,
): Next {
  return [{ ...s, queued: [...s.queued, event] }, []];
}

/** One that was asked for later than what waits to come up again. */
export function stopAgain(s: In<"stopping"> | In<"stopped">, event: On<"stop">): Next {
  const { replyTo } = event;
  if (s.phase === "stopped") {
    return [s, told(waitersOf(replyTo, "Stop"), clusterReply(s.record))];
  }
  return unqueued(s, { event, goal: "stopped" });
}

export function downAgain(s: In<"ending">, event: On<"down">): Next {
  const [next, effects] = unqueued(s, { event, goal: "absent" });
  if (event.purge !== true || s.record.purge) return [next, effects];
  const record: ClusterRecord = { ...s.record, purge: true };
  // What failed before is tried once more, and then given up.
  const again: readonly FleetEffect[] = [{ kind: "save", record }, lookSoon];
  return [{ ...next, record } as FleetState, [...effects, ...again]];
}

function unqueued(
  s: In<"stopping"> | In<"ending">,
  { event, goal }: { readonly event: On<"stop"> | On<"down">; readonly goal: Goal },
): Next {
  // Who waits is told of the command that came now, not of the one that is under way.
  const later = windingDown(s.record, { event, goal });
  const waiters = waitersOf(event.replyTo, goal === "absent" ? "Down" : "Stop");
  const [next] = wait({ ...s, queued: [] }, waiters);
  return [next, supersede(waitersFor(s.queued), later)];
}

export function refuseSuperseded(s: In<"ending">, event: On<"start"> | On<"stop">): Next {
  const { replyTo, kind } = event;
  if (replyTo === undefined) return [s, []];
  const what = kind === "start" ? "Start" : "Stop";
  return [s, [answer(replyTo, supersededReply(s.record, what))]];
}

export function sawStopping(s: In<"stopping">, { machines, at }: On<"seen">): Next {
  const nodes = s.record.nodes.map(({ id }) => id);
  const actions = remaining({ goal: "stopped", nodes }, machines);
  if (!s.closed) return actAndLook(s, awakening(s.record, machines));
  if (actions.length > 0) return actAndLook(s, actions);
  const { busy, unasked, ...rest } = s.record;
  const usage = closed(usageOf(s.record), at.wallMs);
  const record: ClusterRecord = { ...rest, status: "STOPPED", usage };
  return [
    { phase: "stopped", record, waiters: [], looks: 0 },
    [
      { kind: "save", record, cause: "every node is stopped" },
      { kind: "dismiss", record },
      ...told(s.waiters, clusterReply(record)),
      ...retake(s.queued),
    ],
  ];
}

export function sawEnding(s: In<"ending">, { machines }: On<"seen">): Next {
  if (s.gaveUp) return [s, []];
  const actions = remaining({ goal: "absent", nodes: [] }, machines);
  const next = { ...s, listed: machines.map(({ id }) => id) };
  if (!s.closed) return actAndLook(next, awakening(s.record, machines));
  if (actions.length > 0) return actAndLook(next, actions);
  const gone = machines.filter(({ phase }) => phase === "gone").map(({ id }) => id);
  if (gone.length === 0 || s.reaped) return [next, [{ kind: "clear", record: s.record }]];
  // What the cloud holds of machines that went by themselves is let go of once.
  return actAndLook({ ...next, reaped: true }, [{ kind: "terminate", ids: gone }]);
}

export function cleared(s: In<"ending">, event: On<"cleared">): Next {
  const { logsArchive, kept = [] } = event;
  const leftBehind = [...s.leftBehind, ...(event.leftBehind ? [event.leftBehind] : [])].join("; ");
  const gone = goneCluster(s.record, event.at.wallMs);
  const { name } = s.record;
  return [
    { phase: "absent", name },
    [
      { kind: "erase", name, gone },
      ...told(s.waiters, { kind: "gone", logsArchive, leftBehind, kept }),
      ...retake(s.queued),
    ],
  ];
}

/**
 * Only a node's own agent can end its ranks. After a crash of the head the agents may not run yet
 * when the cluster is asked to go: they are started once more, so that nothing is left. Machines
 * that went by themselves took their ranks with them.
 */
function awakening(record: ClusterRecord, machines: readonly Machine[]): readonly CloudAction[] {
  if (record.unasked) return [];
  const nodes = record.nodes.map(({ id }) => id);
  return remaining({ goal: "running", nodes }, machines).filter(({ kind }) => kind === "start");
}

function actAndLook(s: In<"stopping"> | In<"ending">, actions: readonly CloudAction[]): Next {
  const next = { ...s, looks: s.looks + 1 };
  const act: readonly FleetEffect[] =
    actions.length > 0 ? [{ kind: "act", record: s.record, actions }] : [];
  return [next, [...act, { kind: "look-later", ms: pace(next.looks) }]];
}

/**
 * Whichever is still missing, the head's close or the cloud's work, is asked for again. Who waits
 * is told of what will not mend itself.
 */
export function closeFailed(s: In<"stopping"> | In<"ending">, event: On<"failed">): Next {
  const { of, why, retry, at } = event;
  // What began before the cluster was asked to go says nothing of that by its failure.
  if (of === "open-head" || of === "inquire" || of === "disarm") return lookLater(s);
  if (s.phase === "ending" && s.record.purge) return giveUpSome(s, event);
  const isEarly = of === "look" && s.looks < looksUnderWay;
  const mayPass = retry && (s.waiters.length === 0 || lastsMs(s, at) < patienceMs);
  if (mayPass || isEarly) return lookLater(s);
  const { name } = s.record;
  const advice = s.phase === "ending" ? `. To give that up: sky down --purge ${name}` : "";
  const params = { name, why: `${why}; it is tried on${advice}` };
  const reply: FleetReply = { kind: "refused", code: "cluster/stop-failed", params };
  const looks = s.looks + 1;
  return [
    { ...s, looks, waiters: [], queued: [] },
    [
      ...told([...s.waiters, ...waitersFor(s.queued)], reply),
      { kind: "look-later", ms: lookMsMax },
    ],
  ];
}

/** With `purge`: what the cloud, or a head, refuses is left behind and named. */
function giveUpSome(s: In<"ending">, { of, why, retry, at }: On<"failed">): Next {
  const next = { ...s, failures: s.failures + 1 };
  const mayPass = retry && next.failures < purgeFailuresMax && lastsMs(s, at) < purgeMs;
  if (s.gaveUp || of === "clear" || mayPass) return lookLater(next);
  if (of === "close-head") {
    const leftBehind = [...s.leftBehind, `processes of its jobs (${why})`];
    return [
      { ...next, closed: true, failures: 0, looks: 0, leftBehind },
      [{ kind: "look", record: s.record }],
    ];
  }
  const machines = s.listed.length === 0 ? "machines" : `machines ${s.listed.join(", ")}`;
  const leftBehind = [...s.leftBehind, `${machines} (${why})`];
  return [{ ...next, gaveUp: true, leftBehind }, [{ kind: "clear", record: s.record }]];
}

/** Since it was asked for. */
function lastsMs({ record }: In<"stopping"> | In<"ending">, at: On<"failed">["at"]): number {
  return at.wallMs - (record.busy?.since ?? at.wallMs);
}

const lookSoon: FleetEffect = { kind: "look-later", ms: 0 };

function waitersFor(queued: readonly (LaunchAsked | StartAsked)[]): readonly Waiter[] {
  return queued.flatMap(({ kind, replyTo }: { kind: string; replyTo: Address }) =>
    waitersOf(replyTo, kind === "launch" ? "Launch" : "Start"),
  );
}

function retake(queued: readonly (LaunchAsked | StartAsked)[]): readonly FleetEffect[] {
  return queued.map((event) => ({ kind: "retake", event }));
}
