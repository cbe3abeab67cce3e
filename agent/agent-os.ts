// The skylet: what runs on a node, put together. No decision is made here.
//
// An agent may end or be killed at any moment; its ranks run on, and the next agent in the same
// folder takes them over. `close` is the orderly version of that and leaves running ranks alone.

import { headNode } from "../model/address.ts";
import type { NodeHome } from "../model/home.ts";
import { rankDir } from "../model/home.ts";
import type { Lease } from "../model/lease.ts";
import type { Capacity } from "../model/resources.ts";
import { given } from "../proto/fields.ts";
import type { System } from "../runtime/actor.ts";
import type { Bus } from "../runtime/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import { fileLinksOf } from "../runtime/file-links-os.ts";
import type { Files } from "../runtime/files.ts";
import { insistence } from "../runtime/insistence.ts";
import type { Log } from "../runtime/log.ts";
import type { ProcessPort, ProcessReport } from "../runtime/process.ts";
import type { Random } from "../runtime/random.ts";
import type { StreamPort, StreamTarget } from "../runtime/stream.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import type { ChunkWork } from "../transfer/chunks/work.ts";
import type { AgentActorMessage } from "./agent-actor.ts";
import { agentActor } from "./agent-actor.ts";
import type { AgentPorts } from "./agent-effects.ts";
import { startBeats } from "./beat-actor.ts";
import type { OpenGateways } from "./gateway-serving.ts";
import { HeadSession } from "./head-session.ts";
import type { OpenLog } from "./log-ship-actor.ts";
import { createLogShipper } from "./log-ship-actor.ts";
import { startProcessOs } from "./process-os.ts";
import { rankFiles } from "./rank-files.ts";
import { rankRecordsAt } from "./rank-records.ts";
import { createNodeWorkdir } from "./workdir-os.ts";

export interface AgentOptions {
  readonly cluster: string;
  readonly node: string;
  readonly system: System;
  readonly bus: Bus;
  /** Made for this agent and closed with it. Absent = real processes. */
  readonly process?: ProcessPort | (() => Promise<ProcessPort>);
  readonly streams: StreamPort;
  /** The node's content store; whoever opened it closes it. */
  readonly chunks: ContentStore;
  /** What takes long on chunks; whoever opened it closes it. */
  readonly work: ChunkWork;
  /** Where the head takes logs and gives chunks. */
  readonly streamTarget: StreamTarget;
  /** Where other nodes of the cluster reach this one; absent: they do not. */
  readonly host?: string;
  readonly files: Files;
  readonly home: NodeHome;
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly version: string;
  /** Tells its ranks from those of other nodes where nodes share a HOME: in their environment. */
  readonly mark?: string;
  /** Whether what is laid out is on record file by file, so that it can be taken away again. */
  readonly keepsLists?: boolean;
  /** What serves transfers here, made for the first. Absent: it takes part in none. */
  readonly gateways?: OpenGateways;
  /** It is told to leave its host. Absent: nobody will. */
  readonly onLeave?: NonNullable<AgentPorts["onLeave"]>;
  /** How a log is read and watched; the file system by default. */
  readonly openLog?: (path: string, onChange: () => void) => OpenLog;
}

export interface RunningAgent {
  /** Ends the agent. Running ranks run on; what only stood ready never starts. */
  close(): Promise<void>;
}

/** How often a node tells of all that it has, unasked. */
const reviewMs = 60_000;
/** The agent's mailbox is as large as a burst of orders for the node may be. */
const mailboxMax = 8_192;

export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { system, bus, files, home, node, clock, log } = options;
  for (const dir of [home.home, home.state, home.ranks]) await files.makeDir(dir, 0o700);
  await files.makeDir(`${home.home}/${home.workdir}`, 0o755);
  const process = await openProcesses(options);
  const isTaken = (dir: string) => process.forget?.(dir) === true;
  const records = rankRecordsAt({ home, node, files, isTaken });
  const session = new HeadSession(options);
  const logs = createLogShipper({
    ...options,
    session: () => session.get(),
    pathOf: (key) => `${rankDir(home, key)}/${rankFiles.log}`,
    secretsOf: records.readSecrets,
  });
  // Events are heard from before the inventory, so that none falls between the two.
  const early: (() => void)[] = [];
  let tell = (message: () => void): void => void early.push(message);
  // No process tells of its end again, and no bus of a connection.
  const insist = insistence<AgentActorMessage>(clock, (message) => system.tell(ref, message));
  const stopHearing = process.onEvent((event) => {
    tell(() => insist({ kind: "process-event", event }));
  });
  const found = await process.inventory();
  const ranks = await records.resume(found, clock.now().wallMs);
  const filesOf = { ranks, links: fileLinksOf(home), session: () => session.get() };
  const workdir = createNodeWorkdir({ ...options, ...filesOf });
  const leases = leasesOf(found);
  const connect = (): Promise<void> => session.connect();
  const ports = { home, node, process, files, records, logs, workdir, log, connect };
  const actor = agentActor({ ...ports, ...given("onLeave", options.onLeave) });
  const { cluster, capacity, version } = options;
  const ref = system.spawn(
    actor,
    "main",
    { cluster, node, capacity, version, ranks, leases },
    { mailboxMax },
  );
  tell = (message) => message();
  for (const message of early) message();
  const stopWatching = bus.onChange((connected) => {
    if (connected) insist({ kind: "inventory-due" });
  });
  // Whatever of all that was said was lost shows in the next inventory.
  const stopReview = every(clock, reviewMs, () => insist({ kind: "inventory-due" }));
  const stopBeats = startBeats(system, bus, { asks: leases.length > 0 });
  log.info("agent started", { cluster, node, head: headNode, ranks: ranks.length, version });
  return {
    close: async () => {
      stopWatching();
      stopReview();
      stopHearing();
      await stopBeats();
      await system.stop(ref, "the agent ends");
      logs.close();
      await workdir.close();
      await session.close();
      await process.close();
    },
  };
}

function leasesOf(found: readonly ProcessReport[]): readonly (readonly [string, Lease])[] {
  return found.flatMap((report) => {
    const mayLive = report.phase === "running" || report.phase === "exited";
    if (!mayLive || report.lease === undefined) return [];
    return [[report.dir.slice(report.dir.lastIndexOf("/") + 1), report.lease] as const];
  });
}

/** Until what is returned is called. */
function every(clock: Clock, ms: number, work: () => void): () => void {
  let cancel = clock.after(ms, again);
  function again(): void {
    work();
    cancel = clock.after(ms, again);
  }
  return () => cancel();
}

async function openProcesses(options: AgentOptions): Promise<ProcessPort> {
  if (typeof options.process === "function") return await options.process();
  if (options.process !== undefined) return options.process;
  const { home, cluster, node, clock, random, log } = options;
  return await startProcessOs({
    stateDir: home.state,
    ranksDir: home.ranks,
    home: home.home,
    name: `${cluster}-${node}`,
    ...given("mark", options.mark),
    ...{ clock, random, log },
  });
}
