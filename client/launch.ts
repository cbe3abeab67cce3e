// Launch: a cluster that is up, then the task on it, with autostop armed in the same commit.
//
// Over the head's port: the command and the SDK both come through here.

import type { ClusterView, Isolation, NodeProgress } from "../model/cluster.ts";
import { assert } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { ClusterStep, ClusterWanted, Head, IdleRule } from "./head.ts";
import type { UntilUp } from "./until-up.ts";
import { retriedUntilUp } from "./until-up.ts";

export interface LaunchOrder {
  readonly cluster: string;
  /** Its demand is what each node gets. Nothing is submitted if it has nothing to do. */
  readonly task: Task;
  readonly isolation?: Isolation;
  readonly autostop?: IdleRule;
  readonly noSetup: boolean;
  /** Fingerprints of hosts' keys that the user said yes to; `*` = any that is new. */
  readonly trustedHostKeys?: readonly string[];
  readonly command: string;
  readonly user: string;
  readonly idempotencyKey: string;
}

export interface Watch {
  readonly signal: AbortSignal;
  /** Given: a start that fails is made again, until the cluster is up or the caller gives up. */
  readonly untilUp?: UntilUp;
  readonly onProgress?: (progress: NodeProgress) => void;
  /** The cluster is up; the task comes next. */
  readonly onUp?: (cluster: ClusterView) => void;
}

export interface LaunchResult {
  readonly cluster: ClusterView;
  /** Absent if there was nothing to do but to bring the cluster up. */
  readonly jobId?: number;
}

export async function launchTask(
  head: Head,
  order: LaunchOrder,
  watch: Watch,
): Promise<LaunchResult> {
  const { task, cluster: name, noSetup } = order;
  // What the task says of its cluster holds where the launch says nothing.
  const autostop = order.autostop ?? task.autostop;
  const wanted = wantedBy(order);
  const cluster = await broughtUp(() => head.launch(wanted, watch.signal), watch);
  watch.onUp?.(cluster);
  if (hasNothingToDo(task, noSetup)) {
    if (autostop !== undefined) await head.setAutostop(name, autostop, watch.signal);
    return { cluster };
  }
  const { command, user, idempotencyKey } = order;
  const armed = autostop === undefined ? {} : { autostop };
  const submission = {
    ...{ cluster: name, tasks: [task], noSetup, command, user, idempotencyKey },
    allNodes: true,
  };
  const [jobId] = await head.submit({ ...submission, ...armed }, watch.signal);
  assert(jobId !== undefined, "one task becomes one job");
  return { cluster, jobId };
}

/** Whether submitting the task would be pointless: it runs nothing, and no file of it arrives. */
export function hasNothingToDo(task: Task, noSetup: boolean): boolean {
  const setup = noSetup ? "" : (task.setup ?? "");
  const files = task.workdir !== undefined || (task.fileMounts ?? []).length > 0;
  return (task.run ?? "").trim() === "" && setup.trim() === "" && !files;
}

/** What a launch and a start do: follow the steps to the end, where asked again and again. */
export async function broughtUp(
  begin: () => AsyncIterable<ClusterStep>,
  watch: Pick<Watch, "onProgress" | "untilUp">,
): Promise<ClusterView> {
  const { untilUp } = watch;
  if (untilUp === undefined) return lastStep(begin(), watch);
  const say = (text: string) => watch.onProgress?.({ nodesUp: 0, nodesWanted: 0, text });
  return retriedUntilUp(() => lastStep(begin(), watch), untilUp, say);
}

/** Follows a launch or a start to its end. */
export async function lastStep(
  steps: AsyncIterable<ClusterStep>,
  { onProgress }: Pick<Watch, "onProgress">,
): Promise<ClusterView> {
  let cluster: ClusterView | undefined;
  for await (const step of steps) {
    if (step.kind === "cluster") cluster = step.cluster;
    else onProgress?.(step.progress);
  }
  assert(cluster !== undefined, "a launch ends with its cluster");
  return cluster;
}

function wantedBy({ cluster, task, command, user, ...order }: LaunchOrder): ClusterWanted {
  const isolation = order.isolation ?? task.config?.isolation;
  const { cloud, region, cpus, memoryGb, accelerators } = task.resources;
  const { trustedHostKeys } = order;
  return {
    cluster,
    numNodes: task.numNodes,
    ...(cpus === undefined ? {} : { cpus: cpus.amount }),
    ...(memoryGb === undefined ? {} : { memoryGb: memoryGb.amount }),
    ...(accelerators === undefined ? {} : { accelerators }),
    ...(cloud === undefined ? {} : { cloud }),
    ...(region === undefined ? {} : { region }),
    ...(trustedHostKeys === undefined ? {} : { trustedHostKeys }),
    ...(isolation === undefined ? {} : { isolation }),
    command,
    user,
  };
}
