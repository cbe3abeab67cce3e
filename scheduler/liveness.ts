// Liveness: which nodes beat. Pure; volatile: after a start of the head it is learnt anew.
//
// A silence is measured in counted time: time between two of the head's own beats that both came
// back through the bus, close to each other. While the bus is down, or the head itself stands
// still, no time is counted, so neither is ever taken for the loss of a node. Nodes come back to a
// bus later than the head does, thousands of them much later: after each such gap they have more
// time than otherwise.
//
// Leases count otherwise: by all the time that has passed since the newest beat that was heard, or
// since the head started. Whoever hears the beats also confirms them to the nodes, so what it says
// of a silence is true of every lease that was renewed until then.

import type { NodePhase } from "../model/node.ts";
import type { Beat } from "../proto/messages.ts";
import type { Instant } from "../runtime/clock.ts";
import type { NodeEvent, NodeState } from "./node.ts";
import { stepNode } from "./node.ts";

export interface LivenessOptions {
  readonly beatMs: number;
  readonly suspectMs: number;
  readonly lostMs: number;
  /** The patience with a node that has not been heard since the bus came back. */
  readonly returnMs: number;
}

export const livenessDefaults: LivenessOptions = {
  beatMs: 1_000,
  suspectMs: 3_000,
  lostMs: 10_000,
  returnMs: 30_000,
};

/** Two of the head's beats that are further apart than this many periods do not count. */
const gapPeriodsMax = 2.5;

/** A table that its owner changes in place. */
export interface Liveness {
  readonly options: LivenessOptions;
  readonly nodes: Map<string, NodeState>;
  /** When each node's newest beat was heard, on the head's monotonic clock. */
  readonly heardAt: Map<string, number>;
  readonly startedAt: number;
  /** Milliseconds in which the head heard itself. */
  counted: number;
  /** What was counted at the end of the last gap; less than nothing if there was none. */
  countedAtGap: number;
  heardSelfAt: Instant | undefined;
  seq: number;
}

export interface PhaseChange {
  readonly node: string;
  readonly phase: NodePhase;
  readonly evidence: string;
  readonly heardAt: number;
}

export function newLiveness(at: Instant, options: Partial<LivenessOptions> = {}): Liveness {
  return {
    options: { ...livenessDefaults, ...options },
    ...{ nodes: new Map(), counted: 0, countedAtGap: -1, heardSelfAt: undefined, seq: 0 },
    ...{ heardAt: new Map(), startedAt: at.monoMs },
  };
}

/** For how long nothing was heard of a node that is lost; `undefined` if it is not. */
export function silenceMs(liveness: Liveness, node: string, at: Instant): number | undefined {
  if (liveness.nodes.get(node)?.phase !== "lost") return undefined;
  return at.monoMs - (liveness.heardAt.get(node) ?? liveness.startedAt);
}

/** The head's next beat. */
export function nextBeat(liveness: Liveness, bootId: string): Beat {
  liveness.seq += 1;
  return { kind: "beat", seq: liveness.seq, bootId, headSeq: liveness.seq };
}

/** The head heard itself: time counts, and whoever was silent for too long is told of. */
export function heardSelf(liveness: Liveness, at: Instant): readonly PhaseChange[] {
  const { heardSelfAt: before, options } = liveness;
  liveness.heardSelfAt = at;
  if (before === undefined || before.bootId !== at.bootId) return [];
  const gap = at.monoMs - before.monoMs;
  if (gap < 0 || gap > gapPeriodsMax * options.beatMs) {
    liveness.countedAtGap = liveness.counted;
    return [];
  }
  liveness.counted += gap;
  // Beats come a little early or late: without slack a whole period could be added to the wait.
  const slackMs = options.beatMs / 4;
  const suspectMs = options.suspectMs - slackMs;
  return [...liveness.nodes].flatMap(([node, state]) => {
    if (state.phase !== "alive" && state.phase !== "suspect") return [];
    const isBack = state.heardAt > liveness.countedAtGap;
    const silentMs = liveness.counted - (isBack ? state.heardAt : liveness.countedAtGap);
    if (silentMs < suspectMs) return [];
    const lostMs = (isBack ? options.lostMs : options.returnMs) - slackMs;
    return tellNode(liveness, { node, at, event: { kind: "silent", silentMs, suspectMs, lostMs } });
  });
}

export function heardNode(liveness: Liveness, node: string, at: Instant): readonly PhaseChange[] {
  const { counted } = liveness;
  liveness.heardAt.set(node, at.monoMs);
  return tellNode(liveness, { node, at, event: { kind: "beat-heard", counted } });
}

/** This node had joined before the head started. */
export function expectNode(liveness: Liveness, node: string, at: Instant): readonly PhaseChange[] {
  const { counted } = liveness;
  return tellNode(liveness, { node, at, event: { kind: "expected", counted } });
}

/** This node was stopped on purpose: its silence means nothing. */
export function dismissNode(liveness: Liveness, node: string, at: Instant): readonly PhaseChange[] {
  return tellNode(liveness, { node, at, event: { kind: "dismissed" } });
}

function tellNode(
  liveness: Liveness,
  { node, at, event }: { readonly node: string; readonly at: Instant; readonly event: NodeEvent },
): readonly PhaseChange[] {
  const state = liveness.nodes.get(node) ?? { phase: "absent" };
  const outcome = stepNode(state, { ...event, at });
  if (!outcome.taken) return [];
  liveness.nodes.set(node, outcome.state);
  const heardAt = liveness.heardAt.get(node) ?? liveness.startedAt;
  return outcome.effects.map(({ phase, evidence }) => ({ node, phase, evidence, heardAt }));
}
