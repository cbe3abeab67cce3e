// The settings of a home. Pure; `config-file.ts` reads them from `config.yaml`.
//
// Apart from the file's parser, because a home without a `config.yaml` needs none of its libraries,
// and they are half of what a short command would load.

import type { Isolation } from "./cluster.ts";
import { leaseMsDefault } from "./lease.ts";

export interface Config {
  readonly local: {
    /** How nodes of local clusters run, unless a launch says otherwise. */
    readonly isolation: Isolation;
  };
  /** How long the head waits, with nothing to do and nothing to keep, before it ends. */
  readonly idleExitSeconds: number;
  /** The lease of ranks of jobs that may be restarted; 0 = none. */
  readonly leaseSeconds: number;
  readonly log: { readonly level: "debug" | "info" | "warn" | "error" };
  readonly journal: {
    /** Delays every flush of the journal, as a slower disk would. For benchmarks. */
    readonly extraFsyncMs: number;
    /** A folder that gets a copy of all that is committed; absent = none. */
    readonly replica?: string;
  };
  readonly debug: {
    /** Whether each cluster's history is written to a file that `npm run replay` takes. */
    readonly history: boolean;
  };
  /** How long the past is kept. What is beyond goes, the oldest first. */
  readonly history: {
    /** Settled jobs of a cluster, with their events. */
    readonly jobs: number;
    /** Events of one job, one node, or a cluster itself. */
    readonly events: number;
    /** Logs of a cluster. Those of jobs that run count, and stay. */
    readonly logBytes: number;
    /** Logs of clusters that were taken down: folders, and their bytes. */
    readonly archives: number;
    readonly archiveBytes: number;
    /** Clusters that are gone of which a report of costs tells. */
    readonly clusters: number;
  };
  /** The content store of the home, and of each node that has its own. */
  readonly chunks: {
    /** What it may hold. What a job needs is never removed to make room. */
    readonly bytes: number;
  };
  readonly bus: {
    /** The nats-server to start in `process` isolation; absent = looked for. */
    readonly binary?: string;
    /** Where nodes find it, where that is not where it listens: behind a forwarded port. */
    readonly advertise?: Endpoint;
    /** Somebody else's NATS, instead of a nats-server of our own. */
    readonly given?: GivenBus;
  };
  /** The bulk wire, in `process` isolation. */
  readonly bulk: {
    /** Where the head listens for it; 0 = wherever there is room. */
    readonly port: number;
    /** Where nodes find it, as above. */
    readonly advertise?: Endpoint;
  };
  readonly join: {
    /** The socket where local nodes join, where that is not the head's own: behind a proxy. */
    readonly advertise?: string;
  };
}

export interface GivenBus {
  /** `tls://host:port`, of one server or of several of a cluster. */
  readonly urls: readonly string[];
  /** Files of credentials or nkey seeds: the head's, and each node's. */
  readonly credentials: string;
  /** With `{cluster}` and `{node}` for their names. */
  readonly nodeCredentials: string;
  /** File of the authority that signed its certificate; absent = the system's. */
  readonly authority?: string;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What holds where nothing is said. */
export const defaultConfig: Config = {
  local: { isolation: "embedded" },
  idleExitSeconds: 60,
  leaseSeconds: leaseMsDefault / 1_000,
  log: { level: "info" },
  journal: { extraFsyncMs: 0 },
  history: {
    jobs: 100_000,
    events: 10_000,
    logBytes: 10 * 1024 ** 3,
    archives: 100,
    archiveBytes: 10 * 1024 ** 3,
    clusters: 1_000,
  },
  debug: { history: false },
  chunks: { bytes: 10 * 1024 ** 3 },
  bus: {},
  bulk: { port: 0 },
  join: {},
};
