// A stage for tests of the actor runtime: a system on a clock that stands still, a bus in memory, a
// disk that answers when it is told to, and one actor that does what its messages say.
//
// The actor `scripted` keeps what it took in its state and writes what it performed down in
// `performed`, so tests look at what came out and not at how it was called.

import { setImmediate as loopTurn } from "node:timers/promises";
import type { Address, Ref } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import type { Actor, Received, RuntimeEffect, Turn } from "../../runtime/actor.ts";
import type { BusHub } from "../../runtime/bus-memory.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import type { TurnReport } from "../../runtime/cell.ts";
import { createMemoryClock, type MemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryLog, type MemoryLog } from "../../runtime/log-memory.ts";
import type { Batch, Store } from "../../runtime/store.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { type ActorSystem, createSystem } from "../../runtime/system-actor.ts";

/** What the scripted actor is told. */
export type Line =
  | {
      readonly kind: "do";
      readonly name?: string;
      readonly effects?: readonly (Act | RuntimeEffect<Line>)[];
      readonly outbox?: readonly Act[];
      readonly commit?: Batch;
      readonly throws?: string;
    }
  | { readonly kind: "question"; readonly replyTo: Ref<Answer> }
  /** A question that is never answered. */
  | { readonly kind: "riddle"; readonly replyTo: Ref<Answer> }
  /** The same from another node: of what is not known on the wire, none comes. */
  | { readonly kind: "inspect"; readonly replyTo: Ref<Answer> }
  | { readonly kind: "tick"; readonly name: string };

export type Act =
  | { readonly kind: "note"; readonly text: string }
  /** Stays under way until the stage's `gates` opens its name. */
  | { readonly kind: "slow"; readonly text: string }
  | { readonly kind: "fail"; readonly error: "expected" | "bug" }
  | { readonly kind: "echo"; readonly line: Line };

export interface Answer {
  readonly kind: "answer";
  readonly taken: number;
}

export interface Performed {
  readonly text: string;
  readonly token: string;
}

export type Taken = readonly Received<Line>[];

/** The store of a disk that answers when it is told to. */
export interface ManualStore extends Store {
  /** Lets the oldest commits that wait succeed. */
  finish(count: number): void;
  /** Lets the commit that waits at this place succeed, out of turn. */
  finishAt(index: number): void;
  fail(): void;
  waiting(): readonly Batch[];
}

export function createManualStore(inner: Store = createMemoryStore()): ManualStore {
  const waiting: { batch: Batch; resolve: () => void; reject: (error: Error) => void }[] = [];
  const finishAt = (index: number): void => {
    for (const commit of waiting.splice(index, 1)) {
      inner.commit(commit.batch).then(commit.resolve, commit.reject);
    }
  };
  return {
    ...inner,
    commit: (batch) =>
      new Promise((resolve, reject) => {
        waiting.push({ batch, resolve, reject });
      }),
    finish: (count) => {
      for (let i = 0; i < count; i += 1) finishAt(0);
    },
    finishAt,
    fail: () => {
      for (const { reject } of waiting.splice(0)) {
        reject(new SkyError("store/failed", { why: "the disk is full" }));
      }
    },
    waiting: () => waiting.map(({ batch }) => batch),
  };
}

export interface Stage {
  readonly system: ActorSystem;
  readonly clock: MemoryClock;
  readonly log: MemoryLog;
  readonly hub: BusHub;
  readonly turns: TurnReport[];
  readonly performed: Performed[];
  readonly gates: Map<string, () => void>;
  readonly scripted: Actor<Line, Taken, Act, undefined>;
  /** Signals that performed effects were given, by text. */
  readonly signals: Map<string, AbortSignal>;
  spawn(id?: string, options?: Parameters<ActorSystem["spawn"]>[3]): Ref<Line>;
  /** What an actor took, by its names. */
  taken(id?: string): readonly string[];
}

export interface StageOptions {
  readonly node?: string;
  readonly incarnation?: number;
  readonly store?: Store;
  readonly hub?: BusHub;
  readonly clock?: MemoryClock;
}

export function setStage(options: StageOptions = {}): Stage {
  const { node = "head", clock = createMemoryClock(), hub = createBusHub() } = options;
  const log = createMemoryLog();
  const turns: TurnReport[] = [];
  const performed: Performed[] = [];
  const gates = new Map<string, () => void>();
  const signals = new Map<string, AbortSignal>();
  const system = createSystem({
    cluster: "demo",
    node,
    incarnation: options.incarnation ?? 1,
    clock,
    bus: hub.connect(node, { publish: [`sky.demo.from.${node}.to.>`], subscribe: ["sky.demo.>"] }),
    store: options.store ?? createMemoryStore(),
    log,
    observe: (turn) => turns.push(turn),
  });
  const scripted = scriptedActor({ performed, gates, signals });
  return {
    ...{ system, clock, log, hub, turns, performed, gates, signals, scripted },
    spawn: (id = "one", spawnOptions = {}) => system.spawn(scripted, id, undefined, spawnOptions),
    taken: (id = "one") =>
      turns.flatMap(({ address, message }) =>
        address.id === id && message !== undefined ? [nameOf(message as Line)] : [],
      ),
  };
}

/** Lets everything run that can run without time passing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await loopTurn();
}

export function address(id: string, node = "head"): Address {
  return { cluster: "demo", node, kind: "scripted", id };
}

export function note(text: string): Act {
  return { kind: "note", text };
}

export function batch(key: string): Batch {
  return { puts: [{ key, value: "1" }], deletes: [], events: [] };
}

function nameOf(line: Line): string {
  return "name" in line && line.name !== undefined ? line.name : line.kind;
}

function scriptedActor(world: {
  readonly performed: Performed[];
  readonly gates: Map<string, () => void>;
  readonly signals: Map<string, AbortSignal>;
}): Actor<Line, Taken, Act, undefined> {
  return {
    kind: "scripted",
    fromOtherNodes: ["inspect"],
    start: () => ({ state: [], effects: [] }),
    step: (taken, line) => play([...taken, line], line),
    perform: (act, context) => {
      if (act.kind === "fail") {
        if (act.error === "bug") throw new Error("a bug");
        throw new SkyError("process/failed", { what: "act", why: "as expected" });
      }
      if (act.kind === "echo") {
        context.tellSelf(act.line);
        return undefined;
      }
      world.performed.push({ text: act.text, token: context.token });
      world.signals.set(act.text, context.signal);
      if (act.kind === "note") return undefined;
      return new Promise((resolve) => world.gates.set(act.text, resolve));
    },
  };
}

function play(taken: Taken, line: Received<Line>): Turn<Taken, Act, Line> {
  if (line.kind === "question") {
    const message: Answer = { kind: "answer", taken: taken.length };
    return { state: taken, effects: [{ kind: "tell", to: line.replyTo, message }] };
  }
  if (line.kind !== "do") return { state: taken, effects: [] };
  if (line.throws !== undefined) throw new Error(line.throws);
  const { effects = [], commit, outbox } = line;
  return {
    state: taken,
    effects,
    ...(commit === undefined ? {} : { commit }),
    ...(outbox === undefined ? {} : { outbox }),
  };
}
