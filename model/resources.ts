// What a node has and what a job asks of each of its nodes.
//
// Units: CPUs in cores (fractions allowed), memory in bytes, accelerators in devices. A fraction
// of an accelerator is a share of one device; more than one device is a whole number.

/** What one node offers. */
export interface Capacity {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly accelerators: readonly Accelerators[];
}

/** `count` devices of one kind. */
export interface Accelerators {
  readonly name: string;
  readonly count: number;
  /**
   * What the machine calls these devices, in their order; absent: its first `count`. A node that
   * shares its machine with others has what they have not.
   */
  readonly ids?: readonly number[];
}

/** What a job asks of each of its nodes. */
export interface Demand {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly accelerators?: Accelerators;
}

/** What a job that names no CPUs asks for. Source: SkyPilot 0.3.0. */
export const defaultDemandCpus = 0.5;

/** The share of each device that a rank was given: whole devices or one fraction. */
export interface DeviceShare {
  readonly index: number;
  /** 0 < share ≤ 1. */
  readonly share: number;
}
