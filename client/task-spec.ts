// A task as a program writes it: the fields of the YAML file, by the same names.
//
// The validator that reads files reads these too, so types are a convenience and not the check.

export interface TaskSpec {
  readonly name?: string;
  /** A folder whose content the job finds in `~/sky_workdir`. Relative to the current directory. */
  readonly workdir?: string;
  /** Default 1. */
  readonly num_nodes?: number;
  readonly resources?: ResourcesSpec;
  readonly envs?: Readonly<Record<string, string | number | boolean>>;
  /** Like `envs`, but never shown, and masked in logs. */
  readonly secrets?: Readonly<Record<string, string | number | boolean>>;
  readonly setup?: string;
  readonly run?: string;
  /** Higher goes first. Default 0. */
  readonly priority?: number;
  /** How often a lost or failed attempt may be started again. Default 0. */
  readonly max_restarts?: number;
}

/** What each node must have, or what the job asks of each of its nodes. */
export interface ResourcesSpec {
  readonly cloud?: string;
  readonly infra?: string;
  /** `4`, `0.5`, `"4+"`. */
  readonly cpus?: number | string;
  /** In GB. */
  readonly memory?: number | string;
  /** `"V100"`, `"V100:0.5"`, `{ V100: 1 }`. */
  readonly accelerators?: string | Readonly<Record<string, number>>;
  readonly use_spot?: boolean;
}
