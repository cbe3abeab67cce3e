// A cluster's life: INIT, UP, STOPPING, STOPPED, and then no record at all. The machine is pure;
// `fleet-actor.ts` carries out what it decides.
//
// A cluster winds down in this order, each step proven before the next: the scheduler ends all
// jobs (`closed`), the cloud lists nothing any more, logs are archived and folders removed
// (`cleared`), the record goes. A crash at any point goes on from the record.
//
// One thing at a time is under way. A launch or a start joins one that is under way and waits for a
// stop; a `stop` ends a launch, a `down` ends anything; who loses is told to whom.
//
// What must always hold: the record says INIT before the first call to a cloud, so that `down`
// finds whatever a crash has left; whoever waits is answered once.

import type { Address } from "../model/address.ts";
import type { Node } from "../model/node.ts";
import type { Cell, Outcome, Stamped, Table, Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";
import type { Machine } from "./cloud.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import type { FleetProgress, FleetReply, Waiter } from "./fleet-answers.ts";
import { closeHead, look, lookLater } from "./fleet-looks.ts";
import {
  inquireAgain,
  inquiryFailed,
  judge,
  nothingNew,
  refresh,
  tellSoon,
  tellWhatGoesOn,
} from "./fleet-refresh.ts";
import {
  areAlive,
  bringUp,
  declaration,
  joinLaunch,
  joinStart,
  launchNew,
  noted,
  noteUse,
  refuseAbsent,
  reuse,
  sawAlive,
  sawRunning,
  startAgain,
  startFailed,
  startLate,
  startUp,
  unlessMismatch,
} from "./fleet-turns.ts";
import {
  cleared,
  closeFailed,
  downAgain,
  downUnlessLate,
  nothingListed,
  queue,
  refuseSuperseded,
  sawEnding,
  sawStopping,
  stopAgain,
  windDown,
} from "./fleet-wind-down.ts";
import type { CloudAction } from "./remaining.ts";
import type { GoneCluster } from "./usage.ts";

export type FleetEvent =
  | LaunchAsked
  | StartAsked
  | {
      readonly kind: "stop";
      readonly cause: string;
      /** Absent: it was idle. */
      readonly user?: string;
      readonly replyTo?: Address;
    }
  | {
      readonly kind: "down";
      readonly cause: string;
      readonly user?: string;
      readonly purge?: boolean;
      readonly replyTo?: Address;
    }
  /** The command that used the cluster last; empty if it is not known. */
  | { readonly kind: "used"; readonly command: string }
  | { readonly kind: "refresh"; readonly replyTo: Address }
  /** What the cloud answered to a refresh. */
  | { readonly kind: "found"; readonly machines: readonly Machine[] }
  | { readonly kind: "inquiry-due" }
  | { readonly kind: "seen"; readonly machines: readonly Machine[] }
  /** Something that belongs into its history, and changes nothing. */
  | { readonly kind: "noted"; readonly cause: string }
  /** All nodes that liveness holds for alive. */
  | { readonly kind: "alive"; readonly nodes: readonly string[] }
  /** The scheduler has ended all jobs. */
  | { readonly kind: "closed" }
  /** Logs are archived; nothing of the cluster is left but this record. */
  | {
      readonly kind: "cleared";
      readonly logsArchive: string;
      readonly leftBehind?: string;
      readonly kept?: readonly string[];
    }
  /** What was being done failed; `of` tells what that was. */
  | {
      readonly kind: "failed";
      readonly of: FleetEffect["kind"];
      readonly why: string;
      readonly retry: boolean;
    }
  | { readonly kind: "look-due" }
  | { readonly kind: "deadline" };

export interface LaunchAsked {
  readonly kind: "launch";
  readonly request: LaunchRequest;
  readonly replyTo: Address;
}

export interface StartAsked {
  readonly kind: "start";
  readonly command: string;
  readonly user: string;
  /** Also where it is up: what does not run is started again. */
  readonly force: boolean;
  readonly replyTo: Address;
}

interface Living {
  readonly record: ClusterRecord;
  readonly waiters: readonly Waiter[];
  /** How often we looked without seeing a change: sets the pace. */
  readonly looks: number;
  /** How often the cloud was asked for those who wait for a refresh. Absent = nobody does. */
  readonly inquiries?: number;
}
interface Running extends Living {
  readonly alive: readonly string[];
  /**
   * Since the head started its nodes have all been awake once. Before that a machine that sleeps
   * says nothing: agents of a local cloud end with the head, and it wakes them.
   */
  readonly settled: boolean;
  /** What stands in the way of machines that its cloud last listed, a sentence each. */
  readonly troubles?: readonly string[];
}
interface Closing extends Living {
  readonly closed: boolean;
  /** What waits for the end of this, in the order in which it came. */
  readonly queued: readonly (LaunchAsked | StartAsked)[];
}
interface Ending extends Closing {
  /** What the cloud last listed. */
  readonly listed: readonly string[];
  readonly failures: number;
  /** What the cloud refused, with `purge`. */
  readonly leftBehind: readonly string[];
  /** The cloud is asked no more. */
  readonly gaveUp: boolean;
  /** The cloud was told to let go of machines that it lists as gone. */
  readonly reaped: boolean;
}

export type FleetState =
  | { readonly phase: "absent"; readonly name: string }
  | ({ readonly phase: "init" } & Running)
  | ({ readonly phase: "up" } & Running)
  | ({ readonly phase: "stopping" } & Closing)
  | ({ readonly phase: "stopped" } & Living)
  | ({ readonly phase: "ending" } & Ending);

export type FleetEffect =
  /** To be on disk before any other effect of the turn. Without a cause it is no event. */
  | { readonly kind: "save"; readonly record: ClusterRecord; readonly cause?: string }
  | { readonly kind: "erase"; readonly name: string; readonly gone: GoneCluster }
  | { readonly kind: "open-head"; readonly record: ClusterRecord }
  | { readonly kind: "declare"; readonly name: string; readonly nodes: readonly Node[] }
  | { readonly kind: "dismiss"; readonly record: ClusterRecord }
  /** Autostop is off. */
  | { readonly kind: "disarm"; readonly name: string }
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
  /** The same for those who asked for a refresh. */
  | { readonly kind: "inquire"; readonly record: ClusterRecord }
  | { readonly kind: "inquire-later"; readonly ms: number }
  /** Its nodes have so long to come up as its cloud says. */
  | { readonly kind: "set-deadline"; readonly cloud: string }
  | { readonly kind: "clear-deadline" }
  | { readonly kind: "clear"; readonly record: ClusterRecord }
  | ({ readonly kind: "progress" } & FleetProgress)
  | { readonly kind: "answer"; readonly to: Address; readonly reply: FleetReply }
  /** What waited for the end of this is taken up, in the same turn: never leaves `step`. */
  | { readonly kind: "retake"; readonly event: LaunchAsked | StartAsked };

export type Next = Transition<FleetState, FleetEffect>;
export type In<P extends FleetState["phase"]> = Extract<FleetState, { readonly phase: P }>;
export type On<K extends FleetEvent["kind"]> = Stamped<Extract<FleetEvent, { readonly kind: K }>>;

type Row<P extends FleetState["phase"]> = {
  readonly [K in FleetEvent["kind"]]: Cell<FleetState, FleetEvent, FleetEffect, P, K>;
};

const absent: Row<"absent"> = {
  launch: launchNew,
  start: refuseAbsent,
  stop: refuseAbsent,
  down: refuseAbsent,
  used: "ignore",
  noted: "ignore",
  refresh: refuseAbsent,
  found: "ignore",
  "inquiry-due": "ignore",
  seen: "ignore",
  alive: "ignore",
  closed: "ignore",
  cleared: "ignore",
  failed: "ignore",
  "look-due": "ignore",
  deadline: "ignore",
};

const init: Row<"init"> = {
  launch: (s, event) => unlessMismatch(s, event) ?? joinLaunch(s, event),
  start: joinStart,
  stop: (s, event) => windDown(s, event, "stopped"),
  down: (s, event) => windDown(s, event, "absent"),
  used: noteUse,
  noted,
  refresh: (s, event) => (s.record.unasked ? refresh(s, event) : nothingNew(s, event)),
  found: judge,
  "inquiry-due": inquireAgain,
  seen: sawRunning,
  alive: (s, { nodes }) => sawAlive(s, nodes),
  closed: "ignore",
  cleared: "ignore",
  failed: (s, event) => {
    if (event.of === "inquire" || event.of === "disarm") return inquiryFailed(s, event);
    return event.retry ? lookLater(s) : startFailed(s, event.why);
  },
  "look-due": look,
  deadline: startLate,
};

const up: Row<"up"> = {
  launch: (s, event) => unlessMismatch(s, event) ?? reuse(s, event),
  start: startUp,
  stop: (s, event) => windDown(s, event, "stopped"),
  down: (s, event) => windDown(s, event, "absent"),
  used: noteUse,
  noted,
  refresh,
  found: judge,
  "inquiry-due": inquireAgain,
  seen: sawRunning,
  alive: (s, { nodes }) => {
    const settled = s.settled || areAlive(s.record, nodes);
    return [{ ...s, alive: nodes, settled }, []];
  },
  closed: "ignore",
  cleared: "ignore",
  failed: (s, event) => (event.of === "inquire" ? inquiryFailed(s, event) : lookLater(s)),
  "look-due": look,
  deadline: "ignore",
};

const stopping: Row<"stopping"> = {
  launch: (s, event) => unlessMismatch(s, event) ?? queue(s, event),
  start: queue,
  stop: stopAgain,
  down: downUnlessLate,
  used: "ignore",
  noted,
  refresh: tellWhatGoesOn,
  found: "ignore",
  "inquiry-due": tellSoon,
  seen: sawStopping,
  alive: "ignore",
  closed: (s) => [{ ...s, closed: true, looks: 0 }, [{ kind: "look", record: s.record }]],
  cleared: "ignore",
  failed: closeFailed,
  "look-due": look,
  deadline: "ignore",
};

const stopped: Row<"stopped"> = {
  launch: (s, event) =>
    unlessMismatch(s, event) ?? bringUp(s.record, { event, verb: "launch", from: s }),
  start: startAgain,
  stop: stopAgain,
  down: downUnlessLate,
  used: "ignore",
  noted,
  refresh,
  found: judge,
  "inquiry-due": "ignore",
  seen: "ignore",
  alive: "ignore",
  closed: "ignore",
  cleared: "ignore",
  failed: (s, event) => (event.of === "inquire" ? inquiryFailed(s, event) : [s, []]),
  "look-due": "ignore",
  deadline: "ignore",
};

const ending: Row<"ending"> = {
  launch: queue,
  start: refuseSuperseded,
  stop: refuseSuperseded,
  down: downAgain,
  used: "ignore",
  noted,
  refresh: tellWhatGoesOn,
  found: "ignore",
  "inquiry-due": tellSoon,
  seen: sawEnding,
  alive: "ignore",
  closed: (s) => [{ ...s, closed: true, looks: 0 }, [{ kind: "look", record: s.record }]],
  cleared,
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

const stepOnce = machine<FleetState, FleetEvent, FleetEffect>(fleetTable);

/** One turn: what happened, and then whatever waited for that. */
export function step(
  state: FleetState,
  event: Stamped<FleetEvent>,
): Outcome<FleetState, FleetEffect> {
  const outcome = stepOnce(state, event);
  if (!outcome.taken) return outcome;
  const effects: FleetEffect[] = [];
  let now = outcome.state;
  for (const effect of outcome.effects) {
    if (effect.kind !== "retake") {
      effects.push(effect);
      continue;
    }
    const next = stepOnce(now, { ...effect.event, at: event.at });
    if (!next.taken) continue;
    now = next.state;
    effects.push(...next.effects);
  }
  return { taken: true, state: now, effects };
}

/** The first turn after a start of the head: goes on with what the record says. */
export function resume(name: string, record: ClusterRecord | undefined): Next {
  if (record === undefined) return [{ phase: "absent", name }, []];
  const living = { record, waiters: [], looks: 0 };
  const open: FleetEffect = { kind: "open-head", record };
  const lookNow: FleetEffect = { kind: "look", record };
  switch (record.status) {
    case "INIT": {
      const deadline: FleetEffect = { kind: "set-deadline", cloud: record.cloud };
      const disarm: FleetEffect = { kind: "disarm", name };
      const effects = [
        open,
        ...(record.busy === undefined ? [] : [deadline]),
        ...(record.unasked ? [disarm] : []),
        lookNow,
      ];
      return [{ phase: "init", ...living, alive: [], settled: false }, effects];
    }
    case "UP": {
      const effects = [open, ...declaration(record), lookNow];
      return [{ phase: "up", ...living, alive: [], settled: false }, effects];
    }
    case "STOPPED":
      return [{ phase: "stopped", ...living }, [open]];
    case "STOPPING": {
      const closing = { ...living, closed: false, queued: [] };
      const effects = [open, closeHead(record), lookNow];
      if (record.goal !== "absent") return [{ phase: "stopping", ...closing }, effects];
      return [{ phase: "ending", ...closing, ...nothingListed }, effects];
    }
  }
}
