// A task: what the user asks for, after validation. The only form that leaves the client.
//
// The YAML's field names are in `client/task-file.ts`; this is the same content, typed, with
// defaults filled in. It is immutable, and a job keeps the one that it was submitted with.

import type { Isolation } from "./cluster.ts";
import type { Accelerators } from "./resources.ts";
import type { MountTree, TreeRef } from "./tree.ts";

export interface Task {
  readonly name?: string;
  /** An absolute path on the machine of the client, or absent. */
  readonly workdir?: string;
  /** Its content, where the head was given that beforehand; there is no `workdir` then. */
  readonly workdirTree?: TreeRef;
  /** In the order of the file. Absent in records of earlier versions. */
  readonly fileMounts?: readonly FileMount[];
  readonly numNodes: number;
  readonly resources: TaskResources;
  /** Insertion order is kept. Values are arbitrary text without NUL. */
  readonly envs: Readonly<Record<string, string>>;
  /** Like `envs`, but never shown, and masked in logs that leave a node. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly setup?: string;
  readonly run?: string;
  /** Higher goes first. Default 0. */
  readonly priority: number;
  /** How often a lost or failed attempt may be started again. Default 0. */
  readonly maxRestarts: number;
  /** An attempt that takes longer, its setup included, is ended. Absent: it may take for ever. */
  readonly timeoutMs?: number;
  /** Settings of the home that are others for this task. */
  readonly config?: TaskConfig;
  /** For the launch of its cluster, where no flag says otherwise. It does not leave the client. */
  readonly autostop?: TaskAutostop;
}

/** When the cluster of a task stops by itself. */
export interface TaskAutostop {
  readonly idleSeconds: number;
  readonly down: boolean;
}

/** A file or folder of the client's machine that the task finds on its nodes. */
export interface FileMount {
  /** `~/…`, an absolute path, or relative to `~/sky_workdir`. Without a slash at its end. */
  readonly destination: string;
  /** An absolute path on the machine of the client. */
  readonly source: string;
  /** Its content, where the head was given that beforehand; `source` is for people then. */
  readonly tree?: Pick<MountTree, "tree" | "isFile">;
}

/** Priorities and restarts are between this and its negative: so they travel. */
export const taskCountMax = 2_147_483_647;

/** An hour, to write a last checkpoint. */
export const graceMsMax = 3_600_000;

export interface TaskConfig {
  /** Between TERM and KILL, when a rank is ended. At most `graceMsMax`. */
  readonly graceMs?: number;
  /** 0 = none; otherwise at least `leaseMsMin` of `model/lease.ts`. */
  readonly leaseMs?: number;
  /** For the launch of its cluster. It does not leave the client. */
  readonly isolation?: Isolation;
}

export interface TaskResources {
  readonly cloud?: string;
  /** The pool of hosts, or the place at the cloud. */
  readonly region?: string;
  readonly cpus?: AtLeast;
  readonly memoryGb?: AtLeast;
  readonly accelerators?: Accelerators;
}

/** `4` is exact, `4+` is at least 4. For a job's demand both mean 4. */
export interface AtLeast {
  readonly amount: number;
  readonly orMore: boolean;
}
