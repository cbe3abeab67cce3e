// Prices that fall with the volume: a list of steps.

export interface Tier {
  /** The tier begins after so many GB. */
  readonly after: number;
  readonly perGb: number;
}

/** @throws RangeError for a list without tiers. */
export function tierPrice(tiers: readonly Tier[], gbBefore: number): number {
  const found = tiers.findLast(({ after }) => after <= gbBefore) ?? tiers[0];
  if (found === undefined) throw new RangeError("a price list without a price");
  return found.perGb;
}

export function flat(perGb: number): readonly Tier[] {
  return [{ after: 0, perGb }];
}
