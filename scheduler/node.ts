// What liveness thinks of one node. The full table.
//
//   absent → alive ⇄ suspect → lost → alive
//
// Time here is counted time (`liveness.ts`): only that in which the head's own beat came back. A
// suspect node takes no new work and nothing is done to it; a lost one's jobs end or wait for its
// word. Any beat makes a node alive again.

import type { NodePhase } from "../model/node.ts";
import type { Table, Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";

export type NodeState =
  | { readonly phase: "absent" }
  | { readonly phase: "alive"; readonly heardAt: number }
  | { readonly phase: "suspect"; readonly heardAt: number }
  | { readonly phase: "lost" };

export type NodeEvent =
  | { readonly kind: "beat-heard"; readonly counted: number }
  /** Nothing was heard of it for so long. */
  | {
      readonly kind: "silent";
      readonly silentMs: number;
      readonly suspectMs: number;
      readonly lostMs: number;
    }
  /** It had joined before the head started, so it should beat. */
  | { readonly kind: "expected"; readonly counted: number }
  /** It was stopped on purpose. */
  | { readonly kind: "dismissed" };

export interface NodeEffect {
  readonly kind: "tell-phase";
  readonly phase: NodePhase;
  readonly evidence: string;
}

type Next = Transition<NodeState, NodeEffect>;
type Silent = Extract<NodeEvent, { readonly kind: "silent" }>;

export const nodeTable: Table<NodeState, NodeEvent, NodeEffect> = {
  absent: {
    "beat-heard": (_, { counted }): Next => alive(counted, "its first beat"),
    silent: "ignore",
    expected: (_, { counted }): Next => [
      { phase: "suspect", heardAt: counted },
      [tell("suspect", "not heard of since the head started")],
    ],
    dismissed: "ignore",
  },
  alive: {
    "beat-heard": (_, { counted }): Next => [{ phase: "alive", heardAt: counted }, []],
    silent: (state, event): Next => judge(state, event),
    expected: "ignore",
    dismissed: (): Next => absent(),
  },
  suspect: {
    "beat-heard": (_, { counted }): Next => alive(counted, "it beats again"),
    silent: (state, event): Next => judge(state, event),
    expected: "ignore",
    dismissed: (): Next => absent(),
  },
  lost: {
    "beat-heard": (_, { counted }): Next => alive(counted, "it beats again"),
    silent: "ignore",
    expected: "ignore",
    dismissed: (): Next => absent(),
  },
};

export const stepNode = machine<NodeState, NodeEvent, NodeEffect>(nodeTable);

function alive(counted: number, evidence: string): Next {
  return [{ phase: "alive", heardAt: counted }, [tell("alive", evidence)]];
}

function absent(): Next {
  return [{ phase: "absent" }, [tell("absent", "it was stopped")]];
}

function judge(
  state: Extract<NodeState, { readonly phase: "alive" | "suspect" }>,
  { silentMs, suspectMs, lostMs }: Silent,
): Next {
  const evidence = `no beat for ${(silentMs / 1000).toFixed(1)} s`;
  if (silentMs >= lostMs) return [{ phase: "lost" }, [tell("lost", evidence)]];
  if (silentMs < suspectMs || state.phase === "suspect") return [state, []];
  return [{ phase: "suspect", heardAt: state.heardAt }, [tell("suspect", evidence)]];
}

function tell(phase: NodePhase, evidence: string): NodeEffect {
  return { kind: "tell-phase", phase, evidence };
}
