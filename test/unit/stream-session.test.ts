// A session over a scripted link: silence, peers that do not read, and how much may pile up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { windowInitialBytes } from "../../runtime/credit-window.ts";
import type { Frame } from "../../runtime/framing.ts";
import { MemoryBudget } from "../../runtime/memory-budget.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { frameCostBytes } from "../../runtime/stream-channel.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createSession, type SessionOptions, sessionLimits } from "../../runtime/stream-session.ts";
import { fc } from "../support/property.ts";

interface Stage {
  readonly end: ReturnType<typeof createSession>;
  readonly sent: Frame[];
  readonly taken: StreamChannel[];
  readonly breaches: string[];
  queuedBytes: number;
  closed: boolean;
}

function listenerSide(
  options: Partial<Pick<SessionOptions, "clock" | "limits" | "budget" | "capabilities">> = {},
): Stage {
  const sent: Frame[] = [];
  const taken: StreamChannel[] = [];
  const breaches: string[] = [];
  const link = {
    send: (frame: Frame) => void sent.push(frame),
    queuedBytes: () => stage.queuedBytes,
    close: () => {
      stage.closed = true;
    },
  };
  const onBreach = (why: string): unknown => breaches.push(why);
  const end = createSession({ peer: "demo/a", side: "listener", link, onBreach, ...options });
  end.session.onChannel((channel) => taken.push(channel));
  const stage: Stage = { end, sent, taken, breaches, queuedBytes: 0, closed: false };
  return stage;
}

/** A clock whose timers fire when `step` is called, in order. */
function steppedClock(): { readonly clock: Clock; readonly step: () => void } {
  let due: (() => void)[] = [];
  return {
    clock: {
      now: () => ({ wallMs: 0, monoMs: 0, bootId: "b" }),
      after: (_ms, wake) => {
        due.push(wake);
        return () => {
          due = due.filter((one) => one !== wake);
        };
      },
    },
    step: () => {
      for (const wake of due.splice(0)) wake();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const open = (channel: number): Frame => ({ type: "open", channel, header: Buffer.from("x") });
const data = (channel: number, bytes: number): Frame => ({
  ...{ type: "data", channel, bytes },
  parts: [Buffer.alloc(bytes)],
});

test("stream session: a silent peer is pinged, then given up", async () => {
  const { clock, step } = steppedClock();
  const quiet = listenerSide({ clock });
  for (let count = 0; count < 3; count += 1) step();
  assert.equal(quiet.sent.filter(({ type }) => type === "ping").length, 3);
  assert.equal(quiet.closed, false);
  step();
  assert.match(await quiet.end.session.closed, /silent for 15000 ms/);

  const alive = listenerSide({ clock });
  for (let count = 0; count < 20; count += 1) {
    step();
    alive.end.receive({ type: "pong" });
  }
  assert.equal(alive.closed, false);
});

test("stream session: pings are answered, but piled up for nobody", async () => {
  const stage = listenerSide();
  stage.queuedBytes = sessionLimits.linkBytesHigh;
  for (let count = 0; count < 1_000; count += 1) stage.end.receive({ type: "ping" });
  await turn();
  assert.equal(stage.sent.length, 0);
  stage.queuedBytes = 0;
  stage.end.resume();
  assert.deepEqual(
    stage.sent.map(({ type }) => type),
    ["pong"],
  );
});

test("stream session: a peer that makes us answer and never reads is cut off", async () => {
  const stage = listenerSide();
  stage.queuedBytes = sessionLimits.linkBytesMax + 1;
  stage.end.receive(open(1));
  assert.match(await stage.end.session.closed, /does not read/);
});

test("stream session: data waits while the link is full, and goes on when it is not", async () => {
  const stage = listenerSide();
  const channel = stage.end.session.open(Buffer.from("x"));
  stage.queuedBytes = sessionLimits.linkBytesHigh;
  const writing = channel.write(Buffer.alloc(1_000));
  await turn();
  assert.equal(stage.sent.filter(({ type }) => type === "data").length, 0);
  stage.queuedBytes = 0;
  stage.end.resume();
  await writing;
  assert.equal(stage.sent.filter(({ type }) => type === "data").length, 1);
});

test("stream session: too many channels are refused one by one", async () => {
  const stage = listenerSide({ limits: { channelsMax: 2 } });
  for (const id of [1, 3, 5]) stage.end.receive(open(id));
  const aborts = stage.sent.filter(({ type }) => type === "abort");
  assert.deepEqual(aborts, [{ type: "abort", channel: 5, why: "too many channels" }]);
  // What the peer had under way for it is late, not a breach.
  stage.end.receive(data(5, 10));
  stage.end.receive({ type: "abort", channel: 1, why: "done" });
  stage.end.receive(open(7));
  assert.equal(stage.taken.length, 3);
  assert.deepEqual(stage.breaches, []);
});

test("stream session: a session gets half of what is left for windows, and no more", () => {
  const budget = new MemoryBudget({ windowsBytesMax: 1024 * 1024 });
  const stage = listenerSide({ budget });
  for (const id of [1, 3, 5]) stage.end.receive(open(id));
  const credits = stage.sent.filter(({ type }) => type === "credit");
  assert.deepEqual(credits, [
    { type: "credit", channel: 1, bytes: 512 * 1024 },
    { type: "credit", channel: 3, bytes: 256 * 1024 },
    { type: "credit", channel: 5, bytes: 128 * 1024 },
  ]);
  stage.end.lost("gone");
  assert.deepEqual(budget.counts(), { windows: 0, held: 0, evicted: 0 });
});

test("stream session: a peer that tells its round trip gets more once it is read", async () => {
  const stage = listenerSide({
    capabilities: new Set(["timed-pings"]),
    clock: steppedClock().clock,
  });
  stage.end.receive(open(1));
  const credits = (): readonly Frame[] => stage.sent.filter(({ type }) => type === "credit");
  stage.end.receive(data(1, 1_000));
  assert.deepEqual(credits(), []);
  await stage.taken[0]?.[Symbol.asyncIterator]().next();
  const bytes = sessionLimits.windowBytes - windowInitialBytes + 1_000 + frameCostBytes;
  assert.deepEqual(credits(), [{ type: "credit", channel: 1, bytes }]);
});

test("stream session: tiny frames cost more than their bytes", () => {
  const stage = listenerSide({ limits: { windowBytes: windowInitialBytes } });
  stage.end.receive(open(1));
  const fits = Math.floor(windowInitialBytes / (1 + frameCostBytes));
  for (let count = 0; count < fits; count += 1) stage.end.receive(data(1, 1));
  assert.deepEqual(stage.breaches, []);
  stage.end.receive(data(1, 1));
  // Only the channel is over, and the peer hears why.
  assert.deepEqual(stage.breaches, []);
  assert.equal(stage.closed, false);
  const last = stage.sent.at(-1);
  assert.ok(last?.type === "abort" && /beyond the credit/.test(last.why));
});

test("stream session: what was received before the session was lost is still read", async () => {
  const stage = listenerSide();
  stage.end.receive(open(1));
  stage.end.receive(open(3));
  stage.end.receive(data(1, 10));
  stage.end.receive(data(3, 20));
  stage.end.receive({ type: "end", channel: 3 });
  stage.end.lost("the network is gone");
  const [half, whole] = stage.taken.map((channel) => channel[Symbol.asyncIterator]());
  assert.ok(half !== undefined && whole !== undefined);
  assert.equal((await half.next()).value?.length, 10);
  await assert.rejects(half.next(), (error) => isSkyError(error, "stream/closed"));
  assert.equal((await whole.next()).value?.length, 20);
  assert.equal((await whole.next()).done, true);
});

test("stream session: any mixture of writes arrives whole on every channel", async () => {
  const writes = fc.array(
    fc.record({
      channel: fc.integer({ min: 0, max: 3 }),
      bytes: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 200_000 })),
    }),
    { maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(writes, async (script) => {
      const hub = createStreamHub();
      const received: Promise<Buffer>[] = [];
      const listener = await hub.connect("b").listen({
        target: { host: "b", port: 0 },
        onSession: (session) => session.onChannel((channel) => received.push(readAll(channel))),
      });
      const session = await hub.connect("a").dial(listener.target, AbortSignal.timeout(20_000));
      const channels = [0, 1, 2, 3].map((id) => session.open(Buffer.from([id])));
      const wanted: Buffer[][] = [[], [], [], []];
      const pending = script.map(({ channel, bytes }, index) => {
        const piece = Buffer.alloc(bytes, index + 1);
        wanted[channel]?.push(piece);
        return channels[channel]?.write(piece);
      });
      await Promise.all(pending);
      for (const channel of channels) channel.end();
      await turn();
      const got = await Promise.all(received);
      assert.deepEqual(
        got.map((bytes) => bytes.toString("latin1")),
        wanted.map((pieces) => Buffer.concat(pieces).toString("latin1")),
      );
    }),
    { numRuns: 25 },
  );
});

async function readAll(channel: StreamChannel): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of channel) parts.push(part);
  return Buffer.concat(parts);
}
