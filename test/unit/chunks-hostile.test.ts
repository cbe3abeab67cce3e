// Peers that say anything, in any order: an exchange with one ends, and keeps only what is proven.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { type ExchangeMessage, encodeMessage } from "../../transfer/chunks/chunk-frames.ts";
import { encodeExchangeHeader } from "../../transfer/chunks/exchange.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { pushChunks } from "../../transfer/chunks/push.ts";
import { serveChunks } from "../../transfer/chunks/supply.ts";
import { takeChunks } from "../../transfer/chunks/take.ts";
import { fc } from "../support/property.ts";
import {
  channelOf,
  chunksOf,
  MemorySink,
  neverAborts,
  pairOf,
  refsOf,
  sourceOf,
  unobserved,
  work,
} from "./chunks-stage.ts";

const signal = neverAborts();
const chunks = chunksOf(4, 60);
const refs = refsOf(chunks);

const ref = fc.nat(3).map((index) => refs[index] ?? { digest: "", bytes: 1 });
const list = fc.array(ref, { minLength: 1, maxLength: 4 });
const message: fc.Arbitrary<ExchangeMessage> = fc.oneof(
  list.map((of): ExchangeMessage => ({ type: "want", refs: of })),
  list.map((of): ExchangeMessage => ({ type: "offer", refs: of })),
  list.map((of): ExchangeMessage => ({ type: "safe", digests: of.map(({ digest }) => digest) })),
  list.map((of): ExchangeMessage => {
    return { type: "delivered", digests: of.map(({ digest }) => digest) };
  }),
  ref.map((of): ExchangeMessage => ({ type: "missing", ref: of, why: "damaged" })),
  fc.constant<ExchangeMessage>({
    type: "failed",
    error: new SkyError("stream/denied", { why: "no" }),
  }),
  fc.tuple(fc.nat(3), fc.boolean()).map(([index, isTrue]): ExchangeMessage => {
    const chunk = chunks[index] ?? { ref: { digest: "", bytes: 1 }, bytes: Buffer.alloc(1) };
    const payload = isTrue ? chunk.bytes : Buffer.alloc(chunk.bytes.length, 1);
    return { type: "chunk", ref: chunk.ref, encoding: "raw", payload };
  }),
);

const script = fc.record({
  messages: fc.array(message, { maxLength: 12 }),
  /** Messages after which the peer lets the other side have its turn. */
  pauses: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  ends: fc.constantFrom("end", "abort", "garbage"),
});

type Script = typeof script extends fc.Arbitrary<infer T> ? T : never;

async function play(channel: StreamChannel, { messages, pauses, ends }: Script): Promise<void> {
  unobserved(listen(channel));
  for (const [index, one] of messages.entries()) {
    for (const piece of encodeMessage(one)) unobserved(channel.write(piece));
    if (pauses[index]) await new Promise((wake) => setImmediate(wake));
  }
  if (ends === "garbage") unobserved(channel.write(Buffer.alloc(40, 7)));
  if (ends === "abort") channel.abort("enough");
  else channel.end();
}

async function listen(channel: StreamChannel): Promise<void> {
  await channel.lend(() => {});
}

function hostile(what: string, run: (script: Script) => Promise<MemorySink | undefined>): void {
  test(what, { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(script, async (one) => {
        const sink = await run(one);
        if (sink === undefined) return;
        assert.equal(sink.atWork, 0);
        for (const [digest, bytes] of sink.held) {
          assert.equal(hash("sha256", bytes, "hex"), digest);
          assert.ok(refs.some((known) => known.digest === digest));
        }
      }),
      { numRuns: 300 },
    );
  });
}

/** It may come to an end or to an error of ours; to nothing else. */
async function settled(running: Promise<unknown>): Promise<void> {
  const [result] = await Promise.allSettled([running]);
  if (result?.status !== "rejected") return;
  assert.ok(result.reason instanceof SkyError, String(result.reason));
  assert.notEqual(result.reason.code, "core/broken-invariant", result.reason.message);
}

hostile("a supplier of a fetch says anything", async (one) => {
  const { a, b } = await pairOf();
  unobserved(channelOf(b).then((channel) => play(channel, one)));
  const into = new MemorySink();
  await settled(
    fetchChunks({ work, session: a, scope: "x", want: refs.slice(0, 3), into, signal }),
  );
  return into;
});

hostile("a taker of a fetch says anything", async (one) => {
  const { a, b } = await pairOf();
  const serving = channelOf(b).then((channel) =>
    serveChunks({ work, channel, from: sourceOf(chunks.slice(0, 3)), signal }),
  );
  const channel = a.open(encodeExchangeHeader({ verb: "fetch", scope: "x" }));
  await play(channel, one);
  await settled(serving);
  return undefined;
});

hostile("a supplier of a push says anything", async (one) => {
  const { a, b } = await pairOf();
  const into = new MemorySink();
  const taking = channelOf(b).then((channel) =>
    takeChunks({ work, channel, into, signal, safeMeans: "safe" }),
  );
  const channel = a.open(encodeExchangeHeader({ verb: "push", scope: "x" }));
  await play(channel, one);
  await settled(taking);
  return into;
});

hostile("a taker of a push says anything", async (one) => {
  const { a, b } = await pairOf();
  unobserved(channelOf(b).then((channel) => play(channel, one)));
  const from = sourceOf(chunks.slice(0, 3));
  const until = one.pauses[0] ? "safe" : "delivered";
  await settled(pushChunks({ work, session: a, scope: "x", offer: refs, from, until, signal }));
  return undefined;
});
