// Deliberate bugs, put in through the ports: each is one that a simulation worth its name catches.
//
// No product code is changed: a bus that forges what it carries or a store that answers too early
// stands for the code that would say so. Each is made anew for every run, for some remember.

import {
  beatPattern,
  beatSubject,
  headNode,
  inboxPattern,
  subjectOf,
} from "../../../model/address.ts";
import type { RankKey } from "../../../model/job.ts";
import { rankKeyText } from "../../../model/job.ts";
import { decodeEnvelope, encodeEnvelope } from "../../../proto/envelope.ts";
import type { WireMessage } from "../../../proto/messages.ts";
import type { Bus, BusMessage } from "../../../runtime/bus.ts";
import type { Batch, Store } from "../../../runtime/store.ts";
import { processesOf } from "../../../scheduler/gang-state.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import { schedulerAddress } from "../../../scheduler/turn.ts";
import type { Mutant } from "./mutant.ts";
import { noMutant } from "./mutant.ts";
import { clusterName } from "./setting.ts";

type Change = Omit<Partial<Mutant>, "name">;

export const mutants: readonly (() => Mutant)[] = [
  mutant("a submission is acknowledged before it is committed", () => ({
    store: (store) => early(store, ({ puts }) => puts.some(({ key }) => key.endsWith("/spec"))),
  })),
  mutant("orders leave before the state that they follow from is committed", () => ({
    store: (store) => early(store, ({ puts }) => puts.some(({ key }) => key.endsWith("/state"))),
  })),
  mutant("an agent that starts anew neither sees nor respects a claim", () => ({
    process: (port) => ({
      ...port,
      inventory: async () => [],
      prepare: (spec) =>
        port.prepare(spec).catch(() => port.prepare({ ...spec, dir: `/again${spec.dir}` })),
    }),
  })),
  mutant("a stop is said once", () => {
    const said = new Set<string>();
    return { headBus: (bus) => filtered(bus, (message) => isFirst(said, message, ["stop"])) };
  }),
  mutant("an exit is said once and no inventory tells of it", () => {
    const said = new Set<string>();
    return {
      nodeBus: (bus) =>
        changed(bus, (message) => {
          if (message.kind !== "inventory") {
            return isFirst(said, message, ["rank-exited"]) ? message : undefined;
          }
          return { ...message, ranks: message.ranks.map(asRunning) };
        }),
    };
  }),
  mutant("late messages are taken like any other", () => ({
    headBus: unnumbered,
    nodeBus: unnumbered,
  })),
  mutant("an exit of an old attempt is taken for one of the next", () => ({
    headBus: (bus) => heard(bus, newerAttempt),
  })),
  mutant("a bus outage counts as the loss of nodes", () => ({ headBus: hearsItself })),
  mutant("what a job held is never released", () => {
    const kept = new Set<number>();
    return { observe: (state) => keepHeld(state, kept) };
  }),
  mutant("the end of a job is written over", () => ({
    store: (store) => ({
      ...store,
      read: async (prefix) =>
        (await store.read(prefix)).map((record) => ({
          ...record,
          value: record.value.replace('"all-ranks-exited-0"', '"nothing-to-run"'),
        })),
    }),
  })),
  mutant("a lost node counts as proof that its ranks are dead", () => fenceless()),
  mutant("a head that starts anew has forgotten the idempotency keys", () => ({
    store: (store) => ({
      ...store,
      read: async (prefix) =>
        (await store.read(prefix)).filter(({ key }) => !key.startsWith(`${clusterName}/key/`)),
    }),
  })),
  mutant("a sweep looks at nothing and proves all", () => ({
    process: (port) => ({
      ...port,
      sweep: async () => ({ found: 0, killed: 0, survivors: 0, unproven: [] }),
    }),
  })),
  mutant("there is no barrier", () => ({
    headBus: (bus) =>
      changed(bus, (message) =>
        message.kind === "prepare"
          ? { ...message, spec: { ...message.spec, goWhenReady: true } }
          : message,
      ),
  })),
  mutant("every job is told the first device", () => ({
    headBus: (bus) => changed(bus, withFirstDevice),
  })),
  mutant("a commit that failed counts as done", () => ({
    // Nobody hears of it: that is the bug.
    store: (store) => ({ ...store, commit: (batch) => store.commit(batch).catch(() => {}) }),
  })),
];

function mutant(name: string, make: () => Change): () => Mutant {
  return () => ({ ...noMutant, ...make(), name });
}

/** Answers some commits before they are on disk. */
function early(store: Store, isEarly: (batch: Batch) => boolean): Store {
  return {
    ...store,
    commit: (batch) => {
      const done = store.commit(batch);
      if (!isEarly(batch)) return done;
      // Nobody hears of it: that is the bug.
      done.catch(() => {});
      return Promise.resolve();
    },
  };
}

/** Publishes something else, or nothing. */
function changed(bus: Bus, change: (message: WireMessage) => WireMessage | undefined): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      const { message, incarnation, place } = decodeEnvelope(payload);
      const other = change(message);
      if (other !== undefined) bus.publish(subject, encodeEnvelope(other, incarnation, place));
    },
  };
}

/** Says nothing of the order in which it speaks. */
function unnumbered(bus: Bus): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      const { message, incarnation } = decodeEnvelope(payload);
      bus.publish(subject, encodeEnvelope(message, incarnation));
    },
  };
}

/** Drops some of what is published. */
function filtered(bus: Bus, isKept: (message: WireMessage) => boolean): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      if (isKept(decodeEnvelope(payload).message)) bus.publish(subject, payload);
    },
  };
}

/** Hears something more for each message that comes in. */
function heard(bus: Bus, more: (message: WireMessage) => WireMessage | undefined): Bus {
  return {
    ...bus,
    subscribe: (pattern, onMessage) =>
      bus.subscribe(pattern, (letter) => {
        onMessage(letter);
        const { message, incarnation } = decodeEnvelope(letter.payload);
        const other = more(message);
        if (other === undefined) return;
        onMessage({ subject: letter.subject, payload: encodeEnvelope(other, incarnation) });
      }),
  };
}

function isFirst(
  said: Set<string>,
  message: WireMessage,
  kinds: readonly WireMessage["kind"][],
): boolean {
  if (!kinds.includes(message.kind)) return true;
  const key = rankKeyText((message as { readonly key: RankKey }).key);
  if (said.has(key)) return false;
  said.add(key);
  return true;
}

type Inventory = Extract<WireMessage, { readonly kind: "inventory" }>;

function asRunning(rank: Inventory["ranks"][number]): Inventory["ranks"][number] {
  if (rank.phase !== "exited" || rank.pid === undefined) return rank;
  return { phase: "running", key: rank.key, pid: rank.pid, startedAt: rank.startedAt ?? 0 };
}

function newerAttempt(message: WireMessage): WireMessage | undefined {
  if (message.kind !== "rank-exited") return undefined;
  return { ...message, key: { ...message.key, attempt: message.key.attempt + 1 } };
}

function withFirstDevice(message: WireMessage): WireMessage {
  if (message.kind !== "prepare" || !message.spec.env["CUDA_VISIBLE_DEVICES"]) return message;
  const env = { ...message.spec.env, CUDA_VISIBLE_DEVICES: "0" };
  return { ...message, spec: { ...message.spec, env } };
}

/** The head's own beats come back without the bus. */
function hearsItself(bus: Bus): Bus {
  const own = beatSubject(clusterName, headNode);
  let hear: ((message: BusMessage) => void) | undefined;
  return {
    ...bus,
    publish: (subject, payload) => {
      bus.publish(subject, payload);
      if (subject === own) queueMicrotask(() => hear?.({ subject, payload }));
    },
    subscribe: (pattern, onMessage) => {
      if (pattern === beatPattern(clusterName)) hear = onMessage;
      return bus.subscribe(pattern, onMessage);
    },
  };
}

/** Holds again, once, what each job held at its end. */
function keepHeld(state: SchedulerState, kept: Set<number>): void {
  for (const { spec, gang, need } of state.jobs.values()) {
    if (gang.phase !== "ended" || kept.has(spec.id)) continue;
    kept.add(spec.id);
    for (const { node, devices } of gang.ranks) {
      const index = state.nodesById.get(node)?.index;
      const isFree = index !== undefined && state.placer.find(need, 1)?.includes(index);
      if (isFree) state.placer.restore(spec.id, index, { need, devices });
    }
  }
}

/** When a node is lost, its ranks are said to be swept. */
function fenceless(): Change {
  let hear: ((message: BusMessage) => void) | undefined;
  return {
    headBus: (bus) => ({
      ...bus,
      subscribe: (pattern, onMessage) => {
        if (pattern === inboxPattern(clusterName, headNode)) hear = onMessage;
        return bus.subscribe(pattern, onMessage);
      },
    }),
    observe: (state, { message }) => {
      const { kind, phase, node = "?" } = { ...(message as Partial<PhaseChange>) };
      if (kind !== "node-phase-changed" || phase !== "lost") return;
      const subject = subjectOf(node, schedulerAddress(clusterName));
      const here = [...state.jobs.values()].flatMap(({ gang }) => processesOf(gang));
      const sweep = { node, found: 0, killed: 0, survivors: 0, unproven: [] };
      for (const { key, process } of here) {
        if (process.node !== node) continue;
        const payload = encodeEnvelope({ kind: "rank-swept", key, sweep }, 0);
        queueMicrotask(() => hear?.({ subject, payload }));
      }
    },
  };
}

interface PhaseChange {
  readonly kind: string;
  readonly node: string;
  readonly phase: string;
}
