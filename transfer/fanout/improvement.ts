// Who is fast moves up and who is slow becomes a leaf, a little at every tick.
//
// Below a sink that is still receiving itself, slow is who falls behind while its siblings do not;
// where all of them fall behind, the parent feeds poorly. Below the source, or a complete sink,
// nobody can see how much more there was to have. There a *trial* puts another in the place of one
// for a while and compares. Trials become rarer while they show nothing, so a fan-out in which all
// are alike is left in peace.
//
// What must always hold: a sink is moved at our will only while half of its moves are left, and a
// move by our will never gives a parent more children than the rules allow.

import { canFeed, climb, reaches } from "./placement.ts";
import type { Member, Roster } from "./roster.ts";
import { type SinkId, source } from "./tree.ts";

/** What was tried at one place, by the name of the parent there. */
export type Trials = Map<SinkId, Trial>;

interface Trial {
  /** When the next may begin, and the wait after it. */
  nextAt: number;
  waitMs: number;
  /** The one that is being tried in the place of another. */
  running: Running | undefined;
}

interface Running {
  readonly tried: Member;
  readonly instead: Member;
  readonly paceBefore: number;
  readonly judgeAt: number;
}

interface Turn {
  readonly roster: Roster;
  readonly trials: Trials;
  readonly at: number;
}

/** So many changes in one tick at most. */
const changesMax = 32;

export function improve(turn: Turn): void {
  const { roster, trials, at } = turn;
  const feeders = [...roster.members.values()].filter(
    ({ id, done }) => !done && roster.tree.childrenOf(id).size > 0,
  );
  unloadSource(turn);
  let changes = spread(turn);
  for (const feeder of feeders) {
    if (changes >= changesMax) break;
    changes += Number(relieve(turn, feeder));
  }
  for (const [id, trial] of trials) {
    if (id !== source && !roster.members.has(id)) trials.delete(id);
    else if (trial.running !== undefined && trial.running.judgeAt <= at) judge(turn, trial);
  }
}

/** Moves somebody, if it seems that those below a sink could get on faster; whether it did. */
function relieve(turn: Turn, feeder: Member): boolean {
  const { roster } = turn;
  const parent = roster.parentOf(feeder);
  if (parent === undefined) return false;
  const slow = slowChild(turn, feeder);
  if (slow !== undefined && slow !== "all") return demote(turn, slow);
  const isFed = parent === source || parent.done;
  if (isFed || slow === "all") return tryAnother(turn, feeder, slow === "all");
  return false;
}

/** Whether a sink may be moved though nothing forces us to. */
function isFree({ roster, at }: Turn, member: Member): boolean {
  return roster.moved(member, at) < roster.rules.movesMax / 2;
}

// ---- below a sink that is receiving itself

interface Child {
  readonly member: Member;
  readonly pace: number;
  /** It falls behind what its parent has. */
  readonly lags: boolean;
}

/** The child that holds back those below it; `all` if none of them gets what the parent has. */
function slowChild(turn: Turn, feeder: Member): Member | "all" | undefined {
  const { roster, at } = turn;
  const { slackBytes, slowShare } = roster.rules;
  const own = feeder.pace.rate(at);
  const children = roster.childrenOf(feeder.id).flatMap((member): readonly Child[] => {
    const pace = member.pace.rate(at);
    const lags = feeder.safe - member.safe > 2 * slackBytes;
    return pace === undefined ? [] : [{ member, pace, lags }];
  });
  if (own === undefined || !children.some(({ lags }) => lags)) return undefined;
  // A feeder's own link is shared, so children are compared with each other where there are more.
  const best = Math.max(...children.map(({ pace }) => pace));
  const slow = children.filter(({ lags, pace }) => lags && pace < slowShare * best);
  const found = slow.find(({ member }) => isInner(turn, member));
  if (found !== undefined) return found.member;
  const all = children.reduce((sum, { pace }) => sum + pace, 0);
  if (!children.every(({ lags }) => lags) || all >= slowShare * own) return undefined;
  return onlyInner(turn, feeder, children) ?? "all";
}

/** Where one child alone falls behind, it may be the one that is slow; a few are tried. */
function onlyInner(turn: Turn, feeder: Member, children: readonly Child[]): Member | undefined {
  const { roster, at } = turn;
  const [only, second] = children;
  if (only === undefined || second !== undefined || !isInner(turn, only.member)) return undefined;
  const lately = feeder.blamedAt.filter((time) => time > at - roster.rules.slowMs);
  if (lately.length >= blamedMax || only.member.slowUntil > at) return undefined;
  feeder.blamedAt = [...lately, at];
  return only.member;
}

/** So many only children in a row are slow before their parent is thought to feed poorly. */
const blamedMax = 3;

function isInner({ roster }: Turn, member: Member): boolean {
  return roster.tree.childrenOf(member.id).size > 0;
}

/** It becomes a leaf: what was below it is placed before it is. */
function demote(turn: Turn, member: Member): boolean {
  const { roster, at } = turn;
  const children = roster.childrenOf(member.id).filter((child) => isFree(turn, child));
  if (children.length === 0 || !isFree(turn, member)) return false;
  member.slowUntil = at + roster.rules.slowMs;
  for (const child of children) roster.loosen(child);
  roster.loosen(member);
  return true;
}

// ---- another one in the place of one

/** `feedsPoorly`: it gets on itself, but those below it do not. */
function tryAnother(turn: Turn, member: Member, feedsPoorly: boolean): boolean {
  const { roster, trials, at } = turn;
  const { trialWaitMs, windowMs, totalBytes } = roster.rules;
  const place = roster.tree.parentOf(member.id);
  if (place === undefined) return false;
  const trial = trials.get(place) ?? { nextAt: 0, waitMs: trialWaitMs, running: undefined };
  trials.set(place, trial);
  const pace = member.pace.rate(at);
  if (trial.running !== undefined || pace === undefined) return false;
  const ahead = leader(turn, member, place);
  if (ahead !== undefined) return promote(turn, ahead, member);
  if (trial.nextAt > at || at - member.attachedAt < windowMs) return false;
  // Near its end nothing is to be gained.
  if (!feedsPoorly && totalBytes - member.safe < (pace * 2 * windowMs) / 1_000) return false;
  const tried = candidate(turn, member, place);
  const paceBefore = feedsPoorly ? (tried?.pace.rate(at) ?? 0) : pace;
  if (tried === undefined || !promote(turn, tried, member)) return false;
  tried.trials += 1;
  trial.running = { tried, instead: member, paceBefore, judgeAt: at + windowMs * 1.5 };
  return true;
}

/** One that has more than the one above it, as after a crash that its disk survived. */
function leader(turn: Turn, member: Member, place: SinkId): Member | undefined {
  const { roster, at } = turn;
  const most = roster
    .under(member.id)
    .filter((below) => !below.done && mayFeedFrom(turn, below, place) && below.slowUntil <= at)
    .reduce<Member | undefined>(
      (best, one) => (one.safe > (best?.safe ?? 0) ? one : best),
      undefined,
    );
  const { slackBytes } = roster.rules;
  return most !== undefined && most.safe > member.safe + 2 * slackBytes ? most : undefined;
}

/**
 * Who might be held back by it: nobody whom its siblings outrun; below the source nobody who is far
 * behind, for what that one lacks would leave the source again. The one least tried, then the
 * fastest ever.
 */
function candidate(turn: Turn, member: Member, place: SinkId): Member | undefined {
  const { roster, at } = turn;
  const { slackBytes, totalBytes, overlapShare, trialGain } = roster.rules;
  const gapMax =
    place === source ? Math.max(slackBytes, totalBytes * overlapShare) : Number.POSITIVE_INFINITY;
  const able = roster
    .under(member.id)
    .filter(({ done, safe, slowUntil }) => !done && slowUntil <= at && safe + gapMax >= member.safe)
    .filter((below) => mayFeedFrom(turn, below, place))
    .filter((below) => (below.pace.rate(at) ?? 0) * trialGain >= bestAmong(turn, below));
  able.sort((a, b) => a.trials - b.trials || b.pace.peak - a.pace.peak || b.safe - a.safe);
  return able[0];
}

function bestAmong({ roster, at }: Turn, member: Member): number {
  const parent = roster.tree.parentOf(member.id);
  const siblings = parent === undefined ? [] : roster.childrenOf(parent);
  return Math.max(0, ...siblings.map(({ pace }) => pace.rate(at) ?? 0));
}

function mayFeedFrom(turn: Turn, member: Member, place: SinkId): boolean {
  const { roster, at } = turn;
  return canFeed(roster, member, at) && reaches(member, place, at) && isFree(turn, member);
}

/** Puts one in the place of another that it hangs below; the other is hung below it. */
function promote(turn: Turn, member: Member, instead: Member): boolean {
  const { roster, at } = turn;
  const place = roster.tree.parentOf(instead.id);
  if (place === undefined || !isFree(turn, instead)) return false;
  roster.loosen(member);
  roster.loosen(instead);
  roster.hang(member, place, at);
  return true;
}

function judge(turn: Turn, trial: Trial): void {
  const { roster, at } = turn;
  const { trialGain, trialWaitMs, trialWaitMsMax, slowMs } = roster.rules;
  const { running } = trial;
  trial.running = undefined;
  trial.nextAt = at + trial.waitMs;
  trial.waitMs = Math.min(trial.waitMs * 2, trialWaitMsMax);
  if (running === undefined) return;
  const { tried, instead, paceBefore } = running;
  const pace = tried.pace.rate(at);
  const stands = roster.members.get(tried.id) === tried && !tried.done && pace !== undefined;
  if (!stands) return;
  if (pace >= paceBefore * trialGain) {
    instead.slowUntil = at + slowMs;
    trial.waitMs = trialWaitMs;
    trial.nextAt = at + trialWaitMs;
  } else if (pace * trialGain < paceBefore) {
    tried.slowUntil = at + slowMs;
    if (canGoBack(turn, running)) promote(turn, instead, tried);
  }
}

function canGoBack(turn: Turn, { tried, instead }: Running): boolean {
  const { roster } = turn;
  const place = roster.tree.parentOf(tried.id);
  if (place === undefined || instead.done || roster.members.get(instead.id) !== instead)
    return false;
  return roster.tree.isWithin(instead.id, tried.id) && mayFeedFrom(turn, instead, place);
}

// ---- complete sinks that feed nobody, and others that are not slow

/**
 * Whoever takes from one that is itself receiving, or that feeds others too, goes to a complete one
 * that feeds nobody: its link is idle, and nothing more leaves the source. How many went.
 */
function spread(turn: Turn): number {
  const { roster, at } = turn;
  const all = [...roster.members.values()];
  const idle = all.filter(
    (one) => one.done && roster.tree.childrenOf(one.id).size === 0 && canFeed(roster, one, at),
  );
  const crowded = all.filter((one) => isCrowded(turn, one)).sort((a, b) => a.safe - b.safe);
  const stuck = crowded.slice(0, changesMax);
  if (idle.length === 0) return climb(roster, stuck, at);
  let moved = 0;
  for (const member of stuck) {
    const to = idle.findIndex(({ id }) => reaches(member, id, at));
    const [feeder] = to < 0 ? [] : idle.splice(to, 1);
    if (feeder === undefined) continue;
    roster.hang(member, feeder.id, at);
    moved += 1;
  }
  return moved;
}

function isCrowded(turn: Turn, member: Member): boolean {
  const { roster, at } = turn;
  const { windowMs, totalBytes } = roster.rules;
  const parent = roster.parentOf(member);
  const pace = member.pace.rate(at);
  if (member.done || parent === undefined || pace === undefined) return false;
  const isAlone = parent !== source && parent.done && roster.tree.childrenOf(parent.id).size === 1;
  const isNearEnd = totalBytes - member.safe < (pace * windowMs) / 1_000;
  return !isAlone && !isNearEnd && at - member.attachedAt >= windowMs && isFree(turn, member);
}

// ---- the source feeds as few as it can

/** Whoever the source feeds beside its child goes to a peer as soon as one can take it. */
function unloadSource(turn: Turn): void {
  const { roster, at } = turn;
  const fed = roster.childrenOf(source);
  if (fed.length <= roster.rules.sourceChildren) return;
  const kept = [...fed].sort(
    (a, b) => rankAtSource(turn, a) - rankAtSource(turn, b) || b.safe - a.safe,
  );
  for (const member of kept.slice(roster.rules.sourceChildren)) {
    const settled = at - member.attachedAt >= roster.rules.windowMs;
    const peers = kept[0] !== undefined && reaches(member, kept[0].id, at);
    if (settled && peers && isFree(turn, member)) roster.loosen(member);
  }
}

function rankAtSource({ roster, at }: Turn, member: Member): number {
  return Number(!canFeed(roster, member, at)) * 2 + Number(member.slowUntil > at);
}
