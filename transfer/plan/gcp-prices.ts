// Google: between its regions by continent, to the internet by network tier, source and target.
//
// A region is a zone's name (`us-central1-a`) or a region's (`us-central1`). Both `us` and
// `northamerica` are one continent. Singapore is `asia-southeast1`, Jakarta `asia-southeast2`.
// Source: cloud.google.com/vpc/network-pricing and cloud.google.com/network-tiers/pricing.

import type { Place } from "./prices.ts";
import { type Tier, tierPrice } from "./tiers.ts";

const within: Readonly<Record<string, number>> = {
  northamerica: 0.01,
  europe: 0.02,
  asia: 0.05,
  southamerica: 0.08,
  australia: 0.08,
};
const betweenContinents = 0.08;
/** To and from Australia and Jakarta. */
const remote = 0.15;

/** Towards anywhere but Australia, where the source is none of those below. */
const worldwide = steps([0.12, 0.11, 0.08], [1_000, 10_000]);
const towardsAustralia = steps([0.19, 0.18, 0.15], [1_000, 10_000]);
/** Sources in Asia and Australia that cost more; their first step is taken for all. */
const special: readonly (readonly [prefix: string, perGb: number])[] = [
  ["asia-northeast1", 0.14],
  ["asia-northeast2", 0.14],
  ["asia-southeast1", 0.14],
  ["asia-northeast3", 0.147],
  ["asia-southeast2", 0.19],
  ["australia", 0.19],
];

const standard: Readonly<Record<string, readonly Tier[]>> = {
  northamerica: steps([0.085, 0.065, 0.045], [10_000, 150_000]),
  europe: steps([0.085, 0.065, 0.045], [10_000, 150_000]),
  asia: steps([0.11], []),
  southamerica: steps([0.12], []),
  australia: steps([0.12], []),
};

export interface GcpUse {
  readonly gbBefore: number;
  readonly tier: "premium" | "standard";
}

export function gcpPrice(from: Place, to: Place, { gbBefore, tier }: GcpUse): number {
  if (to.provider === "gcp") return networkPrice(from.region, to.region);
  if (tier === "standard") {
    return tierPrice(standard[continentOf(from.region)] ?? standard["asia"] ?? [], gbBefore);
  }
  if (isAustralian(to)) return tierPrice(towardsAustralia, gbBefore);
  const dearer = special.find(([prefix]) => from.region.startsWith(prefix));
  return dearer?.[1] ?? tierPrice(worldwide, gbBefore);
}

function networkPrice(from: string, to: string): number {
  if (regionOf(from) === regionOf(to)) return from === to ? 0 : 0.01;
  const [source, target] = [continentOf(from), continentOf(to)];
  // Zones of two continents, or of one that is not in the list: as between continents.
  if (source === target) return within[source] ?? betweenContinents;
  return isRemote(from) || isRemote(to) ? remote : betweenContinents;
}

function isRemote(region: string): boolean {
  return region.startsWith("asia-southeast2") || region.startsWith("australia");
}

function isAustralian({ provider, region }: Place): boolean {
  return provider === "aws"
    ? /^ap-southeast-[24]$/.test(region)
    : provider === "azure" && region.startsWith("australia");
}

function continentOf(region: string): string {
  const first = region.slice(0, Math.max(0, region.indexOf("-")));
  return first === "us" ? "northamerica" : first;
}

/** Without the zone's letter. */
function regionOf(region: string): string {
  return region.replace(/-[a-z]$/, "");
}

function steps(prices: readonly number[], bounds: readonly number[]): readonly Tier[] {
  return prices.map((perGb, index) => ({ after: bounds[index - 1] ?? 0, perGb }));
}
