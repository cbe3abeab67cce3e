// What is on disk about a cluster, how it is shown, and whether a request fits one that exists.
//
// The record is the only memory of a cluster between two heads: whatever `down` must find, and
// whatever a launch must not do twice, is in it. Pure.

import type { Cluster, ClusterStatus, Isolation } from "../model/cluster.ts";
import { nodeId } from "../model/ids.ts";
import type { Node } from "../model/node.ts";
import type { Accelerators, Capacity } from "../model/resources.ts";
import { given } from "../proto/fields.ts";
import type { HostAddress } from "./cloud.ts";
import { neverUsed, type Usage } from "./usage.ts";

export interface ClusterRecord {
  readonly name: string;
  readonly status: ClusterStatus;
  /** With STOPPING: whether it goes for good. */
  readonly goal: Goal;
  readonly cloud: string;
  /** The pool of its hosts; absent where its cloud has none. */
  readonly region?: string;
  readonly isolation: Isolation;
  /** Makes launching idempotent; new for every cluster, also of the same name. */
  readonly token: string;
  readonly launchedAt: number;
  readonly resources: string;
  readonly command: string;
  /** Who launched it first; absent in records of earlier versions. */
  readonly user?: string;
  /** When a command used it last; absent in records of earlier versions. */
  readonly lastUsedAt?: number;
  /** When its machines ran; absent in records of earlier versions. */
  readonly usage?: Usage;
  /** Of one node, in US dollars per hour, when it was launched. Absent = not known. */
  readonly nodePricePerHour?: number;
  /** What is under way, and for whom. Absent when nothing is. */
  readonly busy?: Busy;
  /**
   * With INIT: a refresh found it so. Nothing is launched or started before somebody asks. With
   * STOPPING: the machines went by themselves, and none is woken so that it may end its jobs.
   */
  readonly unasked?: true;
  /** With STOPPING: it goes, whatever its cloud says. */
  readonly purge?: true;
  readonly nodes: readonly RecordNode[];
}

/** What a cluster is busy with. */
export interface Busy {
  readonly verb: "launch" | "start" | "stop" | "down" | "autostop" | "autodown" | "refresh";
  /** Empty where nobody asked, or nobody knows who did. */
  readonly user: string;
  /** In milliseconds since the Unix epoch. */
  readonly since: number;
}

export type Goal = "running" | "stopped" | "absent";

/** A node; its address is known once the cloud has said it. */
export type RecordNode = Omit<Node, "ip"> & HostAddress;

/** What a user asks of a cluster that is to be brought up. */
export interface LaunchRequest {
  readonly name: string;
  readonly numNodes: number;
  readonly asked: AskedShape;
  /** What each node will have: the cloud's answer to `asked`. Absent: the cluster is there. */
  readonly capacity?: Capacity;
  /** Where and what each node will be, if the cloud had to look: as many as `numNodes`. */
  readonly found?: {
    readonly region: string;
    readonly nodes: readonly (HostAddress & { readonly capacity: Capacity })[];
  };
  readonly cloud: string;
  /** Where it has to be; absent: anywhere. */
  readonly region?: string;
  readonly isolation: Isolation;
  readonly token: string;
  readonly command: string;
  readonly user?: string;
  /** As in the record. */
  readonly nodePricePerHour?: number;
}

/** What was asked of each node; absent = whatever it has. */
export interface AskedShape {
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly accelerators?: Accelerators;
}

/** A launch that can make a cluster: it is known what its nodes will have. */
export type NewCluster = LaunchRequest & { readonly capacity: Capacity };

export function newRecord(request: NewCluster, wallMs: number): ClusterRecord {
  const { name, cloud, isolation, token, capacity, command, user, found } = request;
  const { nodePricePerHour } = request;
  const nodes = Array.from({ length: request.numNodes }, (_, index) => ({
    ...{ id: nodeId(index), index, capacity },
    ...found?.nodes[index],
  }));
  return {
    name,
    status: "INIT",
    goal: "running",
    cloud,
    isolation,
    token,
    launchedAt: wallMs,
    resources: shapeText(
      cloud,
      nodes.map((node) => node.capacity),
    ),
    command,
    ...given("user", user),
    ...given("nodePricePerHour", nodePricePerHour),
    usage: neverUsed,
    ...given("region", found?.region),
    nodes,
  };
}

/** The record as everybody sees it. */
export function clusterOf(record: ClusterRecord): Cluster {
  const { name, status, cloud, isolation, launchedAt, resources, command } = record;
  const { user = "", lastUsedAt = launchedAt } = record;
  const nodes = record.nodes.map((node) => nodeOf(node, node.ip ?? ""));
  const plain = { name, status, cloud, isolation, launchedAt, resources, command };
  return { ...plain, ...given("region", record.region), user, lastUsedAt, nodes };
}

/** As in `ClusterView.busyWith`: `launch by ada`, `autostop`. */
export function busyText({ verb, user }: Pick<Busy, "verb" | "user">): string {
  return user === "" ? verb : `${verb} by ${user}`;
}

/** What whoever has to wait is told: `waiting for the launch by ada (since 12 s)`. */
export function waitText(busy: Busy, nowWallMs: number): string {
  const seconds = Math.max(0, Math.round((nowWallMs - busy.since) / 1_000));
  return `waiting for the ${busyText(busy)} (since ${seconds} s)`;
}

/** Its nodes, once every address is known. */
export function knownNodes(record: ClusterRecord): readonly Node[] | undefined {
  const nodes: Node[] = [];
  for (const node of record.nodes) {
    if (node.ip === undefined) return undefined;
    nodes.push(nodeOf(node, node.ip));
  }
  return nodes;
}

/** How its machine is reached is the cloud's business. */
function nodeOf({ id, index, capacity, host }: RecordNode, ip: string): Node {
  return { id, index, ip, capacity, ...given("host", host) };
}

/** What a request says of a cluster that may be there. */
export type Wanted = Pick<LaunchRequest, "numNodes" | "asked"> &
  Partial<Pick<LaunchRequest, "cloud" | "region">>;

interface Mismatch {
  readonly requested: string;
  readonly existing: string;
}

/**
 * What stands against using an existing cluster for a request, in the words of the error
 * `cluster/mismatch`. Nothing asked for always fits.
 * Source: SkyPilot's rule: cloud and region equal where they are given, `num_nodes` at most, and
 * resources "less demanding than"; where nodes differ, enough of them must satisfy.
 */
export function mismatchOf(
  record: Pick<ClusterRecord, "nodes" | "region"> & Partial<Pick<ClusterRecord, "cloud">>,
  { numNodes, asked, cloud, region }: Wanted,
): Mismatch | undefined {
  if (cloud !== undefined && record.cloud !== undefined && cloud !== record.cloud) {
    return { requested: `cloud=${cloud}`, existing: `cloud=${record.cloud}` };
  }
  if (region !== undefined && region !== record.region) {
    return { requested: `region=${region}`, existing: `region=${record.region ?? "none"}` };
  }
  if (numNodes > record.nodes.length) {
    return { requested: nodesText(numNodes), existing: nodesText(record.nodes.length) };
  }
  const lacks = record.nodes.flatMap(({ capacity }) => lackOf(capacity, asked) ?? []);
  const [lack] = lacks;
  const able = record.nodes.length - lacks.length;
  if (lack === undefined || able >= numNodes) return undefined;
  if (able === 0) return lack;
  return {
    requested: `${nodesText(numNodes)} with ${lack.requested}`,
    existing: `${able} such`,
  };
}

/** What one node has not. */
function lackOf(capacity: Capacity, asked: AskedShape): Mismatch | undefined {
  if ((asked.cpus ?? 0) > capacity.cpus) {
    return { requested: `cpus=${asked.cpus}`, existing: `cpus=${capacity.cpus}` };
  }
  if ((asked.memoryBytes ?? 0) > capacity.memoryBytes) {
    return {
      requested: `memory=${gigabytes(asked.memoryBytes ?? 0)}`,
      existing: `memory=${gigabytes(capacity.memoryBytes)}`,
    };
  }
  const wanted = asked.accelerators;
  if (wanted === undefined) return undefined;
  const has = capacity.accelerators.find(({ name }) => sameName(name, wanted.name));
  if (has !== undefined && has.count >= wanted.count) return undefined;
  return {
    requested: acceleratorsText([wanted]),
    existing: acceleratorsText(capacity.accelerators),
  };
}

/**
 * As `sky status` shows it: `4x Local(cpus=2)`, `1x Local(cpus=4, {'V100': 1})`; nodes that differ
 * by their kinds: `3x SSH(cpus=8), 1x SSH(cpus=64)`.
 */
export function shapeText(cloud: string, capacities: readonly Capacity[]): string {
  const counts = new Map<string, number>();
  for (const capacity of capacities) {
    const parts = [`cpus=${amount(capacity.cpus)}`];
    const { accelerators } = capacity;
    if (accelerators.some(({ count }) => count > 0)) parts.push(acceleratorsText(accelerators));
    const kind = `${cloudTitle(cloud)}(${parts.join(", ")})`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count}x ${kind}`).join(", ");
}

/** Three letters are initials: `SSH`, `AWS`. */
function cloudTitle(cloud: string): string {
  if (cloud.length <= 3) return cloud.toUpperCase();
  return cloud.charAt(0).toUpperCase() + cloud.slice(1);
}

function acceleratorsText(all: readonly Accelerators[]): string {
  const some = all.filter(({ count }) => count > 0);
  if (some.length === 0) return "no accelerators";
  return `{${some.map(({ name, count }) => `'${name}': ${amount(count)}`).join(", ")}}`;
}

function nodesText(count: number): string {
  return count === 1 ? "1 node" : `${count} nodes`;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function amount(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function gigabytes(bytes: number): string {
  return `${amount(bytes / 1024 ** 3)}GB`;
}
