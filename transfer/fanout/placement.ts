// Where the loose sinks of a fan-out are hung: each under the best parent there is.
//
// A peer before the source, so that each byte leaves the source once; one that is not slow, that
// does not lack what the sink has already, that is high up. The source feeds its one child, and a
// few more that no peer can feed, so that nobody starves. Who finds no place waits, and what hangs
// below it is placed on its own.
//
// What must always hold: a place is under a root (the source or a complete sink), so nothing that
// is hung here hangs in a cycle; nobody has more children than the rules allow.

import type { Member, Roster } from "./roster.ts";
import { type SinkId, source } from "./tree.ts";

/** A sink that could take another child, and how far from a root it is. */
interface Opening {
  readonly member: Member;
  readonly depth: number;
}

/** Hangs all loose sinks up, those first that are to be high: not slow, and furthest. */
export function settle(roster: Roster, at: number): void {
  if (roster.loose.size === 0) return;
  const openings = openingsOf(roster);
  const queue = [...roster.loose].sort((a, b) => beforeInLine(a, b, at));
  // Each sink comes up once as it is loose, and once more if its parent found no place.
  const released = new Set<Member>();
  for (const member of queue) {
    if (place(roster, { member, openings, at })) continue;
    for (const child of roster.childrenOf(member.id)) {
      if (released.has(child)) continue;
      released.add(child);
      roster.loosen(child);
      queue.push(child);
    }
  }
}

/** Whether `member` may be sent to `parent`, as far as is known. */
export function reaches(member: Member, parent: SinkId, at: number): boolean {
  return (member.unreached.get(parent) ?? 0) <= at;
}

/** Whether it can feed others at all: it listens, gets on, and they can reach it. */
export function canFeed({ rules }: Roster, member: Member, at: number): boolean {
  if (!member.serves || hasStalled(member, at)) return false;
  let heard = 0;
  for (const time of member.complaints.values()) heard += Number(time > at - rules.unreachedMs);
  return heard < complaintsMax;
}

/** So many who could not reach one make it one that nobody can reach. */
const complaintsMax = 2;

/** It has stood still for longer than it may, wherever the fault is. */
function hasStalled(member: Member, at: number): boolean {
  return !member.done && at - Math.max(member.progressAt, member.attachedAt) > member.patienceMs;
}

function beforeInLine(a: Member, b: Member, at: number): number {
  const slow = Number(a.slowUntil > at) - Number(b.slowUntil > at);
  if (slow !== 0) return slow;
  return Number(b.serves) - Number(a.serves) || b.safe - a.safe || (a.id < b.id ? -1 : 1);
}

function openingsOf(roster: Roster): Opening[] {
  const openings: Opening[] = [];
  addOpenings(roster, openings, { id: source, depth: 0 });
  for (const { id, done } of roster.members.values()) {
    if (done) addOpenings(roster, openings, { id, depth: 0 });
  }
  return openings;
}

/** Adds those of `top` and of all that hang below it. */
function addOpenings(
  { tree, members, rules }: Roster,
  openings: Opening[],
  top: { readonly id: SinkId; readonly depth: number },
): void {
  const reached = [top];
  for (const { id, depth } of reached) {
    const member = members.get(id);
    const children = tree.childrenOf(id);
    if (member?.serves && children.size < rules.children) openings.push({ member, depth });
    for (const child of children) reached.push({ id: child, depth: depth + 1 });
  }
}

function place(
  roster: Roster,
  what: { readonly member: Member; readonly openings: Opening[]; readonly at: number },
): boolean {
  const { member, openings, at } = what;
  const { rules } = roster;
  if (roster.moved(member, at) >= rules.movesMax) return false;
  const peer = bestOpening(roster, what);
  if (peer === undefined && !sourceHasRoom(roster)) return false;
  roster.hang(member, peer?.member.id ?? source, at);
  addOpenings(roster, openings, { id: member.id, depth: (peer?.depth ?? 0) + 1 });
  return true;
}

function sourceHasRoom({ rules, tree }: Roster): boolean {
  return tree.childrenOf(source).size < rules.sourceChildren + rules.lastResorts;
}

function bestOpening(
  roster: Roster,
  what: { readonly member: Member; readonly openings: readonly Opening[]; readonly at: number },
): Opening | undefined {
  const { member, openings, at } = what;
  let best: Opening | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const opening of openings) {
    const peer = opening.member;
    const children = roster.tree.childrenOf(peer.id).size;
    if (children >= roster.rules.children || !reaches(member, peer.id, at)) continue;
    if (!canFeed(roster, peer, at)) continue;
    const isBehind = !peer.done && peer.safe + roster.rules.slackBytes < member.safe;
    const flaws = Number(peer.slowUntil > at) * 2 + Number(isBehind);
    const rank = (flaws * depthMax + opening.depth) * childrenMax + children;
    if (rank >= bestRank) continue;
    best = opening;
    bestRank = rank;
  }
  return best;
}

/** Above any depth, and above any number of children, so that one rank orders by all of them. */
const depthMax = 1_000_000;
const childrenMax = 1_000;
