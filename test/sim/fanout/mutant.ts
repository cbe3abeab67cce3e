// Where a simulated fan-out can be broken on purpose. Without a mutant all is as in production.

import type { Coordinator } from "../../../transfer/fanout/coordinator.ts";
import type { Rules } from "../../../transfer/fanout/rules.ts";
import type { SinkEvent, SinkRules, SinkState, SinkStep } from "../../../transfer/fanout/sink.ts";
import { stepSink } from "../../../transfer/fanout/sink.ts";

export interface Mutant {
  readonly name: string;
  readonly breaks: string;
  readonly rules: (rules: Rules) => Rules;
  readonly sinkRules: (rules: SinkRules) => SinkRules;
  readonly coordinator: (coordinator: Coordinator) => Coordinator;
  readonly step: (state: SinkState, event: SinkEvent) => SinkStep;
  /** Whether what arrives is proven before it is kept. */
  readonly proves: boolean;
  /** Whether a chunk counts as safe only when it is on the disk. */
  readonly waitsForDisk: boolean;
  /** Whether only children that were named are served. */
  readonly admits: boolean;
}

export const noMutant: Mutant = {
  name: "none",
  breaks: "nothing",
  rules: (rules) => rules,
  sinkRules: (rules) => rules,
  coordinator: (coordinator) => coordinator,
  step: stepSink,
  proves: true,
  waitsForDisk: true,
  admits: true,
};
