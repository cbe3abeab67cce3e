// How much of a round is written at each destination, from what gateways say of their operators.

import type { GatewayMetrics } from "../../transfer/gateway/orders.ts";

/** Bytes by destination. */
export type Written = ReadonlyMap<number, number>;

/** By the handles that `programs.ts` gives writers: `write-2`, and `write-2-s1` of a stripe. */
export function writtenIn({ operators }: GatewayMetrics): Written {
  const written = new Map<number, number>();
  for (const { handle, bytes } of operators) {
    const [, digits] = /^write-(\d+)/.exec(handle) ?? [];
    if (digits === undefined) continue;
    written.set(Number(digits), (written.get(Number(digits)) ?? 0) + bytes);
  }
  return written;
}

/** Of all gateways; destinations are its indexes. */
export function sumOf(all: readonly Written[]): readonly number[] {
  const sums: number[] = [];
  for (const written of all) {
    for (const [at, bytes] of written) sums[at] = (sums[at] ?? 0) + bytes;
  }
  return sums;
}
