// AWS: one price towards all other regions, one towards the internet; both depend on the source.
//
// Source: aws.amazon.com/ec2/pricing/on-demand, "Data Transfer", 2022 to 2024. Internet tiers are
// by month and account (10, 40, 100 TB, then more); here are those of North America and Europe and
// of Sydney. Of the other regions the first tier is taken for all: what they cost at most.

import type { Place } from "./prices.ts";
import { flat, type Tier, tierPrice } from "./tiers.ts";

interface Rule {
  readonly regions: readonly string[];
  readonly between: number;
  readonly internet: readonly Tier[];
}

const western = [
  { after: 0, perGb: 0.09 },
  { after: 10_000, perGb: 0.085 },
  { after: 50_000, perGb: 0.07 },
  { after: 150_000, perGb: 0.05 },
];
const sydney = [
  { after: 0, perGb: 0.114 },
  { after: 10_000, perGb: 0.098 },
  { after: 50_000, perGb: 0.094 },
  { after: 150_000, perGb: 0.092 },
];

const rules: readonly Rule[] = [
  { regions: ["us-gov-east-1", "us-gov-west-1"], between: 0.03, internet: flat(0.155) },
  { regions: ["us-", "ca-", "eu-"], between: 0.02, internet: western },
  { regions: ["ap-southeast-2"], between: 0.098, internet: sydney },
  { regions: ["ap-northeast-1", "ap-northeast-3"], between: 0.09, internet: flat(0.114) },
  { regions: ["ap-northeast-2"], between: 0.08, internet: flat(0.126) },
  { regions: ["ap-south-1"], between: 0.086, internet: flat(0.1093) },
  { regions: ["ap-east-1", "ap-southeast-1"], between: 0.09, internet: flat(0.12) },
  { regions: ["ap-southeast-3"], between: 0.1, internet: flat(0.132) },
  { regions: ["af-south-1"], between: 0.147, internet: flat(0.154) },
  { regions: ["sa-east-1"], between: 0.138, internet: flat(0.15) },
  { regions: ["me-south-1"], between: 0.1105, internet: flat(0.117) },
  { regions: ["me-central-1"], between: 0.085, internet: flat(0.11) },
];

/** A region that came later costs what the dearest does. */
const unknown: Rule = { regions: [], between: 0.147, internet: flat(0.155) };

/** The two that are next to each other. */
const neighbours = { regions: ["us-east-1", "us-east-2"], perGb: 0.01 };

export function awsPrice(from: Place, to: Place, gbBefore: number): number {
  const rule = rules.find(({ regions }) => regions.some((name) => from.region.startsWith(name)));
  const { between, internet } = rule ?? unknown;
  if (to.provider !== "aws") return tierPrice(internet, gbBefore);
  const areNeighbours = [from, to].every(({ region }) => neighbours.regions.includes(region));
  return areNeighbours ? neighbours.perGb : between;
}
