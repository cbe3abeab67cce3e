// Pushing chunks: offers, what the taker lacks, what it says became of them, and who is admitted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import { type ExchangeMessage, encodeMessage } from "../../transfer/chunks/chunk-frames.ts";
import { type ChunkSource, encodeExchangeHeader } from "../../transfer/chunks/exchange.ts";
import { type Admitted, exchangeChannels } from "../../transfer/chunks/exchange-channels.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { type PushOptions, pushChunks } from "../../transfer/chunks/push.ts";
import { SharedBytes } from "../../transfer/chunks/shared-bytes.ts";
import { openTake, type Take, type TakeOptions, takeChunks } from "../../transfer/chunks/take.ts";
import { openChunksMax } from "../../transfer/chunks/taker.ts";
import { until } from "../support/until.ts";
import {
  channelOf,
  chunkOf,
  chunksOf,
  MemorySink,
  neverAborts,
  type Pair,
  pairOf,
  refsOf,
  sourceOf,
  unobserved,
  work,
} from "./chunks-stage.ts";

const signal = neverAborts();
const limits = { timeout: 20_000 };

async function taken(pair: Pair, options: Omit<TakeOptions, "channel" | "signal" | "work">) {
  return await takeChunks({ work, ...options, channel: await channelOf(pair.b), signal });
}

function push(pair: Pair, options: Omit<PushOptions, "session" | "scope" | "signal" | "work">) {
  return pushChunks({ work, ...options, session: pair.a, scope: "x", signal });
}

test("what the taker lacks is given, and what is safe is said", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(2_000, 50);
  const into = new MemorySink();
  for (const { ref, bytes } of chunks.slice(0, 500)) into.held.set(ref.digest, bytes);
  const taking = taken(pair, { into, safeMeans: "safe" });
  const safe: Digest[] = [];
  const result = await push(pair, {
    offer: refsOf(chunks),
    from: sourceOf(chunks),
    until: "safe",
    onSafe: ({ digest }) => safe.push(digest),
  });
  const movedBytes = chunks.slice(500).reduce((sum, { ref }) => sum + ref.bytes, 0);
  const expected = { moved: 1_500, movedBytes, known: 500, damaged: 0, missing: [] };
  assert.deepEqual(result, expected);
  assert.deepEqual(await taking, expected);
  assert.deepEqual(safe.toSorted(), [...into.held.keys()].toSorted());
  assert.equal(into.puts.length, 1_500);
});

test("a chunk is settled when it is delivered, if that is asked for", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(30);
  const opened = Promise.withResolvers<Take>();
  const into = new MemorySink();
  void channelOf(pair.b).then((channel) => {
    const take = openTake({ work, channel, into, signal, safeMeans: "safe" });
    unobserved(take.run());
    opened.resolve(take);
  });
  const delivered: ChunkRef[] = [];
  let isOver = false;
  const pushing = push(pair, {
    offer: refsOf(chunks),
    from: sourceOf(chunks),
    until: "delivered",
    onDelivered: (ref) => delivered.push(ref),
  }).finally(() => {
    isOver = true;
  });
  const take = await opened.promise;
  await until("all are safe", () => into.held.size === 30);
  assert.equal(isOver, false);
  take.delivered(refsOf(chunks.slice(1)).map(({ digest }) => digest));
  await until("they are delivered", () => delivered.length === 29);
  assert.equal(isOver, false);
  // One that was safe is lost there: it is had again, as long as it is not delivered.
  const [lost] = chunks;
  assert.ok(lost);
  into.held.delete(lost.ref.digest);
  take.again(lost.ref);
  await until("it is there again", () => into.held.has(lost.ref.digest));
  take.delivered([lost.ref.digest]);
  assert.equal((await pushing).moved, 30);
});

test("what is offered may still be coming, and ends with the push", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(3);
  const into = new MemorySink();
  unobserved(taken(pair, { into, safeMeans: "delivered" }));
  const stop = new AbortController();
  const pushing = pushChunks({
    work,
    session: pair.a,
    scope: "x",
    offer: (async function* () {
      yield* refsOf(chunks);
      await new Promise(() => {});
    })(),
    from: sourceOf(chunks),
    until: "delivered",
    signal: stop.signal,
  });
  await until("what came was moved", () => into.held.size === 3);
  stop.abort(new SkyError("core/cancelled", { what: "the test" }));
  await assert.rejects(pushing, (error) => isSkyError(error, "core/cancelled"));
});

test("what was offered and is not there is named by both", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(10);
  const into = new MemorySink();
  const taking = taken(pair, { into, safeMeans: "safe" });
  const from = sourceOf(chunks.slice(1));
  const result = await push(pair, { offer: refsOf(chunks), from, until: "safe" });
  assert.deepEqual(result.missing, [{ ...chunks[0]?.ref, why: "missing" }]);
  assert.deepEqual((await taking).missing, result.missing);
});

test("a chunk that arrives damaged each time ends the push, and is named", limits, async () => {
  const pair = await pairOf();
  const [good, bad] = chunksOf(2);
  assert.ok(good && bad);
  const into = new MemorySink();
  const taking = taken(pair, { into, safeMeans: "safe" });
  const lies = sourceOf([good, { ref: bad.ref, bytes: Buffer.alloc(bad.ref.bytes, 1) }]);
  const named = (error: unknown): boolean =>
    isSkyError(error, "chunk/damaged") && error.params["digest"] === bad.ref.digest;
  const pushing = push(pair, { offer: refsOf([good, bad]), from: lies, until: "safe" });
  await assert.rejects(pushing, named);
  await assert.rejects(taking, named);
  assert.deepEqual([...into.held.keys()], [good.ref.digest]);
});

test("a taker gets what it was offered, and nothing else by its digest", limits, async () => {
  const pair = await pairOf();
  const [offered, secret] = chunksOf(2);
  assert.ok(offered && secret);
  const pushing = push(pair, {
    offer: refsOf([offered]),
    from: sourceOf([offered, secret]),
    until: "safe",
  });
  const channel = await channelOf(pair.b);
  const say = (message: ExchangeMessage): void => {
    for (const piece of encodeMessage(message)) unobserved(channel.write(piece));
  };
  say({ type: "want", refs: [secret.ref] });
  say({ type: "safe", digests: [offered.ref.digest, secret.ref.digest] });
  let heard = Buffer.alloc(0);
  for await (const part of channel) heard = Buffer.concat([heard, part]);
  channel.end();
  assert.equal(heard.includes(Buffer.from(secret.bytes)), false);
  assert.deepEqual([(await pushing).known, (await pushing).moved], [1, 0]);
});

test("open offers are bounded on both sides", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(openChunksMax + 100, 40);
  const into = new MemorySink();
  const gate = Promise.withResolvers<void>();
  into.gate = () => gate.promise;
  let offered = 0;
  const asked = { known: into.known.bind(into), put: into.put.bind(into) };
  unobserved(
    taken(pair, {
      into: {
        ...asked,
        known: (refs) => {
          offered += refs.length;
          return asked.known(refs);
        },
      },
      safeMeans: "safe",
    }),
  );
  const pushing = push(pair, { offer: refsOf(chunks), from: sourceOf(chunks), until: "safe" });
  await until("as many are offered as may be", () => offered === openChunksMax);
  gate.resolve();
  assert.equal((await pushing).moved, openChunksMax + 100);

  const rude = await pairOf();
  const taking = taken(rude, { into: new MemorySink(), safeMeans: "safe" });
  const channel = rude.a.open(encodeExchangeHeader({ verb: "push", scope: "x" }));
  for (let from = 0; from < 9_000; from += 1_000) {
    const refs = Array.from({ length: 1_000 }, (_, index) => ({
      digest: (from + index).toString(16).padStart(64, "0"),
      bytes: 1,
    }));
    for (const piece of encodeMessage({ type: "offer", refs })) unobserved(channel.write(piece));
  }
  unobserved(drain(channel));
  await assert.rejects(taking, (error) => isSkyError(error, "stream/protocol"));
});

async function drain(channel: AsyncIterable<Uint8Array> & { end(): void }): Promise<void> {
  for await (const _ of channel);
  channel.end();
}

test("a taker that cannot go on says why, and the pusher throws that", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(200, 5_000);
  const into = new MemorySink();
  const full = new SkyError("disk/full", { path: "p", free: "0", hint: "h" });
  into.gate = async () => {
    if (into.puts.length >= 100) throw full;
  };
  const taking = taken(pair, { into, safeMeans: "safe" });
  const pushing = push(pair, { offer: refsOf(chunks), from: sourceOf(chunks), until: "safe" });
  await assert.rejects(pushing, (error) => isSkyError(error, "disk/full"));
  await assert.rejects(taking, (error) => error === full);
});

test(
  "a push that breaks is an error on both sides; the next one moves the rest",
  limits,
  async () => {
    const chunks = chunksOf(300, 3_000);
    const into = new MemorySink();
    const pair = await pairOf();
    const taking = taken(pair, { into, safeMeans: "safe", inFlightBytesMax: 30_000 });
    let safe = 0;
    const breaking = push(pair, {
      offer: refsOf(chunks),
      from: sourceOf(chunks),
      until: "safe",
      onSafe: () => {
        safe += 1;
        if (safe === 80) pair.hub.cut("demo/a");
      },
    });
    await assert.rejects(breaking, (error) => isSkyError(error, "stream/closed"));
    await assert.rejects(taking, (error) => isSkyError(error, "stream/closed"));
    assert.equal(into.atWork, 0);
    const before = into.held.size;
    assert.ok(before >= 80 && before < 300);
    const again = await pairOf();
    unobserved(taken(again, { into, safeMeans: "safe" }));
    const result = await push(again, {
      offer: refsOf(chunks),
      from: sourceOf(chunks),
      until: "safe",
    });
    assert.deepEqual([result.known, result.moved], [before, 300 - before]);
    assert.equal(into.puts.length, 300);
  },
);

test("who is not admitted hears why, and is counted", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(5);
  const log = createMemoryLog();
  const into = new MemorySink();
  const rows: Record<string, Admitted> = {
    source: { source: sourceOf(chunks) },
    sink: { sink: into, safeMeans: "safe" },
    none: { refused: "nobody may have that" },
  };
  const exchanges = exchangeChannels({
    work,
    admit: ({ peer, scope }) => {
      assert.equal(peer, "demo/a");
      const row = rows[scope];
      if (row === undefined)
        throw new SkyError("cluster/not-up", { name: scope, phase: "INIT" } as never);
      return row;
    },
    log,
  });
  const others: string[] = [];
  pair.b.onChannel((channel) => {
    if (!exchanges.take(pair.b, channel)) others.push(Buffer.from(channel.header).toString());
  });
  const fetchOf = (scope: string, sink = new MemorySink()) =>
    fetchChunks({ work, session: pair.a, scope, want: refsOf(chunks), into: sink, signal });
  const pushTo = (scope: string) =>
    pushChunks({
      work,
      session: pair.a,
      scope,
      offer: refsOf(chunks),
      from: sourceOf(chunks),
      until: "safe",
      signal,
    });
  assert.equal((await fetchOf("source")).moved, 5);
  assert.equal((await pushTo("sink")).moved, 5);
  const denied = (error: unknown): boolean => isSkyError(error, "stream/denied");
  await assert.rejects(fetchOf("none"), /nobody may have that/);
  await assert.rejects(fetchOf("sink"), denied);
  await assert.rejects(pushTo("source"), denied);
  await assert.rejects(pushTo("stranger"), (error) => isSkyError(error, "cluster/not-up"));
  pair.a.open(Buffer.from("chunks steal x"));
  pair.a.open(Buffer.from("log j-1/0"));
  await until("the malformed one was refused", () => exchanges.counts().refused === 5);
  assert.deepEqual(others, ["log j-1/0"]);
  assert.deepEqual(exchanges.counts(), { running: 0, done: 2, failed: 0, refused: 5 });
  await exchanges.close();
  await assert.rejects(fetchOf("source"), (error) => isSkyError(error, "stream/closed"));
});

test("closing ends the exchanges that run; too many at a time are refused", limits, async () => {
  const pair = await pairOf();
  const never = { get: (_: Digest, stop: AbortSignal) => aborted(stop) };
  const exchanges = exchangeChannels({ work, admit: () => ({ source: never }), exchangesMax: 2 });
  pair.b.onChannel((channel) => void exchanges.take(pair.b, channel));
  const want = refsOf(chunksOf(1));
  const fetching = Array.from({ length: 3 }, () =>
    fetchChunks({ work, session: pair.a, scope: "x", want, into: new MemorySink(), signal }),
  );
  const [first, second, third] = fetching;
  await assert.rejects(
    third ?? first ?? Promise.resolve(),
    /2 exchanges of demo\/a run here already, and 2 in all/,
  );
  assert.equal(exchanges.counts().running, 2);
  const closed = exchanges.close();
  for (const one of [first, second]) {
    await assert.rejects(one ?? Promise.resolve(), (error) => isSkyError(error, "stream/closed"));
  }
  await closed;
  assert.equal(exchanges.counts().running, 0);
});

test("a peer has a share of the exchanges, and they share what they hold", limits, async () => {
  const first = await pairOf();
  const second = await pairOf("demo/c");
  // Even seeds do not compress.
  const chunks = Array.from({ length: 40 }, (_, index) => chunkOf(2 * index, 200_000));
  const source = sourceOf(chunks);
  let got = 0;
  const from: ChunkSource = {
    get: async (digest, stop) => {
      got += 1;
      return await source.get(digest, stop);
    },
  };
  const limited = { exchangesOfPeerMax: 3, aheadBytesMax: 2_000_000 };
  const exchanges = exchangeChannels({ work, admit: () => ({ source: from }), ...limited });
  for (const { b } of [first, second]) b.onChannel((channel) => void exchanges.take(b, channel));
  const stalled = [first, first, first, second].map(({ a }) => {
    const channel = a.open(encodeExchangeHeader({ verb: "fetch", scope: "x" }));
    for (const piece of encodeMessage({ type: "want", refs: refsOf(chunks) })) {
      unobserved(channel.write(piece));
    }
    return channel;
  });
  await until("nobody reads on", async () => {
    const before = got;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((wake) => setImmediate(wake));
    return got > 0 && got === before;
  });
  // What the windows of the channels took; for each exchange one more; what they share.
  const windowChunks = Math.ceil((1024 * 1024) / 200_000);
  assert.ok(got <= 4 * (windowChunks + 1) + 10, `${got}`);
  assert.equal(exchanges.counts().running, 4);
  const want = refsOf(chunks).slice(0, 1);
  const fetchOn = ({ a }: Pair) =>
    fetchChunks({ work, session: a, scope: "x", want, into: new MemorySink(), signal });
  await assert.rejects(fetchOn(first), /3 exchanges of demo\/a/);
  for (const channel of stalled) channel.abort("enough");
  await until("they are over", () => exchanges.counts().running === 0);
  assert.equal((await fetchOn(first)).moved, 1);
  await exchanges.close();
});

test("what an exchange took of shared bytes is given back, however it ends", limits, async () => {
  const shared = new SharedBytes(100_000);
  const chunks = chunksOf(200, 3_000);
  for (const isBroken of [true, false]) {
    const pair = await pairOf();
    const into = new MemorySink();
    let most = 0;
    into.gate = async () => {
      most = Math.max(most, shared.taken);
      await new Promise((wake) => setImmediate(wake));
      if (isBroken && into.puts.length > 50) pair.hub.cut("demo/b");
    };
    const taking = taken(pair, { into, safeMeans: "safe", shared });
    const pushing = push(pair, { offer: refsOf(chunks), from: sourceOf(chunks), until: "safe" });
    const [first, second] = await Promise.allSettled([taking, pushing]);
    const expected = isBroken ? "rejected" : "fulfilled";
    assert.deepEqual([first.status, second.status], [expected, expected]);
    assert.ok(most > 0 && most <= 100_000, `${most}`);
    assert.equal(shared.taken, 0);
  }
});

function aborted(stop: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    stop.addEventListener("abort", () => reject(stop.reason), { once: true });
  });
}
