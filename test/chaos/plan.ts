// What will happen in a run of chaos, decided by its seed before anything starts. Pure.
//
// The same seed and length give the same jobs and the same faults at the same times, so a run that
// found something can be looked at again. What the kernel makes of it is not repeated exactly.

import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";

export type Victim = "head" | "skylet" | "bus" | "launcher";
export type Wire = "bus" | "bulk" | "api";

export type Fault =
  | { readonly kind: "kill"; readonly victim: Victim; readonly nth: number }
  | { readonly kind: "stop"; readonly victim: Victim; readonly nth: number; readonly ms: number }
  | { readonly kind: "cut"; readonly wire: Wire }
  | { readonly kind: "delay"; readonly wire: Wire; readonly ms: number }
  | { readonly kind: "freeze"; readonly wire: Wire; readonly ms: number };

export type JobKind = "works" | "fails" | "leaves" | "sets-up" | "is-cancelled";

export interface PlannedJob {
  readonly name: string;
  readonly cluster: string;
  readonly kind: JobKind;
  readonly numNodes: number;
  /** How many lines each rank writes, about twenty a second. */
  readonly lines: number;
  /** Of the rank that fails; 0 if none does. */
  readonly code: number;
  /** For `is-cancelled`: so long after it was acknowledged. */
  readonly cancelAfterMs: number;
}

export interface Timed<T> {
  readonly atMs: number;
  readonly what: T;
}

export interface Plan {
  readonly clusters: readonly { readonly name: string; readonly numNodes: number }[];
  readonly jobs: readonly Timed<PlannedJob>[];
  readonly faults: readonly Timed<Fault>[];
}

/** Nothing is broken before the first followers stand, nor in the last part of the load. */
const quietMs = 1_500;
/** Nobody is stopped for so long that a node would rightly be called lost. */
const stopMsMax = 2_500;
export const delayMs = 200;

export interface PlanOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Faults come three times as often, and most of them kill. */
  readonly rage?: boolean;
}

export function planOf({ seed, seconds, rage = false }: PlanOptions): Plan {
  const random = createMemoryRandom(seed);
  const clusters = [
    { name: "alpha", numNodes: 3 },
    ...(random.below(2) === 0 ? [{ name: "beta", numNodes: 2 }] : []),
  ];
  const endMs = seconds * 1_000;
  return {
    clusters,
    jobs: times(random, { from: 0, to: endMs, everyMs: 700 }).map((atMs, index) => ({
      atMs,
      what: jobOf(random, clusters, index),
    })),
    faults: times(random, { from: quietMs, to: endMs - quietMs, everyMs: rage ? 450 : 1_300 }).map(
      (atMs) => ({ atMs, what: faultOf(random, rage) }),
    ),
  };
}

function jobOf(random: MemoryRandom, clusters: Plan["clusters"], index: number): PlannedJob {
  const cluster = one(random, clusters);
  const kind = one<JobKind>(random, [
    ...(["works", "works", "works", "fails", "leaves", "sets-up", "is-cancelled"] as const),
  ]);
  return {
    name: `job-${index}`,
    cluster: cluster.name,
    kind,
    numNodes: 1 + random.below(cluster.numNodes),
    lines: 1 + random.below(40),
    code: kind === "fails" ? 1 + random.below(120) : 0,
    cancelAfterMs: random.below(1_500),
  };
}

function faultOf(random: MemoryRandom, rage: boolean): Fault {
  const victim = one<Victim>(random, ["head", "skylet", "skylet", "bus", "launcher"]);
  const wire = one<Wire>(random, ["bus", "bulk", "api"]);
  const nth = random.below(16);
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
