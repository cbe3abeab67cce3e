// Liveness as a volatile actor on the head: it beats, listens to beats, and tells the scheduler.
//
// The head's own beat goes through the bus and back like any other. What must always hold: the
// scheduler hears of every change of a node's phase, in order, with the evidence; a beat that asks
// for it is confirmed to its node once it counts here, so that no lease outlives what is counted.

import { beatPattern, beatSender, beatSubject, headNode } from "../model/address.ts";
import { isSkyError } from "../model/errors.ts";
import { decodeEnvelope, encodeEnvelope } from "../proto/envelope.ts";
import type { AgentMessage, Beat } from "../proto/messages.ts";
import type { Actor, RuntimeEffect, Turn } from "../runtime/actor.ts";
import type { Bus } from "../runtime/bus.ts";
import type { Instant } from "../runtime/clock.ts";
import { insistence } from "../runtime/insistence.ts";
import type { Log } from "../runtime/log.ts";
import type { Liveness, LivenessOptions, PhaseChange } from "./liveness.ts";
import {
  dismissNode,
  expectNode,
  heardNode,
  heardSelf,
  newLiveness,
  nextBeat,
  silenceMs,
} from "./liveness.ts";
import type { NodeReport } from "./messages.ts";
import { schedulerAddress } from "./turn.ts";

export interface LivenessArgs {
  readonly cluster: string;
  /** Nodes that had joined before the head started (`joinedNodes`). */
  readonly expected: readonly string[];
  readonly options?: Partial<LivenessOptions>;
}

export type LivenessMessage =
  | { readonly kind: "beat-due" }
  | { readonly kind: "beat-heard"; readonly node: string; readonly renews?: Renewal }
  /** Has this lost node been silent for so long? Answered by `node-silent` if so. */
  | { readonly kind: "silence-asked"; readonly node: string; readonly ms: number }
  | { readonly kind: "node-dismissed"; readonly node: string };

type Renewal = Omit<Extract<AgentMessage, { readonly kind: "renew-lease" }>, "kind">;

export type LivenessEffect =
  | { readonly kind: "listen"; readonly cluster: string }
  | { readonly kind: "publish-beat"; readonly cluster: string; readonly beat: Beat }
  | { readonly kind: "tell-scheduler"; readonly cluster: string; readonly report: NodeReport };

interface State {
  readonly cluster: string;
  readonly liveness: Liveness;
}

type LivenessTurn = Turn<State, LivenessEffect, LivenessMessage>;

export interface LivenessPorts {
  readonly bus: Bus;
  readonly log: Log;
}

export type LivenessActor = Actor<LivenessMessage, State, LivenessEffect, LivenessArgs>;

export function livenessActor(ports: LivenessPorts): LivenessActor {
  let insist: ((report: NodeReport) => void) | undefined;
  return {
    kind: "liveness",
    // Beats come on the beat subjects only.
    fromOtherNodes: [],
    start: ({ cluster, expected, options }, at) => {
      const state: State = { cluster, liveness: newLiveness(at, options) };
      const changes = expected.flatMap((node) => expectNode(state.liveness, node, at));
      const { effects } = beat(state, at.bootId);
      return { state, effects: [{ kind: "listen", cluster }, ...tell(state, changes), ...effects] };
    },
    step: (state, message): LivenessTurn => {
      const { liveness } = state;
      const { at } = message;
      switch (message.kind) {
        case "beat-due":
          return beat(state, at.bootId);
        case "beat-heard": {
          const { node, renews } = message;
          const isSelf = node === headNode;
          const changes = isSelf ? heardSelf(liveness, at) : heardNode(liveness, node, at);
          const renewal = renews === undefined ? [] : [renewalTo(state, node, renews)];
          return { state, effects: [...tell(state, changes), ...renewal] };
        }
        case "silence-asked":
          return { state, effects: answerSilence(state, message, at) };
        case "node-dismissed":
          return { state, effects: tell(state, dismissNode(liveness, message.node, at)) };
      }
    },
    perform: (effect, context) => {
      if (effect.kind === "publish-beat") {
        publish(ports, effect.cluster, effect.beat);
        return;
      }
      if (effect.kind === "tell-scheduler") {
        const to = schedulerAddress(effect.cluster);
        insist ??= insistence(context.clock, (report) => context.tell(to, report));
        insist(effect.report);
        return;
      }
      const stop = ports.bus.subscribe(beatPattern(effect.cluster), ({ subject, payload }) => {
        const node = beatSender(subject);
        const beat = node === undefined ? undefined : beatIn(payload);
        if (node === undefined || beat === undefined) return;
        const { bootId, askedAt } = beat;
        const renews = askedAt === undefined ? {} : { renews: { bootId, leaseFrom: askedAt } };
        context.tellSelf({ kind: "beat-heard", node, ...renews });
      });
      context.signal.addEventListener("abort", stop, { once: true });
    },
  };
}

function beat(state: State, bootId: string): LivenessTurn {
  const { cluster, liveness } = state;
  return {
    state,
    effects: [
      { kind: "publish-beat", cluster, beat: nextBeat(liveness, bootId) },
      {
        kind: "start-timer",
        name: "beat",
        ms: liveness.options.beatMs,
        message: { kind: "beat-due" },
      },
    ],
  };
}

function tell({ cluster }: State, changes: readonly PhaseChange[]): readonly LivenessEffect[] {
  return changes.map((change) => {
    const report: NodeReport = { kind: "node-phase-changed", ...change };
    return { kind: "tell-scheduler", cluster, report };
  });
}

/** The node's leases hold from when the beat that was heard was sent. */
function renewalTo(
  { cluster }: State,
  node: string,
  renews: Renewal,
): RuntimeEffect<LivenessMessage> {
  const message: AgentMessage = { kind: "renew-lease", ...renews };
  return { kind: "tell", to: { cluster, node, kind: "agent", id: "main" }, message };
}

function answerSilence(
  { cluster, liveness }: State,
  { node, ms }: { readonly node: string; readonly ms: number },
  at: Instant,
): readonly LivenessEffect[] {
  if ((silenceMs(liveness, node, at) ?? 0) < ms) return [];
  const report: NodeReport = { kind: "node-silent", node, ms, untilMonoMs: at.monoMs };
  return [{ kind: "tell-scheduler", cluster, report }];
}

/** A beat that cannot be sent is a beat that does not come back: time stops counting. */
function publish({ bus, log }: LivenessPorts, cluster: string, message: Beat): void {
  try {
    bus.publish(beatSubject(cluster, headNode), encodeEnvelope(message, 0));
  } catch (error) {
    if (!isSkyError(error, "bus/closed")) throw error;
    log.debug("the head's beat was not sent: the bus is closed", { cluster });
  }
}

/** Whatever else is published there is no sign of life. */
function beatIn(payload: Uint8Array): Beat | undefined {
  try {
    const { message } = decodeEnvelope(payload);
    return message.kind === "beat" ? message : undefined;
  } catch (error) {
    if (isSkyError(error, "codec/invalid")) return undefined;
    throw error;
  }
}
