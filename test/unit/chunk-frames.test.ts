// The messages of an exchange: any split gives the same; no flipped bit gives another message.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { chunkBytesMax } from "../../transfer/chunks/chunk.ts";
import {
  type ChunkHead,
  type ExchangeMessage,
  encodeMessage,
  listMax,
  MessageParser,
} from "../../transfer/chunks/chunk-frames.ts";
import {
  encodeExchangeHeader,
  isExchange,
  parseExchangeHeader,
} from "../../transfer/chunks/exchange.ts";
import { fc } from "../support/property.ts";

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => Buffer.from(b).toString("hex"));
const ref = fc
  .tuple(digest, fc.integer({ min: 1, max: chunkBytesMax }))
  .map(([name, bytes]) => ({ digest: name, bytes }));
const refs = fc.array(ref, { minLength: 1, maxLength: 5 });
const digests = fc.array(digest, { minLength: 1, maxLength: 5 });

const chunk = fc
  .tuple(
    digest,
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    fc.boolean(),
    fc.integer({ min: 1, max: 900 }),
  )
  .map(([name, bytes, raw, more]): ExchangeMessage => {
    const payload = Buffer.from(bytes);
    const length = raw ? payload.length : payload.length + more;
    const encoding = raw ? "raw" : "zstd";
    return { type: "chunk", ref: { digest: name, bytes: length }, encoding, payload };
  });

const message: fc.Arbitrary<ExchangeMessage> = fc.oneof(
  chunk,
  refs.map((list): ExchangeMessage => ({ type: "want", refs: list })),
  refs.map((list): ExchangeMessage => ({ type: "offer", refs: list })),
  digests.map((list): ExchangeMessage => ({ type: "safe", digests: list })),
  digests.map((list): ExchangeMessage => ({ type: "delivered", digests: list })),
  fc
    .tuple(ref, fc.constantFrom<"missing" | "damaged">("missing", "damaged"))
    .map(([of, why]): ExchangeMessage => ({ type: "missing", ref: of, why })),
);

interface Heard {
  readonly heads: ChunkHead[];
  readonly messages: ExchangeMessage[];
  readonly parser: MessageParser;
}

function listener(): Heard {
  const heads: ChunkHead[] = [];
  const messages: ExchangeMessage[] = [];
  const parser = new MessageParser({
    head: (head) => heads.push(head),
    take: (one) => messages.push(one),
  });
  return { heads, messages, parser };
}

function bytesOf(messages: readonly ExchangeMessage[]): Buffer {
  return Buffer.concat(messages.flatMap((one) => [...encodeMessage(one)]));
}

test("however its bytes are split, the same messages are heard", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 70 })),
      (sent, cuts) => {
        const bytes = bytesOf(sent);
        const heard = listener();
        let at = 0;
        for (let index = 0; at < bytes.length; index += 1) {
          const next = at + (cuts[index] ?? bytes.length);
          heard.parser.push(bytes.subarray(at, next));
          at = next;
        }
        assert.deepEqual(heard.messages, sent);
        assert.ok(heard.parser.idle());
        const chunks = sent.filter((one) => one.type === "chunk");
        assert.deepEqual(
          heard.heads.map((head) => head.ref),
          chunks.map((one) => one.ref),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("a flipped bit is refused, or is in a payload, where the proof finds it", () => {
  const payload = Buffer.from("the payload of a chunk");
  const named = { digest: hash("sha256", payload, "hex"), bytes: payload.length };
  const sent: readonly ExchangeMessage[] = [
    { type: "want", refs: [named] },
    { type: "chunk", ref: named, encoding: "raw", payload },
    { type: "missing", ref: named, why: "damaged" },
    { type: "safe", digests: [named.digest] },
    { type: "failed", error: new SkyError("stream/denied", { why: "no" }) },
  ];
  const bytes = bytesOf(sent);
  let inPayload = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const heard = listener();
    try {
      heard.parser.push(flipped);
    } catch (error) {
      assert.ok(isSkyError(error, "stream/protocol"), String(error));
      // What was whole before is as it was sent.
      const before = heard.messages.map((one) => ({ ...one, payload: 0 }));
      assert.deepEqual(
        before,
        sent.slice(0, before.length).map((one) => ({ ...one, payload: 0 })),
      );
      continue;
    }
    const [, got] = heard.messages;
    assert.equal(got?.type, "chunk");
    assert.ok(got?.type === "chunk" && hash("sha256", got.payload, "hex") !== named.digest);
    inPayload += 1;
  }
  assert.equal(inPayload, payload.length * 8);
});

test("garbage is refused before more than a header of it is held", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 400 }), (bytes) => {
      const { parser, messages } = listener();
      assert.throws(
        () => parser.push(bytes),
        (error) => isSkyError(error, "stream/protocol"),
      );
      assert.deepEqual(messages, []);
    }),
  );
});

test("lists, chunks and texts that are too long are refused by their headers", () => {
  const one = { digest: "a".repeat(64), bytes: 1 };
  const refused = (sent: ExchangeMessage, why: RegExp): void => {
    const { parser } = listener();
    assert.throws(() => parser.push(bytesOf([sent])), why);
  };
  const many = Array.from({ length: listMax + 1 }, () => one);
  refused({ type: "want", refs: many }, /a want of/);
  refused({ type: "safe", digests: many.map((of) => of.digest) }, /a safe of/);
  refused({ type: "want", refs: [] }, /a want of 0/);
  refused({ type: "want", refs: [{ ...one, bytes: 0 }] }, /a chunk of 0 bytes/);
  refused({ type: "want", refs: [{ ...one, bytes: chunkBytesMax + 1 }] }, /a chunk of/);
  const payload = Buffer.alloc(8);
  refused(
    { type: "chunk", ref: { ...one, bytes: 9 }, encoding: "raw", payload },
    /8 raw bytes of 9/,
  );
  refused({ type: "chunk", ref: { ...one, bytes: 8 }, encoding: "zstd", payload }, /8 zstd bytes/);
});

test("whoever does not want a chunk says so before any of its payload is held", () => {
  const parser = new MessageParser({
    head: () => {
      throw new SkyError("stream/protocol", { why: "not this one" });
    },
    take: () => assert.fail("it was taken"),
  });
  const named = { digest: "a".repeat(64), bytes: chunkBytesMax };
  const payload = Buffer.alloc(chunkBytesMax);
  const [head = Buffer.alloc(0)] = encodeMessage({
    type: "chunk",
    ref: named,
    encoding: "raw",
    payload,
  });
  assert.throws(() => parser.push(head), /not this one/);
});

test("a failure keeps its code, its parameters and a text of bounded length", () => {
  const { parser, messages } = listener();
  const params = { dir: "d".repeat(5_000), used: "1", limit: "2", pins: 3 };
  parser.push(bytesOf([{ type: "failed", error: new SkyError("chunks/full", params) }]));
  const [heard] = messages;
  assert.ok(heard?.type === "failed" && isSkyError(heard.error, "chunks/full"));
  assert.equal(heard.error.params["limit"], "2");
  assert.ok(heard.error.message.length < 1_000);
});

test("a channel's header says verb and scope, and nothing else passes", () => {
  const header = { verb: "push", scope: "train/workdir/a-1" } as const;
  assert.deepEqual(parseExchangeHeader(encodeExchangeHeader(header)), header);
  assert.ok(!isExchange(Buffer.from("log j-1/0")));
  for (const text of [
    "chunks",
    "chunks fetch ",
    "chunks fetch a b",
    "chunks give a",
    "chunks fetch ä",
  ]) {
    assert.throws(
      () => parseExchangeHeader(Buffer.from(text)),
      (error) => isSkyError(error, "stream/protocol"),
    );
  }
});
