// Histories, as `scheduler/history.ts` writes them, through today's code.
//
// One is recorded once, by the version that it is named after, and replayed by every later one:
// today's step must take the same messages to the same outcomes, and today's start must read the
// records of then.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { zstdDecompressSync } from "node:zlib";
import type { Received } from "../../runtime/actor.ts";
import type { StoreRecord } from "../../runtime/store.ts";
import {
  jobText,
  type Line,
  type Outcome,
  outcomeOf,
  startLine,
  stepLine,
} from "../../scheduler/history.ts";
import type { SettledRecord } from "../../scheduler/records.ts";
import { recordKeys } from "../../scheduler/records.ts";
import { startScheduler, stepScheduler } from "../../scheduler/scheduler.ts";
import type { SchedulerState } from "../../scheduler/table.ts";
import type { SchedulerInput, SchedulerTurn } from "../../scheduler/turn.ts";
import type { SchedulerUnderTest } from "../sim/scheduler-world.ts";

/** The scheduler as it is, with every turn written down. */
export function recorder(lines: Line[]): SchedulerUnderTest {
  return {
    start: (args, at) => {
      const turn = startScheduler(args, at);
      lines.push(startLine(args, at, turn));
      return turn;
    },
    step: (state, message) => {
      const turn = stepScheduler(state, message);
      lines.push(stepLine(message, turn));
      return turn;
    },
  };
}

/** Takes the messages of a history anew, and answers what comes of them now, line by line. */
export function replay(lines: readonly Line[]): readonly Outcome[] {
  const journal = new Map<string, string>();
  let state: SchedulerState | undefined;
  return lines.map((line) => {
    if (line.kind === "start" && line.torn) resetTo(journal, line.records);
    const turn = turnOf(line, state, journal);
    for (const key of turn.commit?.deletes ?? []) journal.delete(key);
    for (const { key, value } of turn.commit?.puts ?? []) journal.set(key, value);
    state = turn.state;
    const outcome = outcomeOf(turn);
    if (line.kind !== "start") return outcome;
    // What was announced at every start then stands in a record of its own today, once it settled.
    const settled = settledIn(line.cluster, journal).filter((job) => line.jobs.includes(job));
    const jobs = new Set([...outcome.jobs, ...settled]);
    return { ...outcome, jobs: [...jobs].sort() };
  });
}

function resetTo(journal: Map<string, string>, records: readonly StoreRecord[]): void {
  journal.clear();
  for (const { key, value } of records) journal.set(key, value);
}

export function settledIn(
  cluster: string,
  journal: ReadonlyMap<string, string>,
): readonly string[] {
  return [...journal]
    .filter(([key]) => key.startsWith(recordKeys.dones(cluster)))
    .map(([, value]) => jobText((JSON.parse(value) as SettledRecord).job));
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
  return stepScheduler(state, asSaidToday(line.message));
}

/** What agents of then did not say yet is what the codec makes of a message that lacks it. */
function asSaidToday(message: Received<SchedulerInput>): Received<SchedulerInput> {
  if (message.kind !== "inventory") return message;
  return { ...message, capabilities: message.capabilities ?? [] };
}

/** A start from the records as they were written then. */
export function startFrom(line: Line, records?: readonly StoreRecord[]): SchedulerTurn {
  if (line.kind !== "start") throw new Error("only a start reads records");
  const { cluster, nodes, options, at } = line;
  const secrets = new Map(line.secrets);
  return startScheduler({ cluster, nodes, options, secrets, records: records ?? line.records }, at);
}

/** A turn that comes to something else today. */
export interface Difference {
  /** From 1. */
  readonly line: number;
  readonly before: Outcome;
  readonly now: Outcome;
}

/**
 * The first turn of each life (from a start out of the records of then to the next one) that comes
 * to something else. What follows it in its life answers to what was done then, and says nothing.
 * A job that is announced again as it was is no difference.
 */
export function differences(lines: readonly Line[]): readonly Difference[] {
  const found: Difference[] = [];
  let standing = { before: new Map<string, string>(), now: new Map<string, string>() };
  let isOver = false;
  for (const [index, now] of replay(lines).entries()) {
    const line = lines[index];
    if (line === undefined) break;
    if (line.kind === "start") standing = { before: new Map(), now: new Map() };
    if (line.kind === "start" && line.torn) isOver = false;
    if (isOver) continue;
    const before = { does: line.does, jobs: line.jobs };
    for (const job of before.jobs) standing.before.set(idOf(job), job);
    for (const job of now.jobs) standing.now.set(idOf(job), job);
    const told = [...before.jobs, ...now.jobs].map(idOf);
    const isSame = told.every((id) => standing.before.get(id) === standing.now.get(id));
    isOver = !isSame || !isDeepStrictEqual(now.does, before.does);
    if (isOver) found.push({ line: index + 1, before, now });
  }
  return found;
}

export function idOf(jobText: string): string {
  return jobText.slice(0, jobText.indexOf(" "));
}

/** A history as it is kept: lines of JSON, compressed if the name ends so. */
export function readHistory(path: string): readonly Line[] {
  const bytes = readFileSync(path);
  return linesOf((path.endsWith(".zst") ? zstdDecompressSync(bytes) : bytes).toString());
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
