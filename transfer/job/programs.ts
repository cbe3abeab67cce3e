// From a plan to programs: what each gateway does in a round, and who speaks to whom.
//
// With one place to go to, the plan is a flow: wherever it parts, each chunk takes one of the ways
// (`mux_or`). With several, each stripe is a tree: wherever it parts, every branch gets everything
// (`mux_and`), and a gateway has one that it gets a stripe from; of a plan that says two, the
// faster is kept. A gateway that writes and sends on does both with each chunk. What is written
// where it is read needs no wire. A store is read and written by the gateway that was chosen for
// it.
//
// What must always hold: every destination is written by exactly one gateway; every gateway but the
// reading one receives from somebody who has the bytes; who reads and writes nothing learns no key.

import { SkyError } from "../../model/errors.ts";
import type { Plan, PlanEdge } from "../../model/transfer-plan.ts";
import type {
  Branch,
  GatewayId,
  Handle,
  Partition,
  Program,
  Root,
  Send,
} from "../gateway/program.ts";
import { operatorsOf } from "../gateway/validate.ts";

/** Where the bytes are read. `store`: its number in the transfer; absent = a file system. */
export interface ReadingEnd {
  readonly gateway: GatewayId;
  readonly store?: number;
}

/** Where those of one destination are written. */
export interface WritingEnd {
  readonly gateway: GatewayId;
  readonly store?: number;
}

export interface Layout {
  /** Of gateways alone: its sites are their ids. Absent: nothing leaves the reading one. */
  readonly plan?: Plan;
  readonly reading: ReadingEnd;
  /** In the order of the destinations; absent ones get nothing. */
  readonly writing: readonly (WritingEnd | undefined)[];
  /** Requests to a store at a time. */
  readonly storeConnections: number;
  /** At most, on each hop; absent = those of the plan. */
  readonly connections?: number;
  readonly compress: boolean;
}

/** One gateway's part. */
export interface Part {
  readonly program: Program;
  /** Those of the transfer that it is given, in the order in which its program counts them. */
  readonly stores: readonly number[];
  readonly reads: boolean;
  /** Destinations that it writes. */
  readonly writes: readonly number[];
  /** Those that it sends to, and those that it gets something from. */
  readonly to: readonly GatewayId[];
  readonly from: readonly GatewayId[];
}

const connectionsMax = 64;
/** Connections of one session; source: `StreamDialOptions`. */
export const lanesMax = 16;

/** @throws SkyError `plan/infeasible` if the plan does not lead to every destination. */
export function partsOf(layout: Layout): readonly Part[] {
  const { plan, reading, writing } = layout;
  const stripes = plan?.stripes ?? 1;
  const ends = [...new Set(writing.flatMap((end) => end?.gateway ?? []))];
  const away = ends.filter((gateway) => gateway !== reading.gateway);
  const flows = Array.from({ length: stripes }, (_, stripe) =>
    plan === undefined ? [] : edgesOf({ plan, stripe, from: reading.gateway, away }),
  );
  demandReached(reading, away, flows);
  const sites = new Set([reading.gateway, ...flows.flat().flatMap(({ from, to }) => [from, to])]);
  return [...sites].map((gateway) => partOf(gateway, flows, layout));
}

/** Whether some gateway hands on what it gets: then what travels is sealed. */
export function hasRelay(parts: readonly Part[]): boolean {
  return parts.some(({ from, to }) => from.length > 0 && to.length > 0);
}

/** Whether it reads or writes objects, and so may know what is in them. */
export function isEnd({ reads, writes }: Part): boolean {
  return reads || writes.length > 0;
}

/** Connections of all sends between two: whoever dials has to know. */
export function lanesBetween(parts: readonly Part[], one: GatewayId, other: GatewayId): number {
  const toOther = (gateway: GatewayId): GatewayId | undefined =>
    gateway === one ? other : gateway === other ? one : undefined;
  const sends = parts.flatMap(({ program: { gateway, partitions } }) =>
    partitions
      .flatMap(({ root }) => [...operatorsOf(root)])
      .flatMap((operator) =>
        operator.op === "send" && operator.to === toOther(gateway) ? [operator] : [],
      ),
  );
  const sum = sends.reduce((all, { connections }) => all + connections, 0);
  return Math.max(1, Math.min(lanesMax, sum));
}

function demandReached(
  { gateway }: ReadingEnd,
  away: readonly GatewayId[],
  flows: readonly (readonly PlanEdge[])[],
): void {
  for (const [stripe, edges] of flows.entries()) {
    const missing = away.find((end) => !edges.some(({ to }) => to === end));
    if (missing === undefined) continue;
    const why = `nothing leads from ${gateway} to ${missing} (stripe ${stripe})`;
    throw new SkyError("plan/infeasible", { why });
  }
  if (away.length > 0 && flows.every((edges) => edges.length === 0)) {
    throw new SkyError("plan/infeasible", { why: `nothing leads from ${gateway} to ${away[0]}` });
  }
}

interface Wanted {
  readonly plan: Plan;
  readonly stripe: number;
  readonly from: GatewayId;
  readonly away: readonly GatewayId[];
}

/** The edges along which a stripe goes: all of a flow, or those of a tree. */
function edgesOf({ plan, stripe, from, away }: Wanted): readonly PlanEdge[] {
  const along = plan.edges.filter(({ stripes, gbps }) => gbps > 0 && stripes.includes(stripe));
  const reached = reachable(along, from);
  const live = along.filter((edge) => reached.has(edge.from) && edge.to !== from);
  const [only] = away;
  const kept = away.length > 1 ? treeOf(live, from) : live.filter((edge) => edge.from !== only);
  return withoutDeadEnds(kept, new Set(away));
}

function reachable(edges: readonly PlanEdge[], from: GatewayId): ReadonlySet<GatewayId> {
  const reached = new Set([from]);
  for (let before = 0; before < reached.size; ) {
    before = reached.size;
    for (const edge of edges) if (reached.has(edge.from)) reached.add(edge.to);
  }
  return reached;
}

/** For each gateway the fastest edge that leads to it from one that has the bytes already. */
function treeOf(edges: readonly PlanEdge[], from: GatewayId): readonly PlanEdge[] {
  const tree: PlanEdge[] = [];
  const inside = new Set([from]);
  for (;;) {
    const next = edges
      .filter((edge) => inside.has(edge.from) && !inside.has(edge.to))
      .reduce<PlanEdge | undefined>(
        (a, b) => (a !== undefined && a.gbps >= b.gbps ? a : b),
        undefined,
      );
    if (next === undefined) return tree;
    tree.push(next);
    inside.add(next.to);
  }
}

function withoutDeadEnds(
  edges: readonly PlanEdge[],
  ends: ReadonlySet<GatewayId>,
): readonly PlanEdge[] {
  const leads = edges.filter(({ to }) => ends.has(to) || edges.some((other) => other.from === to));
  return leads.length === edges.length ? edges : withoutDeadEnds(leads, ends);
}

function partOf(gateway: GatewayId, flows: readonly (readonly PlanEdge[])[], layout: Layout): Part {
  const reads = gateway === layout.reading.gateway;
  const writes = layout.writing.flatMap((end, index) => (end?.gateway === gateway ? [index] : []));
  const wanted = [
    ...(reads ? [layout.reading.store] : []),
    ...writes.map((index) => layout.writing[index]?.store),
  ];
  const stores = [...new Set(wanted.filter((store) => store !== undefined))];
  const ends = new Set(layout.writing.flatMap((end) => end?.gateway ?? []));
  ends.delete(layout.reading.gateway);
  const isTree = ends.size > 1;
  const partitions = flows.flatMap((edges, stripe) => {
    const about = { gateway, stripe, edges, layout, stores, writes, reads, isTree };
    return partitionOf(about) ?? [];
  });
  const edges = flows.flat();
  const names = (of: readonly GatewayId[]): readonly GatewayId[] => [...new Set(of)];
  return {
    program: { gateway, stripes: flows.length, partitions },
    ...{ stores, reads, writes },
    to: names(edges.filter(({ from }) => from === gateway).map(({ to }) => to)),
    from: names(edges.filter(({ to }) => to === gateway).map(({ from }) => from)),
  };
}

interface Place {
  readonly gateway: GatewayId;
  readonly stripe: number;
  readonly edges: readonly PlanEdge[];
  readonly layout: Layout;
  readonly stores: readonly number[];
  readonly writes: readonly number[];
  readonly reads: boolean;
  /** Several gateways are written at: where the way parts, all branches get everything. */
  readonly isTree: boolean;
}

function partitionOf(place: Place): Partition | undefined {
  const { gateway, stripe, edges, reads } = place;
  const from = edges.filter(({ to }) => to === gateway).map((edge) => edge.from);
  if (!reads && from.length === 0) return undefined;
  const children = branchesOf(place);
  return { stripe, root: reads ? readingRoot(place, children) : receiving(place, from, children) };
}

function receiving(
  { stripe }: Place,
  from: readonly GatewayId[],
  children: readonly Branch[],
): Root {
  return { op: "receive", handle: named("receive", stripe), from: [...new Set(from)], children };
}

function readingRoot({ layout, stores, stripe }: Place, children: readonly Branch[]): Root {
  const handle = named("read", stripe);
  const { store } = layout.reading;
  if (store === undefined) return { op: "read_local", handle, children };
  const connections = layout.storeConnections;
  const index = stores.indexOf(store);
  return { op: "read_object_store", handle, store: index, connections, children };
}

function branchesOf(place: Place): readonly Branch[] {
  const { stripe, isTree } = place;
  const writes = place.writes.map((destination) => writeOf(place, destination));
  const sends = sendsOf(place);
  const mux = named("mux", stripe);
  const apart: readonly Branch[] =
    sends.length > 1 && !isTree ? [{ op: "mux_or", handle: `${mux}-any`, children: sends }] : sends;
  const all = [...writes, ...apart];
  return all.length > 1 ? [{ op: "mux_and", handle: mux, children: all }] : all;
}

function writeOf({ layout, stores, stripe }: Place, destination: number): Branch {
  const handle = named(`write-${destination}`, stripe);
  const store = layout.writing[destination]?.store;
  if (store === undefined) return { op: "write_local", handle, destination };
  const connections = layout.storeConnections;
  const index = stores.indexOf(store);
  return { op: "write_object_store", handle, store: index, destination, connections };
}

function sendsOf({ gateway, edges, layout, stripe }: Place): readonly Send[] {
  const { compress, connections = connectionsMax } = layout;
  return edges
    .filter(({ from }) => from === gateway)
    .map((edge, index) => ({
      op: "send",
      handle: named(`send-${index}`, stripe),
      to: edge.to,
      connections: Math.max(1, Math.min(edge.connections, connections, connectionsMax)),
      compress,
    }));
}

/** Of a stripe after the first one. */
function named(handle: Handle, stripe: number): Handle {
  return stripe === 0 ? handle : `${handle}-s${stripe}`;
}
