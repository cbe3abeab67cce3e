// The lanes of a session, without sockets: what is kept, what goes out again, and in what order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { Fifo } from "../../runtime/fifo.ts";
import type { AckFrame, Frame } from "../../runtime/framing.ts";
import { frameCost, type LaneLimits, laneLimits } from "../../runtime/lane.ts";
import { type Came, type Lane, Lanes } from "../../runtime/lanes.ts";
import { LaneReceiver } from "../../runtime/lanes-receiver.ts";

interface Sent {
  readonly frame: Frame;
  readonly number: number | undefined;
}

class Wire {
  readonly sent: Sent[] = [];
  queued = 0;
  closed = false;
  send(frame: Frame, number?: number): void {
    this.sent.push({ frame, number });
  }
  queuedBytes(): number {
    return this.queued;
  }
  close(): void {
    this.closed = true;
  }
  numbers(): readonly (number | undefined)[] {
    return this.sent.filter(({ number }) => number !== undefined).map(({ number }) => number);
  }
  acks(): readonly AckFrame[] {
    return this.sent.flatMap(({ frame }) => (frame.type === "ack" ? [frame] : []));
  }
}

interface Stage {
  readonly lanes: Lanes;
  readonly delivered: Frame[];
  readonly breaches: string[];
  readonly join: (received?: number) => { readonly lane: Lane; readonly wire: Wire };
}

function stage(limits: Partial<LaneLimits> = {}): Stage {
  const delivered: Frame[] = [];
  const breaches: string[] = [];
  const host = {
    deliver: (frame: Frame) => void delivered.push(frame),
    resume: () => {},
    breach: (_lane: Lane, why: string) => void breaches.push(why),
  };
  const lanes = new Lanes({ host, limits: { ...laneLimits, ...limits } });
  const join = (received = 0) => {
    const wire = new Wire();
    return { wire, lane: lanes.join(wire, received, 0) };
  };
  return { lanes, delivered, breaches, join };
}

const data = (bytes: number, fill = 1): Frame => ({
  ...{ type: "data", channel: 1, bytes },
  parts: [Buffer.alloc(bytes, fill)],
});
const end = (channel: number): Frame => ({ type: "end", channel });
const came = (frame: Frame, number: number): Came => ({ frame, number });
const ack = (received: number, here: number): Came => ({
  frame: { type: "ack", received, here },
  number: undefined,
});

test("lanes: frames go out on all lanes, each once, from number 1", () => {
  const { lanes, join } = stage();
  const [one, two] = [join(), join()];
  for (let count = 0; count < 10; count += 1) lanes.send(data(1_000), 0);
  assert.ok(one.wire.sent.length > 0 && two.wire.sent.length > 0, "both carry");
  const all = [...one.wire.numbers(), ...two.wire.numbers()].sort((x, y) => (x ?? 0) - (y ?? 0));
  assert.deepEqual(all, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("lanes: what a broken lane had not brought goes out on another, lowest first", () => {
  const { lanes, join } = stage();
  const [one, two] = [join(), join()];
  for (let count = 0; count < 6; count += 1) lanes.send(data(1_000), 0);
  const lost = one.wire.numbers();
  lanes.take(one.lane, ack(1, 1), 1);
  lanes.broken(one.lane, 2);
  assert.deepEqual(two.wire.numbers().slice(-lost.length + 1), lost.slice(1));
  assert.equal(lanes.sender.resent, lost.length - 1);
});

test("lanes: with no lane left everything waits, and goes out when one joins", () => {
  const { lanes, join } = stage();
  const one = join();
  for (const channel of [1, 3, 5]) lanes.send(end(channel), 0);
  lanes.broken(one.lane, 1);
  lanes.send(end(7), 1);
  assert.equal(lanes.sender.held().frames, 4);
  const two = join(2);
  assert.deepEqual(two.wire.numbers(), [3, 4], "the peer said that it has two");
  lanes.take(two.lane, ack(4, 2), 2);
  assert.ok(lanes.sender.isDone());
  assert.deepEqual(lanes.sender.held(), { bytes: 0, frames: 0 });
});

test("lanes: frames are handed on in order and once, however they come", () => {
  const { lanes, delivered, join } = stage();
  const [one, two] = [join(), join()];
  lanes.take(one.lane, came(end(2), 2), 0);
  lanes.take(two.lane, came(end(3), 3), 0);
  assert.equal(delivered.length, 0);
  lanes.take(two.lane, came(end(1), 1), 0);
  lanes.take(one.lane, came(end(1), 1), 0);
  lanes.take(one.lane, came(end(3), 3), 0);
  assert.deepEqual(delivered, [end(1), end(2), end(3)]);
  assert.equal(lanes.receiver.duplicates, 2);
});

test("lanes: an acknowledgement waits for bytes or for time, and says what came where", () => {
  const { lanes, join } = stage({ ackBytes: 10_000, ackMs: 20 });
  const [one, two] = [join(), join()];
  lanes.take(one.lane, came(end(1), 1), 0);
  assert.equal(lanes.dueAtMs(), 20);
  lanes.tick(19);
  assert.equal(one.wire.acks().length, 0);
  lanes.tick(20);
  assert.deepEqual(one.wire.acks(), [{ type: "ack", received: 1, here: 1 }]);
  lanes.take(two.lane, came(data(20_000), 3), 30);
  assert.deepEqual(two.wire.acks(), [{ type: "ack", received: 1, here: 1 }], "3 is not its turn");
  lanes.broken(two.lane, 31);
  assert.deepEqual(one.wire.acks().at(-1), { type: "ack", received: 1, here: 1 });
});

test("lanes: acknowledgements pile up for nobody who does not read", () => {
  const { lanes, join } = stage();
  const { lane, wire } = join();
  wire.queued = 2 * laneLimits.laneBytesHigh;
  for (let number = 1; number <= 1_000; number += 1)
    lanes.take(lane, came(data(1_000), number), number);
  assert.equal(wire.sent.length, 0);
  assert.equal(lanes.dueAtMs(), undefined);
  wire.queued = 0;
  lanes.room(2_000);
  assert.deepEqual(wire.acks(), [{ type: "ack", received: 1_000, here: 1_000 }]);
});

test("lanes: what a peer never acknowledges stays within the bound", () => {
  const limits = { heldBytesMax: 1_000_000, waitBytes: 100_000 };
  const { lanes, join } = stage(limits);
  const { wire } = join();
  let given = 0;
  while (lanes.sender.queuedBytes() < limits.waitBytes) {
    lanes.send(data(10_000), 0);
    given += 1;
  }
  assert.ok(given >= 90, "the window takes most of it");
  const onWire = wire.sent.reduce((sum, { frame }) => sum + frameCost(frame), 0);
  assert.ok(onWire <= limits.heldBytesMax, `${onWire} bytes are under way`);
  assert.ok(lanes.sender.held().bytes <= limits.heldBytesMax + 20_000);
});

test("lanes: a peer that counts nothing on its lanes cannot make us remember them for ever", () => {
  const { lanes, join } = stage({ heldFramesMax: 100 });
  const [one, two] = [join(), join()];
  for (let number = 1; number <= 500; number += 1) {
    lanes.send(end(1), number);
    lanes.take(one.lane, ack(Math.min(number, 200), 0), number);
  }
  assert.ok(one.wire.sent.length <= 100 && two.wire.sent.length <= 100);
});

test("lanes: what comes too far ahead breaks its lane alone", () => {
  const { lanes, breaches, delivered, join } = stage({ heldFramesMax: 100, heldBytesMax: 10_000 });
  const [one, two, three] = [join(), join(), join()];
  lanes.take(one.lane, came(end(1), 102), 0);
  assert.match(breaches[0] ?? "", /too far ahead/);
  for (let number = 2; number < 60; number += 1) lanes.take(two.lane, came(data(1_000), number), 0);
  assert.equal(breaches.length, 2, "by bytes, too");
  assert.ok(lanes.receiver.held().bytes <= 10_000);
  assert.deepEqual([...lanes.live()], [three.lane]);
  lanes.take(three.lane, came(end(1), 1), 0);
  assert.ok(delivered.length > 1, "what came before the breach counts");
});

test("lanes: counts that cannot be break their lane", () => {
  for (const wrong of [ack(5, 0), ack(0, 5)]) {
    const { lanes, breaches, join } = stage();
    const one = join();
    lanes.send(end(1), 0);
    lanes.take(one.lane, wrong, 0);
    assert.equal(breaches.length, 1);
    assert.equal(lanes.live().size, 0);
  }
  const { join } = stage();
  assert.throws(
    () => join(7),
    (error) => isSkyError(error, "stream/protocol"),
  );
});

test("lanes: what a lane carries for too long goes out on one that is not late", () => {
  const { lanes, join } = stage();
  const [slow, quick] = [join(), join()];
  for (let count = 0; count < 4; count += 1) lanes.send(data(1_000), 0);
  const stuck = slow.wire.numbers();
  lanes.take(quick.lane, ack(0, 2), 10);
  const before = quick.wire.sent.length;
  lanes.tick(60);
  assert.equal(lanes.sender.resent, 0, "it is not late yet");
  for (let nowMs = 110; nowMs <= 160; nowMs += 50) lanes.tick(nowMs);
  assert.deepEqual(quick.wire.numbers().slice(before), stuck);
  // The slow one gets nothing new meanwhile.
  const sent = slow.wire.sent.length;
  lanes.send(data(1_000), 170);
  assert.equal(slow.wire.sent.length, sent);
  // It brings them in the end: it takes part again, and nothing goes out a third time.
  lanes.take(quick.lane, ack(5, 5), 180);
  lanes.take(slow.lane, ack(5, 2), 190);
  for (let nowMs = 200; nowMs <= 3_000; nowMs += 50) lanes.tick(nowMs);
  assert.equal(lanes.sender.resent, stuck.length);
  for (let count = 0; count < 40; count += 1) lanes.send(data(50_000), 3_000);
  assert.ok(slow.wire.sent.length > sent, "when there is enough for both");
});

test("lanes: a lane is given more time while there is something else to send", () => {
  const { lanes, join } = stage();
  const [slow, quick] = [join(), join()];
  for (let count = 0; count < 4; count += 1) lanes.send(data(1_000), 0);
  const before = quick.wire.numbers().length;
  // The quick one's queue is full, so there is always a frame that waits.
  quick.wire.queued = laneLimits.laneBytesHigh;
  slow.wire.queued = laneLimits.laneBytesHigh;
  lanes.send(data(1_000), 1);
  lanes.take(quick.lane, ack(0, before), 10);
  for (let nowMs = 50; nowMs <= 450; nowMs += 50) lanes.tick(nowMs);
  assert.equal(slow.lane.sending.late, false);
  for (let nowMs = 500; nowMs <= 600; nowMs += 50) lanes.tick(nowMs);
  assert.equal(slow.lane.sending.late, true);
});

test("lanes: while all are late nothing goes out twice", () => {
  const { lanes, join } = stage();
  const [one, two] = [join(), join()];
  for (let count = 0; count < 4; count += 1) lanes.send(data(1_000), 0);
  for (let nowMs = 100; nowMs <= 5_000; nowMs += 100) lanes.tick(nowMs);
  assert.equal(one.wire.sent.length + two.wire.sent.length, 4);
  assert.equal(lanes.sender.resent, 0);
});

test("lanes: early frames keep no buffer alive that is much larger than they are", () => {
  const got: Frame[] = [];
  const receiver = new LaneReceiver(laneLimits, (frame) => void got.push(frame));
  const slab = new Uint8Array(65_536).fill(7);
  const part = slab.subarray(10, 20);
  receiver.take({ type: "data", channel: 1, parts: [part], bytes: 10 }, 2);
  slab.fill(0);
  receiver.take(end(1), 1);
  const [, early] = got;
  assert.ok(early?.type === "data");
  assert.deepEqual([...(early.parts[0] ?? [])], new Array(10).fill(7));
});

test("a fifo gives everything back in order, and can be looked into", () => {
  const fifo = new Fifo<number>();
  let next = 0;
  for (let round = 0; round < 50; round += 1) {
    for (let count = 0; count < 40; count += 1) fifo.push(round * 40 + count);
    for (let count = 0; count < 30; count += 1) {
      assert.equal(fifo.at(0), next);
      assert.equal(fifo.shift(), next);
      next += 1;
    }
    assert.equal(fifo.at(fifo.length - 1), round * 40 + 39);
    assert.equal(fifo.at(fifo.length), undefined);
    assert.equal(fifo.at(-1), undefined);
  }
  assert.equal(fifo.length, 500);
});
