// Placement: which nodes a gang gets, whole or not at all.
//
// A placer answers "the first N nodes, in the cluster's stable order, on which this need fits now"
// without looking at every node: each dimension (cpus, memory, free devices of a kind, largest free
// share of a kind) has a tree of maxima over the nodes, and a subtree in which any maximum is too
// small is skipped. A need that fits nowhere is refused at the root.
//
// What must always hold: a leaf shows exactly what the ledger says, or nothing while the node is
// closed. A node is closed for reasons that add up (not alive, shunned, haunted, reserved), and
// opens when the last one is gone.

import { assert } from "../model/errors.ts";
import type { Capacity, DeviceShare } from "../model/resources.ts";
import type { Need } from "./demand.ts";
import { canEverHold } from "./demand.ts";
import type { Holding, Ledger } from "./ledger.ts";
import { createLedger } from "./ledger.ts";

/** Why a node takes no new work. */
export const closures = {
  /** Its liveness is not `alive`. */
  down: 1,
  /** It failed to get ready a moment ago. */
  shunned: 2,
  /** Something of an ended job may still run there. */
  haunted: 4,
  /** It is kept for the gang at the head of the line. */
  reserved: 8,
} as const;

export type Closure = keyof typeof closures;

export interface Placer {
  readonly nodeCount: number;
  readonly ledger: Ledger;
  /** The first `count` open nodes that fit, in node order, or `undefined`. Changes nothing. */
  find(need: Need, count: number): readonly number[] | undefined;
  /** The first open node at or after `from` that fits, or -1. */
  next(need: Need, from: number): number;
  take(job: number, node: number, need: Need): readonly DeviceShare[];
  restore(job: number, node: number, holding: Holding): void;
  release(job: number, node: number): void;
  close(node: number, why: Closure): void;
  open(node: number, why: Closure): void;
  isClosed(node: number, why: Closure): boolean;
  /** Whether the need fits a node that is open, or closed for nothing but being reserved. */
  fitsReserved(node: number, need: Need): boolean;
  /** Whether the node could hold the need if nothing else were on it. */
  couldHold(node: number, need: Need): boolean;
  /** Whether a node can lay out file mounts; as long as nobody says so, it cannot. */
  setMounts(node: number, can: boolean): void;
}

/** Every node starts open; the caller closes those that are not alive. */
export function createPlacer(capacities: readonly Capacity[]): Placer {
  const ledger = createLedger(capacities);
  const closed = new Uint8Array(capacities.length);
  const mounts = new Uint8Array(capacities.length);
  const trees = createTrees(capacities);
  const refresh = (node: number): void => {
    trees.set(node, ledger, { isOpen: closed[node] === 0, mounts: mounts[node] ?? 0 });
  };
  const canMount = (node: number, need: Need): boolean => !need.mounts || mounts[node] === 1;
  for (let node = 0; node < capacities.length; node += 1) refresh(node);

  const next = (need: Need, from: number): number => trees.next(need, from);
  return {
    nodeCount: capacities.length,
    ledger,
    next,
    find: (need, count) => findNodes(next, need, count),
    take: (job, node, need) => {
      const devices = ledger.take(job, node, need);
      refresh(node);
      return devices;
    },
    restore: (job, node, holding) => {
      ledger.restore(job, node, holding);
      refresh(node);
    },
    release: (job, node) => {
      ledger.release(job, node);
      refresh(node);
    },
    close: (node, why) => {
      closed[node] = (closed[node] ?? 0) | closures[why];
      refresh(node);
    },
    open: (node, why) => {
      closed[node] = (closed[node] ?? 0) & ~closures[why];
      refresh(node);
    },
    isClosed: (node, why) => ((closed[node] ?? 0) & closures[why]) !== 0,
    fitsReserved: (node, need) =>
      ((closed[node] ?? 0) & ~closures.reserved) === 0 &&
      canMount(node, need) &&
      ledger.fits(node, need),
    couldHold: (node, need) => {
      const capacity = capacities[node];
      return capacity !== undefined && canMount(node, need) && canEverHold(capacity, need);
    },
    setMounts: (node, can) => {
      mounts[node] = can ? 1 : 0;
      refresh(node);
    },
  };
}

function findNodes(
  next: (need: Need, from: number) => number,
  need: Need,
  count: number,
): readonly number[] | undefined {
  const found: number[] = [];
  for (let from = 0; found.length < count; ) {
    const node = next(need, from);
    if (node < 0) return undefined;
    found.push(node);
    from = node + 1;
  }
  return found;
}

interface Trees {
  set(
    node: number,
    ledger: Ledger,
    at: { readonly isOpen: boolean; readonly mounts: number },
  ): void;
  next(need: Need, from: number): number;
}

/**
 * Trees of maxima: cpus, memory, whether it lays out mounts, then for each kind of device its free
 * count and largest share.
 */
function createTrees(capacities: readonly Capacity[]): Trees {
  const names = capacities.flatMap(({ accelerators }) => accelerators.map(({ name }) => name));
  const kinds = [...new Set(names.map((name) => name.toLowerCase()))];
  const width = 2 ** Math.ceil(Math.log2(Math.max(1, capacities.length)));
  const trees = Array.from({ length: 3 + 2 * kinds.length }, () =>
    new Float64Array(2 * width).fill(-1),
  );
  const [cpus, memory, mounts] = trees;
  assert(cpus && memory && mounts, "there are at least three dimensions");

  return {
    set: (node, ledger, { isOpen: open, mounts: can }) => {
      raise(cpus, width + node, open ? ledger.cpuFree(node) : -1);
      raise(memory, width + node, open ? ledger.memoryFree(node) : -1);
      raise(mounts, width + node, open ? can : -1);
      for (const [at, kind] of kinds.entries()) {
        const whole = trees[3 + 2 * at];
        const share = trees[4 + 2 * at];
        assert(whole !== undefined && share !== undefined, "each kind has two dimensions");
        raise(whole, width + node, open ? ledger.wholeFree(node, kind) : -1);
        raise(share, width + node, open ? ledger.shareFree(node, kind) : -1);
      }
    },
    next: (need, from) => {
      const search: Search = {
        ...{ cpus, memory, mounts, need, width, from, device: cpus, deviceNeed: -1 },
      };
      if (need.device !== "") {
        const at = kinds.indexOf(need.device);
        const device = trees[(need.shareMilli > 0 ? 4 : 3) + 2 * at];
        if (at < 0 || device === undefined) return -1;
        search.device = device;
        search.deviceNeed = need.shareMilli > 0 ? need.shareMilli : need.wholeDevices;
      }
      return descend(search, 1, 0);
    },
  };
}

/** Sets a leaf and mends the maxima above it, as far up as they change. */
function raise(tree: Float64Array, leaf: number, value: number): void {
  if (tree[leaf] === value) return;
  tree[leaf] = value;
  for (let at = leaf >> 1; at >= 1; at >>= 1) {
    const most = Math.max(tree[2 * at] ?? -1, tree[2 * at + 1] ?? -1);
    if (tree[at] === most) return;
    tree[at] = most;
  }
}

interface Search {
  readonly cpus: Float64Array;
  readonly memory: Float64Array;
  readonly mounts: Float64Array;
  readonly need: Need;
  readonly width: number;
  readonly from: number;
  device: Float64Array;
  deviceNeed: number;
}

/** The first leaf that has it all in the subtree `at`, whose leaves begin with `low`. */
function descend(search: Search, at: number, low: number): number {
  const count = search.width >> (31 - Math.clz32(at));
  if (low + count <= search.from) return -1;
  if ((search.cpus[at] ?? -1) < search.need.cpuMilli) return -1;
  if ((search.memory[at] ?? -1) < search.need.memoryBytes) return -1;
  if ((search.device[at] ?? -1) < search.deviceNeed) return -1;
  if (search.need.mounts && (search.mounts[at] ?? -1) < 1) return -1;
  if (count === 1) return low;
  const half = count >> 1;
  const left = descend(search, 2 * at, low);
  return left >= 0 ? left : descend(search, 2 * at + 1, low + half);
}
