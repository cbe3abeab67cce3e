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
import type { Cell, Table } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";
import type { Machine } from "./cloud.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import { newRecord } from "./cluster-record.ts";
import type { Next } from "./fleet-turns.ts";
import {
  answer,
  answers,
  bringUp,
  closeFailed,
  closeHead,
  clusterReply,
  declaration,
  look,
  lookLater,
  noteUse,
  refuseAbsent,
  refuseNotUp,
  reuse,
  sawAlive,
  sawEnding,
  sawRunning,
  sawStopping,
  startFailed,
  unlessMismatch,
  wait,
  windDown,
} from "./fleet-turns.ts";
import type { CloudAction } from "./remaining.ts";

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
  /** What was being done failed; `of` tells what that was. */
  | {
      readonly kind: "failed";
      readonly of: FleetEffect["kind"];
      readonly why: string;
      readonly retry: boolean;
    }
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
        | "cluster/start-failed"
        | "cluster/stop-failed";
      readonly params: Readonly<Record<string, string>>;
    };

export type FleetEffect =
  /** To be on disk before any other effect of the turn. Without a cause it is no event. */
  | { readonly kind: "save"; readonly record: ClusterRecord; readonly cause?: string }
  | { readonly kind: "erase"; readonly name: string }
  | { readonly kind: "open-head"; readonly record: ClusterRecord }
  | { readonly kind: "declare"; readonly name: string; readonly nodes: readonly Node[] }
  | { readonly kind: "dismiss"; readonly record: ClusterRecord }
  | {
      readonly kind: "close-head";
      readonly record: ClusterRecord;
      readonly verb: "stopped" | "terminated";
    }
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
  launch: (s, event) => unlessMismatch(s, event.request, event.replyTo) ?? reuse(s, event),
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
  failed: closeFailed,
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
  failed: closeFailed,
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
      return [{ phase, ...living, closed: false }, [open, closeHead(record), lookNow]];
    }
  }
}
