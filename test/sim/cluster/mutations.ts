// What the deliberate bugs of `mutants.ts` are made of: ports that forge, forget or mishear, and
// decisions of state machines that are replaced for the time of a run.

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
import { autostopTable } from "../../../scheduler/autostop.ts";
import { gangTable } from "../../../scheduler/gang.ts";
import type { GangState } from "../../../scheduler/gang-state.ts";
import { processesOf } from "../../../scheduler/gang-state.ts";
import type { LogChunk } from "../../../scheduler/log-store.ts";
import type { LogStore } from "../../../scheduler/log-store-os.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import { schedulerAddress } from "../../../scheduler/turn.ts";
import type { Mutant } from "./mutant.ts";
import { clusterName } from "./setting.ts";

type Change = Omit<Partial<Mutant>, "name" | "breaks">;
type Kind = WireMessage["kind"];

/** Answers some commits before they are on disk. */
export function early(store: Store, isEarly: (batch: Batch) => boolean): Store {
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
export function changed(bus: Bus, change: (message: WireMessage) => WireMessage | undefined): Bus {
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
export function unnumbered(bus: Bus): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      const { message, incarnation } = decodeEnvelope(payload);
      bus.publish(subject, encodeEnvelope(message, incarnation));
    },
  };
}

/** Says each of these of each rank once. */
export function firstOnly(kinds: readonly Kind[]): (bus: Bus) => Bus {
  const said = new Set<string>();
  return (bus) => changed(bus, (message) => (isFirst(said, message, kinds) ? message : undefined));
}

/** Hears nothing of these kinds. */
export function deafTo(kinds: readonly Kind[]): (bus: Bus) => Bus {
  return (bus) => ({
    ...bus,
    subscribe: (pattern, onMessage) =>
      bus.subscribe(pattern, (letter) => {
        if (!kinds.includes(decodeEnvelope(letter.payload).message.kind)) onMessage(letter);
      }),
  });
}

/** Whatever it says seems to come from the same life. */
export function ofOneLife(bus: Bus): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      const { message, place } = decodeEnvelope(payload);
      bus.publish(subject, encodeEnvelope(message, 1, place));
    },
  };
}

/** Hears something more for each message that comes in. */
export function heard(bus: Bus, more: (message: WireMessage) => WireMessage | undefined): Bus {
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

function isFirst(said: Set<string>, message: WireMessage, kinds: readonly Kind[]): boolean {
  if (!kinds.includes(message.kind)) return true;
  const key = rankKeyText((message as { readonly key: RankKey }).key);
  if (said.has(key)) return false;
  said.add(key);
  return true;
}

type Inventory = Extract<WireMessage, { readonly kind: "inventory" }>;

export function asRunning(rank: Inventory["ranks"][number]): Inventory["ranks"][number] {
  if (rank.phase !== "exited" || rank.pid === undefined) return rank;
  return { phase: "running", key: rank.key, pid: rank.pid, startedAt: rank.startedAt ?? 0 };
}

export function newerAttempt(message: WireMessage): WireMessage | undefined {
  if (message.kind !== "rank-exited") return undefined;
  return { ...message, key: { ...message.key, attempt: message.key.attempt + 1 } };
}

export function withFirstDevice(message: WireMessage): WireMessage {
  if (message.kind !== "prepare" || !message.spec.env["CUDA_VISIBLE_DEVICES"]) return message;
  const env = { ...message.spec.env, CUDA_VISIBLE_DEVICES: "0" };
  return { ...message, spec: { ...message.spec, env } };
}

/** The head's own beats come back without the bus. */
export function hearsItself(bus: Bus): Bus {
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
export function keepHeld(state: SchedulerState, kept: Set<number>): void {
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
export function fenceless(): Change {
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

/** Whatever is told to stop is said to be swept before it has heard of it. */
export function sweptAtOnce(): Change {
  let hear: ((message: BusMessage) => void) | undefined;
  return {
    headBus: (bus) => ({
      ...bus,
      publish: (subject, payload) => {
        bus.publish(subject, payload);
        const { message } = decodeEnvelope(payload);
        if (message.kind !== "stop") return;
        const [node = "?"] = subject.split(".to.")[1]?.split(".") ?? [];
        const sweep = { node, found: 0, killed: 0, survivors: 0, unproven: [] };
        const forged = encodeEnvelope({ kind: "rank-swept", key: message.key, sweep }, 0);
        const from = subjectOf(node, schedulerAddress(clusterName));
        queueMicrotask(() => hear?.({ subject: from, payload: forged }));
      },
      subscribe: (pattern, onMessage) => {
        if (pattern === inboxPattern(clusterName, headNode)) hear = onMessage;
        return bus.subscribe(pattern, onMessage);
      },
    }),
  };
}

type Decide = (state: object, event: object) => unknown;

const tables = { gang: gangTable, autostop: autostopTable } as const;

/** Replaces a decision of a machine; what is returned puts it back. */
export function withCell(
  machine: keyof typeof tables,
  [phase, event]: readonly [string, string],
  decide: (state: object, event: object, before: Decide) => unknown,
): () => void {
  const row = Reflect.get(tables[machine], phase) as Record<string, unknown>;
  const before = row[event];
  const decideBefore = (state: object, happened: object): unknown =>
    typeof before === "function" ? before(state, happened) : [state, []];
  Reflect.set(row, event, (state: object, happened: object) =>
    decide(state, happened, decideBefore),
  );
  return () => Reflect.set(row, event, before);
}

/** What was to be drained is over without that. */
export function endedAtOnce(turn: unknown): unknown {
  const [gang] = turn as readonly [GangState];
  if (gang.phase !== "draining") return turn;
  const { outcome, ...rest } = gang;
  const reason =
    outcome.kind === "end" ? outcome.reason : ({ code: "nothing-to-run", params: {} } as const);
  const ended: GangState = { ...rest, phase: "ended", reason, endedAt: 0 };
  return [ended, [{ kind: "release" }, { kind: "conclude" }]];
}

/** The same keeper of logs; what its followers get goes through `change`. */
export function following(
  logs: LogStore,
  change: (pieces: AsyncIterable<LogChunk>) => AsyncIterable<LogChunk>,
): LogStore {
  return {
    receive: (node, channel) => logs.receive(node, channel),
    follow: (options) => change(logs.follow(options)),
    complete: () => logs.complete(),
    tailStart: (key, lines) => logs.tailStart(key, lines),
    counts: () => logs.counts(),
    close: () => logs.close(),
  };
}
