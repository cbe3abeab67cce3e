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
  const paceMin = fastest(roster) * roster.rules.slowShare;
  // Each sink comes up once as it is loose, and once more if it is taken down on the way.
  const again = new Set<Member>();
  const takeDown = (member: Member): void => {
    if (again.has(member)) return;
    again.add(member);
    roster.loosen(member);
    queue.push(member);
  };
  for (const member of queue) {
    const search: Search = { member, openings, at, paceMin };
    if (place(roster, search)) continue;
    const leaf = leafInTheWay(roster, search, again);
    if (leaf !== undefined) takeThePlace(roster, search, { leaf, takeDown });
    else if (!placeAtSource(roster, search)) roster.childrenOf(member.id).forEach(takeDown);
  }
}

/**
 * Those of these that could leave a parent that seems slow for one that does not. They are taken
 * down, one for each such place that there is; `settle` finds the places.
 */
export function climb(roster: Roster, members: readonly Member[], at: number): number {
  const paceMin = fastest(roster) * roster.rules.slowShare;
  const under = members.filter((member) => {
    const parent = roster.parentOf(member);
    return parent !== undefined && parent !== source && seemsSlow(parent, { at, paceMin });
  });
  if (under.length === 0) return 0;
  const openings = openingsOf(roster).filter(({ member }) => !seemsSlow(member, { at, paceMin }));
  let climbed = 0;
  for (const member of under) {
    const fits = openings.filter((one) => !roster.tree.isWithin(one.member.id, member.id));
    const better = bestOpening(roster, { member, openings: fits, at, paceMin });
    if (better === undefined) continue;
    openings.splice(openings.indexOf(better), 1);
    roster.loosen(member);
    climbed += 1;
  }
  return climbed;
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
  return !member.done && at - Math.max(member.barrenFrom, member.attachedAt) > member.patienceMs;
}

function beforeInLine(a: Member, b: Member, at: number): number {
  const slow = Number(a.slowUntil > at) - Number(b.slowUntil > at);
  if (slow !== 0) return slow;
  return Number(b.serves) - Number(a.serves) || b.safe - a.safe || (a.id < b.id ? -1 : 1);
}

function fastest({ members }: Roster): number {
  let most = 0;
  for (const { pace } of members.values()) most = Math.max(most, pace.peak);
  return most;
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
  const most = rules.children + rules.spareChildren;
  const reached = [top];
  for (const { id, depth } of reached) {
    const member = members.get(id);
    const children = tree.childrenOf(id);
    if (member?.serves && children.size < most) openings.push({ member, depth });
    for (const child of children) reached.push({ id: child, depth: depth + 1 });
  }
}

interface Search {
  readonly member: Member;
  readonly openings: Opening[];
  readonly at: number;
  /** Who gets on slower than this seems slow. */
  readonly paceMin: number;
}

function place(roster: Roster, search: Search): boolean {
  const { member, openings, at } = search;
  if (roster.moved(member, at) >= roster.rules.movesMax) return false;
  const peer = bestOpening(roster, search);
  if (peer === undefined) return false;
  roster.hang(member, peer.member.id, at);
  addOpenings(roster, openings, { id: member.id, depth: peer.depth + 1 });
  return true;
}

/** Whoever feeds nobody takes no room from those who could feed it. */
function leafInTheWay(
  roster: Roster,
  { member, at }: Search,
  again: ReadonlySet<Member>,
): Member | undefined {
  const { movesMax } = roster.rules;
  if (roster.moved(member, at) >= movesMax || !canFeed(roster, member, at)) return undefined;
  for (const leaf of roster.members.values()) {
    const parent = roster.parentOf(leaf);
    if (leaf.serves || again.has(leaf) || parent === undefined || parent === source) continue;
    if (!isRooted(roster, parent) || !canFeed(roster, parent, at)) continue;
    const isFree = roster.moved(leaf, at) < movesMax / 2;
    if (isFree && reaches(member, parent.id, at) && reaches(leaf, member.id, at)) return leaf;
  }
  return undefined;
}

function takeThePlace(
  roster: Roster,
  { member, openings, at }: Search,
  { leaf, takeDown }: { readonly leaf: Member; readonly takeDown: (leaf: Member) => void },
): void {
  const parent = roster.tree.parentOf(leaf.id);
  takeDown(leaf);
  if (parent === undefined) return;
  roster.hang(member, parent, at);
  // How deep that is matters little: there was no other place.
  addOpenings(roster, openings, { id: member.id, depth: 1 });
}

/** Whether it hangs under the source or a complete sink. */
function isRooted(roster: Roster, member: Member): boolean {
  let at: Member | typeof source | undefined = member;
  while (at !== undefined && at !== source && !at.done) at = roster.parentOf(at);
  return at !== undefined;
}

function placeAtSource(roster: Roster, { member, openings, at }: Search): boolean {
  if (roster.moved(member, at) >= roster.rules.movesMax || !sourceHasRoom(roster)) return false;
  roster.hang(member, source, at);
  addOpenings(roster, openings, { id: member.id, depth: 1 });
  return true;
}

function sourceHasRoom({ rules, tree }: Roster): boolean {
  return tree.childrenOf(source).size < rules.sourceChildren + rules.lastResorts;
}

function bestOpening(roster: Roster, search: Search): Opening | undefined {
  const { member, openings, at } = search;
  const { rules } = roster;
  const most = rules.children + rules.spareChildren;
  let best: Opening | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const opening of openings) {
    const peer = opening.member;
    const children = roster.tree.childrenOf(peer.id).size;
    if (children >= most || !reaches(member, peer.id, at)) continue;
    if (!canFeed(roster, peer, at)) continue;
    const isFull = children >= rules.children;
    const isBehind = !peer.done && peer.safe + rules.slackBytes < member.safe;
    const flaws = Number(seemsSlow(peer, search)) * 4 + Number(isFull) * 2 + Number(isBehind);
    const rank = (flaws * depthMax + opening.depth) * childrenMax + children;
    if (rank >= bestRank) continue;
    best = opening;
    bestRank = rank;
  }
  return best;
}

/** It was found slow, or gets on much slower than the fastest ever did. */
function seemsSlow(
  { done, slowUntil, pace }: Member,
  { at, paceMin }: Pick<Search, "at" | "paceMin">,
): boolean {
  return slowUntil > at || (!done && (pace.rate(at) ?? paceMin) < paceMin);
}

/** Above any depth, and above any number of children, so that one rank orders by all of them. */
const depthMax = 1_000_000;
const childrenMax = 1_000;
