// The names that a listener gives to sessions with lanes, who may use them, and how many wait; and
// how often a dialler dials again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { createMemoryClock, type MemoryClock } from "../../runtime/clock-memory.ts";
import type { Frame } from "../../runtime/framing.ts";
import { LaneDialler } from "../../runtime/lane-dialler.ts";
import { LaneSessions, type LaneSessionsLimits } from "../../runtime/lane-sessions.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { LanedSession } from "../../runtime/stream-lanes.ts";
import type { FrameLink, LinkEnd } from "../../runtime/stream-session.ts";

const peer = "demo/a";

interface Stage {
  readonly clock: MemoryClock;
  readonly sessions: LaneSessions;
  /** A session with its first lane. */
  begin(): { readonly name: Uint8Array; readonly session: LanedSession; readonly lane: LinkEnd };
}

function stage(limits: Partial<LaneSessionsLimits> = {}): Stage {
  const clock = createMemoryClock();
  const sessions = new LaneSessions(createMemoryRandom("names"), limits);
  return {
    ...{ clock, sessions },
    begin: () => {
      const begun = sessions.begin(peer, (forget) => {
        const session: LanedSession = new LanedSession({
          ...{ peer, side: "listener", clock, resumeMs: 60_000 },
          capabilities: new Set(["lanes"]),
          onLaneLost: () => sessions.lanesChanged(session),
          onOver: forget,
        });
        return session;
      });
      return { ...begun, lane: begun.session.join(sink(), { index: 0, received: 0 }) };
    },
  };
}

function sink(sent: Frame[] = []): FrameLink {
  return { send: (frame) => void sent.push(frame), queuedBytes: () => 0, close: () => {} };
}

test("lane sessions: a name leads to its session, for its peer alone, while it lives", () => {
  const { sessions, begin } = stage();
  const [one, two] = [begin(), begin()];
  assert.equal(sessions.find(one.name, peer), one.session);
  assert.equal(sessions.find(two.name, peer), two.session);
  assert.notDeepEqual(one.name, two.name);
  assert.equal(one.name.length, 16);
  assert.equal(sessions.find(one.name, "demo/b"), undefined);
  assert.equal(sessions.find(new Uint8Array(16), peer), undefined);
  assert.equal(sessions.find(one.name.subarray(0, 15), peer), undefined);
  one.session.fail("enough");
  assert.equal(sessions.find(one.name, peer), undefined);
  assert.equal(sessions.size, 1);
});

test("lane sessions: more than so many are refused", () => {
  const { begin, sessions } = stage({ sessionsMax: 2 });
  const [one] = [begin(), begin()];
  assert.throws(begin, (error) => isSkyError(error, "stream/denied"));
  one.session.fail("enough");
  begin();
  assert.equal(sessions.size, 2);
});

test("lane sessions: of too many that wait, the one that has waited longest is given up", () => {
  const { clock, begin, sessions } = stage({ waitingMax: 2 });
  const all = [begin(), begin(), begin()];
  for (const { lane } of all) {
    clock.advance(10);
    lane.lost("cut");
  }
  assert.deepEqual(
    all.map(({ session }) => session.isOver()),
    [true, false, false],
  );
  // One that has a lane again does not wait, and is none of those.
  const [, second, third] = all;
  second?.session.join(sink(), { index: 0, received: 0 });
  if (second !== undefined) sessions.lanesChanged(second.session);
  begin().lane.lost("cut");
  assert.equal(third?.session.isOver(), false);
});

test("lane sessions: what those that wait keep is bounded, too", () => {
  const { begin } = stage({ waitingBytesMax: 150_000 });
  const all = [begin(), begin(), begin()];
  for (const { lane } of all) {
    // Beyond its turn, so it is kept.
    const parts = [Buffer.alloc(60_000)];
    lane.receive({ type: "data", channel: 1, parts, bytes: 60_000 }, 7);
  }
  for (const { lane } of all) lane.lost("cut");
  assert.deepEqual(
    all.map(({ session }) => session.isOver()),
    [true, false, false],
  );
});

test("lane sessions: one that waits is over after its time, and leaves no timer", () => {
  const { clock, begin, sessions } = stage();
  const { session, lane } = begin();
  lane.lost("cut");
  clock.advance(59_000);
  assert.equal(session.isOver(), false);
  clock.advance(2_000);
  assert.equal(session.isOver(), true);
  assert.equal(sessions.size, 0);
  assert.equal(clock.waiting().count, 0);
});

test("lane sessions: one that fails tells its peer on each lane", () => {
  const { begin } = stage();
  const sent: Frame[] = [];
  const { session } = begin();
  session.join(sink(sent), { index: 1, received: 0 });
  session.fail("the listener was closed");
  assert.deepEqual(sent, [{ type: "abort", channel: 0, why: "the listener was closed" }]);
});

// ---- dialling again

interface Dialling {
  readonly clock: MemoryClock;
  readonly session: LanedSession;
  readonly dialler: LaneDialler;
  readonly dials: { readonly index: number; readonly atMs: number }[];
  settle(): Promise<void>;
}

function dialling(answer: (dial: number) => SkyError | undefined, lanes = 1): Dialling {
  const clock = createMemoryClock({ monoMs: 0 });
  const dials: { index: number; atMs: number }[] = [];
  const session = new LanedSession({
    ...{ peer, side: "dialler", clock, resumeMs: 600_000 },
    capabilities: new Set(["lanes"]),
  });
  const dialler = new LaneDialler({
    ...{ session, lanes, resumeMs: 600_000, clock },
    random: { unit: () => 0.5, bytes: () => new Uint8Array(0) },
    connect: async (index) => {
      dials.push({ index, atMs: clock.now().monoMs });
      const error = answer(dials.length);
      if (error !== undefined) throw error;
    },
  });
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { clock, session, dialler, dials, settle };
}

const closed = new SkyError("stream/closed", { why: "nobody is there" });
const denied = new SkyError("stream/denied", { why: "no such session" });

test("lane dialler: each try waits longer, to a cap; one that lived starts anew", async () => {
  const { clock, dialler, dials, settle } = dialling((dial) => (dial < 12 ? closed : undefined));
  dialler.lost(0);
  await clock.pass(60_000, settle);
  assert.equal(dials.length, 12, "after one that joined there is no other");
  const waits = dials.map(({ atMs }, index) => atMs - (dials[index - 1]?.atMs ?? 0));
  assert.deepEqual(waits.slice(0, 4), [50, 80, 128, 205]);
  assert.equal(waits.at(-1), 2_000);
  dialler.lost(0);
  await clock.pass(50, settle);
  assert.equal(dials.length, 13);
});

test("lane dialler: who is refused and has no lane gives the session up at once", async () => {
  const { clock, session, dialler, dials, settle } = dialling(() => denied);
  dialler.lost(0);
  await clock.pass(60_000, settle);
  assert.equal(dials.length, 1);
  assert.equal(session.isOver(), true);
  assert.match(await session.session.closed, /no such session/);
});

test("lane dialler: one lane that is refused is given up, the others go on", async () => {
  const { clock, session, dialler, dials, settle } = dialling(() => denied, 2);
  session.join(sink(), { index: 0, received: 0 });
  dialler.start();
  await clock.pass(10_000, settle);
  assert.deepEqual(dials, [{ index: 1, atMs: 0 }]);
  assert.equal(session.isOver(), false);
});

test("lane dialler: nothing is dialled for a session that is over", async () => {
  const { clock, session, dialler, dials, settle } = dialling(() => closed);
  dialler.lost(0);
  await clock.pass(200, settle);
  const before = dials.length;
  session.fail("enough");
  dialler.stop();
  await clock.pass(60_000, settle);
  assert.equal(dials.length, before);
  assert.equal(clock.waiting().count, 0);
});
