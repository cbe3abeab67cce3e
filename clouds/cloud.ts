// The cloud port: machines that can be asked for, listed and given back.
//
// Calls return as soon as the cloud accepted them; `list` tells what became of them. An optional
// ability is an optional member: ask `if (cloud.stop)`, never `if (cloud.name === "aws")`.

import type { Capacity } from "../model/resources.ts";
import type { SshTarget } from "../runtime/ssh.ts";
import type { AskedShape } from "./cluster-record.ts";
import type { HeadHosting } from "./head-hosting.ts";

export interface Cloud {
  readonly name: string;
  /** How long its nodes may take to come up before those who wait are told; absent: a minute. */
  readonly startMs?: number;
  /** Keeps the disks. Absent where the cloud cannot. */
  readonly stop?: (ids: readonly string[], signal: AbortSignal) => Promise<void>;
  readonly start?: (ids: readonly string[], signal: AbortSignal) => Promise<void>;
  /** What each of `numNodes` nodes will have. Absent where offers must be looked up first. */
  readonly declare?: (asked: AskedShape, numNodes: number) => Capacity;
  /**
   * Looks for nodes that can be had now, where `declare` cannot know. Nothing is taken by it.
   * @throws SkyError `pools/invalid`, `pool/no-fit`, `ssh/host-key-unknown`.
   */
  readonly find?: (wanted: NodesWanted, signal: AbortSignal) => Promise<FoundNodes>;
  /** Of one such node, in US dollars. Absent, or `undefined`, where nobody knows. */
  readonly pricePerHour?: (capacity: Capacity) => number | undefined;
  /** Where heads run on the first machines of their clusters. Absent: they run with us. */
  readonly heads?: HeadHosting;
  /** Idempotent by `token`: the same token twice gives the same machines, not twice as many. */
  launch(request: MachineRequest, signal: AbortSignal): Promise<void>;
  /** Only machines of this cluster. May lag behind `launch`. */
  list(cluster: string, signal: AbortSignal): Promise<readonly Machine[]>;
  /** Ends machines and removes their disks. A machine that is already gone is not an error. */
  terminate(ids: readonly string[], signal: AbortSignal): Promise<void>;
  /** What stays of the user's on machines that were terminated, for people. Told once. */
  readonly kept?: (cluster: string) => readonly string[];
}

export interface MachineRequest {
  readonly token: string;
  readonly cluster: string;
  /** The nodes to start machines for, by id, with what each must have. */
  readonly nodes: readonly (HostAddress & {
    readonly id: string;
    readonly index: number;
    readonly capacity: Capacity;
  })[];
}

/** Which machine a node is, of those that were there before; whole or not at all. */
export interface HostAddress {
  /** As in its pool. */
  readonly host?: string;
  /** How we come to it. */
  readonly target?: SshTarget;
  /** Where other hosts reach it. */
  readonly ip?: string;
  /** As Node says it. */
  readonly arch?: string;
}

/** Nodes to look for. */
export interface NodesWanted {
  readonly cluster: string;
  readonly asked: AskedShape;
  readonly numNodes: number;
  /** Absent: anywhere. */
  readonly region?: string;
  /** As in `LaunchRequest` of the API. */
  readonly trustedHostKeys: readonly string[];
}

export interface FoundNodes {
  readonly region: string;
  /** As many as wanted, in the order of the cluster's nodes. */
  readonly nodes: readonly FoundNode[];
  /** What could not be used, and was not needed: a sentence each. */
  readonly leftOut: readonly { readonly host: string; readonly why: string }[];
}

export type FoundNode = Required<HostAddress> & { readonly capacity: Capacity };

export interface Machine {
  /** The cloud's own id. */
  readonly id: string;
  /** The node that it was launched for. */
  readonly node: string;
  readonly ip: string;
  readonly phase: "starting" | "up" | "stopped" | "gone";
  /** What stands in its way, as a sentence: `gpu2 cannot be reached: …`. */
  readonly trouble?: string;
  /** With trouble: it does not go away by itself. */
  readonly stuck?: boolean;
}
