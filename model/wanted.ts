// What a task wants of each of its nodes, in full: everything that `resources:` may say.
//
// A wish says what a machine of some cloud should be; `TaskResources` is the part of it that a
// cluster of this machine can give. A task has one wish, or several of which one is taken.
// Source of the fields: SkyPilot 0.3.0, and those that newer versions added.

import type { AtLeast } from "./task.ts";

/** One machine, as wished. Every field is optional: absent means that it does not matter. */
export interface Wanted {
  /** In lower case: `aws`. Absent: any that is enabled. */
  readonly cloud?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly instance_type?: string;
  readonly cpus?: AtLeast;
  /** In GB. */
  readonly memory?: AtLeast;
  readonly accelerators?: AcceleratorWish;
  readonly accelerator_args?: TpuWish;
  readonly use_spot?: boolean;
  readonly spot_recovery?: string;
  readonly job_recovery?: RecoveryWish;
  readonly image_id?: ImageWish;
  /** In GB. */
  readonly disk_size?: number;
  readonly disk_tier?: string;
  readonly network_tier?: string;
  readonly local_disk?: LocalDiskWish;
  /** In USD. */
  readonly max_hourly_cost?: number;
  readonly ports?: readonly PortRange[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly priority_class?: string;
  readonly volumes?: readonly VolumeWish[];
}

export type WantedField = keyof Wanted;

/** By name, or by what a device should have: `V100:4`, `nvidia:80GB+:2`. */
export type AcceleratorWish =
  | { readonly kind: "named"; readonly name: string; readonly count: number }
  | {
      readonly kind: "by-memory";
      readonly maker?: string;
      /** Of one device, in GB. */
      readonly memoryGb: AtLeast;
      readonly count: number;
    };

export interface TpuWish {
  readonly runtime_version?: string;
  readonly tpu_name?: string;
  readonly tpu_vm?: boolean;
  readonly gcp_queued_resource?: boolean;
}

export interface RecoveryWish {
  /** In upper case: `FAILOVER`. */
  readonly strategy?: string;
  readonly max_restarts_on_errors?: number;
  readonly recover_on_exit_codes?: readonly number[];
}

/** One image, one for each region, or a container beside an image. */
export interface ImageWish {
  readonly id?: string;
  readonly byRegion?: Readonly<Record<string, string>>;
  /** Without the prefix `docker:`. */
  readonly container?: string;
}

export interface LocalDiskWish {
  readonly mode: "nvme" | "ssd";
  /** In GB, of all disks together. */
  readonly size: AtLeast;
}

/** Both ends are in it. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface VolumeWish {
  readonly path: string;
  readonly name?: string;
}

/** Which of the wishes is to be taken: any, as the clouds like it, or the first that can be had. */
export interface WantedChoice {
  readonly kind: "one" | "any-of" | "ordered";
  readonly of: readonly Wanted[];
}
