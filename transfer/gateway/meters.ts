// What each operator of a round has done so far: counts that only grow, and what waits for it.
//
// They are told now and then, never for each chunk. Pure.

import type { OperatorMetrics } from "./orders.ts";
import type { Handle, Program } from "./program.ts";
import { operatorsOf } from "./validate.ts";

/** Of one operator. Whoever works for it counts here. */
export interface Meter {
  bytes: number;
  chunks: number;
  objects: number;
  retries: number;
  failures: number;
  waiting: number;
}

export class Meters {
  readonly #meters = new Map<Handle, Meter>();

  constructor(program: Program) {
    for (const { root } of program.partitions) {
      for (const { handle } of operatorsOf(root)) this.of(handle);
    }
  }

  of(handle: Handle): Meter {
    const known = this.#meters.get(handle);
    if (known !== undefined) return known;
    const meter = { bytes: 0, chunks: 0, objects: 0, retries: 0, failures: 0, waiting: 0 };
    this.#meters.set(handle, meter);
    return meter;
  }

  snapshot(): readonly OperatorMetrics[] {
    return [...this.#meters].map(([handle, meter]) => ({ handle, ...meter }));
  }
}
