// One cluster's head, put together: its actors under supervision, its board, logs and workdirs.
//
//     rest-for-one [ scheduler, liveness ]       restarted from the journal when a step throws
//     board ◀─ announcements of the scheduler, after their commit
//     log store, workdirs ◀─ the board
//
// What reads the board is opened after the scheduler's first announcement, which holds every job:
// before it, a job that runs would look like one that never was.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import { knownNodes } from "../clouds/cluster-record.ts";
import { homeKeys, restoredIn } from "../clouds/home-records.ts";
import type { Address, Ref } from "../model/address.ts";
import { headNode } from "../model/address.ts";
import { defaultConfig } from "../model/config.ts";
import { SkyError } from "../model/errors.ts";
import type { Node } from "../model/node.ts";
import { given } from "../proto/fields.ts";
import type { Bus } from "../runtime/bus.ts";
import { insistence } from "../runtime/insistence.ts";
import { splitJournal } from "../runtime/journal.ts";
import type { StoreRecord } from "../runtime/store.ts";
import type { Supervisor } from "../runtime/supervise-actor.ts";
import { supervise } from "../runtime/supervise-actor.ts";
import type { ActorSystem } from "../runtime/system-actor.ts";
import { createSystem } from "../runtime/system-actor.ts";
import type { WritableBoard } from "./board-memory.ts";
import { boardInMemory } from "./board-memory.ts";
import type { Head } from "./head.ts";
import type { HeadsOptions } from "./heads-options.ts";
import { withHistory } from "./history-os.ts";
import { countHolds, type Holds } from "./holds.ts";
import { jobHistory } from "./job-history.ts";
import type { LivenessMessage } from "./liveness-actor.ts";
import { livenessActor } from "./liveness-actor.ts";
import { removeLogs } from "./log-archive-os.ts";
import type { LogDisk } from "./log-disk-os.ts";
import type { LogStore } from "./log-store-os.ts";
import { openLogStore } from "./log-store-os.ts";
import { readRecords, recordsAtStart } from "./records.ts";
import { keepRetention } from "./retention-actor.ts";
import { joinedNodes } from "./scheduler.ts";
import { schedulerActor } from "./scheduler-actor.ts";
import { schedulerAddress } from "./turn.ts";
import { vaultIn } from "./vault.ts";
import { type JobTrees, openWorkdirs } from "./workdirs-os.ts";

/** A burst of reports and requests may be as large as this. */
const mailboxMax = 8_192;
const restartLimits = { restartsMax: 5, periodMs: 30_000 } as const;

/** What the actors of a head stand on. */
export interface HeadParts {
  readonly options: HeadsOptions;
  readonly cluster: string;
  readonly system: ActorSystem;
  readonly bus: Bus;
  readonly board: WritableBoard;
  /** By id; what a restarted scheduler is told. */
  readonly nodes: Map<string, Node>;
}

export async function openHead(options: HeadsOptions, record: ClusterRecord): Promise<Head> {
  const { clock, store, metrics, incarnation, log } = options;
  const { name: cluster } = record;
  const bus = await options.busOf(record);
  const system = createSystem({
    ...{ cluster, node: headNode, incarnation, clock, bus, store, metrics, log },
  });
  const nodes = new Map((knownNodes(record) ?? []).map((node) => [node.id, node]));
  const parts = {
    options,
    cluster,
    system,
    bus,
    board: boardInMemory(jobHistory(store, cluster)),
    nodes,
  };
  const why = "the head did not open";
  const opening = async (): Promise<Head> => {
    const supervisor = await startActors(parts);
    return orUndo(withFiles(parts, supervisor), () => supervisor.close(why));
  };
  return orUndo(opening(), async () => {
    await system.close(why);
    await bus.close();
  });
}

/** A head that did not open is opened again: no two schedulers may ever share a journal. */
async function orUndo<T>(work: Promise<T>, undo: () => Promise<void>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await undo();
    throw error;
  }
}

/** The part of a head that needs no file system. */
export async function startActors(parts: HeadParts): Promise<Supervisor> {
  const { options, cluster, system, bus, board } = parts;
  const log = options.log.child({ cluster });
  const announced = Promise.withResolvers<void>();
  const stopHearing = board.onAnnouncement(() => announced.resolve());
  const supervisor = supervise({
    ...{ system, clock: options.clock, log, strategy: "rest-for-one", ...restartLimits },
    onEscalate: (why) => {
      announced.reject(new SkyError("core/broken-invariant", { what: why }));
      options.onBroken(`${cluster}: ${why}`);
    },
  });
  // It is awaited below, unless the start fails before.
  announced.promise.catch(() => {});
  const startLiveness = async (): Promise<Address> => {
    const expected = joinedNodes(cluster, await options.store.read(`${cluster}/node/`));
    return system.spawn(livenessActor({ bus, log }), "main", { cluster, expected });
  };
  const starting = async (): Promise<Supervisor> => {
    const restart = "always";
    await supervisor.add({ id: "scheduler", restart, start: () => spawnScheduler(parts) });
    await supervisor.add({ id: "liveness", restart, start: startLiveness });
    // A scheduler whose first commit failed has started and said nothing; the next one will.
    await announced.promise;
    stopHearing();
    return supervisor;
  };
  return orUndo(starting(), () => supervisor.close("its actors did not start"));
}

async function spawnScheduler({
  options,
  cluster,
  system,
  board,
  nodes,
}: HeadParts): Promise<Address> {
  const address = schedulerAddress(cluster);
  const { records, outbox } = splitJournal(address, await recordsAtStart(options.store, cluster));
  const vault = vaultIn(options.files, options.home.cluster(cluster).secrets);
  const plain = schedulerActor({
    announce: board.apply,
    requestShutdown: (verb) => options.onShutdown(cluster, verb),
    onRefused: (node) => options.metrics.count("reports_refused_total", { cluster, node }),
    ...{ vault, log: options.log.child({ cluster }) },
  });
  const log = options.log.child({ cluster });
  const dir = options.home.cluster(cluster).root;
  const actor = options.keepHistory ? withHistory(plain, { dir, log }) : plain;
  const secrets = await vault.all();
  const restored = restoredIn(await options.store.read(homeKeys.restored));
  const args = {
    ...{ cluster, nodes: [...nodes.values()], records, secrets },
    ...given("restored", restored),
  };
  const chosen = given("options", options.scheduler);
  return system.spawn(actor, address.id, { ...args, ...chosen }, { outbox, mailboxMax });
}

async function withFiles(parts: HeadParts, supervisor: Supervisor): Promise<Head> {
  const { options, cluster, system, bus, board, nodes } = parts;
  const { chunks, work, reading, memory } = options;
  const log = options.log.child({ cluster });
  const folder = options.home.cluster(cluster);
  const scheduler = schedulerAddress(cluster);
  const liveness: Ref<LivenessMessage> = { ...scheduler, kind: "liveness" };
  tellWhoIsAlive(board, (ids) => options.onAlive(cluster, ids));
  const logs = await keepLogs(parts);
  const workdirs = await openWorkdirs({
    ...{ cluster, dir: folder.workdirs, board, chunks, work, reading, memory, log },
    recorded: async () => treesOf(cluster, await options.store.read(`${cluster}/job/`)),
  });
  const retention = keepRetention({
    ...{ cluster, board, log, store: options.store, clock: options.clock },
    limits: options.history ?? defaultConfig.history,
    openBytes: () => logs.counts().openBytes,
    removeLogs: (keys) => removeLogs(folder.logs, keys),
    onForgotten: (forgotten) => board.apply({ jobs: [], events: [], forgotten }),
  });
  const holdsOf = (kind: "submits-held" | "transfers-held"): Holds => {
    const tell = (count: number): void => system.tell(scheduler, { kind, count });
    return countHolds(insistence(options.clock, tell));
  };
  const submits = holdsOf("submits-held");
  const transfers = holdsOf("transfers-held");
  board.onAnnouncement(({ newest }) => {
    // A scheduler that has just started knows of none.
    if (newest === undefined) return;
    submits.tellAgain();
    transfers.tellAgain();
  });
  return {
    ...{ cluster, system, scheduler, board, logs, workdirs, retention },
    holdSubmit: submits.hold,
    holdTransfer: transfers.hold,
    declare: (declared) => {
      for (const node of declared) nodes.set(node.id, node);
      system.tell(scheduler, { kind: "nodes-declared", nodes: declared });
      // What they said before they were known was not heard.
      for (const { id } of declared) askInventory(system, id);
    },
    dismiss: (ids) => {
      for (const node of ids) system.tell(liveness, { kind: "node-dismissed", node });
    },
    close: async (reason) => {
      await supervisor.close(reason);
      await system.close(reason);
      await retention.close();
      await logs.close();
      await workdirs.close();
      await bus.close();
    },
  };
}

/** Opens the keeper of the logs, which tells the scheduler when an attempt's are complete. */
export function keepLogs(parts: HeadParts, disk?: LogDisk): Promise<LogStore> {
  const { options, cluster, system, board } = parts;
  const to = schedulerAddress(cluster);
  const tell = insistence(options.clock, (message) => system.tell(to, message));
  return openLogStore({
    dir: options.home.cluster(cluster).logs,
    ...{ board, clock: options.clock, log: options.log.child({ cluster }), ...given("disk", disk) },
    onComplete: (job, attempt, bytes) => tell({ kind: "logs-complete", job, attempt, bytes }),
  });
}

function treesOf(cluster: string, records: readonly StoreRecord[]): ReadonlyMap<number, JobTrees> {
  const { jobs } = readRecords(cluster, records);
  return new Map(
    jobs.flatMap(({ spec: { id, tree, mounts = [] } }) => {
      if (tree === undefined && mounts.length === 0) return [];
      return [[id, { ...given("workdir", tree), mounts: mounts.map((one) => one.tree) }] as const];
    }),
  );
}

function tellWhoIsAlive(board: WritableBoard, tell: (nodes: readonly string[]) => void): void {
  const known = new Set<string>();
  board.onAnnouncement(({ nodes }) => {
    if (nodes === undefined) return;
    for (const { id } of nodes) known.add(id);
    tell([...known].filter((id) => board.nodePhase(id) === "alive"));
  });
}

function askInventory(system: ActorSystem, node: string): void {
  const agent = { cluster: system.cluster, node, kind: "agent", id: "main" };
  system.tell(agent, { kind: "report-inventory" });
}
