// How many gateways of which type a region's quota allows.
//
// Quotas count vCPUs. The type that was asked for is taken if one of it fits; otherwise the largest
// of the same family that does, with a note: fewer or smaller gateways are better than none, and
// nobody should find out from the bill. What other machines of the account use already is taken off
// first. Regions of one plan get as many gateways each as the one with the fewest.
//
// Sources: AWS "Amazon EC2 M5 instances"; Google Cloud "General-purpose machine family, N2"; Azure
// "Dv5 series"; the order of the fallback is that of Skyplane 0.3.2, `planner/planner.py`.

import { infeasible } from "./shape.ts";

export interface GatewayWish {
  readonly region: string;
  readonly type: string;
  readonly count: number;
  /** Absent = nobody knows it. */
  readonly quota?: { readonly vcpus: number; readonly used: number };
}

export interface GatewayOffer {
  readonly region: string;
  readonly type: string;
  readonly count: number;
}

export interface GatewayOffers {
  readonly offers: readonly GatewayOffer[];
  readonly notes: readonly string[];
}

/** vCPUs by type, smallest first. */
const families: readonly (readonly (readonly [type: string, vcpus: number])[])[] = [
  [
    ["m5.large", 2],
    ["m5.xlarge", 4],
    ["m5.2xlarge", 8],
    ["m5.4xlarge", 16],
    ["m5.8xlarge", 32],
    ["m5.12xlarge", 48],
    ["m5.16xlarge", 64],
    ["m5.24xlarge", 96],
  ],
  [2, 4, 8, 16, 32, 48, 64, 80, 96, 128].map((vcpus) => [`n2-standard-${vcpus}`, vcpus] as const),
  [2, 4, 8, 16, 32, 48, 64, 96].map((vcpus) => [`Standard_D${vcpus}_v5`, vcpus] as const),
];

/** @throws SkyError `plan/infeasible` where a quota has no room for any type of the family. */
export function gatewaysWithin(wishes: readonly GatewayWish[]): GatewayOffers {
  const found = wishes.map(withinQuota);
  const least = Math.min(...found.map(({ offer }) => offer.count));
  const notes = found.flatMap(({ note }) => note ?? []);
  const isCut = found.some(({ offer }) => offer.count > least);
  if (isCut) {
    const where = found.find(({ offer }) => offer.count === least)?.offer.region;
    notes.push(`${least} gateways in each region: ${where} has room for no more`);
  }
  return { offers: found.map(({ offer }) => ({ ...offer, count: least })), notes };
}

interface Fit {
  readonly offer: GatewayOffer;
  readonly note?: string;
}

function withinQuota({ region, type, count, quota }: GatewayWish): Fit {
  const family = families.find((types) => types.some(([name]) => name === type));
  const vcpus = family?.find(([name]) => name === type)?.[1];
  if (quota === undefined || family === undefined || vcpus === undefined) {
    const what = quota === undefined ? `the quota of ${region}` : `the size of ${type}`;
    return { offer: { region, type, count }, note: `${what} is not known: it may have no room` };
  }
  const room = Math.max(0, quota.vcpus - quota.used);
  const fitting = [...family].reverse().find(([, size]) => size <= Math.min(room, vcpus));
  if (fitting === undefined) {
    throw infeasible(`${region} has ${room} of ${quota.vcpus} vCPUs left: no gateway fits`);
  }
  const [taken, size] = fitting;
  const offer = { region, type: taken, count: Math.min(count, Math.floor(room / size)) };
  const left = `${room} of ${quota.vcpus} vCPUs are left in ${region}`;
  if (taken !== type) return { offer, note: `${left}: ${taken} instead of ${type}` };
  return offer.count < count ? { offer, note: `${left}: ${offer.count} of ${count}` } : { offer };
}
