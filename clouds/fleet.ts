// A cluster's life: INIT, UP, STOPPING, STOPPED, and then no record at all. The machine is pure;
// `fleet-actor.ts` carries out what it decides.
//
// A cluster winds down in this order, each step proven before the next: the scheduler ends all
// jobs (`closed`), the cloud lists nothing any more, logs are archived and folders removed
// (`cleared`), the record goes. A crash at any point goes on from the record.
//
// What must always hold: the record says INIT before the first call to a cloud, so that `down`
// finds whatever a crash has left; whoever waits is answered once.

import type { Address } from "../model/address.ts";
import type { Cluster } from "../model/cluster.ts";
import type { Node } from "../model/node.ts";
import type { Cell, Stamped, Table, Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";
import type { Machine } from "./cloud.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import { clusterOf, knownNodes, mismatchOf, newRecord } from "./cluster-record.ts";
import type { CloudAction } from "./remaining.ts";
import { remaining } from "./remaining.ts";

export type FleetEvent =
  | { readonly kind: "launch"; readonly request: LaunchRequest; readonly replyTo: Address }
  | { readonly kind: "start"; readonly command: string; readonly replyTo: Address }
  | { readonly kind: "stop"; readonly cause: string; readonly replyTo?: Address }
  | { readonly kind: "down"; readonly cause: string; readonly replyTo?: Address }
  /** The command that used the cluster last. */
  | { readonly kind: "used"; readonly command: string }
  | { readonly kind: "seen"; readonly machines: readonly Machine[] }
  /** All nodes that liveness holds for alive. */
  | { readonly kind: "alive"; readonly nodes: readonly string[] }
  /** The scheduler has ended all jobs. */
  | { readonly kind: "closed" }
  /** Logs are archived; nothing of the cluster is left but this record. */
  | { readonly kind: "cleared"; readonly logsArchive: string }
  | { readonly kind: "failed"; readonly why: string; readonly retry: boolean }
  | { readonly kind: "look-due" }
  | { readonly kind: "deadline" };

interface Living {
  readonly record: ClusterRecord;
  readonly waiters: readonly Address[];
  /** How often we looked without seeing a change: sets the pace. */
  readonly looks: number;
}
interface Running extends Living {
  readonly alive: readonly string[];
}
interface Closing extends Living {
  readonly closed: boolean;
}

export type FleetState =
  | { readonly phase: "absent"; readonly name: string }
  | ({ readonly phase: "init" } & Running)
  | ({ readonly phase: "up" } & Running)
  | ({ readonly phase: "stopping" } & Closing)
  | ({ readonly phase: "stopped" } & Living)
  | ({ readonly phase: "ending" } & Closing);

export type FleetReply =
  | { readonly kind: "cluster"; readonly cluster: Cluster }
  | { readonly kind: "gone"; readonly logsArchive: string }
  | {
      readonly kind: "refused";
      readonly code:
        | "cluster/not-found"
        | "cluster/not-up"
        | "cluster/mismatch"
        | "cluster/start-failed";
      readonly params: Readonly<Record<string, string>>;
    };

export type FleetEffect =
  /** To be on disk before any other effect of the turn. */
  | { readonly kind: "save"; readonly record: ClusterRecord; readonly cause: string }
  | { readonly kind: "erase"; readonly name: string }
  | { readonly kind: "open-head"; readonly record: ClusterRecord }
  | { readonly kind: "declare"; readonly name: string; readonly nodes: readonly Node[] }
  | { readonly kind: "close-head"; readonly name: string; readonly verb: "stopped" | "terminated" }
  | {
      readonly kind: "act";
      readonly record: ClusterRecord;
      readonly actions: readonly CloudAction[];
    }
  | { readonly kind: "look"; readonly record: ClusterRecord }
  | { readonly kind: "look-later"; readonly ms: number }
  | { readonly kind: "set-deadline"; readonly ms: number }
  | { readonly kind: "clear-deadline" }
  | { readonly kind: "clear"; readonly record: ClusterRecord }
  | { readonly kind: "progress"; readonly record: ClusterRecord; readonly nodesUp: number }
  | { readonly kind: "answer"; readonly to: Address; readonly reply: FleetReply };

/** How long nodes may take to come up before those who wait are told. */
export const startDeadlineMs = 60_000;
const lookMsMin = 20;
const lookMsMax = 1_000;

type Next = Transition<FleetState, FleetEffect>;
type In<P extends FleetState["phase"]> = Extract<FleetState, { readonly phase: P }>;
type Event<K extends FleetEvent["kind"]> = Stamped<Extract<FleetEvent, { readonly kind: K }>>;
type Row<P extends FleetState["phase"]> = {
  readonly [K in FleetEvent["kind"]]: Cell<FleetState, FleetEvent, FleetEffect, P, K>;
};

const absent: Row<"absent"> = {
  launch: (_, { request, replyTo, at }) =>
    bringUp(newRecord(request, at.wallMs), replyTo, "launched"),
  start: refuseAbsent,
  stop: refuseAbsent,
  down: refuseAbsent,
  used: "ignore",
  seen: "ignore",
  alive: "ignore",
  closed: "ignore",
  cleared: "ignore",
  failed: "ignore",
  "look-due": "ignore",
  deadline: "ignore",
};

const init: Row<"init"> = {
  launch: (s, { request, replyTo }) => unlessMismatch(s, request, replyTo) ?? wait(s, replyTo),
  start: (s, { replyTo }) => wait(s, replyTo),
  stop: (s, event) => windDown(s, event, "stopped"),
  down: (s, event) => windDown(s, event, "absent"),
  used: noteUse,
  seen: sawRunning,
  alive: (s, { nodes }) => sawAlive(s, nodes),
  closed: "ignore",
  cleared: "ignore",
  failed: (s, { why, retry }) => (retry ? lookLater(s) : startFailed(s, why)),
  "look-due": look,
  deadline: (s) => startFailed(s, `${s.alive.length} of ${s.record.nodes.length} nodes are up`),
};

const up: Row<"up"> = {
  launch: (s, { request, replyTo, at }) =>
    unlessMismatch(s, request, replyTo) ?? reuse(s, request.command, replyTo, at.wallMs),
  start: (s, { replyTo }) => [s, [answer(replyTo, clusterReply(s.record))]],
  stop: (s, event) => windDown(s, event, "stopped"),
  down: (s, event) => windDown(s, event, "absent"),
  used: noteUse,
  seen: sawRunning,
  alive: (s, { nodes }) => [{ ...s, alive: nodes }, []],
  closed: "ignore",
  cleared: "ignore",
  failed: lookLater,
  "look-due": look,
  deadline: "ignore",
};

const stopping: Row<"stopping"> = {
  launch: refuseNotUp,
  start: refuseNotUp,
  stop: (s, { replyTo }) => wait(s, replyTo),
  down: (s, event) => windDown(s, event, "absent"),
  used: "ignore",
  seen: sawStopping,
  alive: "ignore",
  closed: (s) => [{ ...s, closed: true, looks: 0 }, [{ kind: "look", record: s.record }]],
  cleared: "ignore",
  failed: retryClose,
  "look-due": look,
  deadline: "ignore",
};

const stopped: Row<"stopped"> = {
  launch: (s, { request, replyTo, at }) =>
    unlessMismatch(s, request, replyTo) ??
    bringUp({ ...s.record, command: request.command, launchedAt: at.wallMs }, replyTo, "launched"),
  start: (s, { command, replyTo, at }) =>
    bringUp({ ...s.record, command, launchedAt: at.wallMs }, replyTo, "started"),
  stop: (s, { replyTo }) => [s, answers(replyTo, clusterReply(s.record))],
  down: (s, event) => windDown(s, event, "absent"),
  used: "ignore",
  seen: "ignore",
  alive: "ignore",
  closed: "ignore",
  cleared: "ignore",
  failed: "ignore",
  "look-due": "ignore",
  deadline: "ignore",
};

const ending: Row<"ending"> = {
  launch: refuseNotUp,
  start: refuseNotUp,
  stop: refuseNotUp,
  down: (s, { replyTo }) => wait(s, replyTo),
  used: "ignore",
  seen: sawEnding,
  alive: "ignore",
  closed: (s) => [{ ...s, closed: true, looks: 0 }, [{ kind: "look", record: s.record }]],
  cleared: (s, { logsArchive }) => [
    { phase: "absent", name: s.record.name },
    [
      { kind: "erase", name: s.record.name },
      ...s.waiters.map((to) => answer(to, { kind: "gone", logsArchive })),
    ],
  ],
  failed: retryClose,
  "look-due": look,
  deadline: "ignore",
};

export const fleetTable: Table<FleetState, FleetEvent, FleetEffect> = {
  absent,
  init,
  up,
  stopping,
  stopped,
  ending,
};

export const step = machine<FleetState, FleetEvent, FleetEffect>(fleetTable);

/** The first turn after a start of the head: goes on with what the record says. */
export function resume(name: string, record: ClusterRecord | undefined): Next {
  if (record === undefined) return [{ phase: "absent", name }, []];
  const living = { record, waiters: [], looks: 0 };
  const open: FleetEffect = { kind: "open-head", record };
  const lookNow: FleetEffect = { kind: "look", record };
  switch (record.status) {
    case "INIT":
      return [{ phase: "init", ...living, alive: [] }, [open, lookNow]];
    case "UP":
      return [{ phase: "up", ...living, alive: [] }, [open, ...declaration(record), lookNow]];
    case "STOPPED":
      return [{ phase: "stopped", ...living }, [open]];
    case "STOPPING": {
      const phase = record.goal === "absent" ? "ending" : "stopping";
      return [{ phase, ...living, closed: false }, [open, closeHead(record)]];
    }
  }
}

function bringUp(record: ClusterRecord, replyTo: Address, cause: string): Next {
  const wanted: ClusterRecord = { ...record, status: "INIT", goal: "running" };
  return [
    { phase: "init", record: wanted, waiters: [replyTo], looks: 0, alive: [] },
    [
      { kind: "save", record: wanted, cause },
      { kind: "open-head", record: wanted },
      { kind: "set-deadline", ms: startDeadlineMs },
      { kind: "look", record: wanted },
    ],
  ];
}

function sawRunning(s: In<"init"> | In<"up">, event: Event<"seen">): Next {
  const { record, changed } = withAddresses(s.record, event.machines);
  const nodes = record.nodes.map(({ id }) => id);
  const actions = remaining({ goal: "running", nodes }, event.machines);
  const isSettled = actions.length === 0 && event.machines.every(({ phase }) => phase === "up");
  const effects: FleetEffect[] = [];
  if (changed) {
    effects.push({ kind: "save", record, cause: "addresses known" }, ...declaration(record));
  }
  if (actions.length > 0) effects.push({ kind: "act", record, actions });
  const next = { ...s, record, looks: changed ? 0 : s.looks + 1 };
  if (next.phase === "init") {
    const nodesUp = event.machines.filter(({ phase }) => phase === "up").length;
    effects.push({ kind: "progress", record, nodesUp });
  }
  if (!isSettled) effects.push({ kind: "look-later", ms: pace(next.looks) });
  return [next, effects];
}

function sawAlive(s: In<"init">, alive: readonly string[]): Next {
  const next = { ...s, alive };
  if (!s.record.nodes.every(({ id }) => alive.includes(id))) {
    return [next, [{ kind: "progress", record: s.record, nodesUp: alive.length }]];
  }
  const record: ClusterRecord = { ...s.record, status: "UP" };
  return [
    { phase: "up", record, waiters: [], looks: 0, alive },
    [
      { kind: "save", record, cause: `all ${alive.length} nodes are up` },
      { kind: "clear-deadline" },
      ...s.waiters.map((to) => answer(to, clusterReply(record))),
    ],
  ];
}

function startFailed(s: In<"init">, why: string): Next {
  const reply: FleetReply = {
    kind: "refused",
    code: "cluster/start-failed",
    params: { name: s.record.name, why },
  };
  return [
    { ...s, waiters: [] },
    [...s.waiters.map((to) => answer(to, reply)), { kind: "look-later", ms: lookMsMax }],
  ];
}

function windDown(
  s: Exclude<FleetState, In<"absent"> | In<"ending">>,
  event: Event<"stop"> | Event<"down">,
  goal: "stopped" | "absent",
): Next {
  const record: ClusterRecord = { ...s.record, status: "STOPPING", goal };
  const isStop = s.phase === "stopping";
  const supplanted = isStop ? [] : s.waiters;
  const waiters = [...(isStop ? s.waiters : []), ...listOf(event.replyTo)];
  return [
    { phase: goal === "absent" ? "ending" : "stopping", record, waiters, looks: 0, closed: false },
    [
      { kind: "save", record, cause: event.cause },
      { kind: "clear-deadline" },
      ...supplanted.map((to) => answer(to, notUpReply(record))),
      closeHead(record),
    ],
  ];
}

function sawStopping(s: In<"stopping">, { machines }: Event<"seen">): Next {
  const nodes = s.record.nodes.map(({ id }) => id);
  const actions = remaining({ goal: "stopped", nodes }, machines);
  if (!s.closed || actions.length > 0) return actAndLook(s, s.closed ? actions : []);
  const record: ClusterRecord = { ...s.record, status: "STOPPED" };
  return [
    { phase: "stopped", record, waiters: [], looks: 0 },
    [
      { kind: "save", record, cause: "every node is stopped" },
      ...s.waiters.map((to) => answer(to, clusterReply(record))),
    ],
  ];
}

function sawEnding(s: In<"ending">, { machines }: Event<"seen">): Next {
  const actions = remaining({ goal: "absent", nodes: [] }, machines);
  if (!s.closed || actions.length > 0) return actAndLook(s, s.closed ? actions : []);
  return [s, [{ kind: "clear", record: s.record }]];
}

function actAndLook(s: In<"stopping"> | In<"ending">, actions: readonly CloudAction[]): Next {
  const next = { ...s, looks: s.looks + 1 };
  const act: readonly FleetEffect[] =
    actions.length > 0 ? [{ kind: "act", record: s.record, actions }] : [];
  return [next, [...act, { kind: "look-later", ms: pace(next.looks) }]];
}

/** A failed close of the head, or a failed call: whichever is still missing is asked for again. */
function retryClose(s: In<"stopping"> | In<"ending">): Next {
  return s.closed ? lookLater(s) : [s, [{ kind: "look-later", ms: lookMsMax }]];
}

function look(s: Exclude<FleetState, In<"absent"> | In<"stopped">>): Next {
  const isOpen = (s.phase === "stopping" || s.phase === "ending") && !s.closed;
  return [s, [isOpen ? closeHead(s.record) : { kind: "look", record: s.record }]];
}

function lookLater(s: Exclude<FleetState, In<"absent">>): Next {
  const next = { ...s, looks: s.looks + 1 };
  return [next, [{ kind: "look-later", ms: pace(next.looks) }]];
}

function reuse(s: In<"up">, command: string, replyTo: Address, wallMs: number): Next {
  const record = { ...s.record, command, launchedAt: wallMs };
  return [
    { ...s, record },
    [{ kind: "save", record, cause: "launched again" }, answer(replyTo, clusterReply(record))],
  ];
}

function noteUse(s: In<"init"> | In<"up">, { command }: Event<"used">): Next {
  if (command === "" || command === s.record.command) return [s, []];
  const record = { ...s.record, command };
  return [{ ...s, record }, [{ kind: "save", record, cause: "used" }]];
}

function unlessMismatch(
  s: In<"init"> | In<"up"> | In<"stopped">,
  request: LaunchRequest,
  replyTo: Address,
): Next | undefined {
  const found = mismatchOf(s.record, request);
  if (found === undefined) return undefined;
  const params = { ...found, name: s.record.name };
  return [s, [answer(replyTo, { kind: "refused", code: "cluster/mismatch", params })]];
}

function wait(s: In<"init"> | In<"stopping"> | In<"ending">, replyTo: Address | undefined): Next {
  return [{ ...s, waiters: [...s.waiters, ...listOf(replyTo)] }, []];
}

function refuseAbsent(s: In<"absent">, { replyTo }: { readonly replyTo?: Address }): Next {
  const params = { name: `'${s.name}'`, hint: "" };
  return [s, answers(replyTo, { kind: "refused", code: "cluster/not-found", params })];
}

function refuseNotUp(
  s: In<"stopping"> | In<"ending">,
  { replyTo }: { readonly replyTo?: Address },
): Next {
  return [s, answers(replyTo, notUpReply(s.record))];
}

function notUpReply({ name, status }: ClusterRecord): FleetReply {
  return { kind: "refused", code: "cluster/not-up", params: { what: "Launch", name, status } };
}

function withAddresses(
  record: ClusterRecord,
  machines: readonly Machine[],
): { readonly record: ClusterRecord; readonly changed: boolean } {
  let changed = false;
  const nodes = record.nodes.map((node) => {
    const ip = machines.find((one) => one.node === node.id && one.phase !== "gone")?.ip;
    if (ip === undefined || ip === "" || ip === node.ip) return node;
    changed = true;
    return { ...node, ip };
  });
  return { record: changed ? { ...record, nodes } : record, changed };
}

function declaration(record: ClusterRecord): readonly FleetEffect[] {
  const nodes = knownNodes(record);
  return nodes === undefined ? [] : [{ kind: "declare", name: record.name, nodes }];
}

function closeHead({ name, goal }: ClusterRecord): FleetEffect {
  return { kind: "close-head", name, verb: goal === "absent" ? "terminated" : "stopped" };
}

function clusterReply(record: ClusterRecord): FleetReply {
  return { kind: "cluster", cluster: clusterOf(record) };
}

function answer(to: Address, reply: FleetReply): FleetEffect {
  return { kind: "answer", to, reply };
}

function answers(to: Address | undefined, reply: FleetReply): readonly FleetEffect[] {
  return listOf(to).map((one) => answer(one, reply));
}

function listOf(address: Address | undefined): readonly Address[] {
  return address === undefined ? [] : [address];
}

/** 20 ms, then twice as long each time, up to a second. */
function pace(looks: number): number {
  return Math.min(lookMsMax, lookMsMin * 2 ** Math.min(looks, 10));
}
