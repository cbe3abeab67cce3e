// A task: what the user asks for, after validation. The only form that leaves the client.
//
// The YAML's field names are in `client/task-file.ts`; this is the same content, typed, with
// defaults filled in. It is immutable, and a job keeps the one that it was submitted with.

import type { Accelerators } from "./resources.ts";

export interface Task {
  readonly name?: string;
  /** An absolute path on the machine of the client, or absent. */
  readonly workdir?: string;
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
}

export interface TaskResources {
  readonly cloud?: string;
  readonly cpus?: AtLeast;
  readonly memoryGb?: AtLeast;
  readonly accelerators?: Accelerators;
}

/** `4` is exact, `4+` is at least 4. For a job's demand both mean 4. */
export interface AtLeast {
  readonly amount: number;
  readonly orMore: boolean;
}
