// The TCP version of the stream port: frames on TLS 1.3 with proof from both sides.
//
// Who the peer is, is the common name of its certificate, signed by our authority. The listener
// speaks first, so that a dialler who is refused reads why before anything of its own can be lost
// to a reset. Plain TCP exists for benchmarks and tests; whoever asks for it names the peer.
//
// What must always hold: no frame of a peer reaches a session before the peer is proven and both
// speak the same version; a session that breaks the protocol is closed and counted.

import type { Socket } from "node:net";
import { errorText } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import type { FrameCapability } from "./framing.ts";
import { MemoryBudget } from "./memory-budget.ts";
import {
  closeServer,
  denied,
  handshakeMs,
  listening,
  open,
  peerOf,
  proofError,
  type StreamSecurity,
  serverOf,
  tune,
} from "./proven-socket-tcp.ts";
import type { Random } from "./random.ts";
import { createOsRandom } from "./random-os.ts";
import type {
  StreamDialOptions,
  StreamListener,
  StreamPort,
  StreamSession,
  StreamTarget,
} from "./stream.ts";
import { FaultCounts, type StreamFault } from "./stream-fault.ts";
import {
  dialLanes,
  LaneListener,
  type LanePorts,
  lanesWanted,
  wantsLanes,
} from "./stream-lanes-tcp.ts";
import { createSession, type SessionLimits, type SharedOptions } from "./stream-session.ts";
import { type GreetOptions, greet, meet, refuse, type SocketTraffic } from "./stream-socket-tcp.ts";

export type { StreamSecurity };

export interface StreamTcpOptions {
  readonly security: StreamSecurity;
  readonly clock: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** Names sessions with lanes, and spreads their dials; absent = the system's. */
  readonly random?: Random;
  /** What all sessions share; absent = what all ports of this process share. */
  readonly budget?: MemoryBudget;
  /** DATA without a checksum, if the peer asks for it too: benchmarks. */
  readonly bare?: boolean;
  /** Hears of each peer that was refused or broke the protocol. */
  readonly onRefused?: (why: string) => void;
}

export interface StreamTcpPort extends StreamPort {
  counts(): StreamCounts;
}

export interface StreamCounts {
  /** Peers that did not prove who they are, or speak another version. */
  readonly refused: number;
  /** Sessions that ended because the peer broke the protocol, and lanes that did. */
  readonly breaches: number;
  /** Sessions for which lanes were asked and that have none, because the peer knows none. */
  readonly plain: number;
  /** What peers did wrong, by kind; what ended one channel only is among it. */
  readonly faults: Readonly<Partial<Record<StreamFault, number>>>;
  readonly traffic: Readonly<SocketTraffic>;
  /** Credit beyond that of the start, and bytes that arrived and were not read: of all ports. */
  readonly memory: ReturnType<MemoryBudget["counts"]>;
}

const connectionsMax = 20_000;
const bareData: readonly FrameCapability[] = ["bare-data"];

/** Memory is the process's, however many ports it has. */
const processBudget = new MemoryBudget();

export function createTcpStreams(options: StreamTcpOptions): StreamTcpPort {
  const port = new Port(options);
  return {
    dial: (target, signal, wish) => port.dial(target, signal, wish),
    listen: (wish) => port.listen(wish),
    counts: () => port.counts(),
  };
}

type ListenOptions = Parameters<StreamPort["listen"]>[0];

interface Accepting {
  readonly lanes: LaneListener;
  readonly onSession: (session: StreamSession) => void;
  readonly allow: ((peer: string) => boolean) | undefined;
}

/** A socket whose peer has proven who it is. */
interface Proven {
  readonly socket: Socket;
  readonly peer: string;
}

class Port {
  refused = 0;
  breaches = 0;
  plain = 0;
  readonly #options: StreamTcpOptions;
  readonly #budget: MemoryBudget;
  readonly #faults = new FaultCounts();
  readonly #traffic: SocketTraffic = {
    ...{ framesSent: 0, framesReceived: 0, creditsSent: 0 },
    ...{ reads: 0, writes: 0 },
  };

  constructor(options: StreamTcpOptions) {
    this.#options = options;
    this.#budget = options.budget ?? processBudget;
  }

  counts(): StreamCounts {
    return {
      ...{ refused: this.refused, breaches: this.breaches, plain: this.plain },
      faults: this.#faults.record(),
      traffic: { ...this.#traffic },
      memory: this.#budget.counts(),
    };
  }

  async dial(
    target: StreamTarget,
    signal: AbortSignal,
    options: StreamDialOptions = {},
  ): Promise<StreamSession> {
    const wanted = lanesWanted(options);
    if (wanted !== undefined)
      return await dialLanes(this.#lanePorts(), target, { ...wanted, signal });
    const { socket, peer } = await this.#connect(target, signal);
    try {
      return await greet(socket, { ...this.#meeting(peer, "dialler"), signal });
    } catch (error) {
      // A refusal of ours may still be on its way.
      if (!socket.writableEnded) socket.destroy();
      throw error;
    }
  }

  async #connect(target: StreamTarget, signal: AbortSignal): Promise<Proven> {
    const socket = await open(target, this.#options.security, signal);
    try {
      const peer = peerOf(socket, this.#options.security);
      if (peer === undefined) throw denied(`its certificate is not good: ${proofError(socket)}`);
      if (target.peer !== undefined && peer !== target.peer) {
        throw denied(`${peer} is there, not ${target.peer}`);
      }
      tune(socket);
      return { socket, peer };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async listen({ target, onSession, allow }: ListenOptions): Promise<StreamListener> {
    const lanes = new LaneListener(this.#lanePorts(), onSession, (why) => this.#refuse(why));
    const sockets = new Set<Socket>();
    const server = serverOf(this.#options.security, (socket) => {
      this.#accept(socket, { lanes, onSession, allow });
    });
    server.maxConnections = connectionsMax;
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      // A peer that is cut off during its handshake is counted where the handshake ends.
      socket.on("error", () => {});
    });
    server.on("tlsClientError", (error: Error) => this.#refuse(errorText(error), "proof"));
    await listening(server, target);
    server.on("error", (error) => this.#refuse(errorText(error)));
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : target.port;
    return {
      target: { host: target.host, port },
      close: async () => {
        lanes.close();
        // What was just said leaves first, so that nobody dials again for nothing.
        await new Promise((resolve) => setImmediate(resolve));
        await closeServer(server, sockets);
      },
    };
  }

  #accept(socket: Socket, { lanes, onSession, allow }: Accepting): void {
    const { security, clock } = this.#options;
    const peer = peerOf(socket, security);
    const isAllowed = peer !== undefined && (allow?.(peer) ?? true);
    if (!isAllowed) {
      const why =
        peer === undefined
          ? `the certificate is not good: ${proofError(socket)}`
          : `${peer} is not expected here`;
      this.#refuse(why, "proof");
      refuse(socket, why, clock);
      return;
    }
    tune(socket);
    const meeting = this.#meeting(peer, "listener");
    const wants = [...(meeting.wants ?? []), ...wantsLanes];
    meet(
      socket,
      { ...meeting, wants },
      {
        begin: (met) => {
          if (met.capabilities.has("lanes")) return lanes.admit(peer, met);
          const end = createSession({ ...meeting, ...met });
          onSession(end.session);
          return end;
        },
        failed: (error) => {
          this.#refuse(errorText(error));
          if (!socket.writableEnded) socket.destroy();
        },
      },
    );
  }

  #meeting(peer: string, side: "dialler" | "listener"): GreetOptions {
    const { clock, limits, bare = false } = this.#options;
    return {
      ...{ ...this.#shared(), peer, side, clock, handshakeMs, traffic: this.#traffic },
      onBreach: (why, fault) => this.#breach(why, fault),
      ...(limits === undefined ? {} : { limits }),
      ...(bare ? { wants: bareData } : {}),
    };
  }

  #shared(): SharedOptions {
    return {
      ...{ budget: this.#budget, tally: this.#traffic },
      onFault: (_why, fault) => this.#faults.add(fault),
    };
  }

  #lanePorts(): LanePorts {
    const { clock, limits = {}, random = createOsRandom() } = this.#options;
    return {
      ...{ clock, random, limits, shared: this.#shared() },
      connect: (target, signal) => this.#connect(target, signal),
      meeting: (peer, side) => this.#meeting(peer, side),
      onBreach: (why, fault) => this.#breach(why, fault),
      onPlain: () => {
        this.plain += 1;
      },
    };
  }

  #breach(why: string, fault: StreamFault = "garbage"): void {
    this.breaches += 1;
    this.#faults.add(fault);
    this.#options.onRefused?.(why);
  }

  #refuse(why: string, fault: StreamFault = "greeting"): void {
    this.refused += 1;
    this.#faults.add(fault);
    this.#options.onRefused?.(why);
  }
}
