// The heads of a home: one system of actors for each cluster, with its board, logs and workdirs.
//
// A head is opened when its cluster's record is on disk and stays open while the record exists, so
// that jobs and logs of a stopped cluster can still be read. Nodes reach it over the bus and the
// bulk wire of their cluster's isolation; both are handed in.
//
// What must always hold: `close` resolves when no job of the cluster runs any more; `clear` keeps
// the logs before it removes anything, and leaves nothing else.

import { rm } from "node:fs/promises";
import type { ClusterRecord } from "../clouds/cluster-record.ts";
import { knownNodes } from "../clouds/cluster-record.ts";
import type { HeadsPort } from "../clouds/fleet-actor.ts";
import type { Address, Ref } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import { assert } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import type { Node } from "../model/node.ts";
import { given } from "../proto/fields.ts";
import type { Bus } from "../runtime/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";
import { batchOf, splitJournal } from "../runtime/journal.ts";
import type { Log } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Store } from "../runtime/store.ts";
import type { StreamSession } from "../runtime/stream.ts";
import { supervise } from "../runtime/supervise-actor.ts";
import { createSystem } from "../runtime/system-actor.ts";
import type { WritableBoard } from "./board-memory.ts";
import { boardInMemory } from "./board-memory.ts";
import type { Head } from "./head.ts";
import type { LivenessMessage } from "./liveness-actor.ts";
import { livenessActor } from "./liveness-actor.ts";
import { archiveLogs, openLogStore } from "./log-store-os.ts";
import type { Done, SchedulerMessage } from "./messages.ts";
import { joinedNodes } from "./scheduler.ts";
import { schedulerActor } from "./scheduler-actor.ts";
import type { SchedulerOptions } from "./table.ts";
import { schedulerAddress } from "./turn.ts";
import { vaultIn } from "./vault.ts";
import { openWorkdirs } from "./workdirs-os.ts";

export interface HeadsOptions {
  readonly home: Home;
  readonly store: Store;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Rises with every start of the process. */
  readonly incarnation: number;
  /** The head's end of the bus that the cluster's nodes use. */
  readonly busOf: (record: ClusterRecord) => Promise<Bus>;
  readonly onAlive: (cluster: string, nodes: readonly string[]) => void;
  readonly onShutdown: (cluster: string, verb: "stop" | "down") => void;
  /** A cluster's actors crash again and again. */
  readonly onBroken: (why: string) => void;
  readonly scheduler?: Partial<SchedulerOptions>;
}

export interface Heads extends HeadsPort {
  get(cluster: string): Head | undefined;
  /** Takes a session of the bulk wire: its peer is `<cluster>/<node>`, proven. */
  take(session: StreamSession): void;
  closeAll(reason: string): Promise<void>;
}

export function createHeads(options: HeadsOptions): Heads {
  return new HeadTable(options);
}

/** Longer than any grace, drain and sweep. */
const closeMs = 600_000;
const restartLimits = { restartsMax: 5, periodMs: 30_000 } as const;

class HeadTable implements Heads {
  readonly #options: HeadsOptions;
  readonly #heads = new Map<string, Head>();
  readonly #opening = new Map<string, Promise<Head>>();

  constructor(options: HeadsOptions) {
    this.#options = options;
  }

  get(cluster: string): Head | undefined {
    return this.#heads.get(cluster);
  }

  async open(record: ClusterRecord): Promise<void> {
    const known = this.#heads.get(record.name);
    if (known !== undefined) {
      // A cluster that was stopped takes jobs again.
      if (record.goal === "running") known.system.tell(known.scheduler, { kind: "open" });
      return;
    }
    const opening = this.#opening.get(record.name) ?? openHead(this.#options, record);
    this.#opening.set(record.name, opening);
    try {
      const head = await opening;
      this.#heads.set(record.name, head);
      if (record.status === "INIT") head.system.tell(head.scheduler, { kind: "open" });
    } finally {
      this.#opening.delete(record.name);
    }
  }

  declare(name: string, nodes: readonly Node[]): void {
    this.#heads.get(name)?.declare(nodes);
  }

  dismiss({ name, nodes }: ClusterRecord): void {
    this.#heads.get(name)?.dismiss(nodes.map(({ id }) => id));
  }

  async close(name: string, verb: "stopped" | "terminated"): Promise<void> {
    const head = this.#heads.get(name);
    assert(head !== undefined, `the head of ${name} is open before it closes`);
    await head.system.ask<SchedulerMessage, Done>(
      head.scheduler,
      (replyTo) => ({ kind: "close", verb, replyTo }),
      { timeoutMs: closeMs },
    );
  }

  async clear({ name }: ClusterRecord): Promise<string> {
    const { home, store, clock } = this.#options;
    const head = this.#heads.get(name);
    this.#heads.delete(name);
    await head?.close("the cluster is gone");
    const archive = `${home.logs}/${name}-${stamp(clock.now().wallMs)}`;
    const kept = await archiveLogs(home.cluster(name).logs, archive);
    await store.commit(batchOf({ deletePrefixes: [`${name}/`] }));
    await store.forget(name);
    await rm(home.cluster(name).root, { recursive: true, force: true });
    return kept ? archive : "";
  }

  take(session: StreamSession): void {
    const [cluster = "", node = ""] = session.peer.split("/");
    const head = this.#heads.get(cluster);
    if (head === undefined) session.close();
    else session.onChannel((channel) => head.logs.receive(node, channel));
  }

  async closeAll(reason: string): Promise<void> {
    const heads = [...this.#heads.values()];
    this.#heads.clear();
    await Promise.all(heads.map((head) => head.close(reason)));
  }
}

async function openHead(options: HeadsOptions, record: ClusterRecord): Promise<Head> {
  const { home, store, files, clock, metrics, incarnation } = options;
  const { name: cluster } = record;
  const log = options.log.child({ cluster });
  const bus = await options.busOf(record);
  const system = createSystem({
    ...{ cluster, incarnation, clock, bus, store, metrics },
    ...{ node: headNode, log: options.log },
  });
  const board = boardInMemory();
  const folder = home.cluster(cluster);
  const vault = vaultIn(files, folder.secrets);
  const nodes = new Map((knownNodes(record) ?? []).map((node) => [node.id, node]));
  const scheduler = schedulerAddress(cluster);
  const liveness: Ref<LivenessMessage> = { ...scheduler, kind: "liveness" };
  const supervisor = supervise({
    ...{ system, clock, log, strategy: "rest-for-one", ...restartLimits },
    onEscalate: (why) => options.onBroken(`${cluster}: ${why}`),
  });
  const ports = {
    announce: board.apply,
    requestShutdown: (verb: "stop" | "down") => options.onShutdown(cluster, verb),
    ...{ vault, log },
  };
  await supervisor.add({
    ...{ id: "scheduler", restart: "always" },
    start: async () => {
      const read = splitJournal(scheduler, await store.read(`${cluster}/`));
      return system.spawn(
        schedulerActor(ports),
        scheduler.id,
        {
          ...{ cluster, nodes: [...nodes.values()], records: read.records },
          secrets: await vault.all(),
          ...given("options", options.scheduler),
        },
        { outbox: read.outbox },
      );
    },
  });
  await supervisor.add({
    ...{ id: "liveness", restart: "always" },
    start: async () => {
      const expected = joinedNodes(cluster, await store.read(`${cluster}/`));
      return system.spawn(livenessActor({ bus, log }), "main", { cluster, expected });
    },
  });
  // The first announcement has filled the board: what reads it is opened after that.
  tellWhoIsAlive(board, (ids) => options.onAlive(cluster, ids));
  const logs = await openLogStore({
    ...{ dir: folder.logs, board, log },
    onComplete: (job, attempt) => system.tell(scheduler, { kind: "logs-complete", job, attempt }),
  });
  const workdirs = await openWorkdirs({ dir: folder.workdirs, board, log });
  return {
    ...{ cluster, system, scheduler, board, logs, workdirs },
    declare: (declared) => {
      for (const node of declared) nodes.set(node.id, node);
      system.tell(scheduler, { kind: "nodes-declared", nodes: declared });
      // What they said before they were known was not heard.
      for (const { id } of declared)
        system.tell(agentOf(cluster, id), { kind: "report-inventory" });
    },
    dismiss: (ids) => {
      for (const node of ids) system.tell(liveness, { kind: "node-dismissed", node });
    },
    close: async (reason) => {
      await supervisor.close(reason);
      await system.close(reason);
      await logs.close();
      await workdirs.close();
      await bus.close();
    },
  };
}

function tellWhoIsAlive(board: WritableBoard, tell: (nodes: readonly string[]) => void): void {
  const known = new Set<string>();
  board.onAnnouncement(({ nodes }) => {
    if (nodes === undefined) return;
    for (const { id } of nodes) known.add(id);
    tell([...known].filter((id) => board.nodePhase(id) === "alive"));
  });
}

function agentOf(cluster: string, node: string): Address {
  return { cluster, node, kind: "agent", id: "main" };
}

/** `20261122-021530-042`: sorts by time and is a plain name. */
function stamp(wallMs: number): string {
  const text = new Date(wallMs).toISOString();
  return text.replace(/[-:]/g, "").replace("T", "-").replace(".", "-").replace("Z", "");
}
