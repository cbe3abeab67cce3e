// The actor of one cluster's record: the edge of `fleet.ts`.
//
// One turn's `save` and `erase` become its commit, so no call to a cloud is made for a record that
// is not on disk. Everything else is performed afterwards and may be performed again after a crash:
// clouds take a token twice, heads open and close once however often they are asked.

import type { Address } from "../model/address.ts";
import type { ClusterStatus } from "../model/cluster.ts";
import { errorText, isSkyError } from "../model/errors.ts";
import type { Node } from "../model/node.ts";
import type { Actor, EffectContext, RuntimeEffect, Turn } from "../runtime/actor.ts";
import type { Instant } from "../runtime/clock.ts";
import { batchOf, eventDraft, jsonRecord, recordKey } from "../runtime/journal.ts";
import type { Transition } from "../runtime/machine.ts";
import type { Batch, StoreEventDraft } from "../runtime/store.ts";
import type { Cloud } from "./cloud.ts";
import type { ClusterRecord } from "./cluster-record.ts";
import type { FleetEffect, FleetEvent, FleetState } from "./fleet.ts";
import { resume, step } from "./fleet.ts";
import type { FleetProgress } from "./fleet-answers.ts";
import type { CloudAction } from "./remaining.ts";
import type { GoneCluster } from "./usage.ts";

/** What a fleet needs of the world. */
export interface FleetPorts {
  /** @throws SkyError `cloud/unknown`. */
  cloud(name: string): Cloud;
  readonly heads: HeadsPort;
  /** Hears of each record once it is on disk; `undefined` when it is gone. */
  onRecord(name: string, record: ClusterRecord | undefined): void;
  /** A cluster is gone, and that is on disk under `key`. */
  onGone?(gone: GoneCluster, key: string): void;
  onProgress(progress: FleetProgress): void;
}

/** The schedulers of clusters. Every call may be repeated. */
export interface HeadsPort {
  open(record: ClusterRecord): Promise<void>;
  declare(name: string, nodes: readonly Node[]): void;
  /** Its nodes are stopped: their silence is no loss. */
  dismiss(record: ClusterRecord): void;
  /** Ends all jobs, proven, and takes no more. Opens the head first if it must. */
  close(record: ClusterRecord, verb: "stopped" | "terminated"): Promise<void>;
  /** No autostop any more. One that stops the cluster already goes on. */
  disarm(name: string): Promise<void>;
  /** Keeps the logs, forgets all else. */
  clear(record: ClusterRecord): Promise<Cleared>;
}

export interface Cleared {
  /** Where the logs are; empty if there were none. */
  readonly logsArchive: string;
  /** With `purge`: what could not be removed. */
  readonly leftBehind?: string;
  /** What its nodes left of the user's when they went, for people. */
  readonly kept?: readonly string[];
}

export interface FleetArgs {
  readonly record: ClusterRecord | undefined;
}

export const fleetKind = "fleet";

export function fleetActor(
  self: Address,
  ports: FleetPorts,
): Actor<FleetEvent, FleetState, FleetEffect, FleetArgs> {
  const edge = new FleetEdge(self, ports);
  const startMs = (cloud: string): number => knownCloud(ports, cloud)?.startMs ?? startMsDefault;
  return {
    kind: fleetKind,
    // It is asked by this process alone.
    fromOtherNodes: [],
    start: ({ record }, at) =>
      turnOf(self, resume(self.id, record), { at, before: record?.status, startMs }),
    step: (state, message) => {
      const outcome = step(state, message);
      if (!outcome.taken) return { state, effects: [] };
      const before = state.phase === "absent" ? undefined : state.record.status;
      return turnOf(self, [outcome.state, outcome.effects], { at: message.at, before, startMs });
    },
    perform: (effect, context) => edge.perform(effect, context),
  };
}

/** The key of a cluster's record in the journal. */
export function fleetRecordKey(self: Address): string {
  return recordKey(self, "record");
}

/** The key of what is left of one that is gone. */
export function goneKey(self: Address, { endedAt }: GoneCluster): string {
  return recordKey(self, goneFolder, endedAt);
}

/** Whether a record of a fleet actor's is one of those. */
export function isGoneKey(key: string): boolean {
  return key.split("/").at(-2) === goneFolder;
}

const goneFolder = "gone";

/** When a turn is taken, and the cluster's status until then; `undefined` for one that was not. */
interface Moment {
  readonly at: Instant;
  readonly before: ClusterStatus | undefined;
  /** Of its cloud. */
  readonly startMs: (cloud: string) => number;
}

function turnOf(
  self: Address,
  [state, effects]: Transition<FleetState, FleetEffect>,
  moment: Moment,
): Turn<FleetState, FleetEffect, FleetEvent> {
  const commit = commitOf(self, effects, moment);
  const performed = effects.map((effect) => runtimeEffect(effect, moment));
  return { state, effects: performed, ...(commit && { commit }) };
}

function commitOf(
  self: Address,
  effects: readonly FleetEffect[],
  { at, before }: Moment,
): Batch | undefined {
  const saves = effects.filter((effect) => effect.kind === "save");
  const erase = effects.find((effect) => effect.kind === "erase");
  const last = saves.at(-1);
  const key = fleetRecordKey(self);
  const past = erase === undefined ? [] : [jsonRecord(goneKey(self, erase.gone), erase.gone)];
  if (last === undefined) return erase && batchOf({ deletes: [key], puts: past });
  const events = saves.flatMap(({ record, cause }, index) => {
    const first = erase === undefined ? before : undefined;
    const from = index === 0 ? first : saves[index - 1]?.record.status;
    return cause === undefined ? [] : [eventOf({ record, cause }, from, at.wallMs)];
  });
  // What was erased may have begun anew in the same turn: somebody waited for its end.
  return batchOf({ puts: [...past, jsonRecord(key, last.record)], events });
}

/** A change of status says from where to where; anything else is only noted. */
function eventOf(
  { record, cause }: { readonly record: ClusterRecord; readonly cause: string },
  from: ClusterStatus | undefined,
  wallMs: number,
): StoreEventDraft {
  const { name, status, cloud, resources } = record;
  const change = from === status ? { kind: "noted" } : { kind: "status", from, to: status };
  return eventDraft(name, wallMs, {
    at: wallMs,
    subject: "cluster",
    actor: "fleet",
    ...change,
    cause,
    evidence: { cloud, resources },
  });
}

function runtimeEffect(
  effect: FleetEffect,
  { startMs }: Moment,
): FleetEffect | RuntimeEffect<FleetEvent> {
  switch (effect.kind) {
    case "look-later":
      return { kind: "start-timer", name: "look", ms: effect.ms, message: { kind: "look-due" } };
    case "inquire-later": {
      const message = { kind: "inquiry-due" } as const;
      return { kind: "start-timer", name: "inquiry", ms: effect.ms, message };
    }
    case "set-deadline": {
      const ms = startMs(effect.cloud);
      return { kind: "start-timer", name: "up", ms, message: { kind: "deadline" } };
    }
    case "clear-deadline":
      return { kind: "cancel-timer", name: "up" };
    case "answer":
      return { kind: "tell", to: effect.to, message: effect.reply };
    default:
      return effect;
  }
}

/** A head on a host says of its cluster what is said of the cluster here. */
function whyOf(error: unknown): string {
  const isSaidAgain =
    isSkyError(error, "cluster/stop-failed") || isSkyError(error, "cluster/start-failed");
  return isSaidAgain ? String(error.params["why"]) : errorText(error);
}

/** A record may be of a cloud that this version does not know. */
function knownCloud(ports: FleetPorts, name: string): Cloud | undefined {
  try {
    return ports.cloud(name);
  } catch (error) {
    if (isSkyError(error, "cloud/unknown")) return undefined;
    throw error;
  }
}

/** How long nodes may take to come up before those who wait are told. */
const startMsDefault = 60_000;

class FleetEdge {
  readonly #self: Address;
  readonly #ports: FleetPorts;
  /** Whatever touches nodes waits until the head that they will speak to is open. */
  #opened: Promise<void> | undefined;

  constructor(self: Address, ports: FleetPorts) {
    this.#self = self;
    this.#ports = ports;
  }

  async perform(effect: FleetEffect, context: EffectContext<FleetEvent>): Promise<void> {
    try {
      await this.#carryOut(effect, context);
    } catch (error) {
      if (context.signal.aborted) return;
      const retry = isSkyError(error) && error.remedy === "retry";
      context.tellSelf({ kind: "failed", of: effect.kind, why: whyOf(error), retry });
    }
  }

  async #carryOut(effect: FleetEffect, context: EffectContext<FleetEvent>): Promise<void> {
    const { heads } = this.#ports;
    switch (effect.kind) {
      case "save":
        this.#ports.onRecord(effect.record.name, effect.record);
        return;
      case "erase":
        this.#ports.onRecord(effect.name, undefined);
        this.#ports.onGone?.(effect.gone, goneKey(this.#self, effect.gone));
        return;
      case "open-head":
        return this.#open(effect.record);
      case "declare":
        await this.#opened;
        heads.declare(effect.name, effect.nodes);
        return;
      case "dismiss":
        heads.dismiss(effect.record);
        return;
      case "disarm":
        await this.#opened;
        await heads.disarm(effect.name);
        context.tellSelf({ kind: "inquiry-due" });
        return;
      case "close-head":
        await heads.close(effect.record, effect.verb);
        context.tellSelf({ kind: "closed" });
        return;
      case "act":
        await this.#act(effect.record, effect.actions, context.signal);
        return;
      case "look":
        await this.#look(effect.record, context);
        return;
      case "inquire": {
        const { name, cloud } = effect.record;
        const machines = await this.#ports.cloud(cloud).list(name, context.signal);
        context.tellSelf({ kind: "found", machines });
        return;
      }
      case "clear":
        return this.#clear(effect.record, context);
      case "progress":
        this.#ports.onProgress(effect);
        return;
      case "look-later":
      case "inquire-later":
      case "retake":
      case "set-deadline":
      case "clear-deadline":
      case "answer":
        return; // The system performs these.
    }
  }

  /** One that failed is tried again by the next look. */
  #open(record: ClusterRecord): Promise<void> {
    const opened = this.#ports.heads.open(record);
    this.#opened = opened;
    return opened.catch((error: unknown) => {
      if (this.#opened === opened) this.#opened = undefined;
      throw error;
    });
  }

  async #look(record: ClusterRecord, context: EffectContext<FleetEvent>): Promise<void> {
    // Nodes that are to go speak to nobody any more.
    if (record.goal === "running") await (this.#opened ?? this.#open(record));
    const machines = await this.#ports.cloud(record.cloud).list(record.name, context.signal);
    context.tellSelf({ kind: "seen", machines });
  }

  async #clear(record: ClusterRecord, context: EffectContext<FleetEvent>): Promise<void> {
    const cleared = await this.#ports.heads.clear(record);
    const left = knownCloud(this.#ports, record.cloud)?.kept?.(record.name) ?? [];
    context.tellSelf({ kind: "cleared", ...cleared, kept: [...(cleared.kept ?? []), ...left] });
  }

  async #act(
    record: ClusterRecord,
    actions: readonly CloudAction[],
    signal: AbortSignal,
  ): Promise<void> {
    const cloud = this.#ports.cloud(record.cloud);
    for (const action of actions) {
      if (action.kind === "launch") {
        const nodes = record.nodes.filter(({ id }) => action.nodes.includes(id));
        await cloud.launch({ token: record.token, cluster: record.name, nodes }, signal);
      } else if (action.kind === "terminate") {
        await cloud.terminate(action.ids, signal);
      } else {
        await cloud[action.kind]?.(action.ids, signal);
      }
    }
  }
}
