// Two histories of one cluster as one: what this head did about it, and what its own head did.
//
// Pure. They are told by time; each keeps its own order. Both number their events by themselves, so
// a number of the joined history is a place in both: how many of ours have been told, and the
// number of the last of the other. It rises with every event, and who goes on after it misses none.
//
// What the other head's fleet notes is left out: it follows ours, which says the same and why.

import type { Event, NumberedEvent } from "../../model/event.ts";
import { Gather } from "../gather.ts";

export interface OwnEvents {
  /** All of the cluster, in their order. There are few: each is a change of the whole cluster. */
  list(): Promise<readonly Event[]>;
  /** Returns what stops hearing. */
  onNews(hear: () => void): () => void;
}

/** Of the cluster's own head, after one of its numbers. */
export type TheirEvents = (wanted: {
  readonly afterSeq: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}) => AsyncIterable<NumberedEvent>;

export interface JoinedWanted {
  readonly afterSeq: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** How far a reader has come. */
interface Place {
  own: number;
  theirs: number;
}

/** Theirs are in the lower bits; both are far beyond what a cluster comes to. */
const theirsMax = 2 ** 37;
const ownMax = 2 ** 16 - 1;
const fleet = "fleet";

/** What a number of the joined history means to the cluster's own head. */
export function theirSeq(seq: number): number {
  return seq % theirsMax;
}

export async function* joinedEvents(
  own: OwnEvents,
  theirs: TheirEvents | undefined,
  wanted: JoinedWanted,
): AsyncGenerator<NumberedEvent> {
  const place = placeOf(wanted.afterSeq);
  const all = await own.list();
  // It is of another cluster of the same name.
  if (place.own > all.length) Object.assign(place, { own: 0, theirs: 0 });
  const { signal } = wanted;
  const past = theirs?.({ afterSeq: place.theirs, follow: false, signal });
  yield* merged(all.slice(place.own), past, place);
  if (wanted.follow) yield* following(own, theirs, { place, signal });
}

/** Both to the end of what is there now, by time. */
async function* merged(
  own: readonly Event[],
  theirs: AsyncIterable<NumberedEvent> | undefined,
  place: Place,
): AsyncGenerator<NumberedEvent> {
  let next = 0;
  for await (const event of theirs ?? []) {
    for (; (own[next]?.at ?? Infinity) <= event.at; next += 1) yield ownEvent(own[next], place);
    if (isTold(event, place)) yield { ...event, seq: seqOf(place) };
  }
  for (; next < own.length; next += 1) yield ownEvent(own[next], place);
}

type News = { readonly own: Event } | { readonly theirs: NumberedEvent };

/** As they come. */
async function* following(
  own: OwnEvents,
  theirs: TheirEvents | undefined,
  { place, signal }: { readonly place: Place; readonly signal: AbortSignal },
): AsyncGenerator<NumberedEvent> {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const news = new Gather<News>();
  const wake = (): void => news.nudge();
  until.addEventListener("abort", wake);
  try {
    news.add(ownNews(own, place.own, until));
    const wanted = { afterSeq: place.theirs, follow: true, signal: until };
    if (theirs !== undefined) news.add(theirNews(theirs(wanted)));
    while (!until.aborted && !news.isDry) {
      const next = news.take();
      if (next === undefined) await news.changed();
      else if ("own" in next) yield ownEvent(next.own, place);
      else if (isTold(next.theirs, place)) yield { ...next.theirs, seq: seqOf(place) };
    }
  } finally {
    until.removeEventListener("abort", wake);
    stop.abort();
    await news.close();
  }
}

async function* ownNews(own: OwnEvents, from: number, signal: AbortSignal): AsyncGenerator<News> {
  let wake = (): void => {};
  let isNews = true;
  const hear = (): void => {
    isNews = true;
    wake();
  };
  const stopHearing = own.onNews(hear);
  signal.addEventListener("abort", hear);
  try {
    for (let told = from; !signal.aborted; ) {
      isNews = false;
      for (const event of (await own.list()).slice(told)) {
        told += 1;
        yield { own: event };
      }
      if (isNews) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stopHearing();
    signal.removeEventListener("abort", hear);
  }
}

async function* theirNews(events: AsyncIterable<NumberedEvent>): AsyncGenerator<News> {
  for await (const event of events) yield { theirs: event };
}

function ownEvent(event: Event | undefined, place: Place): NumberedEvent {
  place.own = Math.min(ownMax, place.own + 1);
  return { ...(event as Event), seq: seqOf(place) };
}

/** Takes note of one of theirs. */
function isTold({ seq, actor }: NumberedEvent, place: Place): boolean {
  place.theirs = seq;
  return actor !== fleet;
}

function placeOf(seq: number): Place {
  return { own: Math.floor(seq / theirsMax), theirs: theirSeq(seq) };
}

function seqOf({ own, theirs }: Place): number {
  return own * theirsMax + theirs;
}
