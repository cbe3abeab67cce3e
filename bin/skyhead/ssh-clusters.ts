// Clusters on hosts of the user's own, as this head's process has them: their cloud, the heads that
// run on them, and the SSH that both go over.
//
// All of it is made when the first such cluster, or the first launch of one, is met: a home without
// them loads their code and starts nothing.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import type { HeadHosting } from "../../clouds/head-hosting.ts";
import { bundleFor } from "../../clouds/ssh/bundle-os.ts";
import { createSshCloud, type SshCloud, sshCloud } from "../../clouds/ssh/cloud-ssh.ts";
import { probeHost } from "../../clouds/ssh/host-probe-ssh.ts";
import { createHostSteps } from "../../clouds/ssh/host-steps-ssh.ts";
import { createNatsSupply } from "../../clouds/ssh/nats-supply-os.ts";
import { loadPools } from "../../clouds/ssh/pools-file-os.ts";
import type { HeadSettings } from "../../model/host-file.ts";
import { createOpenSsh } from "../../runtime/openssh-os.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import type { RemoteHeads } from "../../scheduler/remote/remote.ts";
import {
  createRemoteHeads,
  type RemoteHeadsOptions,
} from "../../scheduler/remote/remote-heads-grpc.ts";
import { keepSshNames, type SshNamesKept } from "./ssh-names.ts";

export interface SshClustersOptions extends Omit<RemoteHeadsOptions, "ssh" | "hosting" | "fleets"> {
  /** Asked for nothing before the first cluster is. */
  readonly fleets: () => Fleets;
  /** Of the home: they hold on its hosts, too. */
  readonly settings: HeadSettings;
}

export interface SshClusters {
  readonly cloud: SshCloud;
  readonly remote: RemoteHeads;
  readonly ssh: Pick<Ssh, "tunnel">;
  /** The agent of whoever called last. */
  useAgent(socket: string): void;
  /** What `ssh` knows of them. */
  readonly names: SshNamesKept;
  close(): Promise<void>;
}

interface Parts {
  readonly ssh: Ssh;
  readonly cloud: SshCloud;
  readonly remote: RemoteHeads;
}

export function sshClusters(options: SshClustersOptions): SshClusters {
  const { home, log } = options;
  const names = keepSshNames({ home, log, isOurs: runsOnHosts });
  let agent: string | undefined;
  let made: Parts | undefined;
  const parts = (): Parts => {
    if (made !== undefined) return made;
    made = partsOf(options);
    if (agent !== undefined) made.ssh.useAgent(agent);
    return made;
  };
  return {
    get cloud() {
      return parts().cloud;
    },
    get ssh() {
      return parts().ssh;
    },
    remote: whenNeeded(options, () => parts().remote),
    useAgent: (socket) => {
      agent = socket;
      made?.ssh.useAgent(socket);
    },
    names,
    close: async () => {
      await names.close();
      await made?.remote.closeAll();
      await made?.cloud.close();
      await made?.ssh.close();
    },
  };
}

/** Whether its head runs on a host. */
export function runsOnHosts({ cloud }: Pick<ClusterRecord, "cloud">): boolean {
  return cloud === sshCloud;
}

/** Clusters of other clouds are looked up here, too, and make nothing. */
function whenNeeded({ fleets }: SshClustersOptions, remote: () => RemoteHeads): RemoteHeads {
  const of = (cluster: string): RemoteHeads | undefined => {
    const record = fleets().record(cluster);
    return record !== undefined && runsOnHosts(record) ? remote() : undefined;
  };
  return {
    get: (cluster) => of(cluster)?.get(cluster),
    open: (record) => remote().open(record),
    declare: (name, nodes) => of(name)?.declare(name, nodes),
    dismiss: (record) => remote().dismiss(record),
    close: (record, verb) => remote().close(record, verb),
    disarm: async (name) => of(name)?.disarm(name),
    clear: (record) => remote().clear(record),
    invite: (cluster, node, signal) => remote().invite(cluster, node, signal),
    closeAll: () => remote().closeAll(),
  };
}

function partsOf(options: SshClustersOptions): Parts {
  const { home, log, clock, settings } = options;
  const fleets: RemoteHeadsOptions["fleets"] = {
    record: (name) => options.fleets().record(name),
    alive: (name, nodes) => options.fleets().alive(name, nodes),
    windDown: (name, verb, cause) => options.fleets().windDown(name, verb, cause),
  };
  const bundle = (arch: string) => bundleFor(arch, { cache: `${home.root}/cache/bundles` });
  const ssh = createOpenSsh({ dir: `${home.root}/ssh`, log });
  const nats = createNatsSupply({ home: home.root });
  const hosting = (record: ClusterRecord): HeadHosting | undefined =>
    runsOnHosts(record) ? cloud.heads : undefined;
  const remote = createRemoteHeads({ ...options, fleets, ssh, hosting });
  const cloud = createSshCloud({
    ...{ skyHome: home.root, ssh, clock, log, settings },
    steps: createHostSteps({ ssh, log, nats, bundleFor: bundle }),
    pools: () => loadPools(home.root),
    probe: (host, signal) => probeHost(ssh, host, { clock, signal }),
    recordOf: fleets.record,
    records: () => options.fleets().records(),
    bundleOf: async (arch) => (await bundle(arch)).hash,
    invite: (cluster, node, signal) => remote.invite(cluster, node, signal),
    onDoing: (cluster, text) => options.fleets().doing(cluster, text),
    onNote: (cluster, text) => options.fleets().note(cluster, text),
  });
  return { ssh, cloud, remote };
}
