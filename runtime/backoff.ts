// How long to wait before trying again: longer each time, never longer than a cap, never in step
// with others. Pure: the jitter comes from the random port that is passed in.
// Source: the multiplier is gRPC's (doc/connection-backoff.md in grpc/grpc), the jitter SkyPilot's.

import { assert } from "../model/errors.ts";
import type { Random } from "./random.ts";

export interface Backoff {
  readonly initialMs: number;
  readonly capMs: number;
  readonly multiplier: number;
  /** 0.4: each wait is drawn from 60 % to 140 % of its nominal length. */
  readonly jitter: number;
}

export function backoff(limits: { readonly initialMs: number; readonly capMs: number }): Backoff {
  assert(limits.initialMs > 0 && limits.capMs >= limits.initialMs, "a backoff grows to its cap");
  return { ...limits, multiplier: 1.6, jitter: 0.4 };
}

/** The wait after failure number `failures`, counted from 1. The jitter may exceed the cap. */
export function backoffMs(policy: Backoff, failures: number, random: Random): number {
  assert(Number.isInteger(failures) && failures >= 1, "a backoff follows a failure");
  const nominalMs = Math.min(policy.capMs, policy.initialMs * policy.multiplier ** (failures - 1));
  return Math.round(nominalMs * (1 + policy.jitter * (2 * random.unit() - 1)));
}
