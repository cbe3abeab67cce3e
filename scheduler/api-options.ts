// What the services of the API stand on: the fleets, the heads, the journal and the process itself.
//
// Apart from their registration (`api-grpc.ts`), which imports every service: each service takes
// what it needs from here and none knows of the others.

import type { Cloud } from "../clouds/cloud.ts";
import type { Fleets } from "../clouds/fleets-actor.ts";
import type { Isolation } from "../model/cluster.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Store } from "../runtime/store.ts";
import type { Heads } from "./heads-os.ts";
import type { RemoteHeads } from "./remote/remote.ts";
import type { Transfers } from "./transfers/transfers.ts";

export interface ApiOptions {
  readonly fleets: Fleets;
  /** The heads of clusters that have a record. */
  readonly heads: Pick<Heads, "get" | "whenOpen">;
  /** Those that run elsewhere; absent where there are none. */
  readonly remote?: Pick<RemoteHeads, "get">;
  /** Of the user's home; absent at a head that is for one cluster. */
  readonly transfers?: Omit<Transfers, "restore" | "running" | "close">;
  /** @throws SkyError `cloud/unknown`. */
  readonly cloud: (name: string) => Cloud;
  readonly isolation: Isolation;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly about: {
    readonly version: string;
    readonly pid: number;
    readonly home: string;
    readonly startedAt: number;
  };
  /** What the process adds to `sky debug`. */
  readonly inspect: () => Readonly<Record<string, unknown>>;
  /** A call begins. Returns what ends it. */
  readonly enter: () => () => void;
  /** Hears of the SSH agent of whoever calls. */
  readonly onAgent?: (socket: string) => void;
}
