// What will happen in a run of chaos, decided by its seed before anything starts. Pure.
//
// The same seed and length give the same jobs and the same faults at the same times, so a run that
// found something can be looked at again. What the kernel makes of it is not repeated exactly.
// Two parts follow each other: a storm (a steady load, and faults of all kinds), and rounds (a
// hundred jobs in one call, and a random process killed every half second until all are over).

import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";
import type { Role } from "./members.ts";

export type Wire = "bus" | "bulk" | "api" | "join";

export type Fault =
  | { readonly kind: "kill"; readonly victim: Role; readonly nth: number }
  | { readonly kind: "stop"; readonly victim: Role; readonly nth: number; readonly ms: number }
  | { readonly kind: "cut"; readonly wire: Wire }
  | { readonly kind: "delay"; readonly wire: Wire; readonly ms: number }
  | { readonly kind: "freeze"; readonly wire: Wire; readonly ms: number };

export type JobKind = "works" | "fails" | "leaves" | "sets-up" | "is-cancelled" | "waits";

export interface PlannedJob {
  readonly name: string;
  readonly cluster: string;
  /** `waits`: its ranks write until its gate is opened. */
  readonly kind: JobKind;
  readonly numNodes: number;
  /** How many lines each rank writes, about ten a second. */
  readonly lines: number;
  /** Of the rank that fails; 0 if none does. */
  readonly code: number;
  /** How often it may be run anew. */
  readonly restarts: number;
  /** For `is-cancelled`: so long after it was acknowledged. */
  readonly cancelAfterMs: number;
}

export interface Timed<T> {
  readonly atMs: number;
  readonly what: T;
}

export interface Plan {
  readonly clusters: readonly Shape[];
  readonly jobs: readonly Timed<PlannedJob>[];
  readonly faults: readonly Timed<Fault>[];
}

export interface Shape {
  readonly name: string;
  readonly numNodes: number;
}

export interface PlanOptions {
  readonly seed: number;
  /** How long the storm lasts; 0 = there is none. */
  readonly seconds: number;
  /** How many rounds follow, and how many jobs each has. */
  readonly rounds?: number;
  readonly jobs?: number;
  /** How many kills a round has at most; without, they go on until its jobs are over. */
  readonly killsMax?: number;
  /** Faults come three times as often, and most of them kill. */
  readonly rage?: boolean;
}

/** Whose nodes are never silent for longer than the patience: what waits there must go well. */
export const steadyCluster = "alpha";
/** The other one: a skylet of it stands still for longer than that, and its node is lost. */
export const lossyCluster = "beta";
const clusters: readonly Shape[] = [
  { name: steadyCluster, numNodes: 3 },
  { name: lossyCluster, numNodes: 2 },
];

/** Nothing is broken before the first followers stand, nor in the last part of the load. */
const quietMs = 1_500;
/** Nobody but the one below is stopped for so long that a node would rightly be called lost. */
const stopMsMax = 2_500;
/** Longer than the patience of ten seconds. */
const longStopMs = 12_500;
const longStopEveryMs = 40_000;
export const delayMs = 200;
export const killEveryMs = 500;

const everybody = ["head", "skylet", "bus", "launcher", "join", "watchdog"] as const;
const ranksOwn = ["keeper", "logger", "shell", "child"] as const;
/** Of a round: each as often as the others. */
const anybody: readonly Role[] = [...everybody, ...ranksOwn];
const victims: readonly Role[] = [...anybody, "head", "skylet"];
/** In the last third of a storm heads and skylets live on, so that it shows what grows in them. */
const victimsLate: readonly Role[] = ["bus", "launcher", ...ranksOwn];
const wires: readonly Wire[] = ["bus", "bulk", "api", "join"];

export function planOf({ seed, seconds, rage = false }: PlanOptions): Plan {
  const random = createMemoryRandom(seed);
  const endMs = seconds * 1_000;
  const everyMs = rage ? 450 : 1_100;
  const short = times(random, { from: quietMs, to: endMs - quietMs, everyMs });
  const jobs = times(random, { from: 0, to: endMs, everyMs: 700 });
  const faults = [
    ...short.map((atMs) => {
      const among = atMs < (endMs * 2) / 3 ? victims : victimsLate;
      return { atMs, what: faultOf(random, among, rage) };
    }),
    ...longStops(random, endMs),
  ];
  return {
    clusters,
    jobs: jobs.map((atMs, index) => ({ atMs, what: jobOf(random, `job-${index}`) })),
    faults: faults.sort((a, b) => a.atMs - b.atMs),
  };
}

/** The jobs of one round. Most are short and of one rank. */
export function roundJobs(options: PlanOptions, round: number): readonly PlannedJob[] {
  const { seed, jobs = 100 } = options;
  const random = createMemoryRandom(seed * 1_000 + round);
  return Array.from({ length: jobs }, (_, index): PlannedJob => {
    const kind = one<JobKind>(random, ["works", "works", "works", "leaves", "fails"]);
    const numNodes = one(random, [1, 1, 1, 2, 3]);
    return {
      ...{ name: `round-${round}-${index}`, cluster: steadyCluster, kind, numNodes },
      ...{ lines: 1 + random.below(25), code: codeOf(random, kind), cancelAfterMs: 0 },
      restarts: one(random, [0, 0, 0, 0, 1, 2]),
    };
  });
}

/** Which process is killed next, and next: any role, and then any process of it. */
export function* roundKills(seed: number, round: number): Generator<Fault & { kind: "kill" }> {
  const random = createMemoryRandom(seed * 1_000 + round + 500);
  for (;;) yield { kind: "kill", victim: one(random, anybody), nth: random.below(1_000) };
}

/** The job that is followed through a storm or a round, from before the first kill. */
export function witness(name: string, { cluster, numNodes }: ReturnType<typeof shapeOf>) {
  const shape = { lines: 0, code: 0, restarts: 0, cancelAfterMs: 0 };
  return { name, cluster, kind: "waits", numNodes, ...shape } satisfies PlannedJob;
}

export function shapeOf({ name, numNodes }: Shape) {
  return { cluster: name, numNodes } as const;
}

function jobOf(random: MemoryRandom, name: string): PlannedJob {
  const cluster = one(random, [...clusters, ...clusters.slice(0, 1)]);
  const kind = one<JobKind>(random, [
    ...(["works", "works", "works", "fails", "leaves", "sets-up", "is-cancelled"] as const),
  ]);
  return {
    ...{ name, cluster: cluster.name, kind, numNodes: 1 + random.below(cluster.numNodes) },
    ...{ lines: 1 + random.below(40), code: codeOf(random, kind) },
    ...{ cancelAfterMs: random.below(1_500), restarts: one(random, [0, 0, 1, 2]) },
  };
}

function codeOf(random: MemoryRandom, kind: JobKind): number {
  return kind === "fails" ? 1 + random.below(120) : 0;
}

function faultOf(random: MemoryRandom, among: readonly Role[], rage: boolean): Fault {
  const victim = one(random, among);
  const wire = one(random, wires);
  const nth = random.below(1_000);
  const ms = 200 + random.below(stopMsMax);
  return one<Fault>(random, [
    ...(rage ? Array.from({ length: 6 }, () => ({ kind: "kill", victim, nth }) as const) : []),
    { kind: "kill", victim, nth },
    { kind: "kill", victim, nth },
    { kind: "stop", victim, nth, ms },
    { kind: "cut", wire },
    { kind: "delay", wire, ms: 2_000 },
    { kind: "freeze", wire, ms },
  ]);
}

/** One early, then now and then: a node of the lossy cluster, the head or the bus. */
function longStops(random: MemoryRandom, endMs: number): readonly Timed<Fault>[] {
  const found: Timed<Fault>[] = [];
  for (let atMs = 4_000; atMs + longStopMs < endMs; atMs += longStopEveryMs) {
    const victim = found.length === 0 ? "skylet" : one<Role>(random, ["skylet", "head", "bus"]);
    const nth = random.below(1_000);
    found.push({ atMs, what: { kind: "stop", victim, nth, ms: longStopMs } });
  }
  return found;
}

/** Whether a node may be lost by it. */
export function isLong(fault: Fault): boolean {
  return fault.kind === "stop" && fault.ms > stopMsMax + 200;
}

/** Moments between `from` and `to`, on average `everyMs` apart. */
function times(
  random: MemoryRandom,
  { from, to, everyMs }: { readonly from: number; readonly to: number; readonly everyMs: number },
): readonly number[] {
  const found: number[] = [];
  for (let at = from; at < to; at += everyMs / 2 + random.below(everyMs)) found.push(at);
  return found;
}

function one<T>(random: MemoryRandom, from: readonly T[]): T {
  const found = from[random.below(from.length)];
  if (found === undefined) throw new Error("nothing to choose from");
  return found;
}

export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
      return `kill -9 ${fault.victim}`;
    case "stop":
      return `stop ${fault.victim} for ${fault.ms} ms`;
    case "cut":
      return `cut the ${fault.wire} wire`;
    case "delay":
      return `delay the ${fault.wire} wire by ${delayMs} ms for ${fault.ms} ms`;
    case "freeze":
      return `freeze the ${fault.wire} wire for ${fault.ms} ms`;
  }
}
