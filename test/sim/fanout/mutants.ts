// Deliberate bugs of a fan-out, each a mistake that a change of the product could make. The
// simulation must notice every one.

import type { Coordinator } from "../../../transfer/fanout/coordinator.ts";
import type { Decision, FanOutEvent } from "../../../transfer/fanout/rules.ts";
import { type SinkEvent, type SinkState, stepSink } from "../../../transfer/fanout/sink.ts";
import { source } from "../../../transfer/fanout/tree.ts";
import { type Mutant, noMutant } from "./mutant.ts";

type Change = Partial<Mutant> & Pick<Mutant, "name" | "breaks">;

function mutant(change: Change): Mutant {
  return { ...noMutant, ...change };
}

/** A coordinator that does not hear some events. */
function deaf(to: (event: FanOutEvent) => boolean): Mutant["coordinator"] {
  return (real) => ({ ...real, take: (event) => (to(event) ? [] : real.take(event)) });
}

/** One whose decisions come out otherwise. */
function twisted(
  twist: (decision: Decision, real: Coordinator) => Decision | undefined,
): Mutant["coordinator"] {
  return (real) => ({
    ...real,
    take: (event) => real.take(event).flatMap((decision) => twist(decision, real) ?? []),
  });
}

/** A sink that does not hear some events. */
function numb(to: (event: SinkEvent, state: SinkState) => boolean): Mutant["step"] {
  return (state, event) => (to(event, state) ? [state, []] : stepSink(state, event));
}

export const mutants: readonly Mutant[] = [
  mutant({
    name: "those who left keep their children",
    breaks: "children of dead ones move at once",
    coordinator: deaf(({ type }) => type === "left"),
  }),
  mutant({
    name: "nobody is given another parent",
    breaks: "who cannot reach a parent is sent to another",
    coordinator: deaf(({ type }) => type === "parent-failed"),
  }),
  mutant({
    name: "the source feeds everybody",
    breaks: "each byte leaves the source once",
    coordinator: (real) => ({
      ...twisted((decision) => {
        return decision.type === "follow" ? { ...decision, parent: source } : decision;
      })(real),
      parentOf: () => source,
    }),
    admits: false,
  }),
  mutant({
    name: "late ones take from the source",
    breaks: "who comes late catches up from a peer",
    rules: (rules) => ({ ...rules, children: 0, spareChildren: 0, lastResorts: 100 }),
  }),
  mutant({
    name: "nobody is too slow to feed others",
    breaks: "who is slow is a leaf",
    rules: (rules) => ({ ...rules, slowShare: 0 }),
  }),
  mutant({
    name: "nobody is tried in the place of another",
    breaks: "a slow child of the source gives its place to a fast one",
    rules: (rules) => ({ ...rules, trialGain: 1e-9 }),
  }),
  mutant({
    name: "who stands still is left where it is",
    breaks: "no progress though the parent has more is a failure",
    rules: (rules) => ({ ...rules, stallMs: 1e9 }),
  }),
  mutant({
    name: "moves are not counted",
    breaks: "a bounded number of moves",
    rules: (rules) => ({ ...rules, movesMax: 1_000 }),
  }),
  mutant({
    name: "it is finished when most are done",
    breaks: "finished means that everybody is",
    coordinator: (real) => {
      const finished = (): boolean => {
        const { joined, done } = real.counts();
        return joined > 2 && done >= joined - 1;
      };
      return {
        ...real,
        take: (event) => [
          ...real.take(event),
          ...(finished() ? [{ type: "finished" } as const] : []),
        ],
      };
    },
  }),
  mutant({
    name: "parents are not told of their children",
    breaks: "a child is announced before it comes",
    coordinator: twisted((decision) => (decision.type === "serve" ? undefined : decision)),
  }),
  mutant({
    name: "strangers are served",
    breaks: "only children that were named are served",
    coordinator: twisted((decision) => (decision.type === "serve" ? undefined : decision)),
    admits: false,
  }),
  mutant({
    name: "a child is told to follow its own child",
    breaks: "no cycle",
    coordinator: (real) => ({
      ...real,
      parentOf: (sink) => [...real.childrenOf(sink)][0] ?? real.parentOf(sink),
    }),
  }),
  mutant({
    name: "what arrives is kept unproven",
    breaks: "a damaged chunk is asked for again",
    proves: false,
  }),
  mutant({
    name: "a chunk is safe before it is on the disk",
    breaks: "safe means on the disk",
    waitsForDisk: false,
  }),
  mutant({
    name: "a sink hears nothing of what it lost",
    breaks: "what is found damaged is fetched again",
    step: numb((event, state) => event.type === "safe" && event.found && event.bytes < state.safe),
  }),
  mutant({
    name: "a sink that is cut off lets its parent go",
    breaks: "sinks go on with their parents while the source is away",
    step: (state, event) => {
      const [next, effects] = stepSink(state, event);
      if (event.type !== "cut" || !state.run.running) return [next, effects];
      return [{ ...next, run: { ...next.run, running: false } }, [...effects, { type: "stop" }]];
    },
  }),
  mutant({
    name: "a sink never dials the source again",
    breaks: "sinks join again when the source is back",
    sinkRules: (rules) => ({ ...rules, redialMs: 1e9, redialMsMax: 1e9, silenceMs: 1e9 }),
  }),
  mutant({
    name: "a sink gives up at once when it is cut off",
    breaks: "a silence is borne for a while",
    sinkRules: (rules) => ({ ...rules, silenceMs: 2_000 }),
  }),
  mutant({
    name: "a sink does not say that its parent failed",
    breaks: "who cannot go on says so",
    step: numb(({ type }) => type === "fetch-failed"),
  }),
];
