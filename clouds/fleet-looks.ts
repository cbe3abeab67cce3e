// Looking at a cloud again and again, and waiting: what a cluster's way up and its way down share.
// Pure.

import type { ClusterRecord } from "./cluster-record.ts";
import type { FleetEffect, FleetState, In, Next } from "./fleet.ts";
import type { Waiter } from "./fleet-answers.ts";

const lookMsMin = 20;
export const lookMsMax = 1_000;

export function look(s: Exclude<FleetState, In<"absent"> | In<"stopped">>): Next {
  if (s.phase === "ending" && s.gaveUp) return [s, [{ kind: "clear", record: s.record }]];
  const isOpen = (s.phase === "stopping" || s.phase === "ending") && !s.closed;
  return [s, [isOpen ? closeHead(s.record) : { kind: "look", record: s.record }]];
}

export function lookLater(s: Exclude<FleetState, In<"absent">>): Next {
  const next = { ...s, looks: s.looks + 1 };
  return [next, [{ kind: "look-later", ms: pace(next.looks) }]];
}

export function wait<S extends Exclude<FleetState, In<"absent">>>(
  s: S,
  waiters: readonly Waiter[],
): Next {
  return [{ ...s, waiters: [...s.waiters, ...waiters] }, []];
}

export function closeHead(record: ClusterRecord): FleetEffect {
  const verb = record.goal === "absent" ? "terminated" : "stopped";
  return { kind: "close-head", record, verb };
}

/** 20 ms, then twice as long each time, up to a second. */
export function pace(looks: number): number {
  return Math.min(lookMsMax, lookMsMin * 2 ** Math.min(looks, 10));
}
