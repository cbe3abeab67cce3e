// What a proven peer may do wrong: it is refused and counted by its kind, a fault of one channel
// ends that channel alone, and no other session notices.

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { createOsClock } from "../../runtime/clock-os.ts";
import { FrameParser } from "../../runtime/frame-parser.ts";
import {
  encodeFrame,
  type Frame,
  type FrameCapability,
  frameBytesMax,
  frameCapabilities,
} from "../../runtime/framing.ts";
import { sessionLimits } from "../../runtime/session-limits.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import type { StreamFault } from "../../runtime/stream-fault.ts";
import { createTcpStreams, type StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { until } from "../support/until.ts";

const clock = createOsClock();
const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const silent = Buffer.alloc(0);

/** A listener that echoes, a good session with it, and a peer that writes what it likes. */
interface Scene {
  readonly port: StreamTcpPort;
  readonly bad: RawPeer;
  /** The listener's end of the bad peer's session. */
  readonly session: StreamSession;
  /** Whether the good session still works. */
  goodWorks(): Promise<void>;
}

class RawPeer {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  closed = false;

  constructor(port: number, capabilities: readonly string[]) {
    this.socket = connect({ host: "127.0.0.1", port });
    const parser = new FrameParser();
    parser.allow(capabilities.filter(isCapability));
    this.socket.on("data", (bytes: Buffer) => parser.push(bytes, (one) => this.frames.push(one)));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.send({ type: "hello", version: 1, capabilities });
  }

  send(...frames: readonly (Frame | Buffer)[]): void {
    for (const frame of frames) {
      for (const part of "type" in frame ? encodeFrame(frame) : [frame]) this.socket.write(part);
    }
  }

  /** What came for a channel, once there is any that `is` wants. */
  async heard(what: string, is: (frame: Frame) => boolean): Promise<Frame> {
    await until(what, () => this.frames.some(is));
    return this.frames.find(is) ?? assert.fail();
  }
}

function isCapability(word: string): word is FrameCapability {
  return frameCapabilities.some((one) => one === word);
}

function check(
  what: string,
  run: (scene: Scene) => Promise<void>,
  capabilities: readonly string[] = frameCapabilities,
): void {
  test(`stream faults: ${what}`, { timeout: 30_000 }, async () => {
    const sessions: StreamSession[] = [];
    const port = createTcpStreams({ security: { kind: "plain", peer: "demo/a" }, clock });
    const listener = await port.listen({
      target: { host: "127.0.0.1", port: 0 },
      onSession: (session) => {
        sessions.push(session);
        session.onChannel((channel) => void echo(channel));
      },
    });
    const good = await port.dial(listener.target, signal());
    const bad = new RawPeer(listener.target.port, capabilities);
    try {
      await until("both are there", () => sessions.length === 2);
      const [, session = assert.fail()] = sessions;
      await run({ port, bad, session, goodWorks: () => echoes(good) });
      await echoes(good);
    } finally {
      bad.socket.destroy();
      good.close();
      await listener.close();
    }
  });
}

async function echo(channel: StreamChannel): Promise<void> {
  try {
    for await (const part of channel) await channel.write(part);
    channel.end();
  } catch {
    // The peer's fault; what came of it is looked at by the test.
  }
}

async function echoes(session: StreamSession): Promise<void> {
  const channel = session.open(Buffer.from("good"));
  await channel.write(Buffer.from("still here"));
  channel.end();
  const parts: Uint8Array[] = [];
  for await (const part of channel) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), "still here");
}

// ---- faults that end the session

const open = (channel: number): Frame => ({ type: "open", channel, header: silent });
const data = (channel: number, bytes: number): Frame => ({
  ...{ type: "data", channel, bytes },
  parts: [Buffer.alloc(bytes)],
});
const credit = (channel: number, bytes: number): Frame => ({ type: "credit", channel, bytes });
const hello: Frame = { type: "hello", version: 1, capabilities: [] };
const times = (count: number, frame: (index: number) => Frame): readonly Frame[] =>
  Array.from({ length: count }, (_, index) => frame(index));

/** Bytes of a frame with one of them changed. */
function bent(frame: Frame, at: number): Buffer {
  const bytes = Buffer.concat(encodeFrame(frame));
  bytes.writeUInt8((bytes[at] ?? 0) ^ 0x10, at);
  return bytes;
}

type Breach = readonly [string, StreamFault, readonly (Frame | Buffer)[]];

const breaches: readonly Breach[] = [
  ["garbage", "garbage", [Buffer.alloc(100, 0x5a)]],
  ["a changed header", "checksum", [open(1), bent(data(1, 10), 9)]],
  ["a changed payload", "checksum", [open(1), bent(data(1, 10), 25)]],
  ["a number that was not agreed on", "garbage", encodeFrame(open(1), { number: 1 }).map(asBuffer)],
  ["data without a checksum", "garbage", encodeFrame(data(1, 5), { bare: true }).map(asBuffer)],
  ["an ack that was not agreed on", "garbage", [{ type: "ack", received: 1, here: 1 }]],
  ["a frame too long", "too-long", [open(1), data(1, 257 * 1024)]],
  ["a channel that never was", "out-of-order", [data(7, 1)]],
  ["a channel of the other side", "out-of-order", [open(2)]],
  ["a channel that is opened twice", "out-of-order", [open(1), open(1)]],
  ["channels that fall", "out-of-order", [open(5), open(3)]],
  ["a second hello", "out-of-order", [hello]],
  ["pings without end", "flood", times(60_000, () => ({ type: "ping" }))],
  ["credits without end", "flood", [open(1), ...times(250_000, () => credit(1, 1))]],
  [
    "opens and aborts without end",
    "flood",
    times(60_000, (index) =>
      index % 2 === 0 ? open(index + 1) : { type: "abort", channel: index, why: "never mind" },
    ),
  ],
];

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

for (const [what, fault, frames] of breaches) {
  check(`${what}: the session is closed and counted`, async ({ port, bad, session }) => {
    bad.send(Buffer.concat(frames.flatMap((one) => ("type" in one ? encodeFrame(one) : [one]))));
    assert.match(await session.closed, /broke the protocol/);
    await until("the connection is closed", () => bad.closed);
    assert.deepEqual(port.counts().faults, { [fault]: 1 });
    assert.equal(port.counts().breaches, 1);
  });
}

check(
  "what version 1 did not have is refused from a peer that did not name it",
  async (scene) => {
    scene.bad.send(open(1), data(1, frameBytesMax + 1));
    assert.match(await scene.session.closed, /65537 bytes/);
  },
  [],
);

check("a connection that ends in the middle of a frame is counted", async (scene) => {
  scene.bad.socket.end(Buffer.concat(encodeFrame(open(1))).subarray(0, 11));
  assert.match(await scene.session.closed, /in the middle of a frame/);
  assert.deepEqual(scene.port.counts().faults, { truncated: 1 });
});

// ---- faults of one channel

const channelFaults: readonly Breach[] = [
  ["data after the end", "out-of-order", [{ type: "end", channel: 1 }, data(1, 5)]],
  ["two ends", "out-of-order", times(2, () => ({ type: "end", channel: 1 }))],
  ["credit beyond all measure", "credit", [credit(1, 2 ** 31)]],
];

for (const [what, fault, frames] of channelFaults) {
  check(`${what}: only that channel is over, and its peer hears why`, async (scene) => {
    const { bad, port } = scene;
    bad.send(open(1), open(3), ...frames, data(3, 7));
    const abort = await bad.heard("the abort", ({ type }) => type === "abort");
    assert.ok(abort.type === "abort" && abort.channel === 1);
    assert.match(abort.why, /broke the protocol/);
    await bad.heard("the echo", (one) => one.type === "data" && one.channel === 3);
    assert.deepEqual(port.counts().faults, { [fault]: 1 });
    assert.equal(port.counts().breaches, 0);
  });
}

check("data beyond the credit ends its channel; what comes late is dropped", async (scene) => {
  const { bad, port, session } = scene;
  // It echoes, and nobody gives it credit to echo more than the start: so it stops reading.
  bad.send(open(1), open(3), ...times(60, () => data(1, frameBytesMax - 64)), data(3, 7));
  await bad.heard("the abort", (one) => one.type === "abort" && one.channel === 1);
  await bad.heard("the echo", (one) => one.type === "data" && one.channel === 3);
  assert.deepEqual(port.counts().faults, { credit: 1 });
  assert.equal(port.counts().memory.held, 0, "what it had sent is dropped");
  session.close();
});

check("faults of channel after channel end the session", async ({ bad, port, session }) => {
  const count = sessionLimits.faultsMax + 1;
  for (let index = 0; index < count; index += 1) {
    const channel = 2 * index + 1;
    bad.send(open(channel), { type: "end", channel }, { type: "end", channel });
  }
  assert.match(await session.closed, /broke the protocol/);
  assert.deepEqual(port.counts().faults, { "out-of-order": count });
});

check("channels beyond the limit are refused one by one", async ({ bad, port }) => {
  const { channelsMax } = sessionLimits;
  bad.send(...times(channelsMax + 3, (index) => open(2 * index + 1)), data(1, 9));
  await bad.heard("the echo", ({ type }) => type === "data");
  await until("three are refused", () => port.counts().faults.channels === 3);
  assert.equal(bad.frames.filter(({ type }) => type === "abort").length, 3);
});
