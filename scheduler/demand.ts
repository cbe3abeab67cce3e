// What a task asks of each of its nodes, in the exact units in which the ledger counts.
//
// All counting is in whole numbers (thousandths of a core, thousandths of a device, bytes), so that
// a thousand allocations and releases end where they began: floating point would drift.

import type { Accelerators, Capacity, Demand } from "../model/resources.ts";
import { defaultDemandCpus } from "../model/resources.ts";
import type { Task } from "../model/task.ts";

/** A thousandth of a core or of a device is the smallest share that is told apart. */
export const milli = 1000;

const bytesPerGb = 1024 ** 3;

/** What one rank takes from its node. Either `wholeDevices` or `shareMilli` is 0. */
export interface Need {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  /** The accelerator's name in lower case, or empty. */
  readonly device: string;
  readonly wholeDevices: number;
  /** A share of one device, 0 < share < 1000. */
  readonly shareMilli: number;
  /** It comes with file mounts: not every node can lay them out. */
  readonly mounts?: true;
}

/** What a job of this task asks of each node. Cpus and memory count only where they are given. */
export function demandOf(task: Task): Demand {
  const { cpus, memoryGb, accelerators } = task.resources;
  return {
    cpus: cpus?.amount ?? defaultDemandCpus,
    memoryBytes: Math.round((memoryGb?.amount ?? 0) * bytesPerGb),
    ...(accelerators === undefined ? {} : { accelerators }),
  };
}

export function needOf(demand: Demand): Need {
  const count = demand.accelerators?.count ?? 0;
  const whole = count >= 1 ? Math.ceil(count) : 0;
  return {
    cpuMilli: Math.ceil(demand.cpus * milli - 1e-6),
    memoryBytes: demand.memoryBytes,
    device: count > 0 ? (demand.accelerators?.name ?? "").toLowerCase() : "",
    wholeDevices: whole,
    shareMilli: whole === 0 ? Math.round(count * milli) : 0,
  };
}

/** Equal for jobs that ask for the same thing, so that they can be judged together. */
export function shapeOf(need: Need, numNodes: number): string {
  const device = need.device === "" ? "" : `${need.device}:${need.wholeDevices}.${need.shareMilli}`;
  const mounts = need.mounts ? "/mounts" : "";
  return `${numNodes}x${need.cpuMilli}/${need.memoryBytes}/${device}${mounts}`;
}

/** What is wrong with a demand that no cluster could ever meet, or `undefined`. */
export function demandProblem(task: Task): string | undefined {
  const { cpus, memoryGb, accelerators } = task.resources;
  if (!Number.isInteger(task.numNodes) || task.numNodes < 1) {
    return `num_nodes: ${task.numNodes} is not a positive whole number`;
  }
  if (cpus !== undefined && !(cpus.amount > 0)) return "cpus: must be greater than 0";
  if (memoryGb !== undefined && !(memoryGb.amount > 0)) return "memory: must be greater than 0";
  return accelerators === undefined ? undefined : acceleratorProblem(accelerators);
}

function acceleratorProblem({ name, count }: Accelerators): string | undefined {
  if (!(count > 0)) return `accelerators: ${name}:${count} must be greater than 0`;
  if (count > 1 && !Number.isInteger(count)) {
    return `accelerators: ${name}:${count} is more than one device, so it must be a whole number`;
  }
  return count * milli < 1 ? `accelerators: ${name}:${count} is less than 0.001` : undefined;
}

/** As SkyPilot shows it: `4x [CPU:0.5]`, `1x [V100:0.5]`. */
export function resourcesText(task: Task): string {
  const { accelerators, cpus } = task.resources;
  const what =
    accelerators === undefined
      ? `CPU:${cpus?.amount ?? defaultDemandCpus}`
      : `${accelerators.name}:${accelerators.count}`;
  return `${task.numNodes}x [${what}]`;
}

/** Why fewer than `numNodes` of these nodes could ever hold the demand, or `undefined`. */
export function tooBig(
  nodes: readonly Capacity[],
  demand: Demand,
  numNodes: number,
): string | undefined {
  if (numNodes > nodes.length) {
    return `${plural(numNodes, "node")} asked, the cluster has ${nodes.length}`;
  }
  const need = needOf(demand);
  const able = nodes.filter((capacity) => canEverHold(capacity, need)).length;
  if (able >= numNodes) return undefined;
  const lack = lackOf(nodes, demand, need);
  if (able === 0) return lack;
  const asked = `${plural(numNodes, "node")} asked`;
  return `${asked}; only ${able} of ${nodes.length} could hold it: ${lack}`;
}

/** Whether a node with nothing else on it holds `need`. */
export function canEverHold(capacity: Capacity, need: Need): boolean {
  return (
    Math.floor(capacity.cpus * milli + 1e-6) >= need.cpuMilli &&
    capacity.memoryBytes >= need.memoryBytes &&
    (need.device === "" || devicesOf(capacity, need.device) >= Math.max(1, need.wholeDevices))
  );
}

function devicesOf(capacity: Capacity, device: string): number {
  return capacity.accelerators
    .filter(({ name }) => name.toLowerCase() === device)
    .reduce((sum, { count }) => sum + Math.floor(count), 0);
}

function lackOf(nodes: readonly Capacity[], demand: Demand, need: Need): string {
  const { accelerators } = demand;
  const most = Math.max(...nodes.map((node) => devicesOf(node, need.device)));
  if (accelerators !== undefined && most < Math.max(1, need.wholeDevices)) {
    return `${accelerators.name}:${accelerators.count} asked, ${deviceSupply(nodes)}`;
  }
  const cpus = Math.max(...nodes.map((node) => node.cpus));
  if (Math.floor(cpus * milli + 1e-6) < need.cpuMilli) {
    return `cpus ${demand.cpus} asked, ${each(nodes)} has ${cpus}`;
  }
  const memory = Math.max(...nodes.map((node) => node.memoryBytes));
  if (memory < need.memoryBytes) {
    return `memory ${gb(need.memoryBytes)} GB asked, ${each(nodes)} has ${gb(memory)} GB`;
  }
  return "no single node has all that is asked at once";
}

function deviceSupply(nodes: readonly Capacity[]): string {
  const texts = nodes.map(({ accelerators }) =>
    accelerators.flatMap(({ name, count }) => (count > 0 ? `${name}:${count}` : [])).join(", "),
  );
  const distinct = [...new Set(texts.filter((text) => text !== ""))];
  if (distinct.length === 0) return "the cluster has no accelerators";
  const same = distinct.length === 1 && texts.every((text) => text === distinct[0]);
  return same ? `each node has ${distinct[0]}` : `its nodes have ${distinct.join(" or ")}`;
}

function each(nodes: readonly Capacity[]): string {
  return nodes.length === 1 ? "the node" : "the largest node";
}

function gb(bytes: number): number {
  return Math.round((bytes / bytesPerGb) * 100) / 100;
}

/** `1 node`, `3 nodes`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
