// What a host of the user's own is told about the node that it is: `host.json` in the cluster's
// folder on the host, with mode 0600. Pure.
//
// It is written over SSH before the host's runtime starts, and again when the node joins anew.

import type { Config } from "./config.ts";
import type { Capacity } from "./resources.ts";

export interface HostFile {
  readonly cluster: string;
  /** Of the cluster's record. */
  readonly token: string;
  readonly node: string;
  readonly index: number;
  /** Where other hosts of the cluster reach this one. */
  readonly ip: string;
  readonly capacity: Capacity;
  /** The folder of workdirs in the login's home: `sky_workdir`, or another if that is taken. */
  readonly workdir: string;
  /** What its content store may hold. */
  readonly chunkBytes: number;
  /** Rises with every invitation; see `Orders.incarnation`. */
  readonly incarnation: number;
  readonly invitation: Invitation;
}

/** All that a node needs to join, once and soon. `token` and `key` are secret. */
export interface Invitation {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** PEM. Whom the head has to be. */
  readonly authority: string;
  /** PEM. Good for the join and for nothing else. */
  readonly certificate: string;
  readonly key: string;
}

/** What the head on a cluster's first host is told: `head.json`, beside the other. */
export interface HeadFile {
  readonly cluster: string;
  readonly token: string;
  /** The address on which it listens for its nodes. */
  readonly ip: string;
  /** The nats-server to start, in the bundle or the host's own. */
  readonly natsServer: string;
  /** Of the home that the cluster is of. Absent = those of the head's own home. */
  readonly settings?: HeadSettings;
}

/** The settings of a home that hold for its clusters wherever their heads run. */
export type HeadSettings = Pick<Config, "leaseSeconds" | "history" | "chunks" | "log">;

export function headSettings({ leaseSeconds, history, chunks, log }: Config): HeadSettings {
  return { leaseSeconds, history, chunks, log };
}

/** One line of JSON in `ended`: the runtime ended on purpose, and is not to be started again. */
export interface HostEnd {
  readonly verb: "stop" | "down";
  readonly why: string;
  /** In milliseconds since the Unix epoch. */
  readonly at: number;
  /** On the first host, with `down`: what stays of the user's on all of them, a sentence each. */
  readonly kept?: readonly string[];
}

/** @throws SyntaxError for anything else than JSON. */
export function parseHostFile(text: string): HostFile {
  return JSON.parse(text) as HostFile;
}

/** @throws SyntaxError for anything else than JSON. */
export function parseHeadFile(text: string): HeadFile {
  return JSON.parse(text) as HeadFile;
}

/** Of a cluster on a host, below `~/.skylet/clusters`: `train-1a2b3c4d`. */
export function hostFolderName(cluster: string, token: string): string {
  return `${cluster}-${token.slice(0, 8)}`;
}
