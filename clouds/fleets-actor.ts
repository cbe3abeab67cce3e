// All clusters of a home: one fleet actor each, and their committed records for readers.
//
// Requests are asks of the cluster's actor; who waits is answered when the world has followed.
// The table holds only what is on disk: a cluster is seen from its INIT until its record is gone.

import type { Address, Ref } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import { defaultConfig } from "../model/config.ts";
import { SkyError, skyErrorFrom } from "../model/errors.ts";
import { batchOf, recordValue } from "../runtime/journal.ts";
import type { Store } from "../runtime/store.ts";
import type { ActorSystem } from "../runtime/system-actor.ts";
import type { ClusterRecord, LaunchRequest } from "./cluster-record.ts";
import type { FleetEvent, StartAsked } from "./fleet.ts";
import type { FleetPorts } from "./fleet-actor.ts";
import { fleetActor, fleetKind, fleetRecordKey, isGoneKey } from "./fleet-actor.ts";
import type { FleetProgress, FleetReply } from "./fleet-answers.ts";
import { homeCluster } from "./home-records.ts";
import type { GoneCluster } from "./usage.ts";

/** Clusters of a home. */
const clustersMax = 1_000;
/** Their actors, and those of names that were used once. */
const actorsMax = 2_000;
const goneMaxDefault = defaultConfig.history.clusters;

export interface FleetsOptions {
  /** Of `homeCluster`, with the journal. */
  readonly system: ActorSystem;
  readonly store: Store;
  readonly ports: Omit<FleetPorts, "onRecord" | "onGone" | "onProgress">;
  /** Clusters that are gone of which something is kept; beyond, the oldest are forgotten. */
  readonly goneMax?: number;
  /** A cluster's record is on disk as it is now, or gone. */
  readonly onRecord?: (name: string, record: ClusterRecord | undefined) => void;
}

export interface Progress extends FleetProgress {
  /** What its cloud says that it is doing; empty if it says nothing. */
  readonly doing: string;
}

export interface Fleets {
  /** Brings back what the journal holds: each cluster goes on where it was. Once, first. */
  restore(): Promise<void>;
  record(name: string): ClusterRecord | undefined;
  /** In the order of their names. */
  records(): readonly ClusterRecord[];
  /** Those that are gone, the newest first. */
  gone(): readonly GoneCluster[];
  /** @throws SkyError `cluster/mismatch`, `cluster/start-failed`, `cluster/superseded`. */
  launch(request: LaunchRequest, signal: AbortSignal): Promise<ClusterRecord>;
  start(name: string, wanted: StartRequest, signal: AbortSignal): Promise<ClusterRecord>;
  stop(name: string, user: string, signal: AbortSignal): Promise<void>;
  down(name: string, wanted: DownRequest, signal: AbortSignal): Promise<DownOutcome>;
  /** Asks its cloud what became of its machines. */
  refresh(name: string, wanted: RefreshRequest, signal: AbortSignal): Promise<Finding>;
  /** The same without waiting: for what the cluster decides itself. */
  windDown(name: string, verb: "stop" | "down", cause: string): void;
  used(name: string, command: string): void;
  alive(name: string, nodes: readonly string[]): void;
  /** Something that belongs into its history, and changes nothing. */
  note(name: string, cause: string): void;
  onProgress(name: string, hear: (progress: Progress) => void): () => void;
  /** What its cloud is doing for a cluster, for people: `installing on gpu2, gpu3`. */
  doing(name: string, text: string): void;
  /** Resolves when there is no such cluster. @throws SkyError `core/cancelled`. */
  whenGone(name: string, signal: AbortSignal): Promise<void>;
  /** Its record is on disk as it is now, or gone; so is the event that tells of it. */
  onChange(name: string, hear: () => void): () => void;
}

export type StartRequest = Omit<StartAsked, "kind" | "replyTo">;

export interface DownRequest {
  readonly user: string;
  readonly purge: boolean;
}

export interface DownOutcome {
  /** Where the logs are kept; empty if there were none. */
  readonly logsArchive: string;
  /** With `purge`: what may be left, and why. */
  readonly leftBehind: string;
  /** Files of the user's that stay on machines that are not ours, for people. */
  readonly kept: readonly string[];
}

export interface RefreshRequest {
  /** Whether it was to take itself down: then nobody else is suspected if it is gone. */
  readonly isAutodown: boolean;
}

/** What a refresh found, for people; no text where there is nothing to say. */
export interface Finding {
  readonly text: string;
  readonly failed: boolean;
}

export function createFleets(options: FleetsOptions): Fleets {
  return new FleetTable(options);
}

const terminatedText = "Cluster(s) terminated on the cloud";

/** Requests end with their outcome, or with the caller's patience: this is only a backstop. */
const requestMs = 3_600_000;

class FleetTable implements Fleets {
  readonly #options: FleetsOptions;
  readonly #ports: FleetPorts;
  readonly #records = new Map<string, ClusterRecord>();
  readonly #actors = new Map<string, Ref<FleetEvent>>();
  /** With the keys of their records, in the order in which they went. */
  readonly #gone: { readonly key: string; readonly gone: GoneCluster }[] = [];
  readonly #hearers = new Map<string, Set<(progress: Progress) => void>>();
  /** The last of each cluster that is on its way. */
  readonly #progress = new Map<string, Progress>();
  readonly #leavers = new Set<(name: string) => void>();
  readonly #watchers = new Map<string, Set<() => void>>();

  constructor(options: FleetsOptions) {
    this.#options = options;
    this.#ports = {
      ...options.ports,
      onRecord: (name, record) => {
        if (record?.status !== "INIT") this.#progress.delete(name);
        if (record !== undefined) this.#records.set(name, record);
        else if (this.#records.delete(name)) for (const leave of this.#leavers) leave(name);
        for (const hear of this.#watchers.get(name) ?? []) hear();
        options.onRecord?.(name, record);
      },
      onGone: (gone, key) => {
        this.#gone.push({ key, gone });
        this.#forget();
      },
      onProgress: (progress) => {
        const { doing = "" } = this.#progress.get(progress.record.name) ?? {};
        this.#tell({ ...progress, doing });
      },
    };
  }

  async restore(): Promise<void> {
    const prefix = `${homeCluster}/${headNode}/${fleetKind}/`;
    for (const stored of await this.#options.store.read(prefix)) {
      if (isGoneKey(stored.key)) {
        this.#gone.push({ key: stored.key, gone: recordValue(stored) as GoneCluster });
        continue;
      }
      const record = recordValue(stored) as ClusterRecord;
      if (stored.key !== fleetRecordKey(addressOf(record.name))) continue;
      this.#records.set(record.name, record);
      this.#actor(record.name, record);
    }
    this.#gone.sort((a, b) => a.gone.endedAt - b.gone.endedAt);
    this.#forget();
  }

  record(name: string): ClusterRecord | undefined {
    return this.#records.get(name);
  }

  records(): readonly ClusterRecord[] {
    return [...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  gone(): readonly GoneCluster[] {
    return this.#gone.map(({ gone }) => gone).reverse();
  }

  async launch(request: LaunchRequest, signal: AbortSignal): Promise<ClusterRecord> {
    if (!this.#records.has(request.name) && this.#records.size >= clustersMax) {
      const why = `there are ${clustersMax} clusters, which is the limit: take one down first`;
      throw new SkyError("request/invalid", { field: "cluster", why });
    }
    await this.#ask(request.name, signal, (replyTo) => ({ kind: "launch", request, replyTo }));
    return this.#known(request.name);
  }

  async start(name: string, wanted: StartRequest, signal: AbortSignal): Promise<ClusterRecord> {
    await this.#ask(name, signal, (replyTo) => ({ kind: "start", ...wanted, replyTo }));
    return this.#known(name);
  }

  async stop(name: string, user: string, signal: AbortSignal): Promise<void> {
    const cause = `stopped by ${user || "the user"}`;
    await this.#ask(name, signal, (replyTo) => ({ kind: "stop", cause, user, replyTo }));
  }

  async down(name: string, wanted: DownRequest, signal: AbortSignal): Promise<DownOutcome> {
    const cause = `taken down by ${wanted.user || "the user"}`;
    const make = (replyTo: Address) => ({ kind: "down", cause, ...wanted, replyTo }) as const;
    const reply = await this.#ask(name, signal, make);
    if (reply.kind !== "gone") return { logsArchive: "", leftBehind: "", kept: [] };
    const { logsArchive, leftBehind, kept } = reply;
    return { logsArchive, leftBehind, kept };
  }

  async refresh(name: string, wanted: RefreshRequest, signal: AbortSignal): Promise<Finding> {
    const reply = await this.#ask(name, signal, (replyTo) => ({ kind: "refresh", replyTo }));
    if (reply.kind === "refreshed") return { text: reply.text, failed: reply.failed };
    if (reply.kind !== "gone") return { text: "", failed: false };
    const what = wanted.isAutodown ? "Autodowned cluster(s)" : terminatedText;
    return { text: `${what}: ${name}`, failed: false };
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

  note(name: string, cause: string): void {
    this.#options.system.tell(this.#actor(name, undefined), { kind: "noted", cause });
  }

  onProgress(name: string, hear: (progress: Progress) => void): () => void {
    return heardBy(this.#hearers, name, hear);
  }

  onChange(name: string, hear: () => void): () => void {
    return heardBy(this.#watchers, name, hear);
  }

  doing(name: string, doing: string): void {
    const record = this.#records.get(name);
    if (record?.status !== "INIT") return;
    const { nodesUp = 0, troubles = [] } = this.#progress.get(name) ?? {};
    this.#tell({ record, nodesUp, troubles, doing });
  }

  async whenGone(name: string, signal: AbortSignal): Promise<void> {
    const gone = Promise.withResolvers<void>();
    const leave = (left: string): void => (left === name ? gone.resolve() : undefined);
    const cancel = (): void =>
      gone.reject(new SkyError("core/cancelled", { what: `waiting for the end of ${name}` }));
    this.#leavers.add(leave);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      if (signal.aborted) cancel();
      else if (!this.#records.has(name)) gone.resolve();
      await gone.promise;
    } finally {
      this.#leavers.delete(leave);
      signal.removeEventListener("abort", cancel);
    }
  }

  #tell(progress: Progress): void {
    const { name } = progress.record;
    this.#progress.set(name, progress);
    for (const hear of this.#hearers.get(name) ?? []) hear(progress);
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

  #forget(): void {
    const { goneMax = goneMaxDefault, store } = this.#options;
    const over = this.#gone.splice(0, Math.max(0, this.#gone.length - goneMax));
    if (over.length === 0) return;
    // A commit that fails is the end of the store: the next start forgets what this did not.
    store.commit(batchOf({ deletes: over.map(({ key }) => key) })).catch(() => {});
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

function heardBy<H>(all: Map<string, Set<H>>, name: string, hear: H): () => void {
  const hearers = all.get(name) ?? new Set();
  all.set(name, hearers.add(hear));
  return () => {
    hearers.delete(hear);
    if (hearers.size === 0) all.delete(name);
  };
}
