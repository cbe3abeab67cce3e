// Deliberate bugs: the scheduler with one thing wrong, made by wrapping its step and its effects.
//
// Each is a mistake that somebody could make in a change of the product. The simulation must notice
// every one of them; a mutant that survives is an invariant that nobody checks.

import { rankKeyText } from "../../../model/job.ts";
import type { AgentMessage, RankSpec } from "../../../proto/messages.ts";
import type { Received, RuntimeEffect } from "../../../runtime/actor.ts";
import type { Instant } from "../../../runtime/clock.ts";
import type { StoreRecord } from "../../../runtime/store.ts";
import { jobView } from "../../../scheduler/job-view.ts";
import type { Placer } from "../../../scheduler/placement.ts";
import { recordKeys, stateRecord } from "../../../scheduler/records.ts";
import { startScheduler, stepScheduler } from "../../../scheduler/scheduler.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import type { SchedulerInput, SchedulerTurn } from "../../../scheduler/turn.ts";
import type { SchedulerUnderTest } from "../scheduler-world.ts";

type Message = Received<SchedulerInput>;
type Step = typeof stepScheduler;
type Tell = Extract<RuntimeEffect<SchedulerInput>, { readonly kind: "tell" }>;
type Effect = SchedulerTurn["effects"][number];

/** A new one for each run: some remember what they did. */
export const mutants: Readonly<Record<string, () => SchedulerUnderTest>> = {
  "effects leave before their commit": () => ({ ...sound, effectsFirst: true }),
  "a submission is acknowledged and not written": () =>
    stepping((state, message) => {
      const { commit, ...turn } = stepScheduler(state, message);
      return message.kind === "submit" || commit === undefined ? turn : { ...turn, commit };
    }),
  "the ledger keeps what an ended job held": () => placing(() => ({ release: () => {} })),
  "what is reserved is not kept": () =>
    placing((placer) => ({
      close: (node, why) => (why === "reserved" ? undefined : placer.close(node, why)),
    })),
  "nodes with remains of old jobs take new ones": () =>
    placing((placer) => ({
      close: (node, why) => (why === "haunted" ? undefined : placer.close(node, why)),
    })),
  "agents start what they were asked before": () => ({ ...sound, withoutClaims: true }),
  "ranks go before all stand ready": () =>
    telling((message) =>
      message.kind === "prepare" ? { ...message, spec: hasty(message.spec) } : message,
    ),
  "a stop is never repeated": () => telling(onlyOnce("stop")),
  "a go is never repeated": () => telling(onlyOnce("go")),
  "an end is acknowledged to nobody": () =>
    telling((message) => (message.kind === "acknowledge" ? undefined : message)),
  "late words change how a job ended": () => stepping(rewriteEnds),
  "a report is believed whoever sends it": () => stepping(believe),
  "what was told to stop counts as swept": () => stepping(sweepAtOnce),
  "inventories are not read": () =>
    stepping((state, message) =>
      message.kind === "inventory" ? { state, effects: [] } : stepScheduler(state, message),
    ),
  "idempotency keys are forgotten": () =>
    stepping((state, message) => {
      state.keys.clear();
      return stepScheduler(state, message);
    }),
  "a timeout is not watched": () =>
    stepping((state, message) => {
      const turn = stepScheduler(state, message);
      const isKept = (effect: Effect): boolean =>
        effect.kind !== "start-timer" || !effect.name.startsWith("timeout-");
      return { ...turn, effects: turn.effects.filter(isKept) };
    }),
  "a head that starts anew counts timeouts anew": () => ({
    ...sound,
    start: (args, at) => startScheduler({ ...args, records: args.records.map(begunAt(at)) }, at),
  }),
  "the time in the queue counts towards a timeout": () =>
    stepping((state, message) => {
      const turn = stepScheduler(state, message);
      const sooner = (effect: Effect): Effect => {
        if (effect.kind !== "start-timer" || effect.message.kind !== "timeout-due") return effect;
        const { submittedAt = 0 } = state.jobs.get(effect.message.job)?.spec ?? {};
        return { ...effect, ms: Math.max(0, effect.ms - (message.at.wallMs - submittedAt)) };
      };
      return { ...turn, effects: turn.effects.map(sooner) };
    }),
  "secrets of ended jobs are kept": () =>
    stepping((state, message) => {
      const turn = stepScheduler(state, message);
      return { ...turn, effects: turn.effects.filter(({ kind }) => kind !== "remove-secrets") };
    }),
};

const sound: SchedulerUnderTest = { start: startScheduler, step: stepScheduler };

function stepping(step: Step): SchedulerUnderTest {
  return { ...sound, step };
}

/** With other words to the agents; `undefined` says nothing. */
function telling(change: (message: AgentMessage) => AgentMessage | undefined): SchedulerUnderTest {
  const changed = (effect: Effect): readonly Effect[] => {
    if (!isToAgent(effect)) return [effect];
    const message = change(effect.message as AgentMessage);
    return message === undefined ? [] : [{ ...effect, message }];
  };
  return stepping((state, message) => {
    const turn = stepScheduler(state, message);
    return { ...turn, effects: turn.effects.flatMap(changed) };
  });
}

function isToAgent(effect: Effect): effect is Tell {
  return effect.kind === "tell" && effect.to.kind === "agent";
}

/** With parts of the placer replaced. */
function placing(change: (placer: Placer) => Partial<Placer>): SchedulerUnderTest {
  return {
    ...sound,
    start: (args, at) => {
      const turn = startScheduler(args, at);
      const { placer } = turn.state;
      turn.state.placer = { ...placer, ...change(placer) };
      return turn;
    },
  };
}

/** The record of an attempt that seems to have begun at this moment. */
function begunAt(at: Instant): (record: StoreRecord) => StoreRecord {
  return ({ key, value }) => {
    const change = (name: string, was: unknown): unknown => (name === "begunAt" ? at : was);
    return { key, value: JSON.stringify(JSON.parse(value, change)) };
  };
}

function hasty(spec: RankSpec): RankSpec {
  return { ...spec, goWhenReady: true };
}

function onlyOnce(kind: "stop" | "go"): (message: AgentMessage) => AgentMessage | undefined {
  const said = new Set<string>();
  return (message) => {
    if (message.kind !== kind) return message;
    const text = rankKeyText(message.key);
    if (said.has(text)) return undefined;
    said.add(text);
    return message;
  };
}

/** The last word wins instead of the first. */
function rewriteEnds(state: SchedulerState, message: Message): SchedulerTurn {
  const turn = stepScheduler(state, message);
  if (message.kind !== "rank-exited") return turn;
  const { job } = message.key;
  const entry = state.jobs.get(job);
  if (entry?.gang.phase !== "ended" || entry.gang.reason.code === "cluster-stopped") return turn;
  entry.gang = { ...entry.gang, reason: { code: "cluster-stopped", params: {} } };
  const { gang, logs } = entry;
  const put = { key: recordKeys.state(state.cluster, job), value: stateRecord({ gang, logs }) };
  const announcement = { jobs: [jobView(state, entry, 0)], events: [] };
  return {
    ...turn,
    commit: { deletes: [], events: [], ...turn.commit, puts: [...(turn.commit?.puts ?? []), put] },
    effects: [...turn.effects, { kind: "announce", announcement }],
  };
}

/** Takes the sender to be the node on which the process runs. */
function believe(state: SchedulerState, message: Message): SchedulerTurn {
  if (message.kind !== "rank-exited") return stepScheduler(state, message);
  const { key } = message;
  const gang = state.jobs.get(key.job)?.gang;
  const from =
    gang === undefined || gang.phase === "queued" ? undefined : gang.ranks[key.index]?.node;
  return stepScheduler(state, { ...message, from: from ?? message.from });
}

/** No fence: does not wait for the node's word that nothing is left. */
function sweepAtOnce(state: SchedulerState, message: Message): SchedulerTurn {
  let turn = stepScheduler(state, message);
  const stops = turn.effects.filter(isToAgent);
  for (const { to, message: told } of stops) {
    const order = told as AgentMessage;
    if (order.kind !== "stop") continue;
    const sweep = { node: to.node, found: 0, killed: 0, survivors: 0, unproven: [] };
    const { at } = message;
    const swept = { kind: "rank-swept", key: order.key, sweep, at, from: to.node } as const;
    turn = joined(turn, stepScheduler(turn.state, swept));
  }
  return turn;
}

function joined(first: SchedulerTurn, second: SchedulerTurn): SchedulerTurn {
  const [one, two] = [first.commit, second.commit];
  const effects = [...first.effects, ...second.effects];
  if (one === undefined || two === undefined) {
    const commit = one ?? two;
    return { state: second.state, effects, ...(commit === undefined ? {} : { commit }) };
  }
  const commit = {
    puts: [...one.puts, ...two.puts],
    deletes: [...one.deletes, ...two.deletes],
    events: [...one.events, ...two.events],
  };
  return { state: second.state, effects, commit };
}
