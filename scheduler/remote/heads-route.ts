// The heads of all clusters, for the fleets: some run here, others on hosts of their clusters.
// Pure: which of the two a cluster's is, its record says.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { HeadsPort } from "../../clouds/fleet-actor.ts";
import type { RemoteHeads } from "./remote.ts";

export interface HeadsRoute {
  readonly here: HeadsPort;
  readonly remote: RemoteHeads;
  /** Whether the cloud of a cluster runs its head on a machine of its own. */
  readonly isRemote: (record: Pick<ClusterRecord, "cloud">) => boolean;
}

export function headsOfAll({ here, remote, isRemote }: HeadsRoute): HeadsPort {
  const of = (record: ClusterRecord): HeadsPort => (isRemote(record) ? remote : here);
  const named = (name: string): HeadsPort => (remote.get(name) === undefined ? here : remote);
  return {
    open: (record) => of(record).open(record),
    declare: (name, nodes) => named(name).declare(name, nodes),
    dismiss: (record) => of(record).dismiss(record),
    close: (record, verb) => of(record).close(record, verb),
    disarm: (name) => named(name).disarm(name),
    clear: (record) => of(record).clear(record),
  };
}
