// What every version of the stream port must do under load: many channels, slow readers beside
// fast ones, both directions at once, and bytes that are only lent.

import assert from "node:assert/strict";
import type { StreamChannel } from "../../runtime/stream.ts";
import { type Check, channelBetween, is, join, pattern, readAll, take } from "./stream-joining.ts";

const mebibyte = 1024 * 1024;

export function loadContract(check: Check): void {
  lending(check);
  readers(check);
  many(check);
}

function lending(check: Check): void {
  check("lent bytes are the same, in order, and the end is the end", async (world) => {
    const { here, there } = await channelBetween(world);
    const pieces = [1, 70_000, 300_000, 64, 1_500_000, 262_144].map(pattern);
    const sent = (async () => {
      for (const piece of pieces) await here.write(piece);
      here.end();
    })();
    const copies: Buffer[] = [];
    await there.lend((part) => void copies.push(Buffer.from(part)));
    await sent;
    assert.ok(Buffer.concat(copies).equals(Buffer.concat(pieces)));
  });

  for (const reader of ["a", "b"] as const) {
    check(`a lent part stays as it is while ${reader} looks at it`, async (world) => {
      const joined = await join(world);
      const [from, to] = reader === "a" ? [joined.b, joined.a] : [joined.a, joined.b];
      const here = from.open(Buffer.from("lent"));
      const [there] = await take(to, 1);
      const want = pattern(6 * mebibyte, 1);
      const sent = here.write(want).then(() => here.end());
      let at = 0;
      await there.lend(async (part) => {
        // Meanwhile more arrives.
        for (let turn = 0; turn < 5; turn += 1) await new Promise((next) => setImmediate(next));
        assert.ok(want.subarray(at, at + part.length).equals(part), `at ${at}`);
        at += part.length;
      });
      await sent;
      assert.equal(at, want.length);
    });
  }

  check("parts that were taken by iterating stay as they are for ever", async (world) => {
    const { here, there } = await channelBetween(world);
    const want = pattern(8 * mebibyte, 5);
    const sent = here.write(want).then(() => here.end());
    const kept: Uint8Array[] = [];
    for await (const part of there) {
      kept.push(part);
      if (kept.length === 4) break;
    }
    const copies: Buffer[] = [];
    await there.lend((part) => void copies.push(Buffer.from(part)));
    await sent;
    assert.ok(Buffer.concat([...kept, ...copies]).equals(want));
  });

  check("who throws while looking leaves, and the next one goes on", async (world) => {
    const { here, there } = await channelBetween(world);
    await here.write(Buffer.from("one"));
    const enough = new Error("enough");
    await assert.rejects(
      there.lend(() => Promise.reject(enough)),
      (error) => error === enough,
    );
    await here.write(Buffer.from("two"));
    here.end();
    assert.equal((await readAll(there)).toString(), "two");
    there.abort("done");
    await assert.rejects(
      there.lend(() => {}),
      is("stream/closed"),
    );
  });
}

function readers(check: Check): void {
  check("a slow reader beside a fast one holds it up neither first nor last", async (world) => {
    const joined = await join(world);
    const arriving = take(joined.b, 2);
    const slow = joined.a.open(Buffer.from("slow"));
    const fast = joined.a.open(Buffer.from("fast"));
    const [slowThere, fastThere] = await arriving;
    const want = pattern(2 * mebibyte, 3);
    const slowSent = slow.write(want).then(() => slow.end());
    let isFastDone = false;
    const reading = (async () => {
      const copies: Buffer[] = [];
      let turns = 0;
      await slowThere.lend(async (part) => {
        copies.push(Buffer.from(part));
        // It takes its time until the other is through.
        for (; !isFastDone && turns % 50 !== 49; turns += 1) {
          await new Promise((next) => setImmediate(next));
        }
        turns += 1;
      });
      return Buffer.concat(copies);
    })();
    const piece = pattern(mebibyte, 9);
    const fastSent = (async () => {
      for (let count = 0; count < 24; count += 1) await fast.write(piece);
      fast.end();
    })();
    let bytes = 0;
    await fastThere.lend((part) => {
      bytes += part.length;
    });
    isFastDone = true;
    await fastSent;
    assert.equal(bytes, 24 * mebibyte);
    assert.ok((await reading).equals(want));
    await slowSent;
  });

  check(
    "channels that nobody reads take a bounded amount, and the session lives",
    async (world) => {
      const joined = await join(world);
      const arriving = take(joined.b, 31);
      const piece = pattern(256 * 1024, 2);
      let taken = 0;
      const unread = Array.from({ length: 30 }, (_, index) => joined.a.open(Buffer.of(index)));
      const stuck = unread.map(async (channel) => {
        for (let count = 0; count < 40; count += 1) {
          await channel.write(piece);
          taken += piece.length;
        }
      });
      const flowing = joined.a.open(Buffer.from("read"));
      const sent = flowing.write(pattern(4 * mebibyte, 1)).then(() => flowing.end());
      const channels = await arriving;
      const read = channels.find(({ header }) => Buffer.from(header).toString() === "read");
      assert.ok(read !== undefined);
      assert.equal((await readAll(read)).length, 4 * mebibyte);
      await sent;
      assert.ok(taken < 30 * 2 * mebibyte, `${taken}`);
      for (const channel of unread) channel.abort("enough");
      for (const one of stuck) await assert.rejects(one, is("stream/closed"));
    },
  );
}

function many(check: Check): void {
  check("both directions of many channels at once", async (world) => {
    const joined = await join(world);
    const count = 4;
    const arriving = take(joined.b, count);
    const want = pattern(3 * mebibyte, 4);
    const outward = Array.from({ length: count }, () => joined.a.open(Buffer.from("x")));
    const inward = await arriving;
    const send = async (channel: StreamChannel): Promise<void> => {
      for (let at = 0; at < want.length; at += 200_000) {
        await channel.write(want.subarray(at, at + 200_000));
      }
      channel.end();
    };
    const all = [...outward, ...inward];
    const got = await Promise.all([...all.map(readAll), ...all.map(send)]);
    for (const bytes of got.slice(0, all.length)) assert.ok(Buffer.from(bytes ?? []).equals(want));
  });

  check("a thousand channels at once, each with its own words", async (world) => {
    const joined = await join(world);
    joined.b.onChannel((channel) => void echo(channel));
    const words = Array.from({ length: 1_000 }, (_, index) => `channel ${index}`);
    const answers = words.map(async (word) => {
      const channel = joined.a.open(Buffer.from(word));
      await channel.write(Buffer.from(`${word} says hello`));
      channel.end();
      return (await readAll(channel)).toString();
    });
    assert.deepEqual(
      await Promise.all(answers),
      words.map((word) => `${word}: ${word} says hello`),
    );
  });

  check("channels that come and go leave nothing behind", async (world) => {
    const joined = await join(world);
    joined.b.onChannel((channel) => void echo(channel));
    // More in all than may be open at once.
    for (let round = 0; round < 30; round += 1) {
      const answers = Array.from({ length: 100 }, async () => {
        const channel = joined.a.open(Buffer.from("x"));
        channel.end();
        return (await readAll(channel)).toString();
      });
      assert.ok((await Promise.all(answers)).every((answer) => answer === "x: "));
    }
  });
}

async function echo(channel: StreamChannel): Promise<void> {
  const body = await readAll(channel);
  await channel.write(Buffer.concat([channel.header, Buffer.from(": "), body]));
  channel.end();
}
