// How a connection becomes a lane: the two sides of a join, after both have greeted.
//
// The dialler asks with a join, for a session that begins or one whose name it was given. The
// listener answers with a join that bears the session's name and what it has received, or refuses
// (an abort of channel 0) and closes. Frames of the session follow only after the answer.
//
// What must always hold: no frame reaches a session before its lane has joined; a connection that
// joins nothing in time is closed.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import { type Frame, type JoinFrame, sessionNameBytes } from "./framing.ts";
import type { LaneNames } from "./lane-sessions.ts";
import type { LanedSession } from "./stream-lanes.ts";
import type { FrameLink, LinkEnd } from "./stream-session.ts";

const joinMs = 10_000;
const noChannel = 0;
/** Of the session that is about to begin. */
const noName = new Uint8Array(sessionNameBytes);

export interface AskOptions {
  readonly link: FrameLink;
  readonly clock: Clock;
  readonly lane: number;
  readonly resumeMs: number;
  /** The session and its name; absent = one is to begin. */
  readonly known?: { readonly name: Uint8Array; readonly session: LanedSession };
  /** The listener takes it in: gives the session, which `known` has already. */
  readonly joined: (name: Uint8Array) => LanedSession;
  /** `stream/denied`: the listener will not have it; `stream/closed`. */
  readonly failed: (error: SkyError) => void;
}

/** The dialler's side: asks, and gives what takes the frames that follow. */
export function askToJoin(options: AskOptions): LinkEnd {
  const { link, clock, lane, resumeMs, known, joined, failed } = options;
  const door = doorTo(link, clock, failed);
  door.take = (frame) => {
    if (frame.type === "abort" && frame.channel === noChannel) {
      throw new SkyError("stream/denied", { why: frame.why });
    }
    const isAnswer = frame.type === "join" && frame.lane === lane;
    if (!isAnswer || (known !== undefined && !isSame(frame.session, known.name))) {
      throw new SkyError("stream/denied", {
        why: `a ${frame.type} of something else as an answer`,
      });
    }
    // The parser's buffer is not ours to keep.
    const session = joined(Uint8Array.from(frame.session));
    return session.join(link, { index: lane, received: frame.received });
  };
  link.send({
    ...{ type: "join", session: known?.name ?? noName, begins: known === undefined },
    ...{ lane, received: known?.session.received() ?? 0, resumeMs },
  });
  return door.end;
}

export interface AdmitOptions {
  readonly link: FrameLink;
  readonly clock: Clock;
  readonly peer: string;
  readonly sessions: LaneNames;
  /** A session begins, to be made with these. */
  readonly make: (options: { readonly resumeMs: number; forget: () => void }) => LanedSession;
  /** It has its first lane. */
  readonly begun: (session: LanedSession) => void;
  /** The connection is refused or broke before it joined. */
  readonly failed: (error: SkyError) => void;
}

/** The listener's side: waits for what the peer asks. */
export function admitLane(options: AdmitOptions): LinkEnd {
  const { link, clock, failed } = options;
  const door = doorTo(link, clock, (error) => {
    // What only broke is no refusal: the dialler may try again.
    if (!isSkyError(error, "stream/closed"))
      link.send({ type: "abort", channel: noChannel, why: errorText(error) });
    link.close();
    failed(error);
  });
  door.take = (frame) => {
    if (frame.type !== "join") {
      throw new SkyError("stream/protocol", { why: `a ${frame.type} instead of a join` });
    }
    return admit(options, frame);
  };
  return door.end;
}

function admit({ link, peer, sessions, make, begun }: AdmitOptions, frame: JoinFrame): LinkEnd {
  const { lane, received, begins } = frame;
  if (lane >= lanesMax) throw new SkyError("stream/denied", { why: `lane ${lane} is too many` });
  const { name, session } = begins ? beginOf() : findOf();
  link.send({
    ...{ type: "join", session: name, begins, lane },
    ...{ received: session.received(), resumeMs: frame.resumeMs },
  });
  const end = session.join(link, { index: lane, received });
  sessions.lanesChanged(session);
  if (begins) begun(session);
  return end;

  function beginOf(): { readonly name: Uint8Array; readonly session: LanedSession } {
    const resumeMs = Math.min(frame.resumeMs, sessions.limits.resumeMsMax);
    return sessions.begin(peer, (forget) => make({ resumeMs, forget }));
  }

  function findOf(): { readonly name: Uint8Array; readonly session: LanedSession } {
    const known = sessions.find(frame.session, peer);
    if (known === undefined) throw new SkyError("stream/denied", { why: "no such session" });
    return { name: frame.session, session: known };
  }
}

/** Lanes of one session; their indices are below it. */
export const lanesMax = 16;

interface Door {
  readonly end: LinkEnd;
  take: (frame: Frame) => LinkEnd;
}

/** What stands before a lane until it has joined; afterwards everything goes to the session. */
function doorTo(link: FrameLink, clock: Clock, failed: (error: SkyError) => void): Door {
  let inside: LinkEnd | undefined;
  let over = false;
  const fail = (error: SkyError): void => {
    if (over || inside !== undefined) return;
    over = true;
    stopWaiting();
    failed(error);
  };
  const stopWaiting = clock.after(joinMs, () => {
    fail(new SkyError("stream/closed", { why: "no join in time" }));
    link.close();
  });
  const closed = (why: string): SkyError => new SkyError("stream/closed", { why });
  const door: Door = {
    take: () => door.end,
    end: {
      receive: (frame, number) => {
        if (over) return;
        if (inside !== undefined) inside.receive(frame, number);
        else {
          try {
            inside = door.take(frame);
            stopWaiting();
          } catch (error) {
            if (!isSkyError(error)) throw error;
            fail(error);
          }
        }
      },
      resume: () => inside?.resume(),
      heard: () => inside?.heard?.(),
      lost: (why) => {
        inside?.lost(why);
        fail(closed(why));
      },
    },
  };
  return door;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
