// All clusters of a home: one fleet actor each, and their committed records for readers.
//
// Requests are asks of the cluster's actor; who waits is answered when the world has followed.
// The table holds only what is on disk: a cluster is seen from its INIT until its record is gone.

import type { Address, Ref } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import { SkyError, skyErrorFrom } from "../model/errors.ts";
import { recordValue } from "../runtime/journal.ts";
import type { Store } from "../runtime/store.ts";
import type { ActorSystem } from "../runtime/system-actor.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import type { FleetEvent, FleetReply } from "./fleet.ts";
import type { FleetPorts } from "./fleet-actor.ts";
import { fleetActor, fleetKind, fleetRecordKey } from "./fleet-actor.ts";
import { homeCluster } from "./home-records.ts";

/** Clusters of a home. */
const clustersMax = 1_000;
/** Their actors, and those of names that were used once. */
const actorsMax = 2_000;

export interface FleetsOptions {
  /** Of `homeCluster`, with the journal. */
  readonly system: ActorSystem;
  readonly store: Store;
  readonly ports: Omit<FleetPorts, "onRecord" | "onProgress">;
}

export type Progress = { readonly record: ClusterRecord; readonly nodesUp: number };

export interface Fleets {
  /** Brings back what the journal holds: each cluster goes on where it was. Once, first. */
  restore(): Promise<void>;
  record(name: string): ClusterRecord | undefined;
  /** In the order of their names. */
  records(): readonly ClusterRecord[];
  /** @throws SkyError `cluster/mismatch`, `cluster/start-failed`, `cluster/not-up`. */
  launch(request: LaunchRequest, signal: AbortSignal): Promise<ClusterRecord>;
  start(name: string, command: string, signal: AbortSignal): Promise<ClusterRecord>;
  stop(name: string, cause: string, signal: AbortSignal): Promise<void>;
  /** Answers where the logs are kept; empty if there were none. */
  down(name: string, cause: string, signal: AbortSignal): Promise<string>;
  /** The same without waiting: for what the cluster decides itself. */
  windDown(name: string, verb: "stop" | "down", cause: string): void;
  used(name: string, command: string): void;
  alive(name: string, nodes: readonly string[]): void;
  onProgress(name: string, hear: (progress: Progress) => void): () => void;
}

export function createFleets(options: FleetsOptions): Fleets {
  return new FleetTable(options);
}

/** Requests end with their outcome, or with the caller's patience: this is only a backstop. */
const requestMs = 3_600_000;

class FleetTable implements Fleets {
  readonly #options: FleetsOptions;
  readonly #ports: FleetPorts;
  readonly #records = new Map<string, ClusterRecord>();
  readonly #actors = new Map<string, Ref<FleetEvent>>();
  readonly #hearers = new Map<string, Set<(progress: Progress) => void>>();

  constructor(options: FleetsOptions) {
    this.#options = options;
    this.#ports = {
      ...options.ports,
      onRecord: (name, record) => {
        if (record === undefined) this.#records.delete(name);
        else this.#records.set(name, record);
      },
      onProgress: (record, nodesUp) => {
        for (const hear of this.#hearers.get(record.name) ?? []) hear({ record, nodesUp });
      },
    };
  }

  async restore(): Promise<void> {
    const prefix = `${homeCluster}/${headNode}/${fleetKind}/`;
    for (const stored of await this.#options.store.read(prefix)) {
      const record = recordValue(stored) as ClusterRecord;
      if (stored.key !== fleetRecordKey(addressOf(record.name))) continue;
      this.#records.set(record.name, record);
      this.#actor(record.name, record);
    }
  }

  record(name: string): ClusterRecord | undefined {
    return this.#records.get(name);
  }

  records(): readonly ClusterRecord[] {
    return [...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async launch(request: LaunchRequest, signal: AbortSignal): Promise<ClusterRecord> {
    if (!this.#records.has(request.name) && this.#records.size >= clustersMax) {
      const why = `there are ${clustersMax} clusters, which is the limit: take one down first`;
      throw new SkyError("request/invalid", { field: "cluster", why });
    }
    await this.#ask(request.name, signal, (replyTo) => ({ kind: "launch", request, replyTo }));
    return this.#known(request.name);
  }

  async start(name: string, command: string, signal: AbortSignal): Promise<ClusterRecord> {
    await this.#ask(name, signal, (replyTo) => ({ kind: "start", command, replyTo }));
    return this.#known(name);
  }

  async stop(name: string, cause: string, signal: AbortSignal): Promise<void> {
    await this.#ask(name, signal, (replyTo) => ({ kind: "stop", cause, replyTo }));
  }

  async down(name: string, cause: string, signal: AbortSignal): Promise<string> {
    const reply = await this.#ask(name, signal, (replyTo) => ({ kind: "down", cause, replyTo }));
    return reply.kind === "gone" ? reply.logsArchive : "";
  }

  windDown(name: string, verb: "stop" | "down", cause: string): void {
    this.#options.system.tell(this.#actor(name, undefined), { kind: verb, cause });
  }

  used(name: string, command: string): void {
    this.#options.system.tell(this.#actor(name, undefined), { kind: "used", command });
  }

  alive(name: string, nodes: readonly string[]): void {
    this.#options.system.tell(this.#actor(name, undefined), { kind: "alive", nodes });
  }

  onProgress(name: string, hear: (progress: Progress) => void): () => void {
    const hearers = this.#hearers.get(name) ?? new Set();
    this.#hearers.set(name, hearers.add(hear));
    return () => {
      hearers.delete(hear);
      if (hearers.size === 0) this.#hearers.delete(name);
    };
  }

  async #ask(
    name: string,
    signal: AbortSignal,
    make: (replyTo: Ref<FleetReply>) => FleetEvent,
  ): Promise<FleetReply> {
    const options = { timeoutMs: requestMs, signal };
    const reply = await this.#options.system.ask(this.#actor(name, undefined), make, options);
    if (reply.kind === "refused") throw skyErrorFrom(reply.code, reply.params, reply.code);
    return reply;
  }

  #actor(name: string, record: ClusterRecord | undefined): Ref<FleetEvent> {
    const known = this.#actors.get(name);
    if (known !== undefined) return known;
    if (this.#actors.size >= actorsMax) this.#dropIdle();
    const actor = fleetActor(addressOf(name), this.#ports);
    const ref = this.#options.system.spawn(actor, name, { record });
    this.#actors.set(name, ref);
    return ref;
  }

  /** Names that were used once need no actor any more; one comes when the name is used again. */
  #dropIdle(): void {
    for (const [name, ref] of this.#actors) {
      if (this.#records.has(name)) continue;
      this.#actors.delete(name);
      void this.#options.system.stop(ref, "its cluster is gone");
    }
  }

  #known(name: string): ClusterRecord {
    const record = this.#records.get(name);
    if (record === undefined) throw new SkyError("cluster/not-found", { name, hint: "" });
    return record;
  }
}

function addressOf(name: string): Address {
  return { cluster: homeCluster, node: headNode, kind: fleetKind, id: name };
}
