// The sinks of a fan-out as its coordinator knows them, the tree they hang in, and what changed.
//
// Placement and improvement move sinks about here; only when a turn is over is each difference
// told, once: a sink that was taken down and hung up in the same place hears nothing. New children
// are announced to their parent before they are sent to it.
//
// What must always hold: every sink that is not done and has no parent is in `loose`; a done one
// has no parent; who is not here hangs nowhere in the tree.

import { Pace } from "./pace.ts";
import type { Decision, Rules } from "./rules.ts";
import { type SinkId, source, Tree } from "./tree.ts";

export interface Member {
  readonly id: SinkId;
  readonly serves: boolean;
  readonly pace: Pace;
  safe: number;
  done: boolean;
  /** Of the newest `follow`. */
  move: number;
  /** When it was last sent to somebody, for each of the last times. */
  moves: readonly number[];
  /** When it was hung where it is. */
  attachedAt: number;
  /** When it last got on, or had nothing to get. */
  barrenFrom: number;
  /** How long it may stand still before it is given another parent. */
  patienceMs: number;
  /** Feeds others only where nobody else can, until then. */
  slowUntil: number;
  /** When children of it were made leaves that had no siblings to be compared with. */
  blamedAt: readonly number[];
  /** Until when it is not sent to whom again. */
  readonly unreached: Map<SinkId, number>;
  /** Who could not reach it, and when. */
  readonly complaints: Map<SinkId, number>;
  /** How often it was tried in a higher place. */
  trials: number;
}

export class Roster {
  readonly rules: Rules;
  readonly tree = new Tree();
  readonly members = new Map<SinkId, Member>();
  readonly loose = new Set<Member>();
  /** Where each one that was touched in this turn hung before. */
  readonly #before = new Map<SinkId, SinkId | undefined>();
  /** These begin anew, also where they were. */
  readonly #again = new Set<SinkId>();
  /** Those whose children changed. */
  readonly #served = new Set<SinkId>();
  /** How often the source's bytes may have begun to leave it again. */
  sourceMoves = 0;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  add(joined: Pick<Member, "id" | "serves" | "safe"> & { readonly at: number }): Member {
    const { at, ...rest } = joined;
    const { windowMs, stallMs } = this.rules;
    const pace = new Pace(windowMs);
    pace.restart({ at, bytes: joined.safe });
    const member: Member = {
      ...rest,
      ...{ pace, done: false, move: 0, moves: [], trials: 0 },
      ...{ attachedAt: at, barrenFrom: at, patienceMs: stallMs, slowUntil: 0 },
      blamedAt: [],
      ...{ unreached: new Map(), complaints: new Map() },
    };
    this.members.set(member.id, member);
    this.loose.add(member);
    return member;
  }

  /** It is gone; its children hang loose. */
  remove(member: Member): void {
    this.#noteServed(this.tree.parentOf(member.id));
    for (const id of this.tree.childrenOf(member.id)) this.#noteBefore(id);
    for (const orphan of this.tree.remove(member.id)) this.#loosen(orphan);
    this.members.delete(member.id);
    this.loose.delete(member);
    for (const set of [this.#before, this.#again, this.#served]) set.delete(member.id);
  }

  /** Whether anybody was moved, or is fed no more, since it was last asked for its decisions. */
  get isTouched(): boolean {
    return this.#before.size > 0 || this.#served.size > 0;
  }

  parentOf(member: Member): Member | typeof source | undefined {
    const id = this.tree.parentOf(member.id);
    return id === undefined || id === source ? id : this.members.get(id);
  }

  childrenOf(id: SinkId): readonly Member[] {
    return this.#known(this.tree.childrenOf(id));
  }

  /** All that hang below it, level by level, itself aside. */
  under(id: SinkId): readonly Member[] {
    return this.#known(this.tree.below(id));
  }

  hang(member: Member, parent: SinkId, at: number): void {
    this.#noteBefore(member.id);
    this.tree.detach(member.id);
    this.tree.attach(member.id, parent);
    this.#noteServed(parent);
    this.loose.delete(member);
    if (this.#before.get(member.id) === parent && !this.#again.has(member.id)) return;
    member.attachedAt = at;
    member.pace.restart({ at, bytes: member.safe });
  }

  /** Takes it down, with all below it, to be placed anew. */
  loosen(member: Member): void {
    this.#noteBefore(member.id);
    this.tree.detach(member.id);
    this.#loosen(member.id);
  }

  /** What it is told to do, it is to begin anew. */
  restart(member: Member): void {
    this.#again.add(member.id);
    this.loosen(member);
  }

  /** It needs no parent any more. */
  complete(member: Member): void {
    this.#noteServed(this.tree.parentOf(member.id));
    this.tree.detach(member.id);
    this.loose.delete(member);
    this.#before.delete(member.id);
    this.#again.delete(member.id);
  }

  /** How often it was sent to somebody lately. */
  moved({ moves }: Member, at: number): number {
    return moves.filter((time) => time > at - this.rules.movesMs).length;
  }

  /** What changed since it was last asked. */
  decisions(at: number): readonly Decision[] {
    const follows: Decision[] = [];
    for (const [id, before] of this.#before) {
      const member = this.members.get(id);
      const parent = this.tree.parentOf(id);
      if (member === undefined || (parent === before && !this.#again.has(id))) continue;
      member.move += 1;
      // To be left without anybody is no move: who was, would wait the longer where there is room.
      if (parent !== undefined) {
        member.moves = [...member.moves, at].slice(-this.rules.movesMax);
      }
      if (parent === source) this.sourceMoves += 1;
      follows.push({ type: "follow", sink: id, parent, move: member.move });
    }
    const serves = [...this.#served]
      .filter((id) => id === source || this.members.has(id))
      .map(
        (id): Decision => ({ type: "serve", sink: id, children: [...this.tree.childrenOf(id)] }),
      );
    for (const set of [this.#before, this.#again, this.#served]) set.clear();
    return [...serves, ...follows];
  }

  #known(ids: Iterable<SinkId>): readonly Member[] {
    return [...ids].flatMap((id) => this.members.get(id) ?? []);
  }

  #loosen(id: SinkId): void {
    const member = this.members.get(id);
    if (member !== undefined && !member.done) this.loose.add(member);
  }

  #noteBefore(id: SinkId): void {
    const parent = this.tree.parentOf(id);
    if (!this.#before.has(id)) this.#before.set(id, parent);
    this.#noteServed(parent);
  }

  #noteServed(id: SinkId | undefined): void {
    if (id !== undefined) this.#served.add(id);
  }
}
