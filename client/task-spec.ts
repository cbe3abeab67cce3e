// A task as a program writes it: the fields of the YAML file, by the same names.
//
// The validator that reads files reads these too, so types are a convenience and not the check.
// Each table of the validator has a row for each field here; a test compares them.

/** The value of an environment variable. */
export type EnvValue = string | number | boolean;

/** Variables by name; null = given nowhere, which is a mistake unless something sets it later. */
export type EnvsSpec = Readonly<Record<string, EnvValue | null>>;

export interface TaskSpec {
  readonly name?: string;
  /** A folder whose content the job finds in `~/sky_workdir`. Relative to the current directory. */
  readonly workdir?: string | GitSpec;
  /** Default 1. */
  readonly num_nodes?: number;
  readonly resources?: ResourcesSpec | null;
  /** Where on the nodes, and which file or folder of this machine. */
  readonly file_mounts?: Readonly<Record<string, string | StorageSpec>>;
  /** Paths, each to the name of a cloud's volume. */
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly envs?: EnvsSpec;
  /** Like `envs`, but never shown, and masked in logs. */
  readonly secrets?: EnvsSpec;
  /** Runs on every node of the cluster, each time that the task is launched. */
  readonly setup?: string;
  /** Runs on each of the `num_nodes` nodes. */
  readonly run?: string;
  /** Higher goes first. Default 0. */
  readonly priority?: number;
  /** How often a lost or failed attempt may be started again. Default 0. */
  readonly max_restarts?: number;
  /** Of one attempt with its setup: seconds, or `"90s"`, `"10m"`, `"1h30m"`, `"2d"`. */
  readonly timeout?: number | string;
  readonly config?: ConfigSpec;
  /** One bucket and its size in GB: for estimates of egress cost. */
  readonly inputs?: Readonly<Record<string, number>>;
  readonly outputs?: Readonly<Record<string, number>>;
  readonly managed_secrets?: readonly unknown[];
  readonly event_callback?: string;
  readonly experimental?: Readonly<Record<string, unknown>>;
  readonly api_server_access?: boolean;
  /** Refused: a service is for `sky serve`. */
  readonly service?: Readonly<Record<string, unknown>>;
  /** Refused: a pool is for `sky jobs pool`. */
  readonly pool?: Readonly<Record<string, unknown>>;
}

/** A workdir from a git repository. */
export interface GitSpec {
  readonly url: string;
  readonly ref?: string;
}

/** A bucket: needs a cloud. */
export interface StorageSpec {
  readonly name?: string;
  readonly source?: string | readonly string[];
  readonly store?: string;
  readonly mode?: string;
  readonly persistent?: boolean;
  readonly [more: string]: unknown;
}

/** Settings of the home that are others for this task. */
export interface ConfigSpec {
  /** Between TERM and KILL, when a rank is ended. */
  readonly grace_seconds?: number;
  /** 0 = none. */
  readonly lease_seconds?: number;
  readonly local?: { readonly isolation?: "embedded" | "process" };
  /** Sections of clouds that SkyPilot knows. */
  readonly [section: string]: unknown;
}

/** What each node must have, or what the job asks of each of its nodes. */
export interface ResourcesSpec extends WishSpec {
  /** The first of these that can be had, in the order of what they cost. */
  readonly any_of?: readonly WishSpec[];
  /** The first of these that can be had, in their own order. */
  readonly ordered?: readonly WishSpec[];
  /** For `sky bench`. */
  readonly candidates?: readonly WishSpec[];
}

/** One choice of what a node must have. */
export interface WishSpec {
  readonly cloud?: string;
  /** `"aws/us-east-1/us-east-1a"`: newer SkyPilot's one field for cloud, region and zone. */
  readonly infra?: string;
  readonly region?: string;
  readonly zone?: string;
  /** `4`, `0.5`, `"4+"`. */
  readonly cpus?: number | string;
  /** In GB. */
  readonly memory?: number | string;
  /** `"V100"`, `"V100:0.5"`, `{ V100: 1 }`; a list is a choice. */
  readonly accelerators?: AcceleratorsSpec;
  /** The same. */
  readonly gpus?: AcceleratorsSpec;
  readonly accelerator_args?: Readonly<Record<string, unknown>>;
  readonly instance_type?: string;
  readonly use_spot?: boolean;
  readonly spot_recovery?: string;
  readonly job_recovery?: string | Readonly<Record<string, unknown>>;
  readonly image_id?: string | Readonly<Record<string, string>>;
  /** In GB, or with a unit. */
  readonly disk_size?: number | string;
  readonly disk_tier?: string;
  readonly network_tier?: string;
  readonly local_disk?: string | Readonly<Record<string, unknown>>;
  /** In US dollars. */
  readonly max_hourly_cost?: number;
  readonly ports?: number | string | readonly (number | string)[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly volumes?: readonly unknown[];
  readonly priority_class?: string;
  /** `true`, `10` (minutes), `"10m"`, `{ idle_minutes: 10, down: true }`. */
  readonly autostop?: boolean | number | string | AutostopSpec;
  /** The task's, where the task itself has none. */
  readonly priority?: number;
}

export type AcceleratorsSpec = string | Readonly<Record<string, number | null>> | readonly string[];

export interface AutostopSpec {
  readonly idle_minutes?: number;
  readonly down?: boolean;
  readonly [more: string]: unknown;
}
