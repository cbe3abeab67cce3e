// The parts of a head's process, put together: journal, clusters, nodes, API.
//
//     journal ─ fleets ─┬─ local cloud ─ lane (embedded | process) ─ agents
//                       ├─ heads: one system of actors per cluster, with its board and logs
//                       └─ clusters on hosts: their cloud, their heads there, SSH
//     API on the home's socket, over all of them
//
// The API opens last, so whoever is served finds everything. Closing goes the other way round and
// leaves ranks running.

import { availableParallelism, totalmem } from "node:os";
import type { Server } from "@grpc/grpc-js";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Cloud } from "../../clouds/cloud.ts";
import { createLocalCloud } from "../../clouds/cloud-local.ts";
import type { HeadsPort } from "../../clouds/fleet-actor.ts";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import { createFleets } from "../../clouds/fleets-actor.ts";
import { homeCluster, homeKeys } from "../../clouds/home-records.ts";
import { headNode } from "../../model/address.ts";
import type { Config } from "../../model/config.ts";
import { SkyError } from "../../model/errors.ts";
import type { Home } from "../../model/home.ts";
import { headSettings } from "../../model/host-file.ts";
import { given } from "../../proto/fields.ts";
import { closeGrpcServer, createGrpcServer, listenGrpc } from "../../proto/server-grpc.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { makeFolders } from "../../runtime/folders-os.ts";
import { batchOf } from "../../runtime/journal.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import type { Replica } from "../../runtime/replica.ts";
import { replicated } from "../../runtime/replica.ts";
import type { SocketAddress } from "../../runtime/socket-os.ts";
import { listenPrivately } from "../../runtime/socket-os.ts";
import type { Store } from "../../runtime/store.ts";
import { unlessFull } from "../../runtime/store-room.ts";
import { openSqliteStore } from "../../runtime/store-sqlite.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import type { ActorSystem } from "../../runtime/system-actor.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { addHeadServices } from "../../scheduler/api-grpc.ts";
import type { ApiOptions } from "../../scheduler/api-options.ts";
import type { Heads } from "../../scheduler/heads-os.ts";
import { createHeads } from "../../scheduler/heads-os.ts";
import { headsOfAll } from "../../scheduler/remote/heads-route.ts";
import type { SourceMemory } from "../../scheduler/source-memory.ts";
import { openSourceMemory } from "../../scheduler/source-memory-os.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { createThreadWork } from "../../transfer/chunks/work-threads-os.ts";
import { createThreadReading } from "../../transfer/tree/reading-threads-os.ts";
import { chunksAt, headReserveBytes } from "../skylet/chunks.ts";
import type { Hosted } from "./hosted.ts";
import type { IdleWatch } from "./idle.ts";
import { watchIdle } from "./idle.ts";
import type { LanePorts } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { replicaOf } from "./replica.ts";
import { runsOnHosts, type SshClusters, sshClusters } from "./ssh-clusters.ts";
import { type HomeTransfers, homeTransfers } from "./transfers.ts";

export interface HeadProcessOptions {
  readonly home: Home;
  readonly config: Config;
  readonly log: Log;
  /** Nothing was asked for a while, and nothing must be kept: the process may end. */
  readonly onIdle: (why: string) => void;
  /** Something that cannot go on: the process must end, and be started anew. */
  readonly onBroken: (why: string) => void;
  /** It runs on a host of its one cluster. */
  readonly hosted?: Hosted;
}

/** Where this process has nodes itself. */
type OwnCloud = Cloud & { close(): Promise<void> };

/** Given up when the disk is full, so that the journal can still be written. */
const ballastMib = 8;
const callGraceMs = 500;

/** Resolves when the API takes calls. */
export async function startHeadProcess(options: HeadProcessOptions): Promise<HeadProcess> {
  const { home, config } = options;
  for (const dir of [home.root, home.head]) makeFolders(dir, 0o700);
  const { replica: replicaDir, extraFsyncMs } = config.journal;
  const journal = await openSqliteStore({ path: home.journal, ballastMib, extraFsyncMs });
  journal.onShortage?.(() => tellShortage(options.log, journal));
  const incarnation = await nextIncarnation(journal, Date.now());
  const world = { clock: createOsClock(), random: createOsRandom(), metrics: createMetrics() };
  const { log } = options;
  const work = createThreadWork();
  const chunks = chunksAt({
    dir: home.chunks,
    bytesMax: config.chunks.bytes,
    reserveBytes: headReserveBytes,
    work,
    log,
  });
  showChunks(world.metrics, chunks);
  const near = createStreamHub({ defer: fairDefer() });
  const ports = { ...world, log, incarnation, chunks, work, near };
  const replica =
    replicaDir === undefined ? undefined : await replicaOf(journal, replicaDir, ports);
  const store = replica ? replicated(journal, replica) : journal;
  const head = new HeadProcess({ ...options, ports, store, ...given("replica", replica) });
  await head.open();
  return head;
}

interface HeadProcessParts extends HeadProcessOptions {
  readonly ports: Omit<LanePorts, "onSession" | "onMisfit">;
  readonly store: Store;
  readonly replica?: Replica;
}

export class HeadProcess {
  readonly #options: HeadProcessParts;
  readonly #store: Store;
  readonly #ports: Omit<LanePorts, "onSession" | "onMisfit">;
  readonly #server: Server = createGrpcServer();
  readonly #lanes: Lanes;
  readonly #heads: Heads;
  readonly #cloud: OwnCloud;
  /** Absent on a host of a cluster: nobody has clusters on other hosts there. */
  readonly #onHosts: SshClusters | undefined;
  readonly #system: ActorSystem;
  readonly #fleets: Fleets;
  /** Absent on a host of a cluster: they are the home's. */
  readonly #transfers: HomeTransfers | undefined;
  readonly #idle: IdleWatch;
  readonly #reading = createThreadReading();
  readonly #memory: SourceMemory;
  #address: SocketAddress | undefined;

  constructor(options: HeadProcessParts) {
    const { home, config, log, ports, store } = options;
    const { clock } = ports;
    this.#options = options;
    this.#store = store;
    this.#ports = ports;
    this.#memory = openSourceMemory({ path: home.sources, log });
    this.#lanes = new Lanes({
      ...ports,
      ...{ home, config, server: this.#server },
      ...given("openProcess", options.hosted?.openLane),
      onSession: (session) => this.#heads.take(session),
      onMisfit: (misfit) => this.#heads.misfit(misfit),
    });
    this.#heads = createHeads({
      ...{ ...ports, home, store, files: createOsFiles(home.root) },
      reading: this.#reading,
      memory: this.#memory,
      busOf: async ({ name, isolation }) => (await this.#lanes.get(isolation)).headBus(name),
      onAlive: (cluster, nodes) => this.#fleets.alive(cluster, nodes),
      onShutdown: (cluster, verb) => this.#fleets.windDown(cluster, verb, "it was idle"),
      onBroken: options.onBroken,
      keepHistory: config.debug.history,
      scheduler: { leaseMs: config.leaseSeconds * 1_000 },
      history: config.history,
    });
    this.#cloud = options.hosted?.cloud ?? this.#localCloud();
    this.#onHosts = options.hosted === undefined ? this.#clustersOnHosts() : undefined;
    const bus = createBusHub().connect(headNode, headPermissions(homeCluster));
    this.#system = createSystem({ ...ports, store, bus, cluster: homeCluster, node: headNode });
    const cloud = (name: string) => this.#cloudNamed(name);
    this.#fleets = createFleets({
      ...{ system: this.#system, store },
      ports: { cloud, heads: this.#allHeads() },
      goneMax: config.history.clusters,
      onRecord: (name, record) => this.#onHosts?.names.hear(name, record),
    });
    this.#transfers = options.hosted === undefined ? this.#homeTransfers() : undefined;
    this.#idle = watchIdle({
      ...{ clock, idleMs: config.idleExitSeconds * 1_000 },
      onIdle: () => options.onIdle("it was idle"),
      isNeeded: () =>
        this.#address === undefined ||
        this.#options.hosted !== undefined ||
        (this.#transfers?.running() ?? 0) > 0 ||
        // Nodes are watched and revived from here, also those on hosts.
        this.#fleets.records().some(({ status }) => status !== "STOPPED"),
    });
  }

  #clustersOnHosts(): SshClusters {
    const { home, config, store, ports } = this.#options;
    return sshClusters({
      ...{ ...ports, home, store, reading: this.#reading, memory: this.#memory },
      history: config.history,
      fleets: () => this.#fleets,
      settings: headSettings(config),
    });
  }

  #homeTransfers(): HomeTransfers {
    const { home, store, ports } = this.#options;
    return homeTransfers({
      ...{ ...ports, home, store, system: this.#system },
      ...{ fleets: this.#fleets, heads: this.#heads, onHosts: this.#onHosts },
    });
  }

  #allHeads(): HeadsPort {
    if (this.#onHosts === undefined) return this.#heads;
    const { remote } = this.#onHosts;
    return headsOfAll({ here: this.#heads, remote, isRemote: runsOnHosts });
  }

  #localCloud(): OwnCloud {
    const { home, config, log } = this.#options;
    return createLocalCloud({
      ...{ home, log, loopbackNet: process.platform === "linux" },
      starter: {
        start: async (node, signal) => {
          const isolation = this.#fleets.record(node.cluster)?.isolation;
          const lane = await this.#lanes.get(isolation ?? config.local.isolation);
          return lane.startNode(node, signal);
        },
      },
      machine: { cpus: availableParallelism(), memoryBytes: totalmem() },
    });
  }

  async open(): Promise<void> {
    const { home, config, log, hosted, onIdle } = this.#options;
    await this.#fleets.restore();
    this.#onHosts?.names.begin(this.#fleets.records());
    await this.#transfers?.restore();
    hosted?.begin({ fleets: this.#fleets, heads: this.#heads, onEnd: onIdle });
    const { clock } = this.#ports;
    const api: ApiOptions = {
      ...{ ...this.#ports, fleets: this.#fleets, heads: this.#heads, store: this.#store },
      ...(this.#onHosts && {
        remote: this.#onHosts.remote,
        onAgent: (socket) => this.#onHosts?.useAgent(socket),
      }),
      ...given("transfers", this.#transfers),
      cloud: (name) => this.#cloudNamed(name),
      isolation: config.local.isolation,
      about: {
        version: packageVersion(),
        pid: process.pid,
        home: home.root,
        startedAt: clock.now().wallMs,
      },
      inspect: () => this.#inspect(),
      enter: () => this.#idle.enter(),
    };
    addHeadServices(this.#server, api);
    hosted?.serve(this.#server, api);
    this.#address = await listenPrivately(home.socket, (path) =>
      listenGrpc(this.#server, `unix:${path}`, ServerCredentials.createInsecure()),
    );
    log.debug("listening", { socket: home.socket });
  }

  /** Ends the API, then the agents, then the rest. Ranks run on. */
  async close(why: string): Promise<void> {
    this.#idle.close();
    await closeGrpcServer(this.#server, callGraceMs);
    this.#address?.release();
    await this.#transfers?.close();
    await this.#system.close(why);
    await this.#cloud.close();
    await this.#onHosts?.close();
    await this.#heads.closeAll(why);
    await this.#lanes.close();
    await this.#ports.chunks.close();
    await this.#reading.close();
    await this.#memory.close();
    await this.#ports.work.close();
    await this.#store.close();
  }

  #cloudNamed(name: string): Cloud {
    if (name === this.#cloud.name) return this.#cloud;
    if (this.#onHosts !== undefined && runsOnHosts({ cloud: name })) return this.#onHosts.cloud;
    throw new SkyError("cloud/unknown", { cloud: name });
  }

  #inspect(): Readonly<Record<string, unknown>> {
    return {
      pid: process.pid,
      incarnation: this.#ports.incarnation,
      rssBytes: process.memoryUsage.rss(),
      memory: process.memoryUsage(),
      cpu: process.cpuUsage(),
      chunks: { ...this.#ports.chunks.counts(), limitBytes: this.#options.config.chunks.bytes },
      store: { ...this.#store.counts(), shortage: this.#store.shortage?.() },
      replica: this.#options.replica?.status(),
      actors: this.#system.inspect(),
      lanes: this.#lanes.inspect(),
      metrics: Object.fromEntries(this.#ports.metrics.snapshot()),
      metricsText: this.#ports.metrics.text(),
    };
  }
}

function showChunks(metrics: Metrics, chunks: ContentStore): void {
  metrics.gauge("content_chunks", {}, () => chunks.counts().chunks);
  metrics.gauge("content_bytes", {}, () => chunks.counts().bytes);
  metrics.gauge("content_pinned_bytes", {}, () => chunks.counts().pinnedBytes);
  metrics.gauge("content_stored_total", {}, () => chunks.counts().stored);
  metrics.gauge("content_evicted_total", {}, () => chunks.counts().evicted);
  metrics.gauge("content_damaged_total", {}, () => chunks.counts().damaged);
}

/**
 * What this head says is newer than what earlier ones said, and nodes go by that. A journal that
 * was restored from a copy may not know of the last starts: the clock is ahead of them.
 */
async function nextIncarnation(store: Store, wallMs: number): Promise<number> {
  const [last] = await store.read(homeKeys.incarnation);
  const next = Math.max(Number(last?.value ?? 0) + 1, Math.floor(wallMs / 1_000));
  const puts = [{ key: homeKeys.incarnation, value: String(next) }];
  const commit = store.commit(batchOf({ puts }));
  // A start that waits for room would tell nobody why.
  await unlessFull(store, commit);
  return next;
}

function tellShortage(log: Log, store: Store): void {
  const shortage = store.shortage?.();
  if (shortage === undefined) log.info("there is room for the journal again");
  else log.warn("the disk is full: make room", { ...shortage });
}
