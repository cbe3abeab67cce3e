// What every version of the stream port must do.
//
// A world has a network in which each identity has a port. The suite joins two identities, `a`
// (who dials) and `b` (who listens), and looks at what arrives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import {
  a,
  b,
  type Check,
  channelBetween,
  is,
  join,
  pattern,
  readAll,
  type StreamWorld,
  settled,
  signal,
  take,
} from "./stream-joining.ts";
import { loadContract } from "./stream-load.contract.ts";

export type { StreamWorld };

export function streamContract(name: string, open: () => Promise<StreamWorld>): void {
  const check = (what: string, run: (world: StreamWorld) => Promise<void>): void => {
    test(`${name}: ${what}`, { timeout: 30_000 }, async () => {
      const world = await open();
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  };
  identityAndHeaders(check);
  orderAndEnds(check);
  creditAndFairness(check);
  failures(check);
  loadContract(check);
}

function identityAndHeaders(check: Check): void {
  check("each side knows who the other is", async (world) => {
    const joined = await join(world);
    assert.equal(joined.a.peer, b);
    assert.equal(joined.b.peer, a);
  });

  check("a header arrives whole, also when nothing is written", async (world) => {
    const joined = await join(world);
    const header = Buffer.alloc(4_096, "h");
    joined.a.open(header);
    const [channel] = await take(joined.b, 1);
    assert.deepEqual(Buffer.from(channel.header), header);
  });

  check("both sides open channels and none is mixed up", async (world) => {
    const joined = await join(world);
    const fromA = take(joined.b, 3);
    const fromB = take(joined.a, 3);
    for (const [side, session] of [
      ["a", joined.a],
      ["b", joined.b],
    ] as const) {
      for (const index of [0, 1, 2]) {
        const channel = session.open(Buffer.from(`${side}${index}`));
        await channel.write(Buffer.from(`body of ${side}${index}`));
        channel.end();
      }
    }
    for (const channel of [...(await fromA), ...(await fromB)]) {
      const body = (await readAll(channel)).toString();
      assert.equal(body, `body of ${Buffer.from(channel.header)}`);
    }
  });

  check("a dial to nobody fails with stream/closed", async (world) => {
    const port = world.port(a);
    const nowhere = await world.port(b).listen({ target: world.target, onSession: () => {} });
    await nowhere.close();
    await assert.rejects(port.dial(nowhere.target, signal()), is("stream/closed"));
  });
}

function orderAndEnds(check: Check): void {
  check("bytes arrive in order, once, in both directions, of any size", async (world) => {
    const joined = await join(world);
    const sizes = [1, 0, 100, 70_000, 1, 300_000, 65_536, 3, 1_500_000];
    const pieces = sizes.map((size, index) => pattern(size, index));
    const here = joined.a.open(Buffer.from("x"));
    const [there] = await take(joined.b, 1);
    const send = async (channel: StreamChannel): Promise<void> => {
      for (const piece of pieces) await channel.write(piece);
      channel.end();
    };
    const [, , gotHere, gotThere] = await Promise.all([
      send(here),
      send(there),
      readAll(here),
      readAll(there),
    ]);
    const want = Buffer.concat(pieces);
    assert.ok(gotHere.equals(want), "b → a");
    assert.ok(gotThere.equals(want), "a → b");
  });

  check("writes that are not awaited keep their order", async (world) => {
    const { here, there } = await channelBetween(world);
    const lines = Array.from({ length: 2_000 }, (_, index) => Buffer.from(`line ${index}\n`));
    const writes = Promise.all(lines.map((line) => here.write(line)));
    const got = readAll(there);
    await writes;
    here.end();
    assert.ok((await got).equals(Buffer.concat(lines)));
  });

  check("what was written before end and close arrives, then the end", async (world) => {
    const { here, there, joined } = await channelBetween(world);
    await here.write(pattern(40_000, 1));
    here.end();
    await there.write(Buffer.from("bye"));
    there.end();
    assert.equal((await readAll(here)).toString(), "bye");
    joined.a.close();
    await joined.b.closed;
    assert.ok((await readAll(there)).equals(pattern(40_000, 1)));
  });

  check("a side that has ended still reads", async (world) => {
    const { here, there } = await channelBetween(world);
    here.end();
    assert.equal((await readAll(there)).length, 0);
    await there.write(Buffer.from("late"));
    there.end();
    assert.equal((await readAll(here)).toString(), "late");
    await assert.rejects(here.write(Buffer.from("x")), is("stream/closed"));
  });

  check("leaving an iteration loses nothing: the next one goes on", async (world) => {
    const { here, there } = await channelBetween(world);
    const want = pattern(200_000, 7);
    const sent = here.write(want).then(() => here.end());
    const parts: Uint8Array[] = [];
    for await (const part of there) {
      parts.push(part);
      break;
    }
    for await (const part of there) parts.push(part);
    await sent;
    assert.ok(Buffer.concat(parts).equals(want));
  });
}

function creditAndFairness(check: Check): void {
  check("a reader that stalls stops its writer within a few windows", async (world) => {
    const { here, there } = await channelBetween(world);
    let taken = 0;
    const piece = pattern(32 * 1024, 3);
    const writer = (async () => {
      for (let count = 0; count < 1_000; count += 1) {
        await here.write(piece);
        taken += piece.length;
      }
      here.end();
    })();
    await settled(() => taken);
    assert.ok(taken > 0, "the window takes some");
    assert.ok(taken < 4 * 1024 * 1024, `the window takes a bounded amount, not ${taken}`);
    const got = await readAll(there);
    await writer;
    assert.equal(got.length, 1_000 * piece.length);
  });

  check("a stalled channel holds up no other", async (world) => {
    const joined = await join(world);
    const arriving = take(joined.b, 2);
    const stalled = joined.a.open(Buffer.from("stalled"));
    const flowing = joined.a.open(Buffer.from("flowing"));
    const stuck = assert.rejects(stalled.write(pattern(8_000_000, 1)), is("stream/closed"));
    const sent = flowing.write(pattern(3_000_000, 2)).then(() => flowing.end());
    const [, reader] = await arriving;
    assert.ok((await readAll(reader)).equals(pattern(3_000_000, 2)));
    await sent;
    stalled.abort("enough");
    await stuck;
  });
}

function failures(check: Check): void {
  check("an abort fails the peer's reads and writes, with its reason", async (world) => {
    const { here, there } = await channelBetween(world);
    const reading = readAll(there);
    await here.write(Buffer.from("half"));
    here.abort("changed my mind");
    await assert.rejects(reading, (error) => {
      assert.ok(isSkyError(error, "stream/closed"));
      assert.match(error.message, /changed my mind/);
      return true;
    });
    await assert.rejects(there.write(Buffer.from("x")), is("stream/closed"));
    await assert.rejects(readAll(here), is("stream/closed"));
  });

  check("an abort leaves the session and its other channels alone", async (world) => {
    const { here, joined } = await channelBetween(world);
    here.abort("only this one");
    const arriving = take(joined.a, 1);
    const other = joined.b.open(Buffer.from("other"));
    await other.write(Buffer.from("fine"));
    other.end();
    const [channel] = await arriving;
    assert.equal((await readAll(channel)).toString(), "fine");
  });

  check("a cut in the middle of a stream throws: it is not an end", async (world) => {
    const { here, there, joined } = await channelBetween(world);
    await here.write(Buffer.from("first half"));
    const iterator = there[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert.equal(Buffer.from(first.value ?? []).toString(), "first half");
    const waiting = iterator.next();
    world.cut(a);
    await assert.rejects(waiting, is("stream/closed"));
    await Promise.all([joined.a.closed, joined.b.closed]);
    await assert.rejects(here.write(Buffer.from("x")), is("stream/closed"));
    assert.throws(() => joined.a.open(Buffer.from("x")), is("stream/closed"));
  });

  check("closing a session ends it at both sides with a reason", async (world) => {
    const joined = await join(world);
    joined.b.close();
    assert.ok((await joined.a.closed).length > 0);
    assert.ok((await joined.b.closed).length > 0);
  });
}
