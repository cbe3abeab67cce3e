// Azure: by the continents of both ends within its own network, by the source's to the internet.
//
// Source: azure.microsoft.com/pricing/details/bandwidth, "Inter-region" and "Internet egress".
// Of the internet's tiers those of North America and Europe are here (10, 40, 100, 350 TB); for the
// other zones the first is taken for all: what they cost at most.

import type { Place } from "./prices.ts";
import { flat, type Tier, tierPrice } from "./tiers.ts";

type Continent = "north-america" | "europe" | "south-america" | "rest";

/** Beginnings of names of regions; what is not here is Asia, Oceania, the Middle East or Africa. */
const continents: readonly (readonly [Continent, RegExp])[] = [
  ["south-america", /^(brazil|chile)/],
  ["north-america", /^(canada|mexico)|^(west|east|north|south|westcentral)?(central)?us\d?$/],
  ["north-america", /^(northcentral|southcentral|westcentral|usgov|usdod)/],
  ["europe", /^(north|west)europe$/],
  ["europe", /^(france|germany|norway|sweden|switzerland|uk|italy|poland|spain|austria|belgium)/],
];

const internet: Readonly<Record<Continent, readonly Tier[]>> = {
  "north-america": western(),
  europe: western(),
  "south-america": flat(0.181),
  rest: flat(0.12),
};

const within = { "north-america": 0.02, europe: 0.02, "south-america": 0.181, rest: 0.08 };
const between = { "north-america": 0.05, europe: 0.05, "south-america": 0.16, rest: 0.08 };

export function azurePrice(from: Place, to: Place, gbBefore: number): number {
  const source = continentOf(from.region);
  if (to.provider !== "azure") return tierPrice(internet[source], gbBefore);
  return source === continentOf(to.region) ? within[source] : between[source];
}

function continentOf(region: string): Continent {
  return continents.find(([, names]) => names.test(region))?.[0] ?? "rest";
}

function western(): readonly Tier[] {
  return [
    { after: 0, perGb: 0.0875 },
    { after: 10_000, perGb: 0.083 },
    { after: 50_000, perGb: 0.07 },
    { after: 150_000, perGb: 0.05 },
  ];
}
