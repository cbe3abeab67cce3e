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
   * shares its machine with others has what they have not; if that is none, `count` is 0, and its
   * jobs see none.
   */
  readonly ids?: readonly number[];
}

/**
 * What the machine calls the devices of a node, in the order in which the ledger counts them: those
 * of one kind after those of another. Where nobody says, they are the machine's first.
 */
export function deviceIds({ accelerators }: Pick<Capacity, "accelerators">): readonly number[] {
  const all: number[] = [];
  for (const { count, ids } of accelerators) {
    const first = all.length;
    for (let at = 0; at < Math.floor(count); at += 1) all.push(ids?.[at] ?? first + at);
  }
  return all;
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
