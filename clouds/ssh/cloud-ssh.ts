// The cloud `ssh`: hosts of the user's own, of the pools file, as the machines of clusters.
//
// A host is found by looking at all of its pool, and made a node by what `HostSteps` can do to it.
// "Stop" ends the cluster's runtime there and "terminate" takes away what is ours: no host is ever
// switched off. Which hosts a cluster has is in its record and nowhere else; what is known here
// besides can be lost at any time.
//
// What must always hold: a device is promised to one cluster at a time; a host that cannot be
// reached is not taken for gone.

import { hostFolderName } from "../../model/host-file.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import type { Cloud, FoundNodes, Machine, MachineRequest, NodesWanted } from "../cloud.ts";
import type { ClusterRecord } from "../cluster-record.ts";
import type { HeadHosting } from "../head-hosting.ts";
import { ClusterHosts } from "./cluster-hosts.ts";
import type { HostReport } from "./host-report.ts";
import { type HostSearchPorts, searchHosts } from "./host-search.ts";
import type { HostPlace } from "./host-steps.ts";
import type { HostWorksPorts } from "./host-works.ts";

export const sshCloud = "ssh";

export interface SshCloudOptions
  extends Omit<HostSearchPorts, "taken" | "promise">,
    Omit<HostWorksPorts, "targetOf" | "leave"> {
  readonly ssh: Pick<Ssh, "hostKey" | "trust" | "leave">;
  readonly clock: Clock;
  /** Of all clusters, of any cloud. */
  records(): readonly ClusterRecord[];
}

export interface SshCloud extends Cloud {
  readonly find: NonNullable<Cloud["find"]>;
  readonly stop: NonNullable<Cloud["stop"]>;
  readonly start: NonNullable<Cloud["start"]>;
  readonly kept: NonNullable<Cloud["kept"]>;
  readonly heads: HeadHosting;
  /** Ends what is being done; what runs on hosts runs on. */
  close(): Promise<void>;
}

export function createSshCloud(options: SshCloudOptions): SshCloud {
  return new HostsOfPools(options);
}

/** A bundle may be sent over a slow line. */
const startMs = 600_000;
/** How long a host stays promised to a cluster that has no record yet. */
const promiseMs = 60_000;

interface Promised {
  readonly found: FoundNodes;
  readonly untilMs: number;
}

class HostsOfPools implements SshCloud {
  readonly name = sshCloud;
  readonly startMs = startMs;
  readonly heads: HeadHosting;
  readonly #options: SshCloudOptions;
  readonly #clusters = new Map<string, ClusterHosts>();
  /** By cluster. */
  readonly #promised = new Map<string, Promised>();
  readonly #kept = new Map<string, readonly string[]>();

  constructor(options: SshCloudOptions) {
    this.#options = options;
    this.heads = {
      placeOf: (record) => this.#hosts(record).placeOf(record),
      openHead: (record, signal) => this.#hosts(record).openHead(record, signal),
      endOf: (record, signal) => this.#hosts(record).endOf(record, signal),
      renew: (record, signal) => this.#hosts(record).renew(record, signal),
      revive: (record, nodes, signal) => this.#hosts(record).revive(record, nodes, signal),
    };
  }

  /** They are the user's own. */
  pricePerHour = (): number => 0;

  find = (wanted: NodesWanted, signal: AbortSignal): Promise<FoundNodes> => {
    const taken = (pool: string, host: string) => this.#taken(wanted.cluster, pool, host);
    const promise = (found: FoundNodes): void => {
      const untilMs = this.#options.clock.now().monoMs + promiseMs;
      this.#promised.set(wanted.cluster, { found, untilMs });
    };
    return searchHosts({ ...this.#options, taken, promise }, wanted, signal);
  };

  async launch({ cluster, nodes }: MachineRequest): Promise<void> {
    this.#raise(
      cluster,
      nodes.map(({ id }) => id),
    );
  }

  async list(cluster: string, signal: AbortSignal): Promise<readonly Machine[]> {
    const record = this.#options.recordOf(cluster);
    return record === undefined ? [] : this.#hosts(record).list(record, signal);
  }

  start = async (ids: readonly string[]): Promise<void> => {
    for (const [cluster, nodes] of byCluster(ids)) this.#raise(cluster, nodes);
  };

  stop = async (ids: readonly string[], signal: AbortSignal): Promise<void> => {
    for (const [cluster, nodes] of byCluster(ids)) {
      const record = this.#options.recordOf(cluster);
      if (record !== undefined) await this.#hosts(record).stop(record, nodes, signal);
    }
  };

  async terminate(ids: readonly string[], signal: AbortSignal): Promise<void> {
    for (const [cluster, nodes] of byCluster(ids)) {
      const record = this.#options.recordOf(cluster);
      if (record === undefined) continue;
      const onKept = (kept: readonly string[]) =>
        this.#kept.set(cluster, [...(this.#kept.get(cluster) ?? []), ...kept]);
      await this.#hosts(record).remove(record, { ids: nodes, signal, onKept });
    }
  }

  kept = (cluster: string): readonly string[] => {
    const kept = this.#kept.get(cluster) ?? [];
    this.#kept.delete(cluster);
    this.#clusters.delete(cluster);
    return kept;
  };

  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((hosts) => hosts.close()));
  }

  #raise(cluster: string, nodes: readonly string[]): void {
    const record = this.#options.recordOf(cluster);
    if (record !== undefined) this.#hosts(record).raise(nodes);
  }

  /** A cluster of the same name that came later is another. */
  #hosts(record: ClusterRecord): ClusterHosts {
    const known = this.#clusters.get(record.name);
    if (known?.token === record.token) return known;
    const targetOf = async (pool: string, host: string) => {
      const pools = await this.#options.pools().catch(() => []);
      const hosts = pools.find(({ name }) => name === pool)?.hosts;
      return hosts?.find(({ name }) => name === host)?.target;
    };
    const leave = (place: HostPlace): Promise<void> => this.#leave(place);
    const made = new ClusterHosts(record, { ...this.#options, targetOf, leave });
    this.#clusters.set(record.name, made);
    return made;
  }

  /**
   * A host that no cluster is on, or is to stay on, is let go of: of clusters that go together each
   * would leave it to the other.
   */
  async #leave({ cluster, host, target }: HostPlace): Promise<void> {
    const stays = ({ name, goal }: ClusterRecord) => name !== cluster && goal !== "absent";
    const others = this.#options.records().filter(stays);
    if (others.some(({ nodes }) => nodes.some((node) => node.host === host))) return;
    await this.#options.ssh.leave(target);
  }

  /** What other clusters hold of a host, whether or not they have come so far as to claim it. */
  #taken(cluster: string, pool: string, host: string): HostReport["claims"] {
    const { clock, records } = this.#options;
    const claims: Record<string, string> = {};
    const hold = (nodes: ClusterRecord["nodes"] | FoundNodes["nodes"], holder: string): void => {
      for (const node of nodes) {
        if (node.host !== host) continue;
        const ids = node.capacity.accelerators.flatMap((kind) => kind.ids ?? []);
        for (const id of ids) claims[`gpu-${id}`] = holder;
      }
    };
    const { monoMs } = clock.now();
    const all = records();
    for (const [name, { found, untilMs }] of this.#promised) {
      const isOver = untilMs <= monoMs || all.some((record) => record.name === name);
      if (isOver) this.#promised.delete(name);
      else if (name !== cluster && found.region === pool) hold(found.nodes, name);
    }
    for (const { name, token, region, nodes } of all) {
      if (region === pool) hold(nodes, hostFolderName(name, token));
    }
    return claims;
  }
}

/** Nodes by cluster, of ids like `demo/worker1`. */
function byCluster(ids: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  for (const id of ids) {
    const [cluster = "", node = ""] = id.split("/");
    all.set(cluster, [...(all.get(cluster) ?? []), node]);
  }
  return all;
}
