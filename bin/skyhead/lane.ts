// A lane: how the nodes of one isolation run and how they reach their head.
//
// `embedded` has agents in this process, over a bus and streams in memory. `process` has skylets of
// their own, over a nats-server and TLS. Heads, fleets and agents are the same in both.

import type { Server } from "@grpc/grpc-js";
import type { LocalNode, RunningNode } from "../../clouds/node-starter.ts";
import type { Config } from "../../model/config.ts";
import type { Home } from "../../model/home.ts";
import type { Bus } from "../../runtime/bus.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Random } from "../../runtime/random.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { StreamHub } from "../../runtime/stream-memory.ts";
import type { Misfit } from "../../scheduler/join-grpc.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import type { ChunkWork } from "../../transfer/chunks/work.ts";

export interface Lane {
  /** The head's own end of the bus of one cluster. The caller closes it. */
  headBus(cluster: string): Promise<Bus>;
  startNode(node: LocalNode, signal: AbortSignal): Promise<RunningNode>;
  inspect(): Readonly<Record<string, unknown>>;
  /** After the last node has ended. */
  close(): Promise<void>;
}

/** What a lane needs of the process that it is part of. */
export interface LanePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly incarnation: number;
  /** The home's content store. */
  readonly chunks: ContentStore;
  /** What takes long on chunks, for all of this process. */
  readonly work: ChunkWork;
  /** Joins the gateways of this process. */
  readonly near?: StreamHub;
  /** Takes a session of the bulk wire that a node dialled. */
  readonly onSession: (session: StreamSession) => void;
  /** Hears of each node that may join and speaks no wire version of ours. */
  readonly onMisfit: (misfit: Misfit) => void;
}

/** What opening one needs besides. */
export interface LanesOptions extends LanePorts {
  readonly home: Home;
  readonly config: Config;
  /** Where nodes join: services may be added while it listens. */
  readonly server: Server;
  /** How the lane of nodes that are processes is opened, where that is not the local way. */
  readonly openProcess?: (options: LanesOptions) => Promise<Lane>;
}
