// Sessions over several connections keep the contract, survive broken connections byte for byte,
// and let nobody into a session who was not given its name.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { test } from "node:test";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { fileURLToPath } from "node:url";
import { isSkyError } from "../../model/errors.ts";
import {
  createAuthority,
  issueCertificate,
  type KeyedCertificate,
} from "../../runtime/certificates-os.ts";
import type { Clock } from "../../runtime/clock.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { FrameParser } from "../../runtime/frame-parser.ts";
import { encodeFrame, type Frame, type JoinFrame } from "../../runtime/framing.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type {
  StreamChannel,
  StreamDialOptions,
  StreamListener,
  StreamPort,
  StreamSession,
} from "../../runtime/stream.ts";
import { createTcpStreams, type StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { type StreamWorld, streamContract } from "./stream.contract.ts";

const clock = createOsClock();
const nowMs = Date.now();
const authority = await createAuthority("test head", nowMs);
const hosts = ["127.0.0.1"];
const issue = (commonName: string): Promise<KeyedCertificate> =>
  issueCertificate(authority, { commonName, hosts, nowMs });
const [a, b, c] = [await issue("demo/a"), await issue("demo/b"), await issue("demo/c")];
const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const target = { host: "127.0.0.1", port: 0 };

function tlsPort(ours: KeyedCertificate): StreamTcpPort {
  const security = { kind: "tls", ...ours, authority: authority.certificate } as const;
  return createTcpStreams({ security, clock });
}

function plainPort(peer: string): StreamTcpPort {
  return createTcpStreams({ security: { kind: "plain", peer }, clock });
}

streamContract("stream-lanes (TLS, 3 lanes)", () =>
  worldOf((peer) => tlsPort(peer === "demo/a" ? a : b)),
);
streamContract("stream-lanes (plain, 3 lanes)", () =>
  worldOf((peer) => plainPort(peer === "demo/a" ? "demo/b" : "demo/a")),
);

async function worldOf(portOf: (peer: string) => StreamPort): Promise<StreamWorld> {
  const proxies: FaultProxy[] = [];
  const listeners: StreamListener[] = [];
  return {
    target,
    port: (peer) => {
      const port = portOf(peer);
      return {
        dial: async (to, dialSignal) => {
          const proxy = await proxyTo(to.port);
          proxies.push(proxy);
          return await port.dial({ ...to, port: proxy.port }, dialSignal, { lanes: 3 });
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

function proxyTo(port: number): Promise<FaultProxy> {
  return startFaultProxy({ listen: { port: 0 }, target: () => ({ host: "127.0.0.1", port }) });
}

// ---- lanes that break

interface Stage {
  readonly here: StreamTcpPort;
  readonly there: StreamTcpPort;
  readonly listener: StreamListener;
  readonly sessions: StreamSession[];
  /** Every connection goes through it. */
  readonly proxy: FaultProxy;
  dial(options: StreamDialOptions): Promise<StreamSession>;
}

function check(what: string, run: (stage: Stage) => Promise<void>, ports = tlsPorts): void {
  test(`stream-lanes: ${what}`, { timeout: 30_000 }, async () => {
    const { here, there } = ports();
    const sessions: StreamSession[] = [];
    const listener = await there.listen({ target, onSession: (session) => sessions.push(session) });
    const proxy = await proxyTo(listener.target.port);
    const dial = (options: StreamDialOptions): Promise<StreamSession> =>
      here.dial({ ...listener.target, port: proxy.port }, signal(), options);
    try {
      await run({ here, there, listener, sessions, proxy, dial });
    } finally {
      await proxy.close();
      await listener.close();
    }
  });
}

const tlsPorts = () => ({ here: tlsPort(a), there: tlsPort(b) });
const plainPorts = () => ({ here: plainPort("demo/b"), there: plainPort("demo/a") });

check("a session is carried by as many connections as it asked for", async (stage) => {
  const session = await stage.dial({ lanes: 3 });
  await until("all joined", () => stage.proxy.open() === 3);
  assert.equal(stage.sessions.length, 1, "they are one session");
  session.close();
  await until("no connection is left", () => stage.proxy.open() === 0);
});

check("all lanes are cut again and again: every byte arrives, in order and once", async (stage) => {
  const session = await stage.dial({ lanes: 3, resumeMs: 20_000 });
  const peer = await accepted(stage);
  const random = createMemoryRandom(1);
  const bytes = Buffer.from(random.bytes(6_000_000));
  const [here, there] = await channelBetween(session, peer);
  let got = 0;
  const reading = readAll(there, (count) => {
    got += count;
  });
  const back = readAll(here);
  const sending = sendSlowly(here, bytes);
  const sendingBack = sendSlowly(there, bytes.subarray(0, 2_000_000));
  for (let cut = 1; cut <= 4; cut += 1) {
    await until("some has arrived", () => got >= cut * 1_000_000);
    stage.proxy.cut();
  }
  await Promise.all([sending, sendingBack]);
  assert.ok((await reading).equals(bytes));
  assert.ok((await back).equals(bytes.subarray(0, 2_000_000)));
  session.close();
  assert.match(await peer.closed, /the peer closed the session/);
});

check("lanes are cut one by one, at random", async (stage) => {
  const routes = await Promise.all([1, 2, 3].map(() => proxyTo(stage.listener.target.port)));
  let dialled = 0;
  const front = await startFaultProxy({
    listen: { port: 0 },
    target: () => {
      dialled += 1;
      return { host: "127.0.0.1", port: routes[dialled % routes.length]?.port ?? 0 };
    },
  });
  const random = createMemoryRandom("cuts");
  try {
    const to = { ...stage.listener.target, port: front.port };
    const session = await stage.here.dial(to, signal(), { lanes: 3, resumeMs: 20_000 });
    const peer = await accepted(stage);
    const bytes = Buffer.from(random.bytes(8_000_000));
    const [here, there] = await channelBetween(session, peer);
    let got = 0;
    const reading = readAll(there, (count) => {
      got += count;
    });
    const sending = sendSlowly(here, bytes);
    for (let cut = 0; cut < 12; cut += 1) {
      await until("some has arrived", () => got >= cut * 600_000);
      routes[random.below(routes.length)]?.cut();
    }
    await sending;
    assert.ok((await reading).equals(bytes));
    session.close();
    await peer.closed;
  } finally {
    for (const proxy of [front, ...routes]) await proxy.close();
  }
});

check("a session that is over leaves no timer and no connection", async (stage) => {
  const waiting = new Set<object>();
  const counted: Clock = {
    now: () => clock.now(),
    after: (ms, wake) => {
      const timer = {};
      waiting.add(timer);
      const cancel = clock.after(ms, () => {
        waiting.delete(timer);
        wake();
      });
      return () => {
        waiting.delete(timer);
        cancel();
      };
    },
  };
  const security = { kind: "tls", ...a, authority: authority.certificate } as const;
  const port = createTcpStreams({ security, clock: counted });
  const to = { ...stage.listener.target, port: stage.proxy.port };
  const session = await port.dial(to, signal(), { lanes: 3, resumeMs: 60_000 });
  const peer = await accepted(stage);
  const [here, there] = await channelBetween(session, peer);
  await here.write(Buffer.alloc(50_000));
  here.end();
  assert.equal((await readAll(there)).length, 50_000);
  stage.proxy.cut();
  await until("a lane is back", () => stage.proxy.open() > 0);
  assert.ok(waiting.size > 0);
  session.close();
  await peer.closed;
  await until("no connection is left", () => stage.proxy.open() === 0);
  await until("no timer is left", () => waiting.size === 0);
});

check("a listener that knows no lanes gives a plain session", async (stage) => {
  const { certificate: cert, key } = b;
  const old = createTlsServer({ cert, key, ca: authority.certificate, requestCert: true });
  const got: Frame[] = [];
  old.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    const parser = new FrameParser();
    socket.on("data", (bytes: Buffer) => parser.push(bytes, (frame) => got.push(frame)));
    const hello: Frame = { type: "hello", version: 1, capabilities: ["lease"] };
    for (const part of encodeFrame(hello)) socket.write(part);
  });
  await new Promise<void>((resolve) => old.listen(0, "127.0.0.1", resolve));
  const address = old.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const to = { host: "127.0.0.1", port };
  const session = await stage.here.dial(to, signal(), { lanes: 3, resumeMs: 60_000 });
  session.open(Buffer.from("plain"));
  try {
    await until("the channel came, and no join", () => got.length >= 2);
    assert.deepEqual(
      got.slice(0, 2).map(({ type }) => type),
      ["hello", "open"],
    );
    assert.equal(stage.here.counts().plain, 1);
  } finally {
    session.close();
    await new Promise((resolve) => old.close(resolve));
  }
});

check("a session of one connection survives a cut, too, if it may resume", async (stage) => {
  const session = await stage.dial({ resumeMs: 20_000 });
  const peer = await accepted(stage);
  const [here, there] = await channelBetween(session, peer);
  await here.write(Buffer.from("before, "));
  stage.proxy.cut();
  await here.write(Buffer.from("after"));
  here.end();
  assert.equal((await readAll(there)).toString(), "before, after");
  session.close();
});

const flipped = "a bit flips on a lane: it is found, the lane is closed, nothing else is hurt";
check(
  flipped,
  async (stage) => {
    const { here, there, listener, sessions } = stage;
    let [dialled, flips, isDue] = [0, 0, false];
    const proxy = await startFaultProxy({
      listen: { port: 0 },
      target: () => {
        dialled += 1;
        return listener.target;
      },
      change: (bytes, way) => {
        // What is so long is data: a greeting that is damaged is refused, and is no lane yet.
        if (!isDue || way !== "out" || bytes.length < 1_000) return;
        const at = bytes.length >> 1;
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        flips += 1;
        isDue = false;
      },
    });
    try {
      const to = { ...listener.target, port: proxy.port };
      const session = await here.dial(to, signal(), { lanes: 2, resumeMs: 20_000 });
      const [channel, arriving] = await channelBetween(session, await accepted(stage));
      const reading = readAll(arriving);
      const bytes = Buffer.from(createMemoryRandom(2).bytes(3_000_000));
      for (let flip = 1; flip <= 3; flip += 1) {
        // No lane is one that is about to close: nobody would look at what comes on it.
        await until("both lanes", () => dialled > flip && proxy.open() === 2);
        isDue = true;
        await channel.write(bytes.subarray((flip - 1) * 1_000_000, flip * 1_000_000));
        await until("it was found", () => there.counts().breaches === flip);
        assert.equal(flips, flip);
      }
      channel.end();
      assert.ok((await reading).equals(bytes));
      await until("the last lane that was closed is back", () => dialled > 4 && proxy.open() === 2);
      assert.equal(sessions.length, 1);
      assert.equal(there.counts().refused, 0);
      session.close();
    } finally {
      await proxy.close();
    }
  },
  plainPorts,
);

check("a lane that stalls for ever holds up nobody", async (stage) => {
  const frozen = await proxyTo(stage.listener.target.port);
  const wide = await proxyTo(stage.listener.target.port);
  const routes = [wide, frozen, wide];
  let dialled = 0;
  const switching = await startFaultProxy({
    listen: { port: 0 },
    target: () => {
      const proxy = routes[dialled % routes.length] ?? wide;
      dialled += 1;
      return { host: "127.0.0.1", port: proxy.port };
    },
  });
  try {
    const to = { ...stage.listener.target, port: switching.port };
    const session = await stage.here.dial(to, signal(), { lanes: 3 });
    const peer = await accepted(stage);
    await until("all joined", () => switching.open() === 3);
    const bytes = Buffer.from(createMemoryRandom(3).bytes(8_000_000));
    const [here, there] = await channelBetween(session, peer);
    const reading = readAll(there);
    await here.write(bytes.subarray(0, 1_000_000));
    frozen.freeze();
    await here.write(bytes.subarray(1_000_000));
    here.end();
    assert.ok((await reading).equals(bytes));
    session.close();
  } finally {
    for (const proxy of [switching, wide, frozen]) await proxy.close();
  }
});

check(
  "a process that only waits for a lane does not end meanwhile",
  async ({ proxy, sessions }) => {
    const script = fileURLToPath(new URL("stream-lanes-waiter.ts", import.meta.url));
    const waiter = spawn(execPath, [script, String(proxy.port)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    waiter.stdout.on("data", (text: Buffer) => {
      said += text.toString();
    });
    const ended = once(waiter, "exit");
    const peer = await until("it has dialled", () => sessions[0]);
    const channel = await opened(peer);
    await channel.write(Buffer.from("before, "));
    await until("it has the first part", () => said.includes("before, "));
    proxy.freeze();
    proxy.cut();
    // It finds its connection gone, and its next ones stuck, for longer than it takes to dial.
    await until("it dials again", () => proxy.open() > 0);
    proxy.cut();
    proxy.thaw();
    await channel.write(Buffer.from("after"));
    channel.end();
    const [code] = await ended;
    assert.match(said, /before, after/);
    assert.equal(code, 0);
  },
  plainPorts,
);

check("a listener that was started again does not know the session: it is over", async (stage) => {
  const session = await stage.dial({ lanes: 2, resumeMs: 600_000 });
  await accepted(stage);
  await until("both joined", () => stage.proxy.open() === 2);
  const { port } = stage.listener.target;
  await stage.listener.close();
  const again = await tlsPort(b).listen({ target: { ...target, port }, onSession: () => {} });
  assert.match(await session.closed, /no such session|closed/);
  await again.close();
});

check("a listener that closes says so: nobody waits for it", async (stage) => {
  const session = await stage.dial({ lanes: 2, resumeMs: 600_000 });
  await accepted(stage);
  await until("both joined", () => stage.proxy.open() === 2);
  await stage.listener.close();
  assert.equal(await session.closed, "the listener was closed");
});

check("without a lane a session is over after the time that it asked for", async (stage) => {
  const session = await stage.dial({ lanes: 2, resumeMs: 300 });
  const peer = await accepted(stage);
  await until("both joined", () => stage.proxy.open() === 2);
  await stage.proxy.close();
  assert.match(await session.closed, /no lane for 300 ms/);
  assert.match(await peer.closed, /no lane for 300 ms/);
});

// ---- who may join

interface Joiner {
  readonly name: Uint8Array;
  readonly received: readonly Frame[];
  readonly closed: Promise<unknown>;
  send(frame: Frame, number?: number): void;
  end(): void;
}

const began: JoinFrame = {
  ...{ type: "join", session: new Uint8Array(16), begins: true },
  ...{ lane: 0, received: 0, resumeMs: 10_000 },
};

/** A proven peer that sends a join of its own, and then what it likes. */
async function joiner(stage: Stage, ours: KeyedCertificate, join: JoinFrame): Promise<Joiner> {
  const { host, port } = stage.listener.target;
  const { certificate: cert, key } = ours;
  const socket = tlsConnect({ host, port, cert, key, ca: authority.certificate });
  socket.on("error", () => {});
  const closed = once(socket, "close");
  const parser = new FrameParser();
  parser.allow(["lanes"]);
  const received: Frame[] = [];
  socket.on("data", (bytes: Buffer) => parser.push(bytes, (frame) => received.push(frame)));
  const send = (frame: Frame, number?: number): void => {
    for (const part of encodeFrame(frame, number === undefined ? {} : { number })) {
      socket.write(part);
    }
  };
  send({ type: "hello", version: 1, capabilities: ["lanes"] });
  send(join);
  await until("it is answered", () => received.length > 1);
  const answer = received.find(({ type }) => type === "join");
  const name = answer?.type === "join" ? Uint8Array.from(answer.session) : new Uint8Array(16);
  return { name, received, closed, send, end: () => socket.destroy() };
}

function refusal({ received }: Joiner): string {
  const said = received.find(({ type }) => type === "abort");
  return said?.type === "abort" ? said.why : "it was not refused";
}

check("who names no session that was given out is refused and counted", async (stage) => {
  const wrong = { ...began, session: new Uint8Array(16).fill(7), begins: false };
  const guess = await joiner(stage, a, wrong);
  assert.match(refusal(guess), /no such session/);
  await guess.closed;
  assert.equal(stage.there.counts().refused, 1);
  assert.equal(stage.sessions.length, 0);
});

check("another node that knows a session's name is refused and counted", async (stage) => {
  const owner = await joiner(stage, a, began);
  const thief = await joiner(stage, c, { ...began, session: owner.name, begins: false, lane: 1 });
  assert.match(refusal(thief), /no such session/);
  assert.equal(stage.there.counts().refused, 1);
  const friend = await joiner(stage, a, { ...began, session: owner.name, begins: false, lane: 1 });
  assert.deepEqual(friend.name, owner.name, "the same node may");
  const other = await joiner(stage, a, { ...began, session: owner.name, begins: false, lane: 16 });
  assert.match(refusal(other), /lane 16 is too many/);
  owner.end();
  friend.end();
});

check("what cannot have been received refuses the lane", async (stage) => {
  const owner = await joiner(stage, a, began);
  const liar = { ...began, session: owner.name, begins: false, lane: 1, received: 1_000 };
  assert.match(refusal(await joiner(stage, a, liar)), /was never sent/);
  owner.end();
});

check("a frame beyond all bounds breaks its lane, not the session", async (stage) => {
  const owner = await joiner(stage, a, began);
  const second = await joiner(stage, a, { ...began, session: owner.name, begins: false, lane: 1 });
  second.send({ type: "end", channel: 1 }, 1_000_000);
  await second.closed;
  assert.equal(stage.there.counts().breaches, 1);
  owner.send({ type: "open", channel: 1, header: Buffer.from("still here") }, 1);
  const [session] = stage.sessions;
  assert.ok(session !== undefined);
  const channel = await opened(session);
  assert.equal(Buffer.from(channel.header).toString(), "still here");
  owner.end();
});

check("a peer that never acknowledges makes nobody hold more than the bound", async (stage) => {
  const owner = await joiner(stage, a, began);
  owner.send({ type: "open", channel: 1, header: Buffer.from("x") }, 1);
  owner.send({ type: "credit", channel: 1, bytes: 2 ** 29 }, 2);
  const [session] = stage.sessions;
  assert.ok(session !== undefined);
  const channel = await opened(session);
  let taken = 0;
  const piece = Buffer.alloc(1_000_000);
  const writing = (async () => {
    for (;;) {
      await channel.write(piece);
      taken += piece.length;
    }
  })();
  const closed = assert.rejects(writing, (error) => isSkyError(error, "stream/closed"));
  let before = -1;
  await until("it has come to a halt", () => {
    const halted = taken > 8_000_000 && taken === before;
    before = taken;
    return halted;
  });
  assert.ok(taken <= 40 * 1024 * 1024, `${taken} bytes were taken`);
  owner.end();
  session.close();
  await closed;
});

// ---- support

async function accepted({ sessions }: Stage): Promise<StreamSession> {
  await until("there is a session", () => sessions.length > 0);
  return sessions[0] ?? assert.fail("no session");
}

function opened(session: StreamSession): Promise<StreamChannel> {
  return new Promise((resolve) => session.onChannel(resolve));
}

async function channelBetween(
  session: StreamSession,
  peer: StreamSession,
): Promise<readonly [StreamChannel, StreamChannel]> {
  const arriving = opened(peer);
  const here = session.open(Buffer.from("channel"));
  return [here, await arriving];
}

async function sendSlowly(channel: StreamChannel, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += 10_000) {
    await channel.write(bytes.subarray(at, at + 10_000));
  }
  channel.end();
}

async function readAll(
  channel: StreamChannel,
  count: (bytes: number) => void = () => {},
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of channel) {
    parts.push(part);
    count(part.length);
    // Other things happen, too: cuts come in the middle.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Buffer.concat(parts);
}
