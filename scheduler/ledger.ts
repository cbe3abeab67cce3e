// The ledger: which job holds what of each node, to the thousandth of a core and of a device.
//
// It is a table that its owner changes in place. What must always hold: the free part plus all
// holdings is exactly the node's capacity; a device's shares never exceed the device; a job holds
// at most one rank on a node. Every change asserts it.

import { assert } from "../model/errors.ts";
import type { Capacity, DeviceShare } from "../model/resources.ts";
import type { Need } from "./demand.ts";
import { milli } from "./demand.ts";

/** What one job holds of one node. */
export interface Holding {
  readonly need: Need;
  readonly devices: readonly DeviceShare[];
}

/**
 * The devices of one kind on a node. They are counted from `first`; what the machine calls them is
 * another matter (`deviceIds`).
 */
interface DeviceRow {
  readonly name: string;
  readonly first: number;
  /** Free thousandths of each device. */
  readonly free: number[];
}

interface NodeRow {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  cpuFree: number;
  memoryFree: number;
  readonly devices: readonly DeviceRow[];
  readonly holdings: Map<number, Holding>;
}

export interface Ledger {
  readonly nodeCount: number;
  fits(node: number, need: Need): boolean;
  /** Gives `job` what it needs. @throws SkyError `core/broken-invariant` unless it fits. */
  take(job: number, node: number, need: Need): readonly DeviceShare[];
  /** Puts a holding back as it was recorded, also if the node was declared smaller since. */
  restore(job: number, node: number, holding: Holding): void;
  /** Gives back all that `job` holds of `node`. */
  release(job: number, node: number): void;
  /** Who holds something of a node. */
  holdings(node: number): ReadonlyMap<number, Holding>;
  cpuFree(node: number): number;
  memoryFree(node: number): number;
  /** How many devices of a kind are free as a whole, and the largest free part of one. */
  wholeFree(node: number, device: string): number;
  shareFree(node: number, device: string): number;
  /** Whether nobody holds anything and every count is back at its capacity. */
  isEmpty(): boolean;
}

export function createLedger(capacities: readonly Capacity[]): Ledger {
  const rows = capacities.map(rowOf);
  const row = (node: number): NodeRow => {
    const found = rows[node];
    assert(found !== undefined, `node ${node} is in the ledger`);
    return found;
  };
  return {
    nodeCount: rows.length,
    fits: (node, need) => fits(row(node), need),
    take: (job, node, need) => {
      const target = row(node);
      assert(fits(target, need), `what job ${job} takes of node ${node} is free`);
      const holding = { need, devices: pickDevices(target, need) };
      hold(target, job, holding);
      assert(target.cpuFree >= 0 && target.memoryFree >= 0, `job ${job} takes what is there`);
      return holding.devices;
    },
    restore: (job, node, holding) => hold(row(node), job, known(row(node), holding)),
    release: (job, node) => release(row(node), job),
    holdings: (node) => row(node).holdings,
    cpuFree: (node) => row(node).cpuFree,
    memoryFree: (node) => row(node).memoryFree,
    wholeFree: (node, device) => wholeFree(devicesOf(row(node), device)),
    shareFree: (node, device) => shareFree(devicesOf(row(node), device)),
    isEmpty: () => rows.every(isUntouched),
  };
}

function rowOf(capacity: Capacity): NodeRow {
  let first = 0;
  const devices = capacity.accelerators.map(({ name, count }): DeviceRow => {
    const kind = {
      name: name.toLowerCase(),
      first,
      free: new Array<number>(Math.floor(count)).fill(milli),
    };
    first += kind.free.length;
    return kind;
  });
  const cpuMilli = Math.floor(capacity.cpus * milli + 1e-6);
  const { memoryBytes } = capacity;
  return {
    cpuMilli,
    memoryBytes,
    cpuFree: cpuMilli,
    memoryFree: memoryBytes,
    devices,
    holdings: new Map(),
  };
}

function fits(row: NodeRow, need: Need): boolean {
  if (row.cpuFree < need.cpuMilli || row.memoryFree < need.memoryBytes) return false;
  if (need.device === "") return true;
  const devices = devicesOf(row, need.device);
  return need.shareMilli > 0
    ? shareFree(devices) >= need.shareMilli
    : wholeFree(devices) >= need.wholeDevices;
}

/** Whole devices in their order; a share goes to the fullest device that still has room for it. */
function pickDevices(row: NodeRow, need: Need): readonly DeviceShare[] {
  if (need.device === "") return [];
  const kind = devicesOf(row, need.device);
  assert(kind !== undefined, `the node has ${need.device}`);
  if (need.shareMilli === 0) {
    const whole = kind.free.flatMap((free, at) => (free === milli ? [at] : []));
    return whole.slice(0, need.wholeDevices).map((at) => ({ index: kind.first + at, share: 1 }));
  }
  const able = kind.free.flatMap((free, at) => (free >= need.shareMilli ? [{ free, at }] : []));
  const [tightest] = able.sort((a, b) => a.free - b.free || a.at - b.at);
  assert(tightest !== undefined, `a device of the node has room for ${need.shareMilli}`);
  return [{ index: kind.first + tightest.at, share: need.shareMilli / milli }];
}

function hold(row: NodeRow, job: number, holding: Holding): void {
  assert(!row.holdings.has(job), `job ${job} holds nothing of the node yet`);
  row.cpuFree -= holding.need.cpuMilli;
  row.memoryFree -= holding.need.memoryBytes;
  for (const device of holding.devices) moveDevice(row, device, -1);
  row.holdings.set(job, holding);
}

/** The holding without devices that the node does not have any more. */
function known(row: NodeRow, { need, devices }: Holding): Holding {
  const count = row.devices.reduce((sum, { free }) => sum + free.length, 0);
  return { need, devices: devices.filter(({ index }) => index < count) };
}

function release(row: NodeRow, job: number): void {
  const holding = row.holdings.get(job);
  assert(holding !== undefined, `job ${job} gives back what it holds`);
  row.holdings.delete(job);
  row.cpuFree += holding.need.cpuMilli;
  row.memoryFree += holding.need.memoryBytes;
  for (const device of holding.devices) moveDevice(row, device, 1);
  assert(row.cpuFree <= row.cpuMilli, `no more cpus are free than the node has`);
  assert(row.memoryFree <= row.memoryBytes, `no more memory is free than the node has`);
}

function moveDevice(row: NodeRow, device: DeviceShare, sign: 1 | -1): void {
  const kind = row.devices.find(
    ({ first, free }) => device.index >= first && device.index < first + free.length,
  );
  assert(kind !== undefined, `device ${device.index} is on the node`);
  const at = device.index - kind.first;
  const next = (kind.free[at] ?? 0) + sign * Math.round(device.share * milli);
  assert(next >= 0 && next <= milli, `device ${device.index} is never held twice`);
  kind.free[at] = next;
}

function devicesOf(row: NodeRow, device: string): DeviceRow | undefined {
  return row.devices.find(({ name }) => name === device);
}

function wholeFree(devices: DeviceRow | undefined): number {
  let count = 0;
  for (const free of devices?.free ?? []) if (free === milli) count += 1;
  return count;
}

function shareFree(devices: DeviceRow | undefined): number {
  let most = 0;
  for (const free of devices?.free ?? []) if (free > most) most = free;
  return most;
}

function isUntouched(row: NodeRow): boolean {
  return (
    row.holdings.size === 0 &&
    row.cpuFree === row.cpuMilli &&
    row.memoryFree === row.memoryBytes &&
    row.devices.every(({ free }) => free.every((share) => share === milli))
  );
}
