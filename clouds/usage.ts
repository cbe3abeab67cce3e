// When the machines of a cluster ran, and what that cost: also of clusters that are gone.
//
// An interval begins when a cluster is launched or started and ends when it is stopped or gone, as
// the head came to know it. A cluster that is gone leaves a small record, so that a report of costs
// can name it. Pure.
//
// Source: SkyPilot's rule, an interval is opened by a launch or a start if the last one is closed.

import type { ClusterCost, UsageInterval } from "../model/cluster.ts";
import { given } from "../proto/fields.ts";
import type { ClusterRecord } from "./cluster-record.ts";

export interface Usage {
  /** In the order of time; only the last may be open. */
  readonly intervals: readonly UsageInterval[];
  /** Of those that are not listed any more. */
  readonly earlierMs: number;
}

export const neverUsed: Usage = { intervals: [], earlierMs: 0 };

/** What is left of a cluster that is gone. */
export interface GoneCluster {
  readonly name: string;
  readonly user: string;
  readonly cloud: string;
  readonly resources: string;
  readonly numNodes: number;
  readonly launchedAt: number;
  readonly endedAt: number;
  readonly usage: Usage;
  readonly nodePricePerHour?: number;
}

/** Intervals that a record lists. Of older ones only their sum is kept. */
const intervalsMax = 100;
const hourMs = 3_600_000;

export function opened(usage: Usage, wallMs: number): Usage {
  if (isOpen(usage)) return usage;
  const all = [...usage.intervals, { startedAt: wallMs }];
  const dropped = all.slice(0, -intervalsMax);
  return {
    intervals: all.slice(-intervalsMax),
    earlierMs: usage.earlierMs + sumMs(dropped, wallMs),
  };
}

/** A clock that was set back makes no interval that ends before it begins. */
export function closed(usage: Usage, wallMs: number): Usage {
  const last = usage.intervals.at(-1);
  if (last === undefined || last.endedAt !== undefined) return usage;
  const ended = { ...last, endedAt: Math.max(last.startedAt, wallMs) };
  return { ...usage, intervals: [...usage.intervals.slice(0, -1), ended] };
}

export function isOpen({ intervals }: Usage): boolean {
  const last = intervals.at(-1);
  return last !== undefined && last.endedAt === undefined;
}

/** For so long machines ran, in all. */
export function usedMs({ intervals, earlierMs }: Usage, nowWallMs: number): number {
  return earlierMs + sumMs(intervals, nowWallMs);
}

/** Records of earlier versions do not say: what is not stopped has run since its last launch. */
export function usageOf({ usage, status, launchedAt }: ClusterRecord): Usage {
  if (usage !== undefined) return usage;
  const intervals = status === "STOPPED" ? [] : [{ startedAt: launchedAt }];
  return { intervals, earlierMs: 0 };
}

export function goneCluster(record: ClusterRecord, wallMs: number): GoneCluster {
  const { name, user = "", cloud, resources, nodes, nodePricePerHour } = record;
  const usage = closed(usageOf(record), wallMs);
  const launchedAt = firstStart(usage) ?? record.launchedAt;
  return {
    ...{ name, user, cloud, resources, launchedAt, usage },
    numNodes: nodes.length,
    endedAt: wallMs,
    ...given("nodePricePerHour", nodePricePerHour),
  };
}

/** `nodePricePerHour` is what its cloud says now, for records that do not say. */
export function costOf(
  record: ClusterRecord,
  { nowWallMs, nodePricePerHour }: { readonly nowWallMs: number; nodePricePerHour?: number },
): ClusterCost {
  const { status } = record;
  const gone = goneCluster({ ...record, usage: usageOf(record) }, nowWallMs);
  const usage = usageOf(record);
  const price = record.nodePricePerHour ?? nodePricePerHour;
  return {
    ...costOfGone({ ...gone, usage, ...given("nodePricePerHour", price) }, nowWallMs),
    status,
  };
}

export function costOfGone(gone: GoneCluster, nowWallMs: number): ClusterCost {
  const { name, user, launchedAt, numNodes, resources, usage, nodePricePerHour } = gone;
  const durationMs = usedMs(usage, nowWallMs);
  const costPerHour = nodePricePerHour === undefined ? undefined : nodePricePerHour * numNodes;
  const cost = costPerHour === undefined ? undefined : (costPerHour * durationMs) / hourMs;
  return {
    ...{ name, user, launchedAt, durationMs, numNodes, resources },
    ...given("costPerHour", costPerHour),
    ...given("cost", cost),
    usage: usage.intervals,
  };
}

function firstStart({ intervals }: Usage): number | undefined {
  return intervals[0]?.startedAt;
}

function sumMs(intervals: readonly UsageInterval[], nowWallMs: number): number {
  return intervals.reduce(
    (sum, { startedAt, endedAt = nowWallMs }) => sum + Math.max(0, endedAt - startedAt),
    0,
  );
}
