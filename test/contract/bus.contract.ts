// What every version of the bus port must do.
//
// A world has identities with permissions. Positive results are waited for; that something did not
// arrive is known because something later, over the same way, did.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Bus, BusMessage, BusPermissions } from "../../runtime/bus.ts";
import { busPayloadBytesMax } from "../../runtime/bus.ts";
import { headPermissions, nodePermissions } from "../../runtime/bus-permissions.ts";
import { until } from "../support/until.ts";

export interface BusWorld {
  connect(label: string, permissions: BusPermissions): Promise<Bus>;
  /** How often this identity was refused a subject. */
  denied(label: string): number;
  /** Breaks all connections for a moment; they come back by themselves. */
  interrupt(): Promise<void>;
  close(): Promise<void>;
}

type Check = (what: string, run: (world: BusWorld) => Promise<void>) => void;

const flushMs = 20_000;
const text = (message: BusMessage): string => Buffer.from(message.payload).toString();
const bytes = (value: string): Uint8Array => Buffer.from(value);
const anything: BusPermissions = { publish: ["t.>"], subscribe: ["t.>"] };

export function busContract(name: string, open: () => Promise<BusWorld>): void {
  const check: Check = (what, run) => {
    test(`${name}: ${what}`, { timeout: 60_000 }, async () => {
      const world = await open();
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  };
  delivery(check);
  permissions(check);
  connections(check);
}

function delivery(check: Check): void {
  check("messages of one publisher arrive once, in order, with their bytes", async (world) => {
    const a = await world.connect("a", anything);
    const b = await world.connect("b", anything);
    const got: string[] = [];
    b.subscribe("t.to.b.>", (message) => got.push(`${message.subject} ${text(message)}`));
    await b.flush(flushMs);
    for (let index = 0; index < 500; index += 1) a.publish("t.to.b.x", bytes(`${index} ÿ`));
    await until("all arrived", () => got.length >= 500);
    await a.flush(flushMs);
    const want = Array.from({ length: 500 }, (_, index) => `t.to.b.x ${index} ÿ`);
    assert.deepEqual(got, want);
  });

  check("patterns: one token, a tail, an exact subject, several subscribers", async (world) => {
    const a = await world.connect("a", anything);
    const b = await world.connect("b", anything);
    const got: string[] = [];
    const note = (which: string) => (message: BusMessage) =>
      void got.push(`${which} ${text(message)}`);
    b.subscribe("t.*.x", note("star"));
    b.subscribe("t.>", note("tail"));
    b.subscribe("t.1.x", note("exact"));
    a.subscribe("t.1.x", note("a itself"));
    await Promise.all([a.flush(flushMs), b.flush(flushMs)]);
    a.publish("t.1.x", bytes("first"));
    a.publish("t.1.y", bytes("second"));
    a.publish("t.1.x.z", bytes("third"));
    await until("the last arrived", () => got.includes("tail third"));
    await until("our own arrived", () => got.includes("a itself first"));
    const want = ["star first", "tail first", "exact first", "a itself first"];
    assert.deepEqual(got.toSorted(), [...want, "tail second", "tail third"].toSorted());
  });

  check("publish never runs a subscriber's callback itself", async (world) => {
    const a = await world.connect("a", anything);
    let inside = false;
    let seen: boolean | undefined;
    a.subscribe("t.x", () => {
      seen = inside;
    });
    await a.flush(flushMs);
    inside = true;
    a.publish("t.x", bytes("x"));
    inside = false;
    await until("it arrived", () => seen !== undefined);
    assert.equal(seen, false);
  });

  check("after an unsubscribe nothing arrives", async (world) => {
    const a = await world.connect("a", anything);
    const b = await world.connect("b", anything);
    const got: string[] = [];
    const stop = b.subscribe("t.x", (message) => got.push(text(message)));
    b.subscribe("t.end", (message) => got.push(text(message)));
    await b.flush(flushMs);
    a.publish("t.x", bytes("before"));
    await until("the first arrived", () => got.length === 1);
    stop();
    await b.flush(flushMs);
    a.publish("t.x", bytes("after"));
    a.publish("t.end", bytes("end"));
    await until("the last arrived", () => got.includes("end"));
    assert.deepEqual(got, ["before", "end"]);
  });

  check("a message at the cap passes; one byte more is refused at once", async (world) => {
    const a = await world.connect("a", anything);
    const got: number[] = [];
    a.subscribe("t.x", (message) => got.push(message.payload.length));
    await a.flush(flushMs);
    a.publish("t.x", new Uint8Array(busPayloadBytesMax));
    const over = new Uint8Array(busPayloadBytesMax + 1);
    assert.throws(
      () => a.publish("t.x", over),
      (error) => isSkyError(error, "bus/too-large"),
    );
    await until("it arrived", () => got.length === 1);
    assert.deepEqual(got, [busPayloadBytesMax]);
  });
}

function permissions(check: Check): void {
  const fromA = "sky.demo.from.a.to.skyhead.scheduler.main";
  const fromB = "sky.demo.from.b.to.skyhead.scheduler.main";
  const open = async (world: BusWorld) => ({
    head: await world.connect("head", headPermissions()),
    a: await world.connect("a", nodePermissions("demo", "a")),
    b: await world.connect("b", nodePermissions("demo", "b")),
  });

  check("a node may not publish as another: refused, counted, heard by nobody", async (world) => {
    const { head, a, b } = await open(world);
    const got: string[] = [];
    const denied: string[] = [];
    head.subscribe("sky.*.from.*.to.skyhead.>", (message) => got.push(message.subject));
    a.onDenied((subject) => denied.push(subject));
    await head.flush(flushMs);
    a.publish(fromB, bytes("I am b"));
    a.publish(fromA, bytes("I am a"));
    b.publish(fromB, bytes("I really am b"));
    await until("both true ones arrived", () => got.length >= 2);
    await until("the refusal was heard", () => denied.length === 1);
    await until("it is counted", () => world.denied("a") === 1);
    assert.deepEqual(denied, [fromB]);
    assert.deepEqual(got.toSorted(), [fromA, fromB]);
    assert.equal(world.denied("b"), 0);
  });

  check("a node may not listen to another's inbox, nor to everything", async (world) => {
    const { head, a, b } = await open(world);
    const got: string[] = [];
    const denied: string[] = [];
    a.onDenied((subject) => denied.push(subject));
    a.subscribe("sky.demo.from.*.to.b.>", (message) => got.push(message.subject));
    a.subscribe("sky.>", (message) => got.push(message.subject));
    a.subscribe("sky.*.from.*.to.a.>", (message) => got.push(message.subject));
    a.subscribe("sky.demo.from.*.to.a.>", (message) => got.push(`own ${message.subject}`));
    let atB = 0;
    b.subscribe("sky.demo.from.*.to.b.>", () => {
      atB += 1;
    });
    await Promise.all([a.flush(flushMs), b.flush(flushMs)]);
    head.publish("sky.demo.from.skyhead.to.b.agent.main", bytes("for b"));
    head.publish("sky.demo.from.skyhead.to.a.agent.main", bytes("for a"));
    await until("each has its own", () => atB === 1 && got.length >= 1);
    await until("all three were refused", () => world.denied("a") === 3);
    await until("and heard of", () => denied.length === 3);
    assert.deepEqual(got, ["own sky.demo.from.skyhead.to.a.agent.main"]);
  });

  check("beats: a node sends its own and hears the head's, nobody else's", async (world) => {
    const { head, a, b } = await open(world);
    const atHead: string[] = [];
    const atB: string[] = [];
    head.subscribe("sky.*.beat.*", (message) => atHead.push(message.subject));
    b.subscribe("sky.demo.beat.skyhead", (message) => atB.push(message.subject));
    b.subscribe("sky.demo.beat.*", (message) => atB.push(`all ${message.subject}`));
    await Promise.all([head.flush(flushMs), b.flush(flushMs)]);
    a.publish("sky.demo.beat.b", bytes("false"));
    a.publish("sky.other.beat.a", bytes("false"));
    a.publish("sky.demo.beat.a", bytes("true"));
    head.publish("sky.demo.beat.skyhead", bytes("head"));
    await until("both arrived", () => atHead.length >= 2 && atB.length >= 1);
    await until("the false ones were refused", () => world.denied("a") === 2);
    assert.deepEqual(atHead.toSorted(), ["sky.demo.beat.a", "sky.demo.beat.skyhead"]);
    assert.deepEqual(atB, ["sky.demo.beat.skyhead"]);
  });
}

function connections(check: Check): void {
  check("after an interruption messages flow again to the same subscriptions", async (world) => {
    const a = await world.connect("a", anything);
    const b = await world.connect("b", anything);
    const got: string[] = [];
    const changes: boolean[] = [];
    b.subscribe("t.x", (message) => got.push(text(message)));
    b.onChange((connected) => changes.push(connected));
    await b.flush(flushMs);
    await world.interrupt();
    await until("both are back", () => a.connected() && b.connected() && changes.at(-1) === true);
    assert.deepEqual(changes, [false, true]);
    await b.flush(flushMs);
    a.publish("t.x", bytes("after"));
    await until("it arrived", () => got.includes("after"));
    assert.deepEqual(got, ["after"]);
  });

  check("a closed bus takes and gives nothing more", async (world) => {
    const a = await world.connect("a", anything);
    const b = await world.connect("b", anything);
    const got: string[] = [];
    a.subscribe("t.x", (message) => got.push(text(message)));
    await a.flush(flushMs);
    const stop = a.subscribe("t.y", (message) => got.push(text(message)));
    await a.close();
    stop();
    assert.equal(a.connected(), false);
    const closed = (error: unknown): boolean => isSkyError(error, "bus/closed");
    assert.throws(() => a.publish("t.x", bytes("x")), closed);
    assert.throws(() => a.subscribe("t.x", () => {}), closed);
    await assert.rejects(a.flush(flushMs), closed);
    b.publish("t.x", bytes("to nobody"));
    await b.flush(flushMs);
    assert.deepEqual(got, []);
  });
}
