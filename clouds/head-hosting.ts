// Heads that run on the first machines of their clusters: what a cloud does about them.
//
// Who deals with such a head (`scheduler/remote/`) dials it through a tunnel and asks the cloud to
// make it run wherever it does not. The cloud never decides what becomes of a cluster.

import type { HostEnd } from "../model/host-file.ts";
import type { SshTarget } from "../runtime/ssh.ts";
import type { ClusterRecord } from "./cluster-record.ts";

/** Errors are those of `runtime/ssh.ts`, `host/unfit`, `host/failed`, `bundle/missing`. */
export interface HeadHosting {
  /** Where the head of a cluster is, or would be. Asks nobody. */
  placeOf(record: ClusterRecord): Promise<HeadPlace>;
  /** Makes the head run, installed and started if it is not. It listens soon, not yet at once. */
  openHead(record: ClusterRecord, signal: AbortSignal): Promise<HeadPlace>;
  /**
   * Whether its runtime has ended on purpose, as its first machine tells; where nothing of the
   * cluster is there, too. Changes nothing.
   */
  endOf(record: ClusterRecord, signal: AbortSignal): Promise<HostEnd | undefined>;
  /**
   * The head runs, and has since before this process: makes it and the agents be of the version
   * that we bring, where they are of another. Ranks run on.
   */
  renew?(record: ClusterRecord, signal: AbortSignal): Promise<void>;
  /** The head has not heard these nodes for a while: makes their agents run where they do not. */
  revive(record: ClusterRecord, nodes: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Where a head is. */
export interface HeadPlace {
  /** As in its pool: for people. */
  readonly host: string;
  readonly target: SshTarget;
  /** Its API there, a path of any length: absolute, or below the login's home. */
  readonly socket: string;
  /** Its SKY_HOME there; a path alike. */
  readonly home: string;
}
