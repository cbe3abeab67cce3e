// A plan's request as planners see it: which links there are, how fast, and what bounds a gateway.
//
// Links that nobody measured: between the ends of a transfer (its source and its destinations, and
// a store without gateways and whoever reads or writes it) they count as `assumedGbps`, and a plan
// that uses one says so. Any other link that nobody measured does not exist: a relay is used where
// it is known to help. A link that was measured as 0 does not exist either.

import { SkyError } from "../../model/errors.ts";
import type { PlanRequest, Site } from "../../model/transfer-plan.ts";
import { lanesMax } from "../../runtime/lane-join.ts";
import { averagePrice } from "./tariff.ts";

/** Gbit/s of a link between ends that nobody measured. */
export const assumedGbps = 1;
/** A GB is 1e9 bytes, as in every price list. */
export const bytesPerGb = 1e9;
/**
 * Of one gateway to its peers: what the wire opens at most. Skyplane had 64; the number cancels out
 * of every rate, since a link was measured with all of them.
 */
export const gatewayConnections = lanesMax;

/**
 * What a provider lets one gateway send and take, Gbit/s.
 * Source: Skyplane 0.3.2, `skyplane/planner/solver.py`: limits of the instance classes it uses.
 */
const providerGbps: Readonly<
  Record<string, { readonly egress: number; readonly ingress: number }>
> = {
  aws: { egress: 5, ingress: 10 },
  gcp: { egress: 7, ingress: 16 },
  azure: { egress: 16, ingress: 16 },
};

export interface Network {
  readonly request: PlanRequest;
  readonly source: string;
  /** Each once, without the source. */
  readonly destinations: readonly string[];
  /** Sites that are neither, and may have gateways. */
  readonly relays: readonly string[];
  readonly gb: number;
  site(id: string): Site;
  /** Whether it is an end without gateways: those of other sites read or write it. */
  isStore(id: string): boolean;
  /** Gbit/s of one gateway to one gateway; `undefined` = may not be used. */
  link(from: string, to: string): number | undefined;
  isAssumed(from: string, to: string): boolean;
  /** Of one gateway to all others, Gbit/s. */
  egress(id: string): number;
  ingress(id: string): number;
  /** USD per GB if all of the data goes that way. */
  price(from: string, to: string): number;
}

/** @throws SkyError `request/invalid` for what no planner can make sense of. */
export function networkOf(request: PlanRequest): Network {
  const sites = new Map(request.sites.map((site) => [site.id, site]));
  check(request, sites);
  const site = (id: string): Site => {
    const found = sites.get(id);
    if (found === undefined) throw invalid("sites", `there is no site ${id}`);
    return found;
  };
  const destinations = [...new Set(request.destinations)].filter((id) => id !== request.source);
  const ends = new Set([request.source, ...destinations]);
  const isStore = (id: string) => site(id).gatewaysMax === 0;
  const links = linksOf(request, { ends, isStore });
  const gb = request.bytes / bytesPerGb;
  return {
    request,
    source: request.source,
    destinations,
    relays: request.sites.filter((s) => !ends.has(s.id) && s.gatewaysMax > 0).map((s) => s.id),
    gb,
    site,
    isStore,
    ...links,
    egress: memo((id) => {
      const { egressGbps, region } = site(id);
      return egressGbps ?? providerGbps[providerOf(region)]?.egress ?? links.bestFrom(id);
    }),
    ingress: memo((id) => {
      const { ingressGbps, region } = site(id);
      return ingressGbps ?? providerGbps[providerOf(region)]?.ingress ?? links.bestTo(id);
    }),
    price: memoPairs((from, to) => {
      const perGb = (before: number) => request.prices.perGb(site(from), site(to), before);
      return averagePrice(perGb, gb);
    }),
  };
}

export function providerOf(region: string): string {
  const colon = region.indexOf(":");
  return colon < 0 ? region : region.slice(0, colon);
}

interface Ends {
  readonly ends: ReadonlySet<string>;
  readonly isStore: (id: string) => boolean;
}

interface Links extends Pick<Network, "link" | "isAssumed"> {
  /** The best that a site was seen to send to one peer: more is not known of it. */
  bestFrom(id: string): number;
  bestTo(id: string): number;
}

function linksOf({ grid, sites, source }: PlanRequest, { ends, isStore }: Ends): Links {
  const mayAssume = (from: string, to: string) =>
    (ends.has(from) && ends.has(to)) ||
    (ends.has(from) && isStore(from)) ||
    (ends.has(to) && isStore(to));
  const isAssumed = (from: string, to: string) =>
    grid.gbps(from, to) === undefined && mayAssume(from, to);
  const link = memoPairs((from, to) => {
    // Two stores have nobody between them, and nobody reads what a destination's store just got.
    if (from === to || (isStore(from) && isStore(to))) return undefined;
    if (to === source || (isStore(from) && from !== source)) return undefined;
    const gbps = grid.gbps(from, to) ?? (mayAssume(from, to) ? assumedGbps : undefined);
    return gbps !== undefined && gbps > 0 && Number.isFinite(gbps) ? gbps : undefined;
  });
  const best = (rates: readonly (number | undefined)[]) =>
    Math.max(...rates.map((rate) => rate ?? 0)) || assumedGbps;
  return {
    link,
    isAssumed,
    bestFrom: (id) => best(sites.map((other) => link(id, other.id))),
    bestTo: (id) => best(sites.map((other) => link(other.id, id))),
  };
}

function check(request: PlanRequest, sites: ReadonlyMap<string, Site>): void {
  const { source, destinations, bytes, stripes = 1, goal } = request;
  if (sites.size !== request.sites.length) throw invalid("sites", "one is there twice");
  for (const id of [source, ...destinations]) {
    if (!sites.has(id)) throw invalid("sites", `there is no site ${id}`);
  }
  if (destinations.length === 0) throw invalid("destinations", "there is none");
  if (!(Number.isFinite(bytes) && bytes >= 0)) throw invalid("bytes", `${bytes} is no size`);
  if (!(Number.isInteger(stripes) && stripes >= 1 && stripes <= stripesMax)) {
    throw invalid("stripes", `from 1 to ${stripesMax}`);
  }
  if (goal.kind === "floor" && !(goal.gbps > 0)) throw invalid("gbps", "more than 0");
  if (goal.kind === "ceiling" && !(goal.pricePerGb >= 0)) throw invalid("price", "0 or more");
  for (const { id, gatewaysMax } of request.sites) {
    const isCount = Number.isInteger(gatewaysMax) && gatewaysMax >= 0;
    if (!isCount) throw invalid("sites", `${id} may have ${gatewaysMax} gateways`);
  }
}

/** More of them only make plans slower to find. Source: Cloudcast, NSDI 2024: little above 10. */
export const stripesMax = 64;

function invalid(field: string, why: string): SkyError {
  return new SkyError("request/invalid", { field, why });
}

function memo<T>(compute: (id: string) => T): (id: string) => T {
  const known = new Map<string, T>();
  return (id) => {
    if (!known.has(id)) known.set(id, compute(id));
    return known.get(id) as T;
  };
}

function memoPairs<T>(compute: (from: string, to: string) => T): (from: string, to: string) => T {
  const rows = memo((from) => memo((to) => compute(from, to)));
  return (from, to) => rows(from)(to);
}
