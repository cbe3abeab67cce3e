// Trees packed one after the other, each as wide as what the ones before it left allows.
//
// A tree grows from the source: the destination that is reached at the highest rate joins, over
// relays if that is wider; a site that sends to one more shares what it sends. Then the tree's rate
// is taken from links and gateways, and the next one is grown. Stripes are shared out among the
// trees by their rates. Prices do not matter to it; ties go to the shorter way, then to the site
// that sends to fewer, then to the order of the request: nothing is drawn.
//
// An edge that several trees use has the stripes of all of them (`trees.ts`).

import type { Plan } from "../../model/transfer-plan.ts";
import { planOf } from "./finish.ts";
import type { Network } from "./network.ts";
import { allGateways, infeasible, rateOf, type Shape, settled } from "./shape.ts";
import {
  carries,
  type Hop,
  onceNotes,
  shapeOfTrees,
  type Tree,
  treeWithin,
  usableHops,
} from "./trees.ts";

/** Where the request says nothing of it. Source: Cloudcast, NSDI 2024: little is gained above. */
export const stripesUsual = 10;
/** A tree that would carry less than that share of the first is not worth its connections. */
const worthShare = 0.02;

/** @throws SkyError `plan/infeasible`. */
export function spiderPlan(network: Network): Plan {
  const trees = spiderTrees(network);
  if (trees.length === 0) throw infeasible(`${network.source} does not reach all destinations`);
  const shape = shapeOfTrees("spider", trees);
  return planOf(network, settled(network, shape), onceNotes(network, trees));
}

/** One for each stripe; none where a destination is not reached. */
export function spiderTrees(network: Network): readonly Tree[] {
  const stripes = network.request.stripes ?? stripesUsual;
  const once = network.request.onceFromSource === true;
  const packed = packedTrees(network, once);
  const found = packed.length > 0 || !once ? packed : packedTrees(network, false);
  const shared = found.slice(0, stripes).map((_, i) => sharedOut(found.slice(0, i + 1), stripes));
  const rates = shared.map((trees) => rateWith(network, shapeOfTrees("spider", trees)));
  const best = rates.reduce((at, rate, i) => (rate > (rates[at] ?? 0) * (1 + 1e-9) ? i : at), 0);
  return shared[best] ?? [];
}

function rateWith(network: Network, shape: Shape): number {
  return rateOf(network, shape, allGateways(network, shape));
}

interface Packed {
  readonly tree: Tree;
  readonly rate: number;
}

function packedTrees(network: Network, once: boolean): readonly Packed[] {
  const room = new Room(network);
  const packed: Packed[] = [];
  const most = network.request.stripes ?? stripesUsual;
  while (packed.length < most) {
    const tree = new Growth(network, room, once).grown();
    if (tree === undefined) return packed;
    const rate = room.rateOf(tree);
    if (rate <= (packed[0]?.rate ?? 0) * worthShare) return packed;
    packed.push({ tree, rate });
    room.take(tree, rate);
  }
  return packed;
}

/** Stripes by rate, the largest remainders first; a single tree needs no stripes. */
function sharedOut(packed: readonly Packed[], stripes: number): readonly Tree[] {
  const [first] = packed;
  if (packed.length <= 1) return first === undefined ? [] : [first.tree];
  const whole = packed.reduce((sum, { rate }) => sum + rate, 0);
  const exact = packed.map(({ rate }) => (rate / whole) * stripes);
  const counts = exact.map((share) => Math.floor(share));
  const left = stripes - counts.reduce((sum, count) => sum + count, 0);
  const order = [...exact.keys()].sort((a, b) => fractionOf(exact[b]) - fractionOf(exact[a]));
  for (const index of order.slice(0, left)) counts[index] = (counts[index] ?? 0) + 1;
  return packed.flatMap(({ tree }, i) => Array.from({ length: counts[i] ?? 0 }, () => tree));
}

function fractionOf(share: number | undefined): number {
  return (share ?? 0) - Math.floor(share ?? 0);
}

/** What links and gateways can still carry, Gbit/s. */
class Room {
  readonly #hops = new Map<string, number>();
  readonly #out = new Map<string, number>();
  readonly #into = new Map<string, number>();
  readonly #from: ReadonlyMap<string, readonly Hop[]>;

  constructor(network: Network) {
    const hops = usableHops(network, network.relays);
    this.#from = Map.groupBy(hops, ({ from }) => from);
    for (const hop of hops) this.#hops.set(keyOf(hop), carries(network, hop));
    for (const id of [network.source, ...network.destinations, ...network.relays]) {
      if (network.isStore(id)) continue;
      const count = network.site(id).gatewaysMax;
      this.#out.set(id, network.egress(id) * count);
      this.#into.set(id, network.ingress(id) * count);
    }
  }

  hopsFrom(id: string): readonly Hop[] {
    return this.#from.get(id) ?? [];
  }

  hop(hop: Hop): number {
    return Math.min(this.#hops.get(keyOf(hop)) ?? 0, this.#into.get(hop.to) ?? Infinity);
  }

  out(id: string): number {
    return this.#out.get(id) ?? Infinity;
  }

  rateOf(tree: Tree): number {
    const shares = tree.map(
      ({ from }) => this.out(from) / tree.filter((h) => h.from === from).length,
    );
    return Math.min(...tree.map((hop) => this.hop(hop)), ...shares);
  }

  take(tree: Tree, rate: number): void {
    for (const hop of tree) {
      this.#hops.set(keyOf(hop), (this.#hops.get(keyOf(hop)) ?? 0) - rate);
      this.#out.set(hop.from, this.out(hop.from) - rate);
      this.#into.set(hop.to, (this.#into.get(hop.to) ?? Infinity) - rate);
    }
  }
}

interface Reach {
  readonly width: number;
  readonly hops: number;
  /** Sites that the start of the way sends to already. */
  readonly degree: number;
  readonly way: readonly Hop[];
}

/** One tree while it grows. */
class Growth {
  readonly #network: Network;
  readonly #room: Room;
  readonly #once: boolean;
  readonly #tree: Hop[] = [];

  constructor(network: Network, room: Room, once: boolean) {
    this.#network = network;
    this.#room = room;
    this.#once = once;
  }

  grown(): Tree | undefined {
    const { destinations } = this.#network;
    for (;;) {
      const reached = this.#reached();
      const left = destinations.filter((id) => !reached.has(id));
      if (left.length === 0) return treeWithin(this.#network, this.#tree);
      const ways = this.#ways(reached);
      const found = left.flatMap((id) => ways.get(id) ?? []);
      const [first] = found;
      if (first === undefined) return undefined;
      this.#tree.push(...found.reduce((a, b) => (isBetter(b, a) ? b : a), first).way);
    }
  }

  #reached(): ReadonlySet<string> {
    return new Set([this.#network.source, ...this.#tree.map(({ to }) => to)]);
  }

  /** The widest way from the tree to each site outside of it. */
  #ways(reached: ReadonlySet<string>): ReadonlyMap<string, Reach> {
    const known = new Map([...reached].flatMap((id) => this.#start(id)));
    const done = new Set<string>();
    for (;;) {
      const open = [...known].filter(([id]) => !done.has(id));
      const [first] = open;
      if (first === undefined) return known;
      const [at, reach] = open.reduce((a, b) => (isBetter(b[1], a[1]) ? b : a), first);
      done.add(at);
      for (const hop of this.#room.hopsFrom(at)) {
        if (reached.has(hop.to) || done.has(hop.to)) continue;
        const next = this.#extended(reach, hop);
        const old = known.get(hop.to);
        if (next.width > 1e-9 && (old === undefined || isBetter(next, old)))
          known.set(hop.to, next);
      }
    }
  }

  #start(id: string): readonly (readonly [string, Reach])[] {
    const degree = this.#tree.filter(({ from }) => from === id).length;
    const isSpent = this.#once && id === this.#network.source && degree > 0;
    if (isSpent) return [];
    return [[id, { width: this.#room.out(id) / (degree + 1), hops: 0, degree, way: [] }]];
  }

  #extended({ width, hops, degree, way }: Reach, hop: Hop): Reach {
    const sends = way.length > 0 ? this.#room.out(hop.from) : Infinity;
    const next = Math.min(width, sends, this.#room.hop(hop));
    return { width: next, hops: hops + 1, degree, way: [...way, hop] };
  }
}

function isBetter(a: Reach, b: Reach): boolean {
  if (Math.abs(a.width - b.width) > 1e-9) return a.width > b.width;
  return a.hops !== b.hops ? a.hops < b.hops : a.degree < b.degree;
}

function keyOf({ from, to }: Hop): string {
  return `${from}\n${to}`;
}
