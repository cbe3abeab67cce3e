// The replica of this head's journal, where the settings ask for one.
//
// A journal has an identity of its own, made when its first replica is begun and kept in it: a
// journal that was begun anew, because the old one was lost, has another one, and is not written
// over the replica of the old.

import { homeKeys, replicaIn } from "../../clouds/home-records.ts";
import type { Clock } from "../../runtime/clock.ts";
import { batchOf, jsonRecord } from "../../runtime/journal.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Random } from "../../runtime/random.ts";
import { hexToken } from "../../runtime/random.ts";
import type { Replica } from "../../runtime/replica.ts";
import { openReplica } from "../../runtime/replica-os.ts";
import type { Store } from "../../runtime/store.ts";

const homeIdBytes = 16;

export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export async function replicaOf(store: Store, dir: string, ports: ReplicaPorts): Promise<Replica> {
  const { clock, random, log, metrics } = ports;
  const known = replicaIn(await store.read(homeKeys.replica));
  const record = known ?? { home: hexToken(random, homeIdBytes), dirs: [] };
  const keep = (dirs: readonly string[]): Promise<void> => {
    const puts = [jsonRecord(homeKeys.replica, { home: record.home, dirs })];
    return store.commit(batchOf({ puts }));
  };
  if (known === undefined) await keep([]);
  const replica = openReplica({
    ...{ dir, home: record.home, wasHere: record.dirs.includes(dir) },
    onClaimed: () => keep([...new Set([...record.dirs, dir])]),
    ...{ store, clock, random, log },
  });
  metrics.gauge("replica_lag_ms", {}, () => replica.status().lagMs);
  return replica;
}
