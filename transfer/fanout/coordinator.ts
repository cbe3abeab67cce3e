// Who takes from whom while one source gives many sinks the same bytes: decided, not done.
//
// The source feeds one sink, that feeds others, and so on, so each byte leaves the source once and
// every link carries it about once. The coordinator hears of sinks that join, get on, fail to reach
// somebody and leave, and says who follows whom. It draws nothing and reads no clock: the same
// events give the same decisions. It keeps its roster in place, because a turn must stay cheap with
// thousands of sinks; nothing outside reads it between two turns but to show it.
//
// What must always hold after every turn: no cycle; every sink that lacks something hangs under the
// source or a complete sink by way of living sinks, or waits because it was moved too often or
// because nobody has room; nobody feeds more than the rules allow.

import { improve, type Trials } from "./improvement.ts";
import { settle } from "./placement.ts";
import { type Member, Roster } from "./roster.ts";
import type { Decision, FanOutEvent, Rules } from "./rules.ts";
import { type SinkId, source } from "./tree.ts";

export type SinkOutcome =
  | { readonly outcome: "done" }
  | { readonly outcome: "given-up"; readonly why: string };

export interface FanOutCounts {
  readonly joined: number;
  readonly done: number;
  readonly waiting: number;
  /** How often the source was given a sink to feed. */
  readonly sourceMoves: number;
}

export interface Coordinator {
  take(event: FanOutEvent): readonly Decision[];
  parentOf(sink: SinkId): SinkId | undefined;
  childrenOf(parent: SinkId): ReadonlySet<SinkId>;
  outcomes(): ReadonlyMap<SinkId, SinkOutcome>;
  counts(): FanOutCounts;
}

export function createCoordinator(rules: Rules, expected: Iterable<SinkId>): Coordinator {
  const core = new Core(rules, expected);
  return {
    take: (event) => core.take(event),
    parentOf: (sink) => core.roster.tree.parentOf(sink),
    childrenOf: (parent) => core.roster.tree.childrenOf(parent),
    outcomes: () => core.outcomes,
    counts: () => core.counts(),
  };
}

class Core {
  readonly roster: Roster;
  readonly outcomes = new Map<SinkId, SinkOutcome>();
  readonly #rules: Rules;
  readonly #trials: Trials = new Map();
  /** Who is not here though expected, since when and why. */
  readonly #absent = new Map<
    SinkId,
    { readonly since: number | undefined; readonly why: string }
  >();
  readonly #drops: Decision[] = [];
  /** Members that are not done. */
  #lacking = 0;
  #finished = false;

  constructor(rules: Rules, expected: Iterable<SinkId>) {
    this.#rules = rules;
    this.roster = new Roster(rules);
    for (const sink of expected) this.#expect(sink);
  }

  take(event: FanOutEvent): readonly Decision[] {
    if (this.#finished) return [];
    this.#apply(event);
    // Mere progress makes no room for those who wait, and must stay cheap.
    if (event.type !== "progress" || this.roster.isTouched) settle(this.roster, event.at);
    const decisions = [...this.roster.decisions(event.at), ...this.#drops.splice(0)];
    if (!this.#isOver()) return decisions;
    this.#finished = true;
    return [...decisions, { type: "finished" }];
  }

  counts(): FanOutCounts {
    const members = [...this.roster.members.values()];
    return {
      joined: members.length,
      done: members.filter(({ done }) => done).length,
      waiting: this.roster.loose.size,
      sourceMoves: this.roster.sourceMoves,
    };
  }

  #apply(event: FanOutEvent): void {
    if (event.type === "tick") this.#tick(event.at);
    else if (event.type === "expected") this.#expect(event.sink);
    else if (event.type === "joined") this.#join(event);
    else {
      const member = this.roster.members.get(event.sink);
      // A late word of one that is gone is nothing.
      if (member !== undefined) this.#hear(member, event);
    }
  }

  #hear(
    member: Member,
    event: Exclude<FanOutEvent, { type: "tick" | "expected" | "joined" }>,
  ): void {
    if (event.type === "progress") this.#progress(member, event);
    else if (event.type === "parent-failed") this.#parentFailed(member, event);
    else this.#leave(member, event);
  }

  #expect(sink: SinkId): void {
    if (this.roster.members.has(sink) || this.outcomes.get(sink)?.outcome === "done") return;
    this.#absent.set(sink, { since: undefined, why: "it never joined" });
    this.outcomes.delete(sink);
  }

  #join(event: Extract<FanOutEvent, { type: "joined" }>): void {
    const { sink, serves, safe, at } = event;
    const before = this.roster.members.get(sink);
    // Its session broke, and it was quicker than the news.
    if (before !== undefined) this.#remove(before);
    else if (this.roster.members.size >= this.#rules.sinksMax) {
      this.#drop(sink, `${this.#rules.sinksMax} sinks take part already`);
      return;
    }
    this.#absent.delete(sink);
    this.outcomes.delete(sink);
    const member = this.roster.add({ id: sink, serves, safe: this.#within(safe), at });
    this.#lacking += 1;
    this.#noteDone(member);
  }

  #progress(member: Member, event: Extract<FanOutEvent, { type: "progress" }>): void {
    const { safe, found, at } = event;
    const bytes = this.#within(safe);
    if (bytes > member.safe) {
      member.barrenFrom = at;
      member.patienceMs = this.#rules.stallMs;
      const parent = this.roster.parentOf(member);
      if (parent !== undefined && parent !== source) parent.complaints.delete(member.id);
    }
    member.safe = bytes;
    if (found === true) member.pace.restart({ at, bytes });
    else member.pace.note({ at, bytes });
    this.#noteDone(member);
  }

  #noteDone(member: Member): void {
    const isDone = member.safe === this.#rules.totalBytes;
    if (isDone === member.done) return;
    member.done = isDone;
    this.#lacking += isDone ? -1 : 1;
    if (isDone) {
      this.roster.complete(member);
      this.outcomes.set(member.id, { outcome: "done" });
    } else {
      this.outcomes.delete(member.id);
      this.roster.loosen(member);
    }
  }

  #parentFailed(
    member: Member,
    { move, at }: { readonly move: number; readonly at: number },
  ): void {
    if (move !== member.move || member.done) return;
    this.#unreach(member, at);
    this.roster.restart(member);
  }

  #leave(member: Member, { why, at }: { readonly why: string; readonly at: number }): void {
    this.#remove(member);
    if (!member.done) this.#absent.set(member.id, { since: at, why });
  }

  #tick(at: number): void {
    for (const [sink, { since, why }] of this.#absent) {
      if (since === undefined) this.#absent.set(sink, { since: at, why });
      else if (at - since >= this.#rules.absentMs) this.#drop(sink, why);
    }
    for (const member of this.roster.members.values()) {
      if (!member.done) this.#look(member, at);
    }
    improve({ roster: this.roster, trials: this.#trials, at });
  }

  /** Whether it stands still though its parent has more for it. */
  #look(member: Member, at: number): void {
    const parent = this.roster.parentOf(member);
    const isFed =
      parent === source || (parent !== undefined && (parent.done || parent.safe > member.safe));
    if (!isFed) member.barrenFrom = at;
    if (at - Math.max(member.barrenFrom, member.attachedAt) < member.patienceMs) return;
    if (at - member.barrenFrom >= this.#rules.giveUpMs) {
      this.#remove(member);
      this.#drop(member.id, `it made no progress for ${this.#rules.giveUpMs} ms`);
      return;
    }
    member.patienceMs *= 2;
    member.slowUntil = at + this.#rules.slowMs;
    this.#unreach(member, at);
    for (const child of this.roster.childrenOf(member.id)) this.roster.loosen(child);
    this.roster.restart(member);
  }

  /** For a while it is not sent to its parent again; the source alone is never out of reach. */
  #unreach(member: Member, at: number): void {
    const parent = this.roster.parentOf(member);
    if (parent === undefined || parent === source) return;
    for (const [id, until] of member.unreached) if (until <= at) member.unreached.delete(id);
    member.unreached.set(parent.id, at + this.#rules.unreachedMs);
    parent.complaints.set(member.id, at);
  }

  #remove(member: Member): void {
    this.roster.remove(member);
    if (!member.done) this.#lacking -= 1;
  }

  #drop(sink: SinkId, why: string): void {
    this.#absent.delete(sink);
    this.outcomes.set(sink, { outcome: "given-up", why });
    this.#drops.push({ type: "drop", sink, why });
  }

  #isOver(): boolean {
    return this.#absent.size === 0 && this.#lacking === 0;
  }

  #within(safe: number): number {
    return Math.max(0, Math.min(safe, this.#rules.totalBytes));
  }
}
