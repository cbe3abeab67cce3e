// Status refresh: what the cloud says became of a cluster's machines, and what follows. Pure.
//
// Nobody else asks: a cluster that is up is taken for up. What a refresh finds is never mended
// unasked: machines cost money, and whoever removed some may have meant it.
//
// Source: SkyPilot 0.3.0. All up: UP. All stopped: STOPPED. None: the record goes. Anything else:
// INIT, and autostop is off, unless the cluster is being stopped by it.

import type { Busy, ClusterRecord } from "./cluster-record.ts";
import { type Finding, findingOf } from "./findings.ts";
import type { FleetEffect, FleetState, In, Next, On } from "./fleet.ts";
import { answer, type FleetReply, type Waiter, waitersOf } from "./fleet-answers.ts";
import { closeHead, pace, wait } from "./fleet-looks.ts";
import { areAlive, becomeUp, troublesOf } from "./fleet-turns.ts";
import { goingDown } from "./fleet-wind-down.ts";
import { opened, usageOf } from "./usage.ts";

type Known = In<"init"> | In<"up"> | In<"stopped">;

/** An agent that ended is started again by itself: so often, so far apart, it is waited for. */
const inquiriesMax = 5;
const inquiryMs = 600;
/** After a start of the head its nodes are waited for longer. */
const settleInquiriesMax = 50;
/** How long who asked waits for the record to follow. */
const toldMs = 5_000;

export function refresh(s: Known, { replyTo }: On<"refresh">): Next {
  const waiters = waitersOf(replyTo, "Refresh");
  if (s.inquiries !== undefined) return wait(s, waiters);
  const [next] = wait({ ...s, inquiries: 1 }, waiters);
  return [next, [{ kind: "inquire", record: s.record }]];
}

/** A launch is under way: it says itself how far it is. */
export function nothingNew(s: In<"init">, { replyTo }: On<"refresh">): Next {
  return [s, [answer(replyTo, found(""))]];
}

export function tellWhatGoesOn(s: In<"stopping"> | In<"ending">, { replyTo }: On<"refresh">): Next {
  const { busy, name } = s.record;
  const isSelf = busy?.verb === "autostop" || busy?.verb === "autodown";
  const doing = busy?.verb === "autodown" ? "autodowning" : "autostopping";
  return [s, [answer(replyTo, found(isSelf ? `Cluster '${name}' is ${doing}.` : ""))]];
}

export function inquireAgain(s: In<"init"> | In<"up">): Next {
  if (s.inquiries === undefined) return [s, []];
  return [{ ...s, inquiries: s.inquiries + 1 }, [{ kind: "inquire", record: s.record }]];
}

export function judge(s: Known, { machines, at }: On<"found">): Next {
  const { inquiries } = s;
  if (inquiries === undefined) return [s, []];
  const nodes = s.record.nodes.map(({ id }) => id);
  const finding = findingOf(nodes, machines);
  const troubles = troublesOf(machines);
  if (s.phase !== "stopped" && !s.settled && finding.kind !== "up" && finding.kind !== "more") {
    if (inquiries < settleInquiriesMax) return [s, [inquireLater]];
    // Asleep is what the head's own end made it, not somebody who stopped it.
    if (finding.kind === "stopped") {
      return notUp(s, { finding: { kind: "mixed", up: 0, soon: false }, at, troubles });
    }
  }
  switch (finding.kind) {
    case "gone":
      return went(s, { goal: "absent", since: at.wallMs });
    case "stopped":
      if (s.phase === "stopped") return settle(s, found(""));
      return went(s, { goal: "stopped", since: at.wallMs });
    case "more":
      return settle(s, tooMany(s.record, finding.machines));
    case "up":
      if (s.phase !== "stopped" && areAlive(s.record, s.alive)) return isUp(s);
      return notUp(s, { finding: { kind: "mixed", up: nodes.length, soon: true }, at, troubles });
    case "mixed":
      return notUp(s, { finding, at, troubles });
  }
}

export function inquiryFailed(s: Known, { why }: On<"failed">): Next {
  const text = `Failed to refresh status for cluster '${s.record.name}': ${why}`;
  return settle(s, { kind: "refreshed", text, failed: true });
}

function isUp(s: In<"init"> | In<"up">): Next {
  return s.phase === "up" ? settle(s, found("")) : becomeUp(s);
}

/** The machines are as they are now; the jobs and the record follow, as in any stop or down. */
function went(
  s: Known,
  { goal, since }: { readonly goal: "stopped" | "absent"; readonly since: number },
): Next {
  const busy: Busy = { verb: "refresh", user: "", since };
  const record: ClusterRecord = { ...s.record, status: "STOPPING", goal, busy, unasked: true };
  const cause = goal === "absent" ? "terminated on the cloud" : "stopped on the cloud";
  return [
    goingDown(record, s.waiters),
    [
      { kind: "save", record, cause },
      { kind: "clear-deadline" },
      closeHead(record),
      { kind: "inquire-later", ms: toldMs },
    ],
  ];
}

interface NotUp {
  readonly finding: Finding & { readonly kind: "mixed" };
  readonly at: On<"found">["at"];
  readonly troubles: readonly string[];
}

function notUp(s: Known, { finding, at, troubles }: NotUp): Next {
  const { inquiries = 0 } = s;
  const tries = s.phase === "stopped" || s.settled ? inquiriesMax : settleInquiriesMax;
  if (finding.soon && s.phase !== "stopped" && inquiries < tries) {
    return [s, [inquireLater]];
  }
  const alive = s.phase === "stopped" ? [] : s.alive;
  const counted = shownText(s.record, { up: finding.up, alive });
  const shown = [counted, ...troubles].join("; ");
  if (s.phase === "init") {
    const what = `Cluster '${s.record.name}' is INIT: ${shown}. Autostop is off`;
    return settle(s, found(`${what}; to bring it up: sky start ${s.record.name}`));
  }
  const usage = opened(usageOf(s.record), at.wallMs);
  const record: ClusterRecord = {
    ...s.record,
    status: "INIT",
    unasked: true,
    goal: "running",
    usage,
  };
  return [
    // They are told once autostop is off, and with what is true then.
    { phase: "init", record, waiters: s.waiters, looks: 0, alive, settled: true, inquiries },
    [
      { kind: "save", record, cause: `the cloud shows ${shown}` },
      ...(s.phase === "stopped" ? [{ kind: "open-head", record } as const] : []),
      { kind: "disarm", name: record.name },
      { kind: "look-later", ms: pace(0) },
    ],
  ];
}

/** What is left to do takes its time, as where jobs ran: whoever asked need not wait for that. */
export function tellSoon(s: In<"stopping"> | In<"ending">): Next {
  const isGone = s.record.goal === "absent";
  return settle(s, isGone ? goneSoon : found(""));
}

const goneSoon: FleetReply = { kind: "gone", logsArchive: "", leftBehind: "", kept: [] };
const inquireLater: FleetEffect = { kind: "inquire-later", ms: inquiryMs };

function shownText(
  { nodes }: ClusterRecord,
  { up, alive }: { readonly up: number; readonly alive: readonly string[] },
): string {
  const shown = `${up} of ${nodes.length} machines up`;
  if (up < nodes.length) return shown;
  const silent = nodes.map(({ id }) => id).filter((id) => !alive.includes(id));
  return `${shown} and ${silent.join(", ")} silent`;
}

/** Everything is as it was. Only those who wait for a refresh are told. */
function settle(s: Exclude<FleetState, In<"absent">>, reply: FleetReply): Next {
  const { inquiries, ...rest } = s;
  const others = s.waiters.filter(({ what }) => what !== "Refresh");
  const next = { ...rest, waiters: others } as FleetState;
  return [next, tellRefresh(s.waiters, reply)];
}

function tellRefresh(waiters: readonly Waiter[], reply: FleetReply): readonly FleetEffect[] {
  return waiters.flatMap(({ to, what }) => (what === "Refresh" ? [answer(to, reply)] : []));
}

function tooMany({ name, nodes }: ClusterRecord, machines: readonly string[]): FleetReply {
  const counts = `the cloud has ${machines.length} of its machines, not ${nodes.length}`;
  const text = `Failed to refresh status for cluster '${name}': ${counts} (${machines.join(", ")})`;
  return { kind: "refreshed", text, failed: true };
}

function found(text: string): FleetReply {
  return { kind: "refreshed", text, failed: false };
}
