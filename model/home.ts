// Where everything lives under SKY_HOME. Pure: joins strings, touches nothing.
//
// A home may have a long path with spaces in it; sockets are bound and dialled so that their
// length does not matter (see `runtime/socket-os.ts`).

import type { RankKey } from "./job.ts";
import { rankKeyText } from "./job.ts";

export interface Home {
  readonly root: string;
  readonly config: string;
  /** Pools of hosts of the user's own. */
  readonly pools: string;
  /** The skyhead of this home: its lock, socket, journal, log and nats-server. */
  readonly head: string;
  readonly lock: string;
  readonly socket: string;
  readonly journal: string;
  readonly headLog: string;
  readonly bus: string;
  /** What the head remembers of folders that it packed; it can be removed at any time. */
  readonly sources: string;
  /** The content store of the head, for all its clusters; embedded nodes share it. */
  readonly chunks: string;
  /** Logs that outlive their cluster, and what `logs --sync-down` fetched. */
  readonly logs: string;
  /** One folder for each transfer: the ledger of its objects, journals, spools. */
  readonly transfers: string;
  /** One folder for each cluster. */
  readonly clusters: string;
  cluster(name: string): ClusterHome;
}

export interface ClusterHome {
  readonly root: string;
  /** The head's copies of the ranks' logs. */
  readonly logs: string;
  /** Copies of workdirs for nodes that cannot take chunks; else they are in the content store. */
  readonly workdirs: string;
  /** Secrets of jobs that have not ended; 0600, never in the journal. */
  readonly secrets: string;
  node(id: string): NodeHome;
}

export interface NodeHome {
  readonly root: string;
  /** The node's HOME. */
  readonly home: string;
  /** In HOME: the folder that jobs start in. With an `s`, the folder of those of single jobs. */
  readonly workdir: string;
  /** The data of file mounts that are elsewhere by a link. */
  readonly linked: string;
  /** The skylet's own: credentials, launcher pipes. */
  readonly state: string;
  /** One directory per rank: its truth on the node. */
  readonly ranks: string;
  /** Its content store, where it does not share the head's. */
  readonly chunks: string;
  /** Of transfers that this node takes part in, a folder each. */
  readonly transfers: string;
}

export function homeAt(root: string): Home {
  const head = `${root}/head`;
  return {
    root,
    config: `${root}/config.yaml`,
    pools: `${root}/ssh_node_pools.yaml`,
    head,
    lock: `${head}/lock.db`,
    socket: `${head}/api.sock`,
    journal: `${head}/journal.db`,
    headLog: `${head}/skyhead.log`,
    bus: `${head}/bus`,
    sources: `${head}/sources.json`,
    chunks: `${root}/chunks`,
    logs: `${root}/logs`,
    transfers: `${root}/transfers`,
    clusters: `${root}/clusters`,
    cluster: (name) => clusterHomeAt(`${root}/clusters/${name}`),
  };
}

function clusterHomeAt(root: string): ClusterHome {
  return {
    root,
    logs: `${root}/logs`,
    workdirs: `${root}/workdirs`,
    secrets: `${root}/secrets`,
    node: (id) => nodeHomeAt(`${root}/nodes/${id}`),
  };
}

export function nodeHomeAt(root: string): NodeHome {
  return {
    ...{ root, home: `${root}/home`, state: `${root}/state`, ranks: `${root}/ranks` },
    ...{ workdir: workdirName, linked: `${root}/home/.sky/file_mounts` },
    ...{ chunks: `${root}/chunks`, transfers: `${root}/transfers` },
  };
}

/** What `workdir` is called unless something else has that name. */
export const workdirName = "sky_workdir";

/** A node on a host of the user's own: HOME is the login's, all else is below the folder. */
export function hostHomeAt(root: string, its: Pick<NodeHome, "home" | "workdir">): NodeHome {
  return { ...nodeHomeAt(root), ...its };
}

/** The directory of one rank on its node. */
export function rankDir(node: NodeHome, key: RankKey): string {
  return `${node.ranks}/${rankKeyText(key)}`;
}
