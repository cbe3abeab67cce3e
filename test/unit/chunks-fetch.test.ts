// Fetching chunks: what arrives, what is asked for again, what is held meanwhile, how it ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import {
  type ExchangeMessage,
  encodeMessage,
  MessageParser,
} from "../../transfer/chunks/chunk-frames.ts";
import type { ChunkSource } from "../../transfer/chunks/exchange.ts";
import { fetchChunks, fetchFrom } from "../../transfer/chunks/fetch.ts";
import { scopedSource } from "../../transfer/chunks/store-parties.ts";
import { serveChunks } from "../../transfer/chunks/supply.ts";
import { damagedMax } from "../../transfer/chunks/taker.ts";
import { until } from "../support/until.ts";
import {
  type Chunk,
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

async function served(pair: Pair, from: ChunkSource, readAheadBytesMax?: number) {
  const channel = await channelOf(pair.b);
  return await serveChunks({ work, channel, from, signal, readAheadBytesMax });
}

/** A supplier that says what it likes. */
async function scripted(
  pair: Pair,
  hear: (message: ExchangeMessage, say: (reply: ExchangeMessage) => void) => void,
): Promise<StreamChannel> {
  const channel = await channelOf(pair.b);
  const say = (reply: ExchangeMessage): void => {
    for (const piece of encodeMessage(reply)) channel.write(piece).catch(() => channel.end());
  };
  const parser = new MessageParser({ head: () => {}, take: (message) => hear(message, say) });
  const read = async (): Promise<void> => {
    for await (const part of channel) parser.push(part);
    channel.end();
  };
  // It ends with the exchange, however that ends: the test looks at the other side.
  unobserved(read());
  return channel;
}

function frameOf({ ref, bytes }: Chunk): ExchangeMessage {
  return { type: "chunk", ref, encoding: "raw", payload: bytes };
}

function flipped({ ref, bytes }: Chunk): ExchangeMessage {
  const payload = Buffer.from(bytes);
  payload[7] = (payload[7] ?? 0) ^ 1;
  return { type: "chunk", ref, encoding: "raw", payload };
}

test(
  "what is wanted arrives, is proven and safe; what is known does not travel",
  limits,
  async () => {
    const pair = await pairOf();
    const chunks = chunksOf(3_000);
    const sink = new MemorySink();
    for (const { ref, bytes } of chunks.slice(0, 10)) sink.held.set(ref.digest, bytes);
    const serving = served(pair, sourceOf(chunks));
    const safe: Digest[] = [];
    const want = [...refsOf(chunks), ...refsOf(chunks)];
    const onSafe = ({ digest }: ChunkRef): unknown => safe.push(digest);
    const result = await fetchChunks({
      work,
      session: pair.a,
      scope: "x",
      want,
      into: sink,
      signal,
      onSafe,
    });
    const movedBytes = chunks.slice(10).reduce((sum, { ref }) => sum + ref.bytes, 0);
    assert.deepEqual(result, { moved: 2_990, movedBytes, known: 10, damaged: 0, missing: [] });
    assert.deepEqual(await serving, {
      sent: 2_990,
      sentBytes: movedBytes,
      safe: 2_990,
      missing: [],
    });
    assert.equal(new Set(sink.puts).size, sink.puts.length);
    assert.deepEqual(safe.toSorted(), sink.puts.toSorted());
    for (const { ref, bytes } of chunks) {
      assert.deepEqual(Buffer.from(sink.held.get(ref.digest) ?? ""), bytes);
    }
  },
);

test("nothing wanted, or nothing lacking, is a fetch too", limits, async () => {
  const pair = await pairOf();
  const serving = served(pair, sourceOf([]));
  const into = new MemorySink();
  const result = await fetchChunks({ work, session: pair.a, scope: "x", want: [], into, signal });
  assert.deepEqual(result, { moved: 0, movedBytes: 0, known: 0, damaged: 0, missing: [] });
  await serving;
});

test(
  "what the supplier lacks, or was not admitted, is named; the rest arrives",
  limits,
  async () => {
    const pair = await pairOf();
    const chunks = chunksOf(50);
    const [stranger, ...rest] = refsOf(chunks);
    assert.ok(stranger);
    const from = scopedSource(sourceOf(chunks.slice(0, 49)), rest);
    const damagedAt = rest[3]?.digest ?? "";
    const serving = served(pair, {
      get: async (digest, stop) => {
        if (digest !== damagedAt) return await from.get(digest, stop);
        throw new SkyError("chunk/damaged", { digest, where: "a disk", why: "rust" });
      },
    });
    const into = new MemorySink();
    const want = refsOf(chunks);
    const result = await fetchChunks({ work, session: pair.a, scope: "x", want, into, signal });
    const missing = new Map(result.missing.map(({ digest, why }) => [digest, why]));
    const expected = [stranger.digest, rest.at(-1)?.digest].map((digest) => [digest, "missing"]);
    assert.deepEqual(missing, new Map([...expected, [damagedAt, "damaged"]] as never));
    assert.equal(result.moved, 47);
    assert.equal((await serving).missing.length, 3);
  },
);

test("a chunk that arrives damaged is asked for again, a few times", limits, async () => {
  const pair = await pairOf();
  const [once, always, other] = chunksOf(3);
  assert.ok(once && always && other);
  const asked = new Map<Digest, number>();
  const script = scripted(pair, (message, say) => {
    if (message.type !== "want") return;
    for (const { digest } of message.refs) {
      const times = (asked.get(digest) ?? 0) + 1;
      asked.set(digest, times);
      if (digest === always.ref.digest) say(flipped(always));
      else if (digest === once.ref.digest) say(times === 1 ? flipped(once) : frameOf(once));
      else say(frameOf(other));
    }
  });
  const into = new MemorySink();
  const want = refsOf([once, always, other]);
  const result = await fetchChunks({ work, session: pair.a, scope: "x", want, into, signal });
  await script;
  assert.deepEqual(result.missing, [{ ...always.ref, why: "damaged" }]);
  assert.equal(result.moved, 2);
  assert.equal(result.damaged, 1 + damagedMax);
  assert.equal(asked.get(always.ref.digest), damagedMax);
  assert.deepEqual(
    [...into.held.keys()].toSorted(),
    [once.ref.digest, other.ref.digest].toSorted(),
  );
});

test("a chunk that nobody asked for ends it, whole or not, and is not kept", limits, async () => {
  const [asked, unasked] = chunksOf(2);
  assert.ok(asked && unasked);
  for (const reply of [
    frameOf(unasked),
    { ...frameOf(asked), ref: { ...asked.ref, bytes: 2 }, payload: Buffer.alloc(2) },
    { type: "missing", ref: unasked.ref, why: "missing" },
    { type: "want", refs: [asked.ref] },
    { type: "offer", refs: [asked.ref] },
  ] as const) {
    const pair = await pairOf();
    void scripted(pair, (message, say) => message.type === "want" && say(reply as ExchangeMessage));
    const into = new MemorySink();
    const want = [asked.ref];
    await assert.rejects(
      fetchChunks({ work, session: pair.a, scope: "x", want, into, signal }),
      (error) => isSkyError(error, "stream/protocol"),
    );
    assert.equal(into.puts.length, 0);
  }
});

test("what is asked for and not safe stays within its bound", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(200, 10_000);
  const inFlightBytesMax = 100_000;
  let open = 0;
  let most = 0;
  const held = new Map(chunks.map((chunk) => [chunk.ref.digest, chunk]));
  void scripted(pair, (message, say) => {
    if (message.type === "want") {
      for (const { digest, bytes } of message.refs) {
        open += bytes;
        most = Math.max(most, open);
        const chunk = held.get(digest);
        if (chunk !== undefined) say(frameOf(chunk));
      }
    }
    if (message.type === "safe") {
      for (const digest of message.digests) open -= held.get(digest)?.ref.bytes ?? 0;
    }
  });
  const into = new MemorySink();
  into.gate = () => new Promise((resolve) => setImmediate(resolve));
  const want = refsOf(chunks);
  const options = { work, session: pair.a, scope: "x", want, into, signal, inFlightBytesMax };
  assert.equal((await fetchChunks(options)).moved, 200);
  assert.ok(most <= inFlightBytesMax, `${most}`);
  assert.ok(most > inFlightBytesMax / 2, `${most}`);
  assert.ok(into.atWorkMax > 1, "several puts at a time");
});

test(
  "a taker that stops reading costs its supplier the read-ahead and no more",
  limits,
  async () => {
    const pair = await pairOf();
    // Even seeds do not compress.
    const chunks = Array.from({ length: 100 }, (_, index) => chunkOf(2 * index, 100_000));
    const source = sourceOf(chunks);
    let got = 0;
    const from: ChunkSource = {
      get: async (digest, stop) => {
        got += 1;
        return await source.get(digest, stop);
      },
    };
    const stop = new AbortController();
    const serving = channelOf(pair.b).then((channel) =>
      serveChunks({ work, channel, from, signal: stop.signal, readAheadBytesMax: 500_000 }),
    );
    const channel = pair.a.open(Buffer.from("chunks fetch x"));
    for (const piece of encodeMessage({ type: "want", refs: refsOf(chunks) })) {
      await channel.write(piece);
    }
    await until("it reads no further", async () => {
      const before = got;
      await new Promise((resolve) => setImmediate(resolve));
      return got > 0 && before === got;
    });
    // The window of the channel, and what is read ahead of it.
    assert.ok(got * 100_000 <= 500_000 + 1024 * 1024 + 200_000, `${got} chunks`);
    stop.abort(new SkyError("core/cancelled", { what: "serving" }));
    await assert.rejects(serving, (error) => isSkyError(error, "core/cancelled"));
  },
);

test("a source may wait for what is yet to come, and holds up nothing else", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(20);
  const [late] = chunks;
  assert.ok(late);
  const come = Promise.withResolvers<void>();
  const source = sourceOf(chunks);
  const serving = served(pair, {
    get: async (digest, stop) => {
      if (digest === late.ref.digest) await come.promise;
      return await source.get(digest, stop);
    },
  });
  const into = new MemorySink();
  const fetching = fetchChunks({
    work,
    session: pair.a,
    scope: "x",
    want: refsOf(chunks),
    into,
    signal,
  });
  await until("the others are here", () => into.held.size === 19);
  come.resolve();
  assert.equal((await fetching).moved, 20);
  await serving;
});

test(
  "a broken channel is an error; the next fetch moves what is not yet safe",
  limits,
  async () => {
    const chunks = chunksOf(300, 5_000);
    const into = new MemorySink();
    const fetchAll = async (pair: Pair, onSafe: () => void) => {
      unobserved(served(pair, sourceOf(chunks)));
      const want = refsOf(chunks);
      const options = { work, session: pair.a, scope: "x", want, into, signal, onSafe };
      return await fetchChunks({ ...options, inFlightBytesMax: 50_000 });
    };
    const pair = await pairOf();
    let safe = 0;
    const breaking = fetchAll(pair, () => {
      safe += 1;
      if (safe === 100) pair.hub.cut("demo/b");
    });
    await assert.rejects(breaking, (error) => isSkyError(error, "stream/closed"));
    assert.equal(into.atWork, 0);
    const before = into.held.size;
    assert.ok(before >= 100 && before < 300);
    const result = await fetchAll(await pairOf(), () => {});
    assert.deepEqual([result.known, result.moved], [before, 300 - before]);
    assert.equal(into.puts.length, 300);
  },
);

test("an abort ends it promptly, with its reason, and leaves nothing at work", limits, async () => {
  const pair = await pairOf();
  const chunks = chunksOf(20);
  const broken = assert.rejects(served(pair, sourceOf(chunks)), (error) =>
    isSkyError(error, "stream/closed"),
  );
  const into = new MemorySink();
  // A sink that waits for room until it is told to stop, and takes a moment then.
  into.gate = (_ref, stop) =>
    new Promise((_, reject) => {
      stop.addEventListener("abort", () => setImmediate(reject, stop.reason), { once: true });
    });
  const stop = new AbortController();
  const want = refsOf(chunks);
  const options = { work, session: pair.a, scope: "x", want, into, signal: stop.signal };
  const fetching = fetchChunks(options);
  await until("puts wait", () => into.atWork === 20);
  const why = new SkyError("core/cancelled", { what: "the test" });
  stop.abort(why);
  await assert.rejects(fetching, (error) => error === why);
  assert.equal(into.atWork, 0);
  await broken;
  await assert.rejects(fetchChunks(options), (error) => error === why);
});

test("what the sink or the supplier throws is what the fetch throws", limits, async () => {
  const chunks = chunksOf(20);
  const want = refsOf(chunks);
  const full = new SkyError("disk/full", { path: "p", free: "0", hint: "h" });
  const pair = await pairOf();
  const serving = served(pair, sourceOf(chunks));
  const into = new MemorySink();
  into.gate = () => Promise.reject(full);
  const options = { work, session: pair.a, scope: "x", want, into, signal };
  await assert.rejects(fetchChunks(options), (error) => error === full);
  await assert.rejects(serving, (error) => isSkyError(error, "stream/closed"));

  const other = await pairOf();
  const failing = served(other, { get: () => Promise.reject(full) });
  const caught = { work, session: other.a, scope: "x", want, into: new MemorySink(), signal };
  await assert.rejects(
    fetchChunks(caught),
    (error) => isSkyError(error, "disk/full") && error.params["path"] === "p",
  );
  await assert.rejects(failing, (error) => error === full);
});

test("what our own sink cannot take is asked of no other supplier", limits, async () => {
  const chunks = chunksOf(20);
  const pairs = [await pairOf(), await pairOf()];
  for (const pair of pairs) unobserved(served(pair, sourceOf(chunks)));
  const into = new MemorySink();
  const full = new SkyError("disk/full", { path: "p", free: "0", hint: "h" });
  let isFirst = true;
  into.gate = async () => {
    const isFull = isFirst;
    isFirst = false;
    if (isFull) throw full;
  };
  const suppliers = pairs.map(({ a: session }) => ({ session, scope: "x" }));
  const options = { work, suppliers, want: refsOf(chunks), into, signal };
  await assert.rejects(fetchFrom(options), (error) => error === full);
});

test("a supplier that ends early is a broken one", limits, async () => {
  const pair = await pairOf();
  const script = scripted(pair, () => {});
  const fetching = fetchChunks({
    work,
    session: pair.a,
    scope: "x",
    want: [chunkOf(1, 100).ref],
    into: new MemorySink(),
    signal,
  });
  (await script).end();
  await assert.rejects(fetching, (error) => isSkyError(error, "stream/closed"));
});

test("one digest with two lengths is refused", limits, async () => {
  const pair = await pairOf();
  unobserved(served(pair, sourceOf([])));
  const { ref } = chunkOf(1, 100);
  const want = [ref, { ...ref, bytes: 99 }];
  await assert.rejects(
    fetchChunks({ work, session: pair.a, scope: "x", want, into: new MemorySink(), signal }),
    (error) => isSkyError(error, "chunk/damaged"),
  );
});

test("from several suppliers, each chunk comes from one that has it", limits, async () => {
  const chunks = chunksOf(400, 2_000);
  const pairs = [await pairOf(), await pairOf(), await pairOf()];
  const nobody = chunkOf(9_999, 50);
  for (const [index, pair] of pairs.entries()) {
    const has = chunks.filter((_, at) => at % 3 === index || at % 5 === 0);
    unobserved(served(pair, sourceOf(has)));
  }
  const into = new MemorySink();
  const result = await fetchFrom({
    work,
    suppliers: pairs.map(({ a: session }) => ({ session, scope: "x" })),
    want: [...refsOf(chunks), nobody.ref],
    into,
    signal,
    inFlightBytesMax: 20_000,
  });
  assert.deepEqual(result.missing, [{ ...nobody.ref, why: "missing" }]);
  assert.equal(result.moved, 400);
  assert.equal(into.puts.length, 400);
});

test("when one supplier breaks, the others give what it was asked for", limits, async () => {
  const chunks = chunksOf(300, 2_000);
  const pairs = [await pairOf(), await pairOf()] as const;
  const broken: unknown[] = [];
  let given = 0;
  for (const [index, pair] of pairs.entries()) {
    const source = sourceOf(chunks);
    const serving = served(pair, {
      get: async (digest, stop) => {
        if (index === 1) return await source.get(digest, stop);
        given += 1;
        if (given > 40) pair.hub.cut("demo/a");
        return await source.get(digest, stop);
      },
    });
    unobserved(serving);
  }
  const into = new MemorySink();
  const suppliers = pairs.map(({ a: session }) => ({ session, scope: "x" }));
  const onBroken = (_: unknown, error: unknown): unknown => broken.push(error);
  const want = refsOf(chunks);
  const options = { work, suppliers, want, into, signal, onBroken, inFlightBytesMax: 20_000 };
  const result = await fetchFrom(options);
  assert.deepEqual([result.moved, result.missing.length], [300, 0]);
  assert.equal(into.puts.length, 300);
  assert.equal(broken.length, 1);
});
