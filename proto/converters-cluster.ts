// Clusters and their nodes: model ↔ proto, both ways, total by type.
//
// The model counts in milliseconds and says "stop" or "down"; the wire says seconds and a flag, as
// users of the API expect.

import type {
  AutostopView,
  ClusterCost,
  ClusterView,
  Isolation,
  NodeProgress,
  NodeView,
} from "../model/cluster.ts";
import type { Node } from "../model/node.ts";
import { capacityFromProto, capacityToProto } from "./converters-rank.ts";
import { clusterStatuses, nodePhases } from "./enums.ts";
import { given, givenText, needed, oneOf } from "./fields.ts";
import type { sky } from "./gen/sky.js";

const isolations = Object.keys({
  embedded: true,
  process: true,
} satisfies Record<Isolation, true>) as readonly Isolation[];

export function clusterToProto(cluster: ClusterView): sky.v1.Cluster.$Properties {
  const { name, status, cloud, isolation, launchedAt, resources, command, nodes } = cluster;
  const { user, lastUsedAt, busyWith = "", silence } = cluster;
  return {
    ...{ name, cloud, isolation, launchedAt, resources, command, user, lastUsedAt, busyWith },
    status: clusterStatuses.toProto(status),
    nodes: nodes.map(nodeToProto),
    ...given("autostop", cluster.autostop && autostopToProto(cluster.autostop)),
    region: cluster.region ?? "",
    ...(silence && { silentSince: silence.since, silentWhy: silence.why }),
  };
}

/** @throws SkyError `codec/invalid` if it is absent, or has a word that we do not know. */
export function clusterFromProto(message: sky.v1.Cluster | null): ClusterView {
  const cluster = needed(message, "Cluster");
  const { name, cloud, launchedAt, resources, command, autostop } = cluster;
  const { user, lastUsedAt, busyWith, silentSince, silentWhy } = cluster;
  return {
    ...{ name, cloud, launchedAt, resources, command, user, lastUsedAt },
    ...givenText("busyWith", busyWith),
    ...givenText("region", cluster.region),
    status: clusterStatuses.fromProto(cluster.status),
    isolation: isolationFromText(cluster.isolation),
    nodes: cluster.nodes.map(nodeFromProto),
    ...given("autostop", autostop && autostopFromProto(autostop)),
    ...(silentSince !== null && { silence: { since: silentSince, why: silentWhy } }),
  };
}

/** @throws SkyError `codec/invalid` if it is no isolation. */
export function isolationFromText(text: string): Isolation {
  return oneOf(text, isolations, "isolation");
}

export function nodeToProto(node: NodeView): sky.v1.Node.$Properties {
  const { id, index, ip, capacity, phase, host = "" } = node;
  return {
    ...{ id, index, ip, host },
    capacity: capacityToProto(capacity),
    phase: nodePhases.toProto(phase),
  };
}

export function nodeFromProto(node: sky.v1.Node): NodeView {
  return { ...plainNodeFromProto(node), phase: nodePhases.fromProto(node.phase) };
}

/** Without what liveness thinks of it. */
export function plainNodeFromProto(node: sky.v1.Node): Node {
  const { id, index, ip, capacity, host } = node;
  return {
    ...{ id, index, ip },
    ...givenText("host", host),
    capacity: capacityFromProto(capacity),
  };
}

export function autostopToProto(autostop: AutostopView): sky.v1.Autostop.$Properties {
  const { idleMs, verb, verdict, idleSince } = autostop;
  return {
    idleSeconds: idleMs / 1_000,
    down: verb === "down",
    verdict,
    ...given("idleSince", idleSince),
  };
}

export function autostopFromProto(autostop: sky.v1.Autostop): AutostopView {
  const { idleSeconds, down, verdict, idleSince } = autostop;
  return {
    idleMs: Math.round(idleSeconds * 1_000),
    verb: down ? "down" : "stop",
    verdict,
    ...given("idleSince", idleSince),
  };
}

export function costToProto(cluster: ClusterCost): sky.v1.ClusterCost.$Properties {
  const { status, costPerHour, cost, usage, ...plain } = cluster;
  return {
    ...plain,
    ...given("status", status && clusterStatuses.toProto(status)),
    ...given("costPerHour", costPerHour),
    ...given("cost", cost),
    usage: [...usage],
  };
}

export function costFromProto(message: sky.v1.ClusterCost): ClusterCost {
  const { name, user, launchedAt, durationMs, numNodes, resources, status, usage } = message;
  return {
    ...{ name, user, launchedAt, durationMs, numNodes, resources },
    ...given("status", status === null ? undefined : clusterStatuses.fromProto(status)),
    ...given("costPerHour", message.costPerHour),
    ...given("cost", message.cost),
    usage: usage.map(({ startedAt, endedAt }) => ({ startedAt, ...given("endedAt", endedAt) })),
  };
}

export function progressToProto(progress: NodeProgress): sky.v1.NodeProgress.$Properties {
  const { nodesUp, nodesWanted, text } = progress;
  return { nodesUp, nodesWanted, text };
}

export function progressFromProto(message: sky.v1.NodeProgress | null): NodeProgress {
  const { nodesUp, nodesWanted, text } = needed(message, "NodeProgress");
  return { nodesUp, nodesWanted, text };
}
