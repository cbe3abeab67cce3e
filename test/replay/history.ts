// A history: every message that a scheduler took, with what it wrote, told and made of its jobs.
//
// It is recorded once, by the version that it is named after, and replayed by every later one:
// today's step must take the same messages to the same outcomes, and today's start must read the
// records of then. Words for people may change, and so may records in their form; whom is told to
// do what, and how each job stands, may not.

import type { Job, RankKey } from "../../model/job.ts";
import type { Node } from "../../model/node.ts";
import type { Received } from "../../runtime/actor.ts";
import type { Instant } from "../../runtime/clock.ts";
import type { StoreRecord } from "../../runtime/store.ts";
import { startScheduler, stepScheduler } from "../../scheduler/scheduler.ts";
import type { SchedulerOptions, SchedulerState } from "../../scheduler/table.ts";
import type { SchedulerInput, SchedulerTurn } from "../../scheduler/turn.ts";
import type { Secrets } from "../../scheduler/vault.ts";
import type { SchedulerUnderTest } from "../sim/scheduler-world.ts";

/** What a turn came to, without the words. */
export interface Outcome {
  /** `prepare 1-1-run-0 to head`; of replies their kind; of effects on others theirs. */
  readonly does: readonly string[];
  readonly jobs: readonly string[];
}

interface Began extends Outcome {
  readonly kind: "start";
  readonly at: Instant;
  readonly cluster: string;
  readonly nodes: readonly Node[];
  readonly options: Partial<SchedulerOptions>;
  readonly secrets: readonly (readonly [number, Secrets])[];
  /** The whole journal of that moment. */
  readonly records: readonly StoreRecord[];
}

interface Took extends Outcome {
  readonly kind: "step";
  readonly message: Received<SchedulerInput>;
}

export type Line = Began | Took;

/** The scheduler as it is, with every turn written down. */
export function recorder(lines: Line[]): SchedulerUnderTest {
  return {
    start: (args, at) => {
      const turn = startScheduler(args, at);
      const { cluster, nodes, records, options = {} } = args;
      const secrets = [...args.secrets];
      const given = { at, cluster, nodes, options, secrets, records };
      lines.push({ kind: "start", ...given, ...outcomeOf(turn) });
      return turn;
    },
    step: (state, message) => {
      const turn = stepScheduler(state, message);
      lines.push({ kind: "step", message, ...outcomeOf(turn) });
      return turn;
    },
  };
}

/** Takes the messages of a history anew, and answers what comes of them now, line by line. */
export function replay(lines: readonly Line[]): readonly Outcome[] {
  const journal = new Map<string, string>();
  let state: SchedulerState | undefined;
  return lines.map((line) => {
    const turn = turnOf(line, state, journal);
    for (const key of turn.commit?.deletes ?? []) journal.delete(key);
    for (const { key, value } of turn.commit?.puts ?? []) journal.set(key, value);
    state = turn.state;
    return outcomeOf(turn);
  });
}

function turnOf(
  line: Line,
  state: SchedulerState | undefined,
  journal: ReadonlyMap<string, string>,
): SchedulerTurn {
  if (line.kind === "start") {
    const records = [...journal].map(([key, value]): StoreRecord => ({ key, value }));
    return startFrom(line, records);
  }
  if (state === undefined) throw new Error("a history begins with a start");
  return stepScheduler(state, line.message);
}

/** A start from the records as they were written then. */
export function startFrom(line: Line, records?: readonly StoreRecord[]): SchedulerTurn {
  if (line.kind !== "start") throw new Error("only a start reads records");
  const { cluster, nodes, options, at } = line;
  const secrets = new Map(line.secrets);
  return startScheduler({ cluster, nodes, options, secrets, records: records ?? line.records }, at);
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
function jobText({ id, status, phase, attempt, reason, ranks }: Job): string {
  const ends = ranks.map(({ node, exit }) => {
    const detail = exit?.kind === "code" ? `-${exit.code}` : "";
    return `${node}:${exit?.kind ?? "open"}${detail}`;
  });
  return [id, status, phase, attempt, reason?.code ?? "-", ...ends].join(" ");
}

export function linesOf(text: string): readonly Line[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

export function textOf(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
