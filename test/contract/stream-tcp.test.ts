// The TCP version of the stream port keeps the contract, over TLS and plain, and lets nobody in
// who does not prove who it is.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { isSkyError } from "../../model/errors.ts";
import {
  createAuthority,
  issueCertificate,
  type KeyedCertificate,
} from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { encodeFrame, type Frame } from "../../runtime/framing.ts";
import type { StreamListener, StreamPort, StreamSession } from "../../runtime/stream.ts";
import { createTcpStreams, type StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { type StreamWorld, streamContract } from "./stream.contract.ts";

const clock = createOsClock();
const nowMs = Date.now();
const hosts = ["127.0.0.1"];
const authority = await createAuthority("test head", nowMs);
const a = await issueCertificate(authority, { commonName: "demo/a", hosts: [], nowMs });
const b = await issueCertificate(authority, { commonName: "demo/b", hosts, nowMs });
const signal = (): AbortSignal => AbortSignal.timeout(20_000);

streamContract("stream-tcp (TLS)", () => worldOf((peer) => tlsPort(peer === "demo/a" ? a : b)));
streamContract("stream-tcp (plain)", () =>
  worldOf((peer) =>
    createTcpStreams({
      security: { kind: "plain", peer: peer === "demo/a" ? "demo/b" : "demo/a" },
      clock,
    }),
  ),
);

function tlsPort(ours: KeyedCertificate, trusted: KeyedCertificate = authority): StreamTcpPort {
  const security = { kind: "tls", ...ours, authority: trusted.certificate } as const;
  return createTcpStreams({ security, clock });
}

/** Every dial goes through a proxy, so that a test can break the connection. */
async function worldOf(portOf: (peer: string) => StreamPort): Promise<StreamWorld> {
  const proxies: FaultProxy[] = [];
  const listeners: StreamListener[] = [];
  return {
    target: { host: "127.0.0.1", port: 0 },
    port: (peer) => {
      const port = portOf(peer);
      return {
        dial: async (target, dialSignal) => {
          const to = { host: "127.0.0.1", port: target.port };
          const proxy = await startFaultProxy({ listen: { port: 0 }, target: () => to });
          proxies.push(proxy);
          return await port.dial({ ...target, port: proxy.port }, dialSignal);
        },
        listen: async (options) => {
          const listener = await port.listen(options);
          listeners.push(listener);
          return listener;
        },
      };
    },
    cut: () => {
      for (const proxy of proxies) proxy.cut();
    },
    close: async () => {
      for (const proxy of proxies) await proxy.close();
      for (const listener of listeners) await listener.close();
    },
  };
}

// ---- who gets in

interface Listening {
  readonly port: StreamTcpPort;
  readonly listener: StreamListener;
  readonly sessions: StreamSession[];
}

function check(what: string, run: (b: Listening) => Promise<void>): void {
  test(`stream-tcp: ${what}`, { timeout: 30_000 }, async () => {
    const sessions: StreamSession[] = [];
    const port = tlsPort(b);
    const listener = await port.listen({
      target: { host: "127.0.0.1", port: 0 },
      onSession: (session) => sessions.push(session),
    });
    try {
      await run({ port, listener, sessions });
    } finally {
      await listener.close();
    }
  });
}

const isDenied = (error: unknown): boolean => isSkyError(error, "stream/denied");

check(
  "a peer whose certificate another authority signed is refused, and told so",
  async (there) => {
    const stranger = await createAuthority("stranger", nowMs);
    const forged = await issueCertificate(stranger, { commonName: "demo/a", hosts: [], nowMs });
    await assert.rejects(tlsPort(forged).dial(there.listener.target, signal()), (error) => {
      assert.ok(isDenied(error));
      assert.match(String(error), /certificate is not good/);
      return true;
    });
    assert.equal(there.port.counts().refused, 1);
    assert.equal(there.sessions.length, 0);
  },
);

check("a peer without a certificate is refused", async (there) => {
  const { host, port } = there.listener.target;
  const socket = tlsConnect({ host, port, ca: authority.certificate });
  socket.on("error", () => {});
  const got = await bytesUntilClosed(socket);
  assert.match(got.toString("latin1"), /certificate is not good/);
  assert.equal(there.port.counts().refused, 1);
  assert.equal(there.sessions.length, 0);
});

check("a certificate that names no node is refused", async (there) => {
  const odd = await issueCertificate(authority, { commonName: "root", hosts: [], nowMs });
  await assert.rejects(tlsPort(odd).dial(there.listener.target, signal()), isDenied);
  assert.equal(there.port.counts().refused, 1);
});

check("a certificate whose time is over is refused", async (there) => {
  const longAgo = nowMs - 1_000 * 24 * 3_600_000;
  const old = await issueCertificate(authority, {
    commonName: "demo/a",
    hosts: [],
    nowMs: longAgo,
  });
  await assert.rejects(tlsPort(old).dial(there.listener.target, signal()), isDenied);
});

check("a listener that our authority did not sign is not trusted", async (there) => {
  const stranger = await createAuthority("stranger", nowMs);
  await assert.rejects(tlsPort(a, stranger).dial(there.listener.target, signal()), isDenied);
});

check("a listener that is not who it should be is not trusted", async (there) => {
  const { target } = there.listener;
  const wrong = tlsPort(a).dial({ ...target, peer: "demo/c" }, signal());
  await assert.rejects(wrong, isDenied);
  const right = await tlsPort(a).dial({ ...target, peer: "demo/b" }, signal());
  assert.equal(right.peer, "demo/b");
  right.close();
});

check("a listener whose certificate does not name the host is not trusted", async () => {
  const nameless = tlsPort(a);
  const listener = await nameless.listen({
    target: { host: "127.0.0.1", port: 0 },
    onSession: () => {},
  });
  await assert.rejects(tlsPort(b).dial(listener.target, signal()), isDenied);
  const byName = await tlsPort(b).dial({ ...listener.target, peer: "demo/a" }, signal());
  byName.close();
  await listener.close();
});

check("TLS below 1.3 is refused", async (there) => {
  const { host, port } = there.listener.target;
  const socket = tlsConnect({
    host,
    port,
    ca: authority.certificate,
    cert: a.certificate,
    key: a.key,
    maxVersion: "TLSv1.2",
  });
  const [error] = await once(socket, "error");
  assert.ok(error instanceof Error);
  await until("it is counted", () => there.port.counts().refused === 1);
});

check("a dial can be cancelled", async (there) => {
  const cancelled = AbortSignal.abort();
  await assert.rejects(tlsPort(a).dial(there.listener.target, cancelled), (error) =>
    isSkyError(error, "stream/closed"),
  );
});

// ---- what a proven peer may send

const hello: Frame = { type: "hello", version: 1, capabilities: [] };
check("another wire version is refused with both versions named", async (there) => {
  const socket = await proven(there.listener);
  for (const part of encodeFrame({ ...hello, version: 0 })) socket.write(part);
  const got = await bytesUntilClosed(socket);
  assert.match(
    got.toString("latin1"),
    /demo\/a speaks wire version 0, the listener 1: upgrade demo\/a/,
  );
  assert.equal(there.port.counts().refused, 1);
  assert.equal(there.sessions.length, 0);
});

check("plain bytes on the TLS port reach nobody", async (there) => {
  const { host, port } = there.listener.target;
  const socket = connect({ host, port });
  socket.on("error", () => {});
  socket.write(Buffer.concat(encodeFrame(hello)));
  await bytesUntilClosed(socket);
  await until("it is counted", () => there.port.counts().refused === 1);
  assert.equal(there.sessions.length, 0);
});

/** A socket with good credentials whose owner writes what it likes. */
async function proven(listener: StreamListener): Promise<Socket> {
  const { host, port } = listener.target;
  const { certificate: cert, key } = a;
  const socket = tlsConnect({ host, port, cert, key, ca: authority.certificate });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

async function bytesUntilClosed(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  await once(socket, "close");
  return Buffer.concat(parts);
}
