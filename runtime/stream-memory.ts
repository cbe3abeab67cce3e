// The memory version of the stream port: sessions between identities of one process.
//
// A hub stands for the network. It runs the same sessions as the TCP version; only the link is
// shorter. Identities are given, not proven, because everybody here is the same process. Bytes
// are handed over without a copy: nobody may change them after `write`.

import { SkyError } from "../model/errors.ts";
import { type Defer, microtaskDefer } from "./deferral.ts";
import type { Frame } from "./framing.ts";
import type { StreamListener, StreamPort, StreamSession } from "./stream.ts";
import {
  createSession,
  type FrameLink,
  type SessionEnd,
  type SessionLimits,
} from "./stream-session.ts";

export interface StreamHubOptions {
  /** How deliveries are put off. */
  readonly defer?: Defer;
  readonly limits?: Partial<SessionLimits>;
}

export interface StreamHub {
  /** The port of one identity, `<cluster>/<node>`. */
  connect(peer: string): StreamPort;
  /** Cuts all sessions of an identity off, as a broken network would. */
  cut(peer: string): void;
}

interface Listening {
  readonly peer: string;
  readonly onSession: (session: StreamSession) => void;
}

interface Joined {
  readonly peers: readonly [string, string];
  readonly cut: (why: string) => void;
}

interface Hub {
  readonly listeners: Map<string, Listening>;
  readonly joined: Set<Joined>;
  readonly defer: Defer;
  readonly limits: Partial<SessionLimits>;
}

export function createStreamHub(options: StreamHubOptions = {}): StreamHub {
  const hub: Hub = {
    listeners: new Map(),
    joined: new Set(),
    defer: options.defer ?? microtaskDefer(),
    limits: options.limits ?? {},
  };
  return {
    connect: (peer) => portOf(hub, peer),
    cut: (peer) => {
      for (const pair of hub.joined) if (pair.peers.includes(peer)) pair.cut("the network was cut");
    },
  };
}

function portOf(hub: Hub, peer: string): StreamPort {
  return {
    dial: async ({ host, peer: wanted }, signal) => {
      if (signal.aborted) throw new SkyError("stream/closed", { why: "the dial was cancelled" });
      const listening = hub.listeners.get(host);
      if (listening === undefined) {
        throw new SkyError("stream/closed", { why: `nobody listens at ${host}` });
      }
      if (wanted !== undefined && wanted !== listening.peer) {
        throw new SkyError("stream/denied", { why: `${listening.peer} is there, not ${wanted}` });
      }
      return join(hub, peer, listening);
    },
    listen: async ({ target, onSession }) => {
      if (hub.listeners.has(target.host)) {
        throw new SkyError("stream/closed", { why: `${target.host} is taken` });
      }
      hub.listeners.set(target.host, { peer, onSession });
      const listener: StreamListener = {
        target,
        close: async () => {
          hub.listeners.delete(target.host);
        },
      };
      return listener;
    },
  };
}

function join(hub: Hub, peer: string, listening: Listening): StreamSession {
  const ends: { dialler?: SessionEnd; listener?: SessionEnd } = {};
  const { limits } = hub;
  const dialler = createSession({
    peer: listening.peer,
    side: "dialler",
    link: linkTo(hub, () => ends.listener),
    limits,
  });
  const listener = createSession({
    peer,
    side: "listener",
    link: linkTo(hub, () => ends.dialler),
    limits,
  });
  ends.dialler = dialler;
  ends.listener = listener;
  const cut = (why: string): void => {
    dialler.lost(why);
    listener.lost(why);
  };
  const pair: Joined = { peers: [peer, listening.peer], cut };
  hub.joined.add(pair);
  void dialler.session.closed.then(() => hub.joined.delete(pair));
  hub.defer(() => listening.onSession(listener.session));
  return dialler.session;
}

function linkTo(hub: Hub, other: () => SessionEnd | undefined): FrameLink {
  return {
    send: (frame: Frame) => hub.defer(() => other()?.receive(frame)),
    queuedBytes: () => 0,
    close: () => hub.defer(() => other()?.lost("closed by the peer")),
  };
}
