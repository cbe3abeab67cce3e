// What the heads of a home stand on, and whom they tell.
//
// Apart from `heads-os.ts`, which opens heads, and `open-head-os.ts`, which is how one is opened:
// both need it, and neither should need the other for it.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import type { Home } from "../model/home.ts";
import type { Bus } from "../runtime/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Store } from "../runtime/store.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import type { ChunkWork } from "../transfer/chunks/work.ts";
import type { TreeReading } from "../transfer/tree/reading.ts";
import type { ArchiveLimits } from "./log-archive-os.ts";
import type { HistoryLimits } from "./retention.ts";
import type { SourceMemory } from "./source-memory.ts";
import type { SchedulerOptions } from "./table.ts";

export interface HeadsOptions {
  readonly home: Home;
  readonly store: Store;
  /** Of the home: all its heads share it. */
  readonly chunks: ContentStore;
  /** What takes long on chunks. */
  readonly work: ChunkWork;
  /** What reads the folders that tasks name. */
  readonly reading: TreeReading;
  /** Of the home: what was packed for one cluster is known for the others. */
  readonly memory: SourceMemory;
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
  /** How long the past is kept. */
  readonly history?: HistoryLimits & ArchiveLimits;
  /** Whether each scheduler's history is written to a file: see `history-os.ts`. */
  readonly keepHistory?: boolean;
}
