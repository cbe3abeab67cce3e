// A channel to one gRPC peer: an HTTP/2 connection that is made with the first call, and made anew
// with the first call after it broke.
//
// On Node's own HTTP/2: a command pays for what it loads, and needs nothing of the name resolution,
// balancing and tracing that a client library brings. It never keeps the process alive by itself:
// only a call that is open does.

import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectSocket, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { channelOptions } from "./services.ts";

export interface Channel {
  /** Opens a stream for one call. Fails only by an `error` or `close` of the stream. */
  open(path: string, headers: OutgoingHttpHeaders): ClientHttp2Stream;
  /** No more calls; those that are open go on. */
  close(): void;
}

const windowBytes = channelOptions["grpc-node.flow_control_window"];
const unixScheme = "unix:";

/** Proof of who we are, and of whom the peer has to be: PEM. */
export interface ChannelSecurity {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** @param first a connection that is open already, for the first session. */
export function channelTo(target: string, first?: Socket): Channel {
  return channelOver(() => dialled(target), first);
}

/** To `host:port`, which proves that it is called so. */
export function secureChannelTo(target: string, security: ChannelSecurity): Channel {
  return channelOver(() => dialledSecurely(target, security));
}

function channelOver(dial: () => Socket, first?: Socket): Channel {
  let spare = first;
  let session: ClientHttp2Session | undefined;
  let calls = 0;

  const socketFor = (): Socket => {
    const socket = spare?.destroyed === false ? spare : dial();
    spare = undefined;
    return socket;
  };
  const connected = (): ClientHttp2Session => {
    const made = newSession(socketFor());
    const drop = (): void => {
      if (session === made) session = undefined;
    };
    // Every open stream hears of the same error; nobody else needs to.
    made.on("error", drop).on("goaway", drop).on("close", drop);
    made.unref();
    return made;
  };
  const release = (from: ClientHttp2Session): void => {
    calls -= 1;
    if (calls === 0 && !from.destroyed) from.unref();
  };

  return {
    open: (path, headers) => {
      if (session?.closed || session?.destroyed) session = undefined;
      session ??= connected();
      const over = session;
      const stream = over.request({ ...headers, ...common, [constants.HTTP2_HEADER_PATH]: path });
      calls += 1;
      if (calls === 1) over.ref();
      stream.once("close", () => release(over));
      return stream;
    },
    close: () => {
      spare?.destroy();
      session?.close();
    },
  };
}

const common = {
  [constants.HTTP2_HEADER_METHOD]: constants.HTTP2_METHOD_POST,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
  [constants.HTTP2_HEADER_TE]: "trailers",
} as const;

function newSession(socket: Socket): ClientHttp2Session {
  const session = connectHttp2("http://localhost", {
    createConnection: () => socket,
    settings: { initialWindowSize: windowBytes, enablePush: false },
    // The windows bound what we hold; Node's own bound cuts large messages off.
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
  });
  session.once("connect", () => session.setLocalWindowSize(windowBytes));
  return session;
}

function dialled(target: string): Socket {
  if (target.startsWith(unixScheme)) return connectSocket(target.slice(unixScheme.length));
  return connectSocket(whereIs(target));
}

function dialledSecurely(target: string, security: ChannelSecurity): Socket {
  return connectTls({
    ...whereIs(target),
    ...{ ca: security.authority, cert: security.certificate, key: security.key },
    ...{ minVersion: "TLSv1.3", ALPNProtocols: ["h2"] },
  });
}

/** `host:port`, with brackets around an address of IPv6. */
function whereIs(target: string): { readonly host: string; readonly port: number } {
  const at = target.lastIndexOf(":");
  const host = target.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(target.slice(at + 1)) };
}
