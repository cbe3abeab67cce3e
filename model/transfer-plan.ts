// What a planner is asked, and what it answers: who sends to whom, how fast, at what price.
//
// Everything here is data without a world behind it: regions are names (`aws:us-east-1`, or a site
// of the user's own), rates come from a grid, prices from rules. Rates are bit/s × 1e9 ("Gbit/s"),
// sizes are bytes, prices are US dollars per 1e9 bytes ("GB"); nothing is GiB.

/** A place where gateways are, or could be made. */
export interface Site {
  /** A region, or one node: `aws:us-east-1`, `home`, `demo/head`. */
  readonly id: string;
  /** For prices and limits; its provider is what stands before the colon. */
  readonly region: string;
  /** Gateways that may be used there. A store without machines of its own has none: 0. */
  readonly gatewaysMax: number;
  /** USD an hour for each that is made; 0 for one that runs anyhow. */
  readonly gatewayPrice: number;
  /** Of one gateway, Gbit/s; absent = those of its provider. */
  readonly egressGbps?: number;
  readonly ingressGbps?: number;
}

export interface Grid {
  /** Gbit/s of one gateway to one gateway with 64 connections; `undefined` = not known. */
  gbps(from: string, to: string): number | undefined;
}

export interface Prices {
  /** USD for the GB after so many that went that way before (volume tiers). */
  perGb(from: Site, to: Site, gbBefore: number): number;
}

export const solvers = [
  "direct",
  "src_one_sided",
  "dst_one_sided",
  "ron",
  "ilp",
  "spider",
  "mdst",
  "steiner",
  "multicast_ilp",
] as const;
export type Solver = (typeof solvers)[number];

export interface PlanRequest {
  readonly sites: readonly Site[];
  readonly grid: Grid;
  readonly prices: Prices;
  readonly source: string;
  /** One, or several for multicast. */
  readonly destinations: readonly string[];
  readonly bytes: number;
  readonly solver: Solver;
  /** Gbit/s at least (cheapest such plan), or USD per GB at most (fastest such plan). */
  readonly goal:
    | { readonly kind: "floor"; readonly gbps: number }
    | { readonly kind: "ceiling"; readonly pricePerGb: number }
    /** As fast as it goes. */
    | { readonly kind: "fastest" };
  /** The source sends each byte once, if that can be. */
  readonly onceFromSource?: boolean;
  /** Of multicast: parts of the data that may go different ways. */
  readonly stripes?: number;
}

export interface PlanEdge {
  readonly from: string;
  readonly to: string;
  readonly gbps: number;
  /** Of all gateways of `from` to all of `to`. */
  readonly connections: number;
  readonly pricePerGb: number;
  /** Which stripes go along; [0] where there is one. */
  readonly stripes: readonly number[];
}

export interface PlannedSite {
  readonly id: string;
  readonly gateways: number;
}

export interface Plan {
  readonly solver: Solver;
  readonly source: string;
  readonly destinations: readonly string[];
  readonly sites: readonly PlannedSite[];
  readonly edges: readonly PlanEdge[];
  readonly stripes: number;
  /** Of all data, at each destination. */
  readonly gbps: number;
  /** Egress. */
  readonly pricePerGb: number;
  /** Egress and gateways, of all bytes. */
  readonly cost: number;
  readonly seconds: number;
  /** What was compromised, a sentence each: a quota, a link nobody measured. */
  readonly notes: readonly string[];
}
