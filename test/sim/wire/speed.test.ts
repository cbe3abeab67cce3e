// What lanes carry, in simulated time: more than one of them alone where the path is the limit,
// and no less where there is a slow one among them or the path is long.
//
// The clock is simulated, so these are no measurements: a seed gives the same rates anywhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryClock } from "../../../runtime/clock-memory.ts";
import { laneLimits } from "../../../runtime/lane.ts";
import { createMemoryRandom } from "../../../runtime/random-memory.ts";
import type { StreamChannel } from "../../../runtime/stream.ts";
import { Machine } from "./machine.ts";
import { noMutant } from "./mutant.ts";
import { Network, type Speed } from "./network.ts";
import { Pair, type PairEnd } from "./pair.ts";

const megabyte = 1024 * 1024;
const totalBytes = 40 * megabyte;
const limitMs = 60_000;

/** Bytes a millisecond that a session has over lanes of these speeds. */
async function rateOver(speeds: readonly Speed[]): Promise<number> {
  const clock = createMemoryClock();
  const random = createMemoryRandom("speed");
  const network = new Network({
    ...{ clock, random, reader: noMutant.reader },
    onSend: () => {},
    onBreach: (why) => assert.fail(why),
  });
  const listener = new Machine("listener", clock);
  const sessions = noMutant.sessions(random);
  let received = 0;
  let dialled = 0;
  const began = (side: string, { laned }: PairEnd): void => {
    if (side !== "listener") return;
    laned.session.onChannel((channel) => {
      void drain(channel, (bytes) => {
        received += bytes;
      });
    });
  };
  const setting = {
    ...{ index: 0, lanes: speeds.length, resumeMs: 5_000, limits: {}, laneLimits },
    ...{ mutant: noMutant, random },
  };
  const world = {
    connect: (one: Pair) => {
      const speed = speeds[dialled % speeds.length] ?? assert.fail("no lane was asked for");
      dialled += 1;
      const connection = network.connect(one.name("dialler"), one.name("listener"), speed);
      one.admit(connection, listener, sessions);
      return connection;
    },
    connectMs: () => 1,
    broken: (error: unknown) => assert.fail(String(error)),
    began: (_pair: Pair, side: string, end: PairEnd) => began(side, end),
    isOver: () => {},
  };
  const pair = new Pair(setting, world, new Machine("dialler", clock));
  const startMs = clock.now().monoMs;
  const runUntil = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      assert.ok(
        clock.advanceToNext() && clock.now().monoMs < startMs + limitMs,
        "it came to a halt",
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  pair.begin();
  await runUntil(() => pair.ends.dialler?.laned.lanesLive() === speeds.length);
  const session = pair.ends.dialler?.laned.session ?? assert.fail("no session");
  const channel = session.open(Buffer.from("bulk"));
  const sentMs = clock.now().monoMs;
  const sending = send(channel);
  await runUntil(() => received === totalBytes);
  await sending;
  return totalBytes / (clock.now().monoMs - sentMs);
}

async function send(channel: StreamChannel): Promise<void> {
  for (let sent = 0; sent < totalBytes; sent += megabyte) {
    await channel.write(Buffer.alloc(megabyte));
  }
  channel.end();
}

async function drain(channel: StreamChannel, count: (bytes: number) => void): Promise<void> {
  for await (const part of channel) count(part.length);
}

const near: Speed = { rate: 50_000, delayMs: 1 };
const far: Speed = { rate: 50_000, delayMs: 50 };

test("wire: two near lanes carry more than one", async () => {
  const [one, two] = [await rateOver([near]), await rateOver([near, near])];
  assert.ok(two > 1.6 * one, `${one} and ${two} bytes a millisecond`);
});

test("wire: several far lanes carry no less than one", async () => {
  const one = await rateOver([far]);
  for (const count of [2, 4]) {
    const several = await rateOver(Array.from({ length: count }, () => far));
    assert.ok(several > one, `${one} and, over ${count}, ${several} bytes a millisecond`);
  }
});

test("wire: a slow lane beside wide ones takes little away", async () => {
  const slow: Speed = { rate: 100, delayMs: 20 };
  const [one, both] = [await rateOver([near]), await rateOver([near, slow])];
  assert.ok(both > 0.6 * one, `${one} alone and ${both} bytes a millisecond together`);
  const three = await rateOver([near, slow, near]);
  assert.ok(three > one, `${three} with another wide one`);
});
