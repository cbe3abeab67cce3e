// Which messages of other nodes are news. Pure bookkeeping.
//
// A bus may deliver a message twice, or a later one before an earlier one. What comes late is worse
// than what is lost: an order to start what was ended and forgotten long ago, a list of what runs
// from before a start that was reported since. So each sender numbers what it says, and whatever is
// not newer than all that has come of the same stream is dropped like a lost one.
//
// A sender that starts anew begins a new stream; what still comes of its old ones is dropped too.
// Which stream is the newer is told by the sender's incarnation: the last words of a process that
// was killed may come after the first of the next, and to somebody who has never heard of either.

import type { Place } from "../proto/envelope.ts";

export interface Arrivals {
  /** Whether a message is newer than all before it; remembers it if so. */
  isNews(from: string, place: Place | undefined, incarnation: number): boolean;
}

interface Sender {
  incarnation: number;
  stream: number;
  seq: number;
  /** Streams that a newer one has followed, oldest first. */
  readonly over: Set<number>;
}

/** Of streams that are over, so many are told apart from new ones. */
const streamsOverMax = 16;

export function createArrivals(): Arrivals {
  const senders = new Map<string, Sender>();
  return {
    isNews: (from, place, incarnation) => {
      if (place === undefined) return true;
      const { stream, seq } = place;
      const sender = senders.get(from);
      if (sender === undefined) {
        senders.set(from, { incarnation, stream, seq, over: new Set() });
        return true;
      }
      if (incarnation < sender.incarnation) return false;
      if (incarnation > sender.incarnation) {
        sender.incarnation = incarnation;
        if (sender.stream !== stream) follow(sender, stream);
        sender.seq = seq;
        return true;
      }
      if (sender.over.has(stream)) return false;
      if (sender.stream === stream) {
        if (seq <= sender.seq) return false;
      } else {
        follow(sender, stream);
      }
      sender.seq = seq;
      return true;
    },
  };
}

function follow(sender: Sender, stream: number): void {
  sender.over.add(sender.stream);
  for (const oldest of sender.over) {
    if (sender.over.size <= streamsOverMax) break;
    sender.over.delete(oldest);
  }
  sender.stream = stream;
}
