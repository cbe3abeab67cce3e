// Who reads, who writes, and by which plan the bytes go in between.
//
// A file is read and written at its own gateway. A store is read by the gateway that the bytes go
// to, and written by the one that they come from; between two stores, by this machine or the first
// node of `--via`. What is served at this machine's own address (`localhost`) is only reached from
// this machine. The planners are asked about gateways alone; ways to and from stores are added to
// what they answer, so that the plan shows, and prices, every byte that moves.

import { SkyError } from "../../model/errors.ts";
import type { TransferOptions } from "../../model/transfer.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import type {
  Grid,
  Plan,
  PlanEdge,
  PlanRequest,
  Prices,
  Site,
  Solver,
} from "../../model/transfer-plan.ts";
import type { GatewaySite } from "../gateway/doors.ts";
import { type GatewayId, homeGateway } from "../gateway/program.ts";
import { isHere, isLoopback } from "../gateway/reach.ts";
import { gridByRegion } from "../plan/grid.ts";
import { averagePrice } from "../plan/tariff.ts";
import { bucketText } from "../stores/paths.ts";
import type { Ends, Place } from "./ends.ts";
import type { Ledger } from "./ledger.ts";
import { lanesMax, type ReadingEnd, type WritingEnd } from "./programs.ts";

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
/** Sums of prices are not exact. */
const ceilingTolerance = 1e-4;
/** Where nobody measured: what planners assume, too. */
const assumedGbps = 1;

/** @throws SkyError `plan/infeasible`. */
export async function planRound(options: PlanningOptions): Promise<Planned> {
  const planned = await planWays(options);
  const { pricePerGb: price } = planned.plan;
  const { pricePerGb: ceiling = Number.POSITIVE_INFINITY } = options.options;
  if (price <= ceiling * (1 + ceilingTolerance)) return planned;
  const why = `${price.toFixed(4)} USD for a GB is the least; the ceiling is ${ceiling}`;
  throw new SkyError("plan/infeasible", { why });
}

async function planWays(options: PlanningOptions): Promise<Planned> {
  const { ends } = options;
  const overlay = await planOverStore(options);
  if (overlay !== undefined) return overlay;
  const reading = readingEnd(options);
  const writing = ends.destinations.map(({ place }, at) =>
    options.absent.has(at) ? undefined : writingEnd(place, reading, options),
  );
  const gateways = writing.flatMap((end) => end?.gateway ?? []);
  const away = [...new Set(gateways)].filter((gateway) => gateway !== reading.gateway);
  const between = away.length === 0 ? undefined : await planBetween(reading, away, options);
  return { plan: withStores({ reading, writing, between, options }), reading, writing, between };
}

/**
 * From a file to a store or back, where something is known of links to stores, or a planner is
 * named: the relay that is nearest to the store may then read or write it.
 */
async function planOverStore(options: PlanningOptions): Promise<Planned | undefined> {
  const { ends, regions, options: asked } = options;
  const [only, ...others] = ends.destinations;
  if (only === undefined || others.length > 0) return undefined;
  const isToStore = only.place.kind === "store";
  const place = isToStore ? only.place : ends.source;
  const files = isToStore ? ends.source : only.place;
  if (place.kind !== "store" || files.kind !== "files" || isLocalBucket(options, place.store)) {
    return undefined;
  }
  if (asked.profile === undefined && asked.solver === undefined) return undefined;
  const store = nameOf(place, ends.buckets);
  const region = regions[place.store] ?? "unknown";
  const site: Site = { id: store, region, gatewaysMax: 0, gatewayPrice: 0 };
  const [source, destination] = isToStore ? [files.gateway, store] : [store, files.gateway];
  const sides: Solver = isToStore ? "src_one_sided" : "dst_one_sided";
  const solver = asked.solver === undefined || asked.solver === "direct" ? sides : asked.solver;
  const request = requestOf(options, { source, destinations: [destination], stores: [site] });
  const plan = await options.plan({ ...request, solver }, asked.solver === undefined);
  const isAtStore = ({ from, to }: PlanEdge): boolean => from === store || to === store;
  const near = plan.edges.filter(isAtStore).map(({ from, to }) => (isToStore ? from : to));
  // One gateway reads or writes it: where the planner takes several, straight is as good.
  if (new Set(near).size !== 1 || near[0] === undefined) return undefined;
  const end = { gateway: near[0], store: place.store };
  const [reading, writing] = isToStore
    ? [{ gateway: files.gateway }, [end]]
    : [end, [{ gateway: files.gateway }]];
  const edges = plan.edges.filter((edge) => !isAtStore(edge));
  const between = edges.length === 0 ? undefined : { ...plan, edges };
  return { plan, reading, writing, between };
}

/** It is served at an address of this machine. */
function isLocalBucket({ ends }: PlanningOptions, store: number): boolean {
  const endpoint = ends.buckets[store]?.endpoint;
  return endpoint !== undefined && isLoopback(hostOf(endpoint));
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : "";
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
  if (address === undefined || !isLoopback(hostOf(address))) return true;
  const site = sites.find((one) => one.gateway === gateway);
  return site === undefined || isHere(site);
}

async function planBetween(
  reading: ReadingEnd,
  away: readonly GatewayId[],
  options: PlanningOptions,
): Promise<Plan> {
  const { solver = "direct" } = options.options;
  const isSided = solver === "src_one_sided" || solver === "dst_one_sided";
  const ends = { source: reading.gateway, destinations: away, stores: [] };
  // Both ends have gateways of their own here.
  const request = { ...requestOf(options, ends), solver: isSided ? "direct" : solver } as const;
  return await options.plan(request, options.options.solver === undefined);
}

interface Asked {
  readonly source: string;
  readonly destinations: readonly string[];
  readonly stores: readonly Site[];
}

function requestOf(
  { sites, options, bytes, grid, prices, avoided }: PlanningOptions,
  { source, destinations, stores }: Asked,
): Omit<PlanRequest, "solver"> {
  const ends = [source, ...destinations];
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
  const all = [...used.map(planSite), ...stores];
  const regions = new Map(all.map(({ id, region }) => [id, region]));
  return {
    ...{ sites: all, prices, bytes, source, destinations, goal: goalOf(options) },
    // A user's grid may name regions.
    grid: gridByRegion(grid, (id) => regions.get(id)),
    ...(destinations.length > 1 ? { onceFromSource: true } : {}),
  };
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
