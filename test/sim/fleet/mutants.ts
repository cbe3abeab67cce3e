// Deliberate bugs of the fleet's table: one cell decides otherwise, and some promise must break.

import type { FleetEffect, FleetEvent, FleetState } from "../../../clouds/fleet.ts";
import { fleetTable } from "../../../clouds/fleet.ts";
import type { Transition } from "../../../runtime/machine.ts";

export interface FleetMutant {
  readonly mutant: string;
  readonly breaks: string;
  readonly promise: string;
  /** How the promise is found broken. */
  readonly says: RegExp;
  /** Puts the bug in. Returns what takes it out. */
  plant(): () => void;
}

type Decide = (state: FleetState, event: FleetEvent) => Transition<FleetState, FleetEffect>;

export const mutants: readonly FleetMutant[] = [
  {
    mutant: "cleared before its cloud lists nothing",
    ...{
      breaks: "after `down` nothing is left",
      promise: "nothing left",
      says: /are left|has mach/,
    },
    plant: () =>
      replace("ending", "closed", () => (state) => {
        const effects = state.phase === "absent" ? [] : [clearOf(state.record)];
        return [state, effects];
      }),
  },
  {
    mutant: "what a down cannot end is left behind unasked",
    ...{
      breaks: "only a purge leaves machines",
      promise: "nothing left",
      says: /are left|machines/,
    },
    plant: () =>
      replace("ending", "failed", (decide) => (state, event) => {
        if (state.phase === "absent") return decide(state, event);
        return decide({ ...state, record: { ...state.record, purge: true } }, event);
      }),
  },
  {
    mutant: "a refresh that misses one machine takes all for gone",
    ...{ breaks: "only what is gone is removed", promise: "refresh", says: /is taken for gone/ },
    plant: () =>
      replace("up", "found", (decide) => (state, event) => {
        if (event.kind !== "found" || state.phase !== "up") return decide(state, event);
        const isWhole = event.machines.length >= state.record.nodes.length;
        return decide(state, isWhole ? event : { ...event, machines: [] });
      }),
  },
  {
    mutant: "the usage of a stopped cluster goes on",
    ...{ breaks: "what is stopped costs nothing", promise: "usage", says: /is stopped and costs/ },
    plant: () =>
      replace("stopping", "seen", (decide) => (state, event) => {
        const [next, effects] = decide(state, event);
        if (next.phase !== "stopped" || state.phase !== "stopping") return [next, effects];
        const { usage } = state.record;
        return [
          next,
          effects.map((effect) =>
            effect.kind === "save" && usage
              ? { ...effect, record: { ...effect.record, usage } }
              : effect,
          ),
        ];
      }),
  },
  {
    mutant: "what waits for a stop is forgotten",
    ...{ breaks: "whoever asks is answered", promise: "answers", says: /of \w is forgotten/ },
    plant: () =>
      replace("stopping", "launch", (decide) => (state, event) => {
        const [next, effects] = decide(state, event);
        return [effects.length === 0 ? state : next, effects];
      }),
  },
  {
    mutant: "a cluster that comes up keeps what it was busy with",
    ...{ breaks: "nobody waits for what is over", promise: "busy", says: /launch|start/ },
    plant: () =>
      replace("init", "alive", (decide) => (state, event) => {
        const [next, effects] = decide(state, event);
        if (next.phase !== "up" || state.phase !== "init") return [next, effects];
        const { busy } = state.record;
        return [
          next,
          effects.map((effect) =>
            effect.kind === "save" && busy
              ? { ...effect, record: { ...effect.record, busy } }
              : effect,
          ),
        ];
      }),
  },
];

function clearOf(record: Extract<FleetState, { readonly phase: "ending" }>["record"]): FleetEffect {
  return { kind: "clear", record };
}

function replace(
  phase: FleetState["phase"],
  kind: FleetEvent["kind"],
  make: (decide: Decide) => Decide,
): () => void {
  const row = fleetTable[phase];
  const before: unknown = Reflect.get(row, kind);
  Reflect.set(row, kind, make(before as Decide));
  return () => {
    Reflect.set(row, kind, before);
  };
}
