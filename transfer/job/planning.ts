// Who reads, who writes, and by which plan the bytes go in between.
//
// A file is read and written at its own gateway. A store is read by the gateway that the bytes go
// to, and written by the one that they come from; between two stores, by this machine or the first
// node of `--via`. What is served at this machine's own address (`localhost`) is only reached from
// this machine. The planners are asked about gateways alone; ways to and from stores are added to
// what they answer, so that the plan shows, and prices, every byte that moves.

import type { TransferOptions } from "../../model/transfer.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import type { Grid, Plan, PlanEdge, PlanRequest, Prices, Site } from "../../model/transfer-plan.ts";
import type { GatewaySite } from "../gateway/doors.ts";
import { type GatewayId, homeGateway } from "../gateway/program.ts";
import { isHere, isLoopback } from "../gateway/reach.ts";
import { gridByRegion } from "../plan/grid.ts";
import { averagePrice } from "../plan/tariff.ts";
import { bucketText } from "../stores/paths.ts";
import type { Ends, Place } from "./ends.ts";
import type { Ledger } from "./ledger.ts";
import type { ReadingEnd, WritingEnd } from "./programs.ts";

export interface PlanningOptions {
  readonly ends: Ends;
  readonly sites: readonly GatewaySite[];
  readonly options: TransferOptions;
  /** Of each store, by number. */
  readonly regions: readonly string[];
  readonly bytes: number;
  readonly grid: Grid;
  readonly prices: Prices;
  /** Destinations that cannot be reached just now: the others go on without them. */
  readonly absent: ReadonlySet<number>;
  /** Relays that were lost in earlier rounds. */
  readonly avoided: ReadonlySet<GatewayId>;
  readonly plan: (request: PlanRequest, isUsual: boolean) => Promise<Plan>;
}

export interface Planned {
  /** To show: with the stores. */
  readonly plan: Plan;
  readonly reading: ReadingEnd;
  readonly writing: readonly (WritingEnd | undefined)[];
  /** Of gateways alone; absent: nothing leaves the reading one. */
  readonly between: Plan | undefined;
}

/** What is read for all that is to do: the same bytes may go to several destinations. */
export function bytesToPlan(ledger: Pick<Ledger, "todoAt">): number {
  return Math.max(0, ...[...ledger.todoAt().values()].map(({ bytes }) => bytes));
}

const bytesPerGb = 1e9;
/** Connections of one session; source: `StreamDialOptions`. */
export const lanesMax = 16;
/** Where nobody measured: what planners assume, too. */
const assumedGbps = 1;

/** @throws SkyError `plan/infeasible`. */
export async function planRound(options: PlanningOptions): Promise<Planned> {
  const { ends } = options;
  const reading = readingEnd(options);
  const writing = ends.destinations.map(({ place }, at) =>
    options.absent.has(at) ? undefined : writingEnd(place, reading, options),
  );
  const gateways = writing.flatMap((end) => end?.gateway ?? []);
  const away = [...new Set(gateways)].filter((gateway) => gateway !== reading.gateway);
  const between = away.length === 0 ? undefined : await planBetween(reading, away, options);
  return { plan: withStores({ reading, writing, between, options }), reading, writing, between };
}

function readingEnd({ ends, sites, options, absent }: PlanningOptions): ReadingEnd {
  const { source, destinations, buckets } = ends;
  if (source.kind === "files") return { gateway: source.gateway };
  const { store } = source;
  const files = destinations.flatMap(({ place }, at) =>
    place.kind === "files" && !absent.has(at) ? [place] : [],
  );
  const wanted = [
    ...files.map(({ gateway }) => gateway),
    ...(options.via ?? []).flatMap((cluster) => gatewaysOf(cluster, sites)),
  ];
  const found = wanted.find((gateway) => reaches(gateway, buckets[store], sites));
  return { gateway: found ?? homeGateway, store };
}

function writingEnd(place: Place, reading: ReadingEnd, options: PlanningOptions): WritingEnd {
  if (place.kind === "files") return { gateway: place.gateway };
  const { store } = place;
  const isNear = reaches(reading.gateway, options.ends.buckets[store], options.sites);
  return { gateway: isNear ? reading.gateway : homeGateway, store };
}

function gatewaysOf(cluster: string, sites: readonly GatewaySite[]): readonly GatewayId[] {
  return sites.map(({ gateway }) => gateway).filter((id) => id.startsWith(`${cluster}/`));
}

function reaches(
  gateway: GatewayId,
  bucket: Bucket | undefined,
  sites: readonly GatewaySite[],
): boolean {
  const address = bucket?.store === "hdfs" ? `http://${bucket.bucket}` : bucket?.endpoint;
  if (address === undefined || !URL.canParse(address)) return true;
  if (!isLoopback(new URL(address).hostname.replace(/^\[|\]$/g, ""))) return true;
  const site = sites.find((one) => one.gateway === gateway);
  return site === undefined || isHere(site);
}

async function planBetween(
  reading: ReadingEnd,
  away: readonly GatewayId[],
  { sites, options, bytes, grid, prices, avoided, plan }: PlanningOptions,
): Promise<Plan> {
  const ends = [reading.gateway, ...away];
  const mayRelay = ({ gateway }: GatewaySite): boolean => {
    if (gateway === homeGateway || avoided.has(gateway)) return false;
    const { via } = options;
    return via === undefined || via.some((cluster) => gateway.startsWith(`${cluster}/`));
  };
  const relays = someOfEach(
    sites.filter((site) => !ends.includes(site.gateway) && mayRelay(site)),
    options.instancesMax,
  );
  const used = sites.filter((site) => ends.includes(site.gateway) || relays.has(site.gateway));
  const regions = new Map(sites.map(({ gateway, region }) => [gateway, region]));
  const { solver = "direct" } = options;
  const isSided = solver === "src_one_sided" || solver === "dst_one_sided";
  const request: PlanRequest = {
    ...{ sites: used.map(planSite), prices, bytes },
    // A user's grid may name regions.
    grid: gridByRegion(grid, (id) => regions.get(id)),
    ...{ source: reading.gateway, destinations: away, goal: goalOf(options) },
    // Both ends have gateways of their own here.
    solver: isSided ? "direct" : solver,
    ...(away.length > 1 ? { onceFromSource: true } : {}),
  };
  return await plan(request, options.solver === undefined);
}

/** Relays: at most so many of each region, the first of them. */
function someOfEach(
  relays: readonly GatewaySite[],
  max = Number.POSITIVE_INFINITY,
): ReadonlySet<GatewayId> {
  const counts = new Map<string, number>();
  const chosen = new Set<GatewayId>();
  for (const { gateway, region } of relays) {
    const count = counts.get(region) ?? 0;
    if (count < max) chosen.add(gateway);
    counts.set(region, count + 1);
  }
  return chosen;
}

function goalOf({ gbps, pricePerGb }: TransferOptions): PlanRequest["goal"] {
  if (gbps !== undefined) return { kind: "floor", gbps };
  return pricePerGb === undefined ? { kind: "fastest" } : { kind: "ceiling", pricePerGb };
}

/** One that runs anyhow costs nothing more. */
function planSite({ gateway, region }: GatewaySite): Site {
  return { id: gateway, region, gatewaysMax: 1, gatewayPrice: 0 };
}

interface Drawn {
  readonly reading: ReadingEnd;
  readonly writing: readonly (WritingEnd | undefined)[];
  readonly between: Plan | undefined;
  readonly options: PlanningOptions;
}

function withStores({ reading, writing, between, options }: Drawn): Plan {
  const { ends, bytes } = options;
  const names = (place: Place): string => nameOf(place, ends.buckets);
  const edges = [...readEdges(reading, options), ...writeEdges(writing, options)];
  const gbps = Math.min(between?.gbps ?? Number.POSITIVE_INFINITY, ...edges.map((e) => e.gbps));
  const rate = Number.isFinite(gbps) ? gbps : 0;
  const pricePerGb = edges.reduce((sum, edge) => sum + edge.pricePerGb, between?.pricePerGb ?? 0);
  const stores = [...new Set(edges.flatMap(({ from, to }) => [from, to]))].filter((id) =>
    id.includes("://"),
  );
  const gateways = between?.sites ?? [{ id: reading.gateway, gateways: 1 }];
  const stripes = between?.stripes ?? 1;
  return {
    solver: between?.solver ?? options.options.solver ?? "direct",
    source: names(ends.source),
    destinations: [...new Set(ends.destinations.map(({ place }) => names(place)))],
    sites: [...gateways, ...stores.map((id) => ({ id, gateways: 0 }))],
    edges: [
      ...edges.map((edge) => ({
        ...edge,
        stripes: Array.from({ length: stripes }, (_, at) => at),
      })),
      // What the wire opens at most for a hop.
      ...(between?.edges ?? []).map((edge) => ({
        ...edge,
        connections: Math.min(edge.connections, options.options.connections ?? lanesMax, lanesMax),
      })),
    ],
    stripes,
    gbps: rate,
    pricePerGb,
    cost:
      (between?.cost ?? 0) + edges.reduce((sum, e) => sum + (e.pricePerGb * bytes) / bytesPerGb, 0),
    seconds: rate === 0 ? 0 : (bytes * 8) / (rate * 1e9),
    notes: between?.notes ?? [],
  };
}

function nameOf(place: Place, buckets: readonly Bucket[]): string {
  if (place.kind === "files") return place.gateway;
  const bucket = buckets[place.store];
  return bucket === undefined ? `store ${place.store}` : bucketText(bucket);
}

type StoreEdge = Omit<PlanEdge, "stripes">;

function readEdges({ gateway, store }: ReadingEnd, options: PlanningOptions): readonly StoreEdge[] {
  if (store === undefined) return [];
  return [storeEdge({ gateway, store, isRead: true }, options)];
}

function writeEdges(
  writing: readonly (WritingEnd | undefined)[],
  options: PlanningOptions,
): readonly StoreEdge[] {
  return writing.flatMap((end) => {
    const { gateway, store } = end ?? {};
    if (gateway === undefined || store === undefined) return [];
    return [storeEdge({ gateway, store, isRead: false }, options)];
  });
}

function storeEdge(
  end: { readonly gateway: GatewayId; readonly store: number; readonly isRead: boolean },
  { ends, sites, regions, grid, prices, bytes, options }: PlanningOptions,
): StoreEdge {
  const name = nameOf({ kind: "store", store: end.store, key: "" }, ends.buckets);
  const region = regions[end.store] ?? "unknown";
  const there: Site = { id: name, region, gatewaysMax: 0, gatewayPrice: 0 };
  const known = sites.find(({ gateway }) => gateway === end.gateway);
  const here = planSite(known ?? localSite);
  const [from, to] = end.isRead ? [there, here] : [here, there];
  const perGb = (gbBefore: number): number => prices.perGb(from, to, gbBefore);
  return {
    ...{ from: from.id, to: to.id },
    gbps: grid.gbps(from.id, to.id) ?? grid.gbps(from.region, to.region) ?? assumedGbps,
    connections: options.connections ?? storeConnectionsUsual,
    pricePerGb: averagePrice(perGb, bytes / bytesPerGb),
  };
}

/** Requests to a store at a time, where nobody says otherwise. */
export const storeConnectionsUsual = 16;

const localSite: GatewaySite = {
  ...{ gateway: homeGateway, region: "local", addresses: [], canListen: false },
};
