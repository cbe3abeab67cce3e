// Which hosts of a pool become the nodes of a cluster, and why the others do not. Pure.
//
// What must always hold: a host is chosen only if it can be used and has all that is asked for; a
// device that is in use is nobody else's; no address is taken twice; if there is a choice that
// fits, one is made.

import { errorText, SkyError } from "../../model/errors.ts";
import type { Accelerators, Capacity } from "../../model/resources.ts";
import type { FoundNodes, NodesWanted } from "../cloud.ts";
import type { AskedShape } from "../cluster-record.ts";
import type { HostReport } from "./host-report.ts";
import type { Pool, PoolHost } from "./pools.ts";

/** A host as it was found: with a report, or why there is none. */
export interface LookedAt {
  readonly host: PoolHost;
  readonly report?: HostReport;
  readonly error?: Error;
}

/** The hosts to use, in the order of the cluster's nodes. */
export interface Choice {
  readonly nodes: readonly { readonly report: HostReport; readonly capacity: Capacity }[];
  /** What cannot be used, with a sentence each. Hosts that were not needed are not in it. */
  readonly leftOut: FoundNodes["leftOut"];
}

type Wish = Pick<NodesWanted, "asked" | "numNodes">;

/**
 * The first hosts of the pool that fit; of those, ones that fewer clusters use already. Their order
 * is the pool's, so that the head is the first of them.
 * @throws SkyError `pool/no-fit` with what each host lacks, and what would fit.
 */
export function chooseHosts(pool: Pool, looked: readonly LookedAt[], wanted: Wish): Choice {
  const { able, leftOut } = sorted(looked, wanted);
  if (able.length < wanted.numNodes) {
    throw new SkyError("pool/no-fit", { why: noFit({ pool, looked, wanted, able, leftOut }) });
  }
  const chosen = able
    .toSorted((a, b) => users(a) - users(b))
    .slice(0, wanted.numNodes)
    .toSorted((a, b) => able.indexOf(a) - able.indexOf(b));
  const nodes = chosen.map((report) => ({ report, capacity: capacityOf(report, wanted.asked) }));
  return { nodes, leftOut };
}

interface Sorted {
  readonly able: readonly HostReport[];
  readonly leftOut: FoundNodes["leftOut"];
}

function sorted(looked: readonly LookedAt[], { asked, numNodes }: Wish): Sorted {
  const able: HostReport[] = [];
  const leftOut: { host: string; why: string }[] = [];
  for (const look of looked) {
    const host = look.host.name;
    const { report } = look;
    const why = report === undefined ? errorWhy(look) : (unfitWhy(report) ?? lackOf(report, asked));
    const twin = able.find(({ ip }) => ip === report?.ip);
    if (why !== undefined) leftOut.push({ host, why });
    else if (report !== undefined && twin !== undefined) {
      leftOut.push({ host, why: twinWhy(report, twin) });
    } else if (report !== undefined && numNodes > 1 && isLoopback(report.ip)) {
      leftOut.push({ host, why: `other hosts do not reach it at ${report.ip}` });
    } else if (report !== undefined) able.push(report);
  }
  return { able, leftOut };
}

function errorWhy({ error }: LookedAt): string {
  return error === undefined ? "it was not looked at" : errorText(error).replace(/\.$/, "");
}

function unfitWhy({ problems }: HostReport): string | undefined {
  const fatal = problems.filter((problem) => problem.fatal);
  if (fatal.length === 0) return undefined;
  return fatal.map(({ why, fix }) => `${why} (${fix})`).join("; ");
}

/** Two names for one machine, or machines whose network is not what they think it is. */
function twinWhy(report: HostReport, twin: HostReport): string {
  const isSame = report.bootId !== "" && report.bootId === twin.bootId;
  if (isSame) return `it is the same machine as ${twin.host}`;
  return `it has the address ${report.ip}, as ${twin.host} has, so they cannot reach each other`;
}

function isLoopback(ip: string): boolean {
  return /^127\.|^::1$/.test(ip);
}

/** How many clusters use it. */
function users({ claims }: HostReport): number {
  return new Set(Object.values(claims)).size;
}

/** The first thing that a host has less of than is asked for. */
function lackOf(report: HostReport, asked: AskedShape): string | undefined {
  const { cpus = 0, memoryBytes = 0, accelerators } = asked;
  if (cpus > report.cpus) return `it has ${amount(report.cpus)} of ${cpusText(cpus)}`;
  if (memoryBytes > report.memoryBytes) {
    return `it has ${gigabytes(report.memoryBytes)} of ${gigabytes(memoryBytes)} of memory`;
  }
  if (accelerators === undefined) return undefined;
  const { name, count } = wholeDevices(accelerators);
  const free = freeDevices(report, name);
  if (free.length >= count) return undefined;
  const others = report.devices.filter((device) => !sameName(device.name, name));
  const used = usedBy(report, name);
  if (used.length > 0) {
    return `it has ${free.length} free ${name} of ${count}; ${used.join(", ")} of the others`;
  }
  if (free.length > 0) return `it has ${free.length} ${name} of ${count}`;
  const kinds = [...new Set(others.map((device) => device.name))].join(", ");
  return kinds === "" ? `it has no ${name}` : `it has no ${name}, only ${kinds}`;
}

/** `train-1a2b3c4d uses 4`. */
function usedBy({ devices, claims }: HostReport, kind: string): readonly string[] {
  const counts = new Map<string, number>();
  for (const { id, name } of devices) {
    const user = claims[`gpu-${id}`];
    if (user === undefined || !sameName(name, kind)) continue;
    counts.set(user, (counts.get(user) ?? 0) + 1);
  }
  return [...counts].map(([user, count]) => `${user} uses ${count}`);
}

function freeDevices({ devices, claims }: HostReport, kind: string): readonly number[] {
  return devices
    .filter(({ id, name }) => sameName(name, kind) && claims[`gpu-${id}`] === undefined)
    .map(({ id }) => id)
    .toSorted((a, b) => a - b);
}

/** What was asked, at face value; what was not asked about is all that the host has. */
function capacityOf(report: HostReport, asked: AskedShape): Capacity {
  const { cpus = report.cpus, memoryBytes = report.memoryBytes, accelerators } = asked;
  if (accelerators === undefined) return { cpus, memoryBytes, accelerators: [] };
  const { count } = wholeDevices(accelerators);
  const ids = freeDevices(report, accelerators.name).slice(0, count);
  const kind = report.devices.find(({ name }) => sameName(name, accelerators.name));
  const name = kind?.name ?? accelerators.name;
  return { cpus, memoryBytes, accelerators: [{ name, count, ids }] };
}

/** A job may ask for half a device; a node has whole ones. */
function wholeDevices({ name, count }: Accelerators): Accelerators {
  return { name, count: Math.ceil(count) };
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

// ---- what to say when it does not fit

interface NoFit extends Sorted {
  readonly pool: Pool;
  readonly looked: readonly LookedAt[];
  readonly wanted: Wish;
}

/** A line for the pool, one for each host that is left out, one for what would fit. */
function noFit({ pool, looked, wanted, able, leftOut }: NoFit): string {
  const { asked, numNodes } = wanted;
  const shape = shapeText(asked);
  const each = shape === "" ? "" : `, each with ${shape}`;
  const title = `pool ${pool.name} has ${able.length} of ${nodesText(numNodes)} asked for${each}`;
  const lines = leftOut.map(({ host, why }) => `  ${host}: ${why}`);
  const nearest = nearestFit(looked, wanted, able.length);
  return [`${title}:`, ...lines, ...nearest.map((fit) => `  would fit: ${fit}`)].join("\n");
}

/** The same on fewer nodes, or less on as many. */
function nearestFit(looked: readonly LookedAt[], wanted: Wish, able: number): readonly string[] {
  const { asked, numNodes } = wanted;
  const fits: string[] = [];
  if (able > 0) fits.push(fitText(able, asked));
  const usable = sorted(looked, { asked: {}, numNodes }).able;
  const kind = asked.accelerators?.name ?? "";
  const free = (report: HostReport) => freeDevices(report, kind).length;
  const best = usable
    .toSorted((a, b) => free(b) - free(a) || b.cpus - a.cpus || b.memoryBytes - a.memoryBytes)
    .slice(0, numNodes);
  if (best.length < numNodes) {
    return able > 0 || best.length === 0 ? fits : [...fits, lessText(best, asked, free)];
  }
  return [...fits, lessText(best, asked, free)];
}

function lessText(
  best: readonly HostReport[],
  { cpus, memoryBytes, accelerators }: AskedShape,
  free: (report: HostReport) => number,
): string {
  const most = (asked: number, has: (report: HostReport) => number): number =>
    Math.min(asked, ...best.map(has));
  const devices = accelerators && most(Math.ceil(accelerators.count), free);
  return fitText(best.length, {
    ...(cpus !== undefined && { cpus: most(cpus, (report) => report.cpus) }),
    ...(memoryBytes !== undefined && { memoryBytes: most(memoryBytes, (r) => r.memoryBytes) }),
    ...(accelerators && devices && { accelerators: { name: accelerators.name, count: devices } }),
  });
}

function fitText(nodes: number, asked: AskedShape): string {
  const shape = shapeText(asked);
  return shape === "" ? nodesText(nodes) : `${nodesText(nodes)} with ${shape}`;
}

/** `A100:8, 32 CPUs, 64 GB of memory`; empty for nothing. */
function shapeText({ cpus, memoryBytes, accelerators }: AskedShape): string {
  const parts: string[] = [];
  if (accelerators !== undefined) {
    const { name, count } = accelerators;
    parts.push(`${name}:${amount(count)}`);
  }
  if (cpus !== undefined) parts.push(cpusText(cpus));
  if (memoryBytes !== undefined) parts.push(`${gigabytes(memoryBytes)} of memory`);
  return parts.join(", ");
}

function nodesText(count: number): string {
  return count === 1 ? "1 node" : `${count} nodes`;
}

function cpusText(count: number): string {
  return count === 1 ? "1 CPU" : `${amount(count)} CPUs`;
}

/** Rounded down: what is told to fit must fit. */
function amount(value: number): string {
  return String(Math.floor(value * 100) / 100);
}

function gigabytes(bytes: number): string {
  return `${amount(bytes / 1_024 ** 3)} GB`;
}
