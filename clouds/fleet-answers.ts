// Who waits for a cluster, and what they are told. Pure.
//
// Whoever waits is answered once: with the cluster, with its end, or with what came in between.

import type { Address } from "../model/address.ts";
import type { Cluster } from "../model/cluster.ts";
import type { ClusterRecord } from "./cluster-record.ts";
import { clusterOf } from "./cluster-record.ts";
import type { FleetEffect } from "./fleet.ts";

export interface Waiter {
  readonly to: Address;
  readonly what: "Launch" | "Start" | "Stop" | "Down" | "Refresh";
}

export type FleetReply =
  | { readonly kind: "cluster"; readonly cluster: Cluster }
  | {
      readonly kind: "gone";
      readonly logsArchive: string;
      readonly leftBehind: string;
      readonly kept: readonly string[];
    }
  /** As in `Refreshed`; no text where there is nothing to say. */
  | { readonly kind: "refreshed"; readonly text: string; readonly failed: boolean }
  | {
      readonly kind: "refused";
      readonly code:
        | "cluster/not-found"
        | "cluster/superseded"
        | "cluster/mismatch"
        | "cluster/start-failed"
        | "cluster/stop-failed";
      readonly params: Readonly<Record<string, string>>;
    };

/** How far a cluster is on its way up. */
export interface FleetProgress {
  readonly record: ClusterRecord;
  readonly nodesUp: number;
  /** As in the state. */
  readonly troubles: readonly string[];
}

export function clusterReply(record: ClusterRecord): FleetReply {
  return { kind: "cluster", cluster: clusterOf(record) };
}

export function answer(to: Address, reply: FleetReply): FleetEffect {
  return { kind: "answer", to, reply };
}

/** A refresh is told of no more than of the cluster's end: the rest is in its record. */
export function told(waiters: readonly Waiter[], reply: FleetReply): readonly FleetEffect[] {
  return waiters.map(({ to, what }) =>
    answer(to, what === "Refresh" && reply.kind !== "gone" ? unchanged : reply),
  );
}

/** Something else was asked for later, and takes precedence. */
export function supersede(
  waiters: readonly Waiter[],
  record: ClusterRecord,
): readonly FleetEffect[] {
  return waiters.flatMap((waiter) => told([waiter], supersededReply(record, waiter.what)));
}

export function supersededReply(record: ClusterRecord, what: string): FleetReply {
  const { name, busy, goal } = record;
  const isSelf = busy?.verb === "autostop" || busy?.verb === "autodown";
  const nobody = busy === undefined || busy.user === "" ? "another command" : busy.user;
  const who = isSelf ? busy.verb : nobody;
  const verb = goal === "absent" ? "taken down" : "stopped";
  return { kind: "refused", code: "cluster/superseded", params: { what, name, verb, who } };
}

export function waitersOf(replyTo: Address | undefined, what: Waiter["what"]): readonly Waiter[] {
  return replyTo === undefined ? [] : [{ to: replyTo, what }];
}

const unchanged: FleetReply = { kind: "refreshed", text: "", failed: false };
