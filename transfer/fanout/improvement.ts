// Who is fast moves up and who is slow becomes a leaf, a little at every tick.
//
// Below a sink that is still receiving itself, slow is what falls behind: it makes less than a
// share of what its parent makes, and the gap grows. Below the source, or a complete sink, nobody
// can see how much more there was to have: its children keep up with it whether they are held back
// or not. There a *trial* puts one of them in its place for a while and compares. Trials become
// rarer while they show nothing, so a fan-out in which all are alike is left in peace.
//
// What must always hold: a sink is moved at our will only while half of its moves are left, and a
// move by our will never gives a parent more children than the rules allow.

import { canFeed, reaches } from "./placement.ts";
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
  const { roster, at } = turn;
  const isBusy = [...roster.members.values()].filter(
    ({ id, done }) => !done && roster.tree.childrenOf(id).size > 0,
  );
  unloadSource(turn);
  let changes = 0;
  for (const member of isBusy) {
    if (changes >= changesMax) return;
    const parent = roster.parentOf(member);
    if (parent === undefined) continue;
    const isFed = parent !== source && !parent.done;
    if (isFed && isSlowBelow(turn, member, parent)) {
      changes += Number(demote(turn, member));
    } else if (!isFed) changes += Number(tryAnother(turn, member));
  }
  for (const [id, trial] of turn.trials) {
    if (id !== source && !roster.members.has(id)) turn.trials.delete(id);
    else if (trial.running !== undefined && trial.running.judgeAt <= at) judge(turn, trial);
  }
}

/** Whether a sink may be moved though nothing forces us to. */
function isFree({ roster, at }: Turn, member: Member): boolean {
  return roster.moved(member, at) < roster.rules.movesMax / 2;
}

// ---- below a sink that is receiving itself

function isSlowBelow({ roster, at }: Turn, member: Member, parent: Member): boolean {
  const { slackBytes, slowShare } = roster.rules;
  if (parent.safe - member.safe <= 2 * slackBytes) return false;
  const own = member.pace.rate(at);
  const offered = parent.pace.rate(at);
  return own !== undefined && offered !== undefined && own < slowShare * offered;
}

/** It becomes a leaf: what was below it is placed before it is. */
function demote(turn: Turn, member: Member): boolean {
  const { roster, at } = turn;
  if (!isFree(turn, member)) return false;
  member.slowUntil = at + roster.rules.slowMs;
  for (const child of roster.childrenOf(member.id)) roster.loosen(child);
  roster.loosen(member);
  return true;
}

// ---- below one that has everything

function tryAnother(turn: Turn, member: Member): boolean {
  const { roster, trials, at } = turn;
  const { trialWaitMs, windowMs, totalBytes } = roster.rules;
  const place = roster.tree.parentOf(member.id);
  if (place === undefined) return false;
  const trial = trials.get(place) ?? { nextAt: 0, waitMs: trialWaitMs, running: undefined };
  trials.set(place, trial);
  const paceBefore = member.pace.rate(at);
  if (trial.running !== undefined || paceBefore === undefined) return false;
  const ahead = leader(turn, member, place);
  if (ahead !== undefined) return promote(turn, ahead, member);
  if (trial.nextAt > at || at - member.attachedAt < windowMs) return false;
  // Near its end nothing is to be gained.
  if (totalBytes - member.safe < (paceBefore * 2 * windowMs) / 1_000) return false;
  const tried = candidate(turn, member, place);
  if (tried === undefined || !promote(turn, tried, member)) return false;
  tried.trials += 1;
  const judgeAt = at + windowMs * 1.5;
  trial.running = { tried, instead: member, paceBefore, judgeAt };
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

/** Who keeps up with it might be held back by it: the one least tried, then the fastest ever. */
function candidate(turn: Turn, member: Member, place: SinkId): Member | undefined {
  const { roster, at } = turn;
  const hungry = roster
    .under(member.id)
    .filter(({ safe }) => safe + 2 * roster.rules.slackBytes >= member.safe)
    .filter((below) => mayFeedFrom(turn, below, place) && below.slowUntil <= at);
  hungry.sort((a, b) => a.trials - b.trials || b.pace.peak - a.pace.peak);
  return hungry[0];
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
