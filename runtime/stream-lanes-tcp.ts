// Lanes over TCP: connections that are met become lanes of a session, at both ends.
//
// Who connects, proves and greets is `stream-tcp.ts`; how a lane joins, what a session does with
// its lanes and when one is dialled again are pure (`lane-join.ts`, `stream-lanes.ts`,
// `lane-dialler.ts`). Here they meet sockets.
//
// What must always hold: a connection that joined nothing is closed; a peer that does not know
// lanes gets a plain session; who dials again proves itself again.

import type { Socket } from "node:net";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import type { FrameCapability } from "./framing.ts";
import { LaneDialler } from "./lane-dialler.ts";
import { admitLane, askToJoin, lanesMax } from "./lane-join.ts";
import { LaneSessions, laneSessionsLimits } from "./lane-sessions.ts";
import type { Random } from "./random.ts";
import type { StreamDialOptions, StreamSession, StreamTarget } from "./stream.ts";
import type { StreamFault } from "./stream-fault.ts";
import { LanedSession } from "./stream-lanes.ts";
import type { LinkEnd, SessionLimits, SharedOptions } from "./stream-session.ts";
import { createSession } from "./stream-session.ts";
import type { MeetOptions, Met } from "./stream-socket-tcp.ts";
import { meet } from "./stream-socket-tcp.ts";

/** What the port gives. */
export interface LanePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Partial<SessionLimits>;
  readonly shared: SharedOptions;
  /** A socket to a peer that has proven who it is. */
  connect(
    target: StreamTarget,
    signal: AbortSignal,
  ): Promise<{ readonly socket: Socket; readonly peer: string }>;
  meeting(peer: string, side: "dialler" | "listener"): MeetOptions;
  /** A session, or one lane of it, broke the protocol. */
  readonly onBreach: (why: string, fault?: StreamFault) => void;
  /** The peer gave a plain session where lanes were asked for. */
  readonly onPlain: (peer: string) => void;
}

export const wantsLanes: readonly FrameCapability[] = ["lanes"];
/** A lane that is dialled again is connected within this. */
const connectMs = 10_000;

export interface LanesWanted {
  readonly lanes: number;
  readonly resumeMs: number;
}

/** What is asked for beyond a plain session, if anything. */
export function lanesWanted(options: StreamDialOptions): LanesWanted | undefined {
  const { lanes = 1, resumeMs = 0 } = options;
  const { resumeMsMax } = laneSessionsLimits;
  const areLanesSane = Number.isInteger(lanes) && lanes >= 1 && lanes <= lanesMax;
  const isTimeSane = Number.isInteger(resumeMs) && resumeMs >= 0 && resumeMs <= resumeMsMax;
  if (!areLanesSane || !isTimeSane) {
    const what = `${lanes} lanes (1 to ${lanesMax}), resumed for ${resumeMs} ms`;
    throw new SkyError("core/broken-invariant", { what });
  }
  return lanes === 1 && resumeMs === 0 ? undefined : { lanes, resumeMs };
}

/** Dials the first lane of a session; the others follow by themselves. */
export async function dialLanes(
  ports: LanePorts,
  target: StreamTarget,
  { lanes, resumeMs, signal }: LanesWanted & { readonly signal: AbortSignal },
): Promise<StreamSession> {
  const { clock, limits, shared, random, onBreach, onPlain } = ports;
  const { socket, peer } = await ports.connect(target, signal);
  return await settled(socket, signal, (resolve, failed) => {
    const begin = ({ link, capabilities }: Met): LinkEnd => {
      const common = { peer, side: "dialler", clock, capabilities, limits, onBreach } as const;
      if (!capabilities.has("lanes")) {
        onPlain(peer);
        const end = createSession({ ...shared, ...common, link });
        resolve(end.session);
        return end;
      }
      const joined = (name: Uint8Array): LanedSession => {
        const session = new LanedSession({
          ...common,
          ...{ shared, resumeMs },
          onLaneLost: (index, why, fault) => {
            if (fault !== undefined) onBreach(why, fault);
            if (session.lanesLive() === 0) awake.stay(resumeMs);
            dialler.lost(index);
          },
          onOver: () => {
            awake.rest();
            dialler.stop();
          },
        });
        const awake = new Wakefulness();
        const connect = async (lane: number, cancelled: AbortSignal): Promise<void> => {
          const again = { lane, resumeMs, name, session, cancelled };
          await dialAgain(ports, { ...target, peer }, again);
          if (session.lanesLive() > 0) awake.rest();
        };
        const dialler = new LaneDialler({ session, lanes, resumeMs, clock, random, connect });
        dialler.start();
        resolve(session.session);
        return session;
      };
      return askToJoin({ link, clock, lane: 0, resumeMs, joined, failed });
    };
    meet(
      socket,
      { ...ports.meeting(peer, "dialler"), wants: wantsLanes, signal },
      {
        begin,
        failed,
      },
    );
  });
}

/**
 * Timers of a clock keep no process alive, and a session between two lanes has nothing else: its
 * process would end in the middle of a wait.
 */
class Wakefulness {
  #timer: NodeJS.Timeout | undefined;

  stay(ms: number): void {
    this.rest();
    this.#timer = setTimeout(() => {}, ms);
  }

  rest(): void {
    clearTimeout(this.#timer);
  }
}

interface Again {
  readonly lane: number;
  readonly resumeMs: number;
  readonly name: Uint8Array;
  readonly session: LanedSession;
  readonly cancelled: AbortSignal;
}

async function dialAgain(ports: LanePorts, target: StreamTarget, again: Again): Promise<void> {
  const { lane, resumeMs, name, session, cancelled } = again;
  const signal = AbortSignal.any([cancelled, AbortSignal.timeout(connectMs)]);
  const { socket, peer } = await ports.connect(target, signal);
  await settled<void>(socket, signal, (resolve, failed) => {
    const begin = ({ link, capabilities }: Met): LinkEnd => {
      if (!capabilities.has("lanes")) {
        failed(new SkyError("stream/denied", { why: `${peer} does not know lanes any more` }));
        return nobody;
      }
      const joined = (): LanedSession => {
        resolve();
        return session;
      };
      const known = { name, session };
      return askToJoin({ link, clock: ports.clock, lane, resumeMs, known, joined, failed });
    };
    meet(
      socket,
      { ...ports.meeting(peer, "dialler"), wants: wantsLanes, signal },
      {
        begin,
        failed,
      },
    );
  });
}

const nobody: LinkEnd = { receive: () => {}, resume: () => {}, lost: () => {} };

/** A socket that comes to nothing, or is not wanted any more before it did, is destroyed. */
function settled<T>(
  socket: Socket,
  signal: AbortSignal,
  run: (resolve: (value: T) => void, failed: (error: SkyError) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      socket.destroy();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const stopHearing = (): void => signal.removeEventListener("abort", onAbort);
    run(
      (value) => {
        stopHearing();
        resolve(value);
      },
      (error) => {
        stopHearing();
        // A refusal of ours may still be on its way.
        if (!socket.writableEnded) socket.destroy();
        reject(error);
      },
    );
  });
}

/** The sessions with lanes of one listener. */
export class LaneListener {
  readonly #ports: LanePorts;
  readonly #onSession: (session: StreamSession) => void;
  readonly #onRefused: (why: string) => void;
  readonly #sessions: LaneSessions;

  constructor(
    ports: LanePorts,
    onSession: (session: StreamSession) => void,
    onRefused: (why: string) => void,
  ) {
    this.#ports = ports;
    this.#onSession = onSession;
    this.#onRefused = onRefused;
    this.#sessions = new LaneSessions(ports.random);
  }

  /** A dialler that wants lanes has greeted. */
  admit(peer: string, { link, capabilities }: Met): LinkEnd {
    const { clock, limits, shared, onBreach } = this.#ports;
    const sessions = this.#sessions;
    const make = (given: { readonly resumeMs: number; forget: () => void }): LanedSession => {
      const session: LanedSession = new LanedSession({
        ...{ peer, side: "listener", clock, capabilities, limits, shared, onBreach },
        resumeMs: given.resumeMs,
        onLaneLost: (_index, why, fault) => {
          if (fault !== undefined) onBreach(why, fault);
          sessions.lanesChanged(session);
        },
        onOver: given.forget,
      });
      return session;
    };
    return admitLane({
      ...{ link, clock, peer, sessions, make },
      begun: ({ session }) => this.#onSession(session),
      failed: (error) => this.#onRefused(error.message),
    });
  }

  close(): void {
    this.#sessions.end("the listener was closed");
  }
}
