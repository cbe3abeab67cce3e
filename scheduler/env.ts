// The environment of a rank: what SkyPilot promises to `run` and to `setup`.
//
// Values pass byte for byte through `execve`; nothing is quoted. The user's `envs` come after the
// variables that describe the job as a whole (a user may choose his own `SKYPILOT_JOB_ID`) and
// before those that differ from rank to rank, which are facts.
//
// Source: SkyPilot 0.3.0 (`cloud_vm_ray_backend.py`), and 0.4 for SKYPILOT_TASK_ID, NUM_NODES and
// the SETUP variables.

import type { DeviceShare } from "../model/resources.ts";
import type { Task } from "../model/task.ts";

export interface EnvInput {
  readonly cluster: string;
  readonly job: number;
  readonly submittedAt: number;
  readonly task: Task;
  /** Addresses in rank order (of the run), or in node order (of the setup). */
  readonly ips: readonly string[];
  readonly rank: number;
}

export type Env = Readonly<Record<string, string>>;

/**
 * What `run` sees on one rank.
 *
 * CUDA_VISIBLE_DEVICES names the devices that the rank was given. A job that asks for none, on a
 * node that has some, gets it empty, so that it cannot touch another job's device, unless its own
 * `envs` set it. On a node without devices it is left alone.
 */
export function runEnv(
  input: EnvInput & { readonly devices: readonly DeviceShare[]; readonly nodeHasDevices: boolean },
): Env {
  const { task, rank, devices } = input;
  const gpus = gpusPerNode(task);
  const own = {
    ...identity(input),
    SKYPILOT_NODE_IPS: input.ips.join("\n"),
    SKY_NODE_IPS: input.ips.join("\n"),
    ...(input.nodeHasDevices ? { CUDA_VISIBLE_DEVICES: "" } : {}),
  };
  const facts = {
    SKYPILOT_NUM_NODES: String(input.ips.length),
    SKYPILOT_NODE_RANK: String(rank),
    SKY_NODE_RANK: String(rank),
    SKYPILOT_NUM_GPUS_PER_NODE: String(gpus),
    SKY_NUM_GPUS_PER_NODE: String(gpus),
    ...(gpus > 0 ? { CUDA_VISIBLE_DEVICES: devices.map(({ index }) => index).join(",") } : {}),
  };
  return { ...own, ...task.envs, ...facts };
}

/** What `setup` sees on one node. It is told of no device. */
export function setupEnv(input: EnvInput): Env {
  return {
    SKYPILOT_TASK_ID: taskId(input),
    ...input.task.envs,
    SKYPILOT_SETUP_NODE_RANK: String(input.rank),
    SKYPILOT_SETUP_NODE_IPS: input.ips.join("\n"),
    SKYPILOT_SETUP_NUM_GPUS_PER_NODE: String(gpusPerNode(input.task)),
  };
}

function identity(input: EnvInput): Env {
  const id = taskId(input);
  return {
    SKYPILOT_TASK_ID: id,
    SKYPILOT_JOB_ID: id,
    SKYPILOT_INTERNAL_JOB_ID: String(input.job),
    SKY_INTERNAL_JOB_ID: String(input.job),
  };
}

/** A fraction of a device counts as one: a program cannot see less. */
function gpusPerNode(task: Task): number {
  return Math.ceil(task.resources.accelerators?.count ?? 0);
}

/** Unique across clusters and time: `sky-2026-01-31-12-00-00-000000_demo_id-7`. */
function taskId({ cluster, job, submittedAt }: EnvInput): string {
  const [date, time] = new Date(submittedAt).toISOString().split("T");
  const clock = (time ?? "").replace("Z", "000").replaceAll(/[:.]/g, "-");
  return `sky-${date}-${clock}_${cluster}_id-${job}`;
}
