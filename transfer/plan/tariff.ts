// What so many gigabytes cost along one edge, over all volume tiers that they reach.
//
// A price function says what one more GB costs after so many; tiers make it a function of steps.
// The sum over them is exact where the price only falls (or only rises) with the volume, as it
// does in every published price list.

/** USD for the first `gb` of a tariff. Steps are found to within `precisionGb`. */
export function costOf(perGb: (gbBefore: number) => number, gb: number): number {
  return gb <= 0 ? 0 : costBetween(perGb, { from: 0, to: gb });
}

/** USD per GB when `gb` go; of nothing, what the first would cost. */
export function averagePrice(perGb: (gbBefore: number) => number, gb: number): number {
  return gb <= 0 ? perGb(0) : costOf(perGb, gb) / gb;
}

const precisionGb = 1e-3;

interface Span {
  readonly from: number;
  readonly to: number;
}

function costBetween(perGb: (gbBefore: number) => number, { from, to }: Span): number {
  const price = perGb(from);
  // The last GB of a span is priced by what lies just before its end.
  const isOneTier = price === perGb(Math.max(from, to - precisionGb));
  if (isOneTier || to - from <= precisionGb) return price * (to - from);
  const middle = (from + to) / 2;
  return costBetween(perGb, { from, to: middle }) + costBetween(perGb, { from: middle, to });
}
