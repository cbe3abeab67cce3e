// What a launch would do, without doing it: SkyPilot's `optimize` and `dryrun`. Pure.
//
// The local cloud has one offer at no price, so the choice is short; what is said is what a launch
// would then ask for, and whether a cluster that is there fits.

import { mismatchOf } from "../clouds/cluster-record.ts";
import type { ClusterStatus, ClusterView } from "../model/cluster.ts";
import { SkyError } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { IdleRule } from "./head.ts";
import { hasNothingToDo } from "./launch.ts";
import { cloudTitle } from "./task-clouds.ts";

/** The machines that a task would get. */
export interface TaskPlan {
  /** The task's name; absent if it has none. */
  readonly task?: string;
  readonly cloud: string;
  /** The pool of hosts; absent: wherever it fits. */
  readonly region?: string;
  readonly numNodes: number;
  /** `2x Local(cpus=2, memory=4GB, V100:1)`: of each node what was asked for. */
  readonly resources: string;
  /** In US dollars, all nodes together. */
  readonly costPerHour: number;
}

/** What `launch` would do. */
export interface LaunchPlan extends TaskPlan {
  readonly cluster: string;
  /** Of the cluster that is there and would be used, or started again; absent for a new one. */
  readonly existing?: ClusterStatus;
  /** Whether there would be a job; else the cluster is only brought up. */
  readonly submits: boolean;
  readonly autostop?: IdleRule;
}

const bytesPerGigabyte = 1024 ** 3;

export function taskPlan(task: Task): TaskPlan {
  const { name, numNodes, resources } = task;
  const { cpus, memoryGb, accelerators, cloud = "local", region } = resources;
  const asked = [
    cpus && `cpus=${cpus.amount}`,
    memoryGb && `memory=${memoryGb.amount}GB`,
    accelerators && `${accelerators.name}:${accelerators.count}`,
  ].filter((part) => part !== undefined);
  return {
    ...(name === undefined ? {} : { task: name }),
    ...{ cloud, numNodes, costPerHour: 0 },
    ...(region === undefined ? {} : { region }),
    resources: `${numNodes}x ${cloudTitle(cloud)}(${asked.join(", ")})`,
  };
}

export interface PlannedLaunch {
  readonly cluster: string;
  readonly task: Task;
  readonly noSetup: boolean;
  readonly autostop?: IdleRule;
  /** The cluster of that name, if there is one. */
  readonly found?: ClusterView;
}

/** @throws SkyError `cluster/mismatch` where the task does not fit the cluster that is there. */
export function launchPlan({ cluster, task, noSetup, autostop, found }: PlannedLaunch): LaunchPlan {
  if (found !== undefined) demandFit(found, task);
  const plan = taskPlan(task);
  return {
    ...plan,
    resources: found?.resources ?? plan.resources,
    cluster,
    submits: !hasNothingToDo(task, noSetup),
    ...(found === undefined ? {} : { existing: found.status }),
    ...(autostop === undefined ? {} : { autostop }),
  };
}

/** @throws SkyError `cluster/mismatch`, as a launch of the task on that cluster would. */
export function demandFit(found: ClusterView, { numNodes, resources }: Task): void {
  const { cloud, region, cpus, memoryGb, accelerators } = resources;
  const asked = {
    ...(cpus === undefined ? {} : { cpus: cpus.amount }),
    ...(memoryGb === undefined ? {} : { memoryBytes: memoryGb.amount * bytesPerGigabyte }),
    ...(accelerators === undefined ? {} : { accelerators }),
  };
  const where = {
    ...(cloud === undefined ? {} : { cloud }),
    ...(region === undefined ? {} : { region }),
  };
  const mismatch = mismatchOf(found, { numNodes, asked, ...where });
  if (mismatch !== undefined)
    throw new SkyError("cluster/mismatch", { ...mismatch, name: found.name });
}
