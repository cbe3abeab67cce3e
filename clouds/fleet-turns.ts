// What each decision on a cluster's way up does: the functions behind the table of `fleet.ts`.
// Pure.
//
// Each takes the state and what happened and gives the next state with the effects, in the order in
// which they are to be carried out: what must be on disk first comes first.

import { given } from "../proto/fields.ts";
import type { Machine } from "./cloud.ts";
import type { Busy, ClusterRecord } from "./cluster-record.ts";
import { knownNodes, mismatchOf, newRecord } from "./cluster-record.ts";
import type { FleetEffect, FleetState, In, Next, On } from "./fleet.ts";
import { answer, clusterReply, type FleetReply, told, waitersOf } from "./fleet-answers.ts";
import { lookMsMax, pace, wait } from "./fleet-looks.ts";
import { remaining } from "./remaining.ts";
import { opened, usageOf } from "./usage.ts";

/** A use is on record to the second: whoever submits a thousand jobs saves it once. */
const useMsMin = 1_000;

type Asked = On<"launch"> | On<"start">;

interface BringUp {
  readonly event: Asked;
  readonly verb: Busy["verb"];
  /** What it was before; absent if it was not there. */
  readonly from?: In<"init"> | In<"up"> | In<"stopped">;
}

/** One that found the cluster there, and came here after its end, knows of no nodes. */
export function launchNew(s: In<"absent">, event: On<"launch">): Next {
  const { capacity, ...request } = event.request;
  if (capacity === undefined) {
    const params = { what: "Launch", name: s.name, verb: "taken down", who: "another command" };
    return [s, [answer(event.replyTo, { kind: "refused", code: "cluster/superseded", params })]];
  }
  const record = newRecord({ ...request, capacity }, event.at.wallMs);
  return bringUp(record, { event, verb: "launch" });
}

export function startAgain(s: In<"init"> | In<"up"> | In<"stopped">, event: On<"start">): Next {
  return bringUp(s.record, { event, verb: "start", from: s });
}

/** It is on the way from here on, whatever it was. */
export function bringUp(before: ClusterRecord, { event, verb, from }: BringUp): Next {
  const record = wanted(before, event, verb);
  const waiters = [
    ...(from?.waiters ?? []),
    ...waitersOf(event.replyTo, verb === "launch" ? "Launch" : "Start"),
  ];
  const alive = from === undefined || from.phase === "stopped" ? [] : from.alive;
  const inquiries = given("inquiries", from?.inquiries);
  return [
    { phase: "init", record, waiters, looks: 0, alive, settled: true, ...inquiries },
    [
      { kind: "save", record, cause: verb === "launch" ? "launched" : "started" },
      // Where it was up its jobs go on, and autostop with them.
      ...(from?.phase === "up" ? [] : [{ kind: "open-head", record } as const]),
      { kind: "set-deadline", cloud: record.cloud },
      { kind: "look", record },
    ],
  ];
}

function wanted(before: ClusterRecord, event: Asked, verb: Busy["verb"]): ClusterRecord {
  const { wallMs } = event.at;
  const { command, user = "" } = event.kind === "launch" ? event.request : event;
  const { unasked, ...record } = before;
  return {
    ...record,
    ...{ status: "INIT", goal: "running", launchedAt: wallMs, lastUsedAt: wallMs },
    // The owner stays who launched it first; records of earlier versions have none.
    ...given("user", before.user ?? (user === "" ? undefined : user)),
    ...(command === "" ? {} : { command }),
    usage: opened(usageOf(before), wallMs),
    busy: { verb, user, since: wallMs },
  };
}

/** Joins the one that is under way. One that nobody waits for has a new deadline from now on. */
export function joinLaunch(s: In<"init">, event: On<"launch">): Next {
  if (isWaitedFor(s)) return wait(s, waitersOf(event.replyTo, "Launch"));
  return bringUp(s.record, { event, verb: "launch", from: s });
}

export function joinStart(s: In<"init">, event: On<"start">): Next {
  return isWaitedFor(s) ? wait(s, waitersOf(event.replyTo, "Start")) : startAgain(s, event);
}

function isWaitedFor({ waiters }: In<"init">): boolean {
  return waiters.some(({ what }) => what !== "Refresh");
}

export function startUp(s: In<"up">, event: On<"start">): Next {
  if (event.force) return startAgain(s, event);
  return [s, [answer(event.replyTo, clusterReply(s.record))]];
}

export function sawRunning(s: In<"init"> | In<"up">, event: On<"seen">): Next {
  const { record, changed } = withAddresses(s.record, event.machines);
  const nodes = record.nodes.map(({ id }) => id);
  const left = remaining({ goal: "running", nodes }, event.machines);
  const isSettled = left.length === 0 && event.machines.every(({ phase }) => phase === "up");
  // What sleeps since the head ended is woken, and no more than that.
  const asleep = left.filter(({ kind }) => kind === "start");
  const mayWake = s.settled ? [] : asleep;
  const actions = record.unasked ? mayWake : left;
  const effects: FleetEffect[] = [];
  if (changed) {
    effects.push({ kind: "save", record, cause: "addresses known" }, ...declaration(record));
  }
  if (actions.length > 0) effects.push({ kind: "act", record, actions });
  const isAwake = event.machines.every(({ phase }) => phase !== "starting" && phase !== "stopped");
  const settled = s.settled || (s.phase === "init" && isAwake);
  const troubles = troublesOf(event.machines);
  const next = { ...s, record, settled, troubles, looks: changed ? 0 : s.looks + 1 };
  if (next.phase === "init") {
    if (isSettled && areAlive(record, s.alive)) {
      const [up, said] = becomeUp(next);
      return [up, [...effects, ...said]];
    }
    if (isWaitedFor(next) && isHopeless(next, event.machines)) {
      const [failed, said] = startLate(next);
      return [failed, [...effects, ...said]];
    }
    effects.push(progress(next));
  }
  if (!isSettled) effects.push({ kind: "look-later", ms: pace(next.looks) });
  return [next, effects];
}

export function sawAlive(s: In<"init">, alive: readonly string[]): Next {
  const next = { ...s, alive };
  if (areAlive(s.record, alive)) {
    // What a refresh found so is up again when the cloud says so too: a node is missed late.
    return s.record.unasked ? [next, [{ kind: "look", record: s.record }]] : becomeUp(next);
  }
  return [next, [progress(next)]];
}

function progress({ record, alive, troubles = [] }: In<"init">): FleetEffect {
  return { kind: "progress", record, nodesUp: alive.length, troubles };
}

export function troublesOf(machines: readonly Machine[]): readonly string[] {
  return machines.flatMap(({ trouble }) => trouble ?? []);
}

/** Some nodes are stuck, and no other is still on its way. */
function isHopeless({ record, alive }: In<"init">, machines: readonly Machine[]): boolean {
  const stuck = machines.flatMap((one) => (one.stuck === true ? [one.node] : []));
  if (stuck.every((id) => alive.includes(id))) return false;
  return record.nodes.every(({ id }) => alive.includes(id) || stuck.includes(id));
}

export function areAlive({ nodes }: ClusterRecord, alive: readonly string[]): boolean {
  return nodes.every(({ id }) => alive.includes(id));
}

export function becomeUp(s: In<"init">): Next {
  const { busy, unasked, ...rest } = s.record;
  const record: ClusterRecord = { ...rest, status: "UP" };
  return [
    { phase: "up", record, waiters: [], looks: 0, alive: s.alive, settled: true },
    [
      { kind: "save", record, cause: `all ${record.nodes.length} nodes are up` },
      { kind: "clear-deadline" },
      ...told(s.waiters, clusterReply(record)),
    ],
  ];
}

/** Whoever waits is told how far it came, and what stands in the way of the rest. */
export function startLate(s: In<"init">): Next {
  const { alive, record, troubles = [] } = s;
  const count = `${alive.length} of ${record.nodes.length} nodes are up`;
  return startFailed(s, [count, ...troubles].join("; "));
}

export function startFailed(s: In<"init">, why: string): Next {
  const { busy, ...record } = s.record;
  const params = { name: record.name, why };
  const reply: FleetReply = { kind: "refused", code: "cluster/start-failed", params };
  const saved: readonly FleetEffect[] = busy === undefined ? [] : [{ kind: "save", record }];
  return [
    { ...s, record, waiters: [] },
    [...saved, ...told(s.waiters, reply), { kind: "look-later", ms: lookMsMax }],
  ];
}

/** It is up. The launch counts as activity: autostop's timer begins anew. */
export function reuse(s: In<"up">, { request, replyTo, at }: On<"launch">): Next {
  const { wallMs } = at;
  const times = { launchedAt: wallMs, lastUsedAt: wallMs };
  const record = { ...s.record, command: request.command, ...times };
  return [
    { ...s, record },
    [
      { kind: "save", record, cause: "launched again" },
      { kind: "open-head", record },
      answer(replyTo, clusterReply(record)),
    ],
  ];
}

export function noteUse(s: In<"init"> | In<"up">, { command, at }: On<"used">): Next {
  const before = s.record;
  const isNew = command !== "" && command !== before.command;
  const isRecent = at.wallMs - (before.lastUsedAt ?? 0) < useMsMin;
  if (!isNew && isRecent) return [s, []];
  const record = { ...before, lastUsedAt: at.wallMs, ...(isNew ? { command } : {}) };
  return [{ ...s, record }, [{ kind: "save", record }]];
}

export function noted(s: Exclude<FleetState, In<"absent">>, { cause }: On<"noted">): Next {
  return [s, [{ kind: "save", record: s.record, cause }]];
}

export function unlessMismatch(
  s: In<"init"> | In<"up"> | In<"stopping"> | In<"stopped">,
  { request, replyTo }: On<"launch">,
): Next | undefined {
  const found = mismatchOf(s.record, request);
  if (found === undefined) return undefined;
  const params = { ...found, name: s.record.name };
  return [s, [answer(replyTo, { kind: "refused", code: "cluster/mismatch", params })]];
}

export function refuseAbsent(
  s: In<"absent">,
  { replyTo }: On<"start"> | On<"stop"> | On<"down"> | On<"refresh">,
): Next {
  const params = { name: `'${s.name}'`, hint: "" };
  if (replyTo === undefined) return [s, []];
  return [s, [answer(replyTo, { kind: "refused", code: "cluster/not-found", params })]];
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
