// Sockets of the bulk wire, and who is at their other end.
//
// TLS 1.3 with proof from both sides: who a peer is, is the common name of its certificate, signed
// by our authority. The listener looks at the proof itself, so that it can say why it refuses.
// Plain TCP exists for benchmarks and tests; whoever asks for it names the peer.
//
// What must always hold: no session is resumed without a proof; a dialler knows whom it dialled.

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
import { Landing } from "./landing-tcp.ts";
import type { StreamTarget } from "./stream.ts";

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

/** From the first byte to a proven peer that has greeted. */
export const handshakeMs = 10_000;
const keepAliveMs = 15_000;

// ---- who is there

/** The proven name of the peer, or `undefined`. */
export function peerOf(socket: Socket, security: StreamSecurity): string | undefined {
  if (security.kind === "plain") return security.peer;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name = commonName(socket.getPeerCertificate());
  return name !== undefined && parsePeer(name) !== undefined ? name : undefined;
}

function commonName(certificate: PeerCertificate | undefined): string | undefined {
  const name: unknown = certificate?.subject?.CN;
  return typeof name === "string" ? name : undefined;
}

export function proofError(socket: Socket): string {
  if (!(socket instanceof TLSSocket) || socket.authorized) return "it names no node";
  return String(socket.authorizationError);
}

export function denied(why: string): SkyError {
  return new SkyError("stream/denied", { why });
}

// ---- sockets

export function tune(socket: Socket): void {
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
export function serverOf(security: StreamSecurity, onSocket: (socket: Socket) => void): Server {
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

export function listening(server: Server, { host, port }: StreamTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const why = `cannot listen at ${host}:${port}: ${errorText(error)}`;
      reject(new SkyError("stream/closed", { why }, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
}

export function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) socket.destroy();
  });
}

/** A connected socket; with TLS, one whose peer our authority has signed. */
export function open(
  target: StreamTarget,
  security: StreamSecurity,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const landing = new Landing();
    const { host, port, path } = target;
    const { onread } = landing;
    const where = path === undefined ? { host, port, onread } : { path, onread };
    const socket =
      security.kind === "plain"
        ? tcpConnect(where)
        : tlsConnect(Object.assign(where, tlsOptions(security), identityCheck(target)));
    landing.serve(socket);
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
