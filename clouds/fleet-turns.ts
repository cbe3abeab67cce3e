// What each decision of a cluster's life does: the functions behind the table of `fleet.ts`. Pure.
//
// Each takes the state and what happened and gives the next state with the effects, in the order in
// which they are to be carried out: what must be on disk first comes first.

import type { Address } from "../model/address.ts";
import type { Stamped, Transition } from "../runtime/machine.ts";
import type { Machine } from "./cloud.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import { clusterOf, knownNodes, mismatchOf } from "./cluster-record.ts";
import type { FleetEffect, FleetEvent, FleetReply, FleetState } from "./fleet.ts";
import type { CloudAction } from "./remaining.ts";
import { remaining } from "./remaining.ts";

/** How long nodes may take to come up before those who wait are told. */
const startDeadlineMs = 60_000;
const lookMsMin = 20;
const lookMsMax = 1_000;

export type Next = Transition<FleetState, FleetEffect>;
export type In<P extends FleetState["phase"]> = Extract<FleetState, { readonly phase: P }>;
type Event<K extends FleetEvent["kind"]> = Stamped<Extract<FleetEvent, { readonly kind: K }>>;
export function bringUp(record: ClusterRecord, replyTo: Address, cause: string): Next {
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

export function sawRunning(s: In<"init"> | In<"up">, event: Event<"seen">): Next {
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
    effects.push({ kind: "progress", record, nodesUp: s.alive.length });
  }
  if (!isSettled) effects.push({ kind: "look-later", ms: pace(next.looks) });
  return [next, effects];
}

export function sawAlive(s: In<"init">, alive: readonly string[]): Next {
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

export function startFailed(s: In<"init">, why: string): Next {
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

export function windDown(
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

export function sawStopping(s: In<"stopping">, { machines }: Event<"seen">): Next {
  const nodes = s.record.nodes.map(({ id }) => id);
  const actions = remaining({ goal: "stopped", nodes }, machines);
  if (!s.closed) return actAndLook(s, awakening(s.record, machines));
  if (actions.length > 0) return actAndLook(s, actions);
  const record: ClusterRecord = { ...s.record, status: "STOPPED" };
  return [
    { phase: "stopped", record, waiters: [], looks: 0 },
    [
      { kind: "save", record, cause: "every node is stopped" },
      { kind: "dismiss", record },
      ...s.waiters.map((to) => answer(to, clusterReply(record))),
    ],
  ];
}

export function sawEnding(s: In<"ending">, { machines }: Event<"seen">): Next {
  const actions = remaining({ goal: "absent", nodes: [] }, machines);
  if (!s.closed) return actAndLook(s, awakening(s.record, machines));
  if (actions.length > 0) return actAndLook(s, actions);
  return [s, [{ kind: "clear", record: s.record }]];
}

/**
 * Only a node's own agent can end its ranks. After a crash of the head the agents may not run yet
 * when the cluster is asked to go: they are started once more, so that nothing is left.
 */
function awakening(record: ClusterRecord, machines: readonly Machine[]): readonly CloudAction[] {
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
export function closeFailed(
  s: In<"stopping"> | In<"ending">,
  { of, why, retry }: Event<"failed">,
): Next {
  // A look may have begun before the cluster was asked to go: its failure says nothing of that.
  if (retry || of === "look" || of === "open-head") return lookLater(s);
  const params = { name: s.record.name, why };
  const reply: FleetReply = { kind: "refused", code: "cluster/stop-failed", params };
  return [
    { ...s, waiters: [] },
    [...s.waiters.map((to) => answer(to, reply)), { kind: "look-later", ms: lookMsMax }],
  ];
}

export function look(s: Exclude<FleetState, In<"absent"> | In<"stopped">>): Next {
  const isOpen = (s.phase === "stopping" || s.phase === "ending") && !s.closed;
  return [s, [isOpen ? closeHead(s.record) : { kind: "look", record: s.record }]];
}

export function lookLater(s: Exclude<FleetState, In<"absent">>): Next {
  const next = { ...s, looks: s.looks + 1 };
  return [next, [{ kind: "look-later", ms: pace(next.looks) }]];
}

export function reuse(s: In<"up">, { request, replyTo, at }: Event<"launch">): Next {
  const record = { ...s.record, command: request.command, launchedAt: at.wallMs };
  return [
    { ...s, record },
    [{ kind: "save", record, cause: "launched again" }, answer(replyTo, clusterReply(record))],
  ];
}

export function noteUse(s: In<"init"> | In<"up">, { command }: Event<"used">): Next {
  if (command === "" || command === s.record.command) return [s, []];
  const record = { ...s.record, command };
  return [{ ...s, record }, [{ kind: "save", record }]];
}

export function unlessMismatch(
  s: In<"init"> | In<"up"> | In<"stopped">,
  request: LaunchRequest,
  replyTo: Address,
): Next | undefined {
  const found = mismatchOf(s.record, request);
  if (found === undefined) return undefined;
  const params = { ...found, name: s.record.name };
  return [s, [answer(replyTo, { kind: "refused", code: "cluster/mismatch", params })]];
}

export function wait(
  s: In<"init"> | In<"stopping"> | In<"ending">,
  replyTo: Address | undefined,
): Next {
  return [{ ...s, waiters: [...s.waiters, ...listOf(replyTo)] }, []];
}

export function refuseAbsent(s: In<"absent">, { replyTo }: { readonly replyTo?: Address }): Next {
  const params = { name: `'${s.name}'`, hint: "" };
  return [s, answers(replyTo, { kind: "refused", code: "cluster/not-found", params })];
}

export function refuseNotUp(
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

export function declaration(record: ClusterRecord): readonly FleetEffect[] {
  const nodes = knownNodes(record);
  return nodes === undefined ? [] : [{ kind: "declare", name: record.name, nodes }];
}

export function closeHead(record: ClusterRecord): FleetEffect {
  const verb = record.goal === "absent" ? "terminated" : "stopped";
  return { kind: "close-head", record, verb };
}

export function clusterReply(record: ClusterRecord): FleetReply {
  return { kind: "cluster", cluster: clusterOf(record) };
}

export function answer(to: Address, reply: FleetReply): FleetEffect {
  return { kind: "answer", to, reply };
}

export function answers(to: Address | undefined, reply: FleetReply): readonly FleetEffect[] {
  return listOf(to).map((one) => answer(one, reply));
}

function listOf(address: Address | undefined): readonly Address[] {
  return address === undefined ? [] : [address];
}

/** 20 ms, then twice as long each time, up to a second. */
function pace(looks: number): number {
  return Math.min(lookMsMax, lookMsMin * 2 ** Math.min(looks, 10));
}
