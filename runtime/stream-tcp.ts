// The TCP version of the stream port: frames on TLS 1.3 with proof from both sides.
//
// Who the peer is, is the common name of its certificate, signed by our authority. The listener
// speaks first, so that a dialler who is refused reads why before anything of its own can be lost
// to a reset. Plain TCP exists for benchmarks and tests; whoever asks for it names the peer.
//
// What must always hold: no frame of a peer reaches a session before the peer is proven and both
// speak the same version; a session that breaks the protocol is closed and counted.

import { constants } from "node:crypto";
import type { Server, Socket } from "node:net";
import { createServer as createTcpServer, connect as tcpConnect } from "node:net";
import {
  checkServerIdentity,
  createServer as createTlsServer,
  type PeerCertificate,
  TLSSocket,
  connect as tlsConnect,
} from "node:tls";
import { errorText, SkyError } from "../model/errors.ts";
import { parsePeer } from "./certificates.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import { createOsRandom } from "./random-os.ts";
import type {
  StreamDialOptions,
  StreamListener,
  StreamPort,
  StreamSession,
  StreamTarget,
} from "./stream.ts";
import {
  dialLanes,
  LaneListener,
  type LanePorts,
  lanesWanted,
  wantsLanes,
} from "./stream-lanes-tcp.ts";
import { createSession, type SessionLimits } from "./stream-session.ts";
import { type GreetOptions, greet, meet, refuse } from "./stream-socket-tcp.ts";

export type StreamSecurity =
  | {
      readonly kind: "tls";
      /** Ours, PEM. */
      readonly certificate: string;
      readonly key: string;
      /** PEM of the authority that signs all peers. */
      readonly authority: string;
    }
  /** No proof at all: benchmarks and tests. */
  | { readonly kind: "plain"; readonly peer: string };

export interface StreamTcpOptions {
  readonly security: StreamSecurity;
  readonly clock: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** Names sessions with lanes, and spreads their dials; absent = the system's. */
  readonly random?: Random;
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
}

const handshakeMs = 10_000;
const connectionsMax = 20_000;
const keepAliveMs = 15_000;

export function createTcpStreams(options: StreamTcpOptions): StreamTcpPort {
  const port = new Port(options);
  return {
    dial: (target, signal, wish) => port.dial(target, signal, wish),
    listen: (wish) => port.listen(wish),
    counts: () => ({ refused: port.refused, breaches: port.breaches, plain: port.plain }),
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

  constructor(options: StreamTcpOptions) {
    this.#options = options;
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
    server.on("tlsClientError", (error: Error) => this.#refuse(errorText(error)));
    await listening(server, target);
    server.on("error", (error) => this.#refuse(errorText(error)));
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : target.port;
    return {
      target: { host: target.host, port },
      close: () => {
        lanes.close();
        return closeServer(server, sockets);
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
      this.#refuse(why);
      refuse(socket, why, clock);
      return;
    }
    tune(socket);
    const meeting = { ...this.#meeting(peer, "listener"), wants: wantsLanes };
    meet(socket, meeting, {
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
    });
  }

  #meeting(peer: string, side: "dialler" | "listener"): GreetOptions {
    const { clock, limits } = this.#options;
    const onBreach = (why: string): void => this.#breach(why);
    return {
      peer,
      side,
      clock,
      handshakeMs,
      onBreach,
      ...(limits === undefined ? {} : { limits }),
    };
  }

  #lanePorts(): LanePorts {
    const { clock, limits = {}, random = createOsRandom() } = this.#options;
    return {
      ...{ clock, random, limits },
      connect: (target, signal) => this.#connect(target, signal),
      meeting: (peer, side) => this.#meeting(peer, side),
      onBreach: (why) => this.#breach(why),
      onPlain: () => {
        this.plain += 1;
      },
    };
  }

  #breach(why: string): void {
    this.breaches += 1;
    this.#options.onRefused?.(why);
  }

  #refuse(why: string): void {
    this.refused += 1;
    this.#options.onRefused?.(why);
  }
}

// ---- who is there

/** The proven name of the peer, or `undefined`. */
function peerOf(socket: Socket, security: StreamSecurity): string | undefined {
  if (security.kind === "plain") return security.peer;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name = commonName(socket.getPeerCertificate());
  return name !== undefined && parsePeer(name) !== undefined ? name : undefined;
}

function commonName(certificate: PeerCertificate | undefined): string | undefined {
  const name: unknown = certificate?.subject?.CN;
  return typeof name === "string" ? name : undefined;
}

function proofError(socket: Socket): string {
  if (!(socket instanceof TLSSocket) || socket.authorized) return "it names no node";
  return String(socket.authorizationError);
}

function denied(why: string): SkyError {
  return new SkyError("stream/denied", { why });
}

// ---- sockets

function tune(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
}

function tlsOptions(security: Extract<StreamSecurity, { kind: "tls" }>) {
  return {
    cert: security.certificate,
    key: security.key,
    ca: security.authority,
    minVersion: "TLSv1.3",
    // A resumed session would skip the proof.
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const;
}

/** The listener looks at the proof itself, so that it can say why it refuses. */
function serverOf(security: StreamSecurity, onSocket: (socket: Socket) => void): Server {
  if (security.kind === "plain") return createTcpServer(onSocket);
  return createTlsServer(
    {
      ...tlsOptions(security),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMs,
    },
    onSocket,
  );
}

function listening(server: Server, { host, port }: StreamTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const why = `cannot listen at ${host}:${port}: ${errorText(error)}`;
      reject(new SkyError("stream/closed", { why }, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
}

function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) socket.destroy();
  });
}

/** A connected socket; with TLS, one whose peer our authority has signed. */
function open(
  target: StreamTarget,
  security: StreamSecurity,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = target;
    const socket =
      security.kind === "plain"
        ? tcpConnect({ host, port })
        : tlsConnect({ host, port, ...tlsOptions(security), ...identityCheck(target) });
    const fail = (error: SkyError): void => {
      stopHearing();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void =>
      fail(new SkyError("stream/closed", { why: "the dial was cancelled" }));
    const onError = (error: Error): void => fail(dialError(target, error));
    const onConnect = (): void => {
      stopHearing();
      resolve(socket);
    };
    const connected = security.kind === "plain" ? "connect" : "secureConnect";
    const stopHearing = (): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("error", onError);
      socket.removeListener(connected, onConnect);
    };
    socket.on("error", onError);
    socket.on(connected, onConnect);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** Where the peer's name is known, its certificate must bear it and need not name the host. */
function identityCheck({ host, peer }: StreamTarget) {
  return {
    checkServerIdentity: (_host: string, presented: PeerCertificate): Error | undefined =>
      peer === undefined ? checkServerIdentity(host, presented) : undefined,
  };
}

function dialError(target: StreamTarget, cause: Error): SkyError {
  const why = `${target.host}:${target.port}: ${errorText(cause)}`;
  const code = "code" in cause ? String(cause.code) : "";
  const aboutProof = /^(ERR_SSL|ERR_TLS|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(code);
  return new SkyError(aboutProof ? "stream/denied" : "stream/closed", { why }, { cause });
}
