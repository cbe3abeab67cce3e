// A history: every message that a scheduler took, with what came of it, as lines that can be
// replayed. Pure.
//
// It is written where `debug.history` asks for it, and read by `npm run replay`, which takes the
// same messages through the code of its own version. Words for people may change between versions,
// and so may records in their form; whom is told to do what, and how each job stands, may not.
//
// What must always hold: no secret is in a line. Names of secrets decide; their values do not.

import type { Job, RankKey } from "../model/job.ts";
import type { Node } from "../model/node.ts";
import type { Received } from "../runtime/actor.ts";
import type { Instant } from "../runtime/clock.ts";
import type { StoreRecord } from "../runtime/store.ts";
import type { SchedulerArgs } from "./scheduler.ts";
import type { SchedulerOptions } from "./table.ts";
import type { SchedulerInput, SchedulerTurn } from "./turn.ts";
import type { Secrets } from "./vault.ts";

/** What a turn came to, without the words. */
export interface Outcome {
  /** `prepare 1-1-run-0 to head`; of replies their kind; of effects on others theirs. */
  readonly does: readonly string[];
  readonly jobs: readonly string[];
}

export interface Began extends Outcome {
  readonly kind: "start";
  readonly at: Instant;
  readonly cluster: string;
  readonly nodes: readonly Node[];
  readonly options: Partial<SchedulerOptions>;
  readonly secrets: readonly (readonly [number, Secrets])[];
  /** The whole journal of that moment. */
  readonly records: readonly StoreRecord[];
  /** The turns before it may not all have been committed: what they wrote says nothing of it. */
  readonly torn?: boolean;
}

export interface Took extends Outcome {
  readonly kind: "step";
  readonly message: Received<SchedulerInput>;
}

export type Line = Began | Took;

export function startLine(args: SchedulerArgs, at: Instant, turn: SchedulerTurn): Began {
  const { cluster, nodes, records, options = {} } = args;
  const secrets = [...args.secrets].map(([job, values]) => [job, hidden(values)] as const);
  return {
    kind: "start",
    ...{ at, cluster, nodes, options, secrets, records },
    ...outcomeOf(turn),
  };
}

export function stepLine(message: Received<SchedulerInput>, turn: SchedulerTurn): Took {
  return { kind: "step", message: withoutSecrets(message), ...outcomeOf(turn) };
}

function withoutSecrets(message: Received<SchedulerInput>): Received<SchedulerInput> {
  if (message.kind !== "submit") return message;
  const tasks = message.tasks.map((task) => ({ ...task, secrets: hidden(task.secrets) }));
  return { ...message, tasks };
}

function hidden(secrets: Secrets): Secrets {
  return Object.fromEntries(Object.keys(secrets).map((name) => [name, ""]));
}

export function outcomeOf({ effects }: SchedulerTurn): Outcome {
  const jobs = effects.flatMap((effect) =>
    effect.kind === "announce" ? effect.announcement.jobs.map(jobText) : [],
  );
  return { does: effects.flatMap(deedOf), jobs: jobs.sort() };
}

function deedOf(effect: SchedulerTurn["effects"][number]): readonly string[] {
  switch (effect.kind) {
    case "announce":
      return [];
    case "tell": {
      const { kind, key } = effect.message as { readonly kind: string; readonly key?: RankKey };
      const what = key === undefined ? kind : `${kind} ${Object.values(key).join("-")}`;
      return [`${what} to ${effect.to.node}/${effect.to.kind}`];
    }
    case "start-timer":
    case "cancel-timer":
      return [`${effect.kind} ${effect.name}`];
    case "request-shutdown":
      return [`${effect.kind} ${effect.verb}`];
    default:
      return [effect.kind];
  }
}

/** `3 FAILED ended 1 rank-failed head:code-7 worker1:stopped`. */
export function jobText({ id, status, phase, attempt, reason, ranks }: Job): string {
  const ends = ranks.map(({ node, exit }) => {
    const detail = exit?.kind === "code" ? `-${exit.code}` : "";
    return `${node}:${exit?.kind ?? "open"}${detail}`;
  });
  return [id, status, phase, attempt, reason?.code ?? "-", ...ends].join(" ");
}
