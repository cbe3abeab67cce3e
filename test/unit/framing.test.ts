// Frames survive any split of their bytes, and no damage passes for a frame.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { isSkyError } from "../../model/errors.ts";
import { FrameParser } from "../../runtime/frame-parser.ts";
import {
  encodeFrame,
  type Frame,
  type FrameCapability,
  type FrameForm,
  frameBytesMax,
  frameHeaderBytes,
  frameNumberMax,
  largeFrameBytesMax,
} from "../../runtime/framing.ts";
import { fc } from "../support/property.ts";

const channel = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytes = (max: number) => fc.uint8Array({ minLength: 1, maxLength: max });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const count = fc.integer({ min: 0, max: frameNumberMax });
const everything: readonly FrameCapability[] = ["large-frames", "timed-pings", "lanes"];
const word = fc.stringMatching(/^[a-z0-9-]{1,12}$/);

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constant("hello" as const),
    version: fc.integer({ min: 0, max: 65_535 }),
    capabilities: fc.array(word, { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant("open" as const), channel, header: bytes(4_096) }),
  fc
    .record({ channel, parts: fc.array(bytes(2_000), { minLength: 1, maxLength: 4 }) })
    .map(({ channel: id, parts }) => dataFrame(id, parts)),
  fc.record({
    type: fc.constant("credit" as const),
    channel,
    bytes: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
  fc.record({ type: fc.constant("end" as const), channel }),
  fc.record({ type: fc.constant("abort" as const), channel, why: fc.string({ maxLength: 200 }) }),
  fc.constant<Frame>({ type: "ping" }),
  fc.constant<Frame>({ type: "pong" }),
  fc.record({ type: fc.constantFrom("ping" as const, "pong" as const), token: exactly(8) }),
  fc.record({ type: fc.constant("ack" as const), received: count, here: count }),
  fc.record({
    type: fc.constant("join" as const),
    session: exactly(16),
    begins: fc.boolean(),
    lane: channel,
    received: count,
    resumeMs: channel,
  }),
);

/** A frame with its number, and the capabilities that a peer needs for it. */
interface Sent {
  readonly frame: Frame;
  readonly number: number | undefined;
}

const numberable = new Set(["open", "data", "credit", "end", "abort"]);
const anySent: fc.Arbitrary<Sent> = fc
  .record({ frame: anyFrame, number: fc.option(count, { nil: undefined }) })
  .map(({ frame, number }) => ({
    frame,
    number: numberable.has(frame.type) ? number : undefined,
  }));

function dataFrame(id: number, parts: readonly Uint8Array[]): Frame {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return { type: "data", channel: id, parts, bytes: length };
}

/** Frames compare by content: how a payload is cut into parts does not matter. */
function plain({ frame, number }: Sent): object {
  const hex = Object.entries(frame).map(([key, value]) => {
    if (key === "parts") return [key, Buffer.concat(value).toString("hex")];
    return [key, value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value];
  });
  return { number, ...Object.fromEntries(hex) };
}

function bytesOf(all: readonly Sent[], form: FrameForm = {}): Buffer {
  const encoded = all.flatMap(({ frame, number }) =>
    encodeFrame(frame, number === undefined ? form : { ...form, number }),
  );
  return Buffer.concat(encoded);
}

function parse(chunks: readonly Uint8Array[], allowed = everything): Sent[] {
  const parser = new FrameParser();
  parser.allow(allowed);
  const got: Sent[] = [];
  for (const chunk of chunks) parser.push(chunk, (frame, number) => got.push({ frame, number }));
  return got;
}

function split(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].toSorted((x, y) => x - y);
  const ends = [...at, whole.length];
  return ends.map((end, index) => whole.subarray(index === 0 ? 0 : ends[index - 1], end));
}

const unnumbered = (frame: Frame): Sent => ({ frame, number: undefined });
const isBreach = (error: unknown): boolean => isSkyError(error, "stream/protocol");

/** What a parser gives of damaged bytes before it refuses them, or waits for more. */
function prefixOf(chunks: readonly Uint8Array[]): readonly object[] {
  const parser = new FrameParser();
  parser.allow(everything);
  const got: object[] = [];
  try {
    for (const chunk of chunks) {
      parser.push(chunk, (frame, number) => got.push(plain({ frame, number })));
    }
  } catch (error) {
    assert.ok(isBreach(error), String(error));
  }
  return got;
}

test("framing: any split of the bytes gives the same frames", () => {
  fc.assert(
    fc.property(
      fc.array(anySent, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (sent, cuts) => {
        const got = parse(split(bytesOf(sent), cuts));
        assert.deepEqual(got.map(plain), sent.map(plain));
      },
    ),
    { numRuns: 300 },
  );
});

test("framing: bytes that come one by one give the same frames, in few parts", () => {
  const sent = [
    { frame: dataFrame(3, [Buffer.alloc(5_000, 7)]), number: 2 ** 40 },
    unnumbered({ type: "ping" }),
  ];
  const whole = bytesOf(sent);
  const got = parse(Array.from(whole, (_, index) => whole.subarray(index, index + 1)));
  assert.deepEqual(got.map(plain), sent.map(plain));
  const [first] = got;
  assert.ok(first?.frame.type === "data" && first.frame.parts.length === 1);
});

test("framing: a payload that arrives in one piece is a view of it, not a copy", () => {
  const whole = bytesOf([unnumbered(dataFrame(3, [Buffer.alloc(60_000, 7)]))]);
  const [first] = parse([whole]);
  assert.ok(first?.frame.type === "data");
  assert.equal(first.frame.parts[0]?.buffer, whole.buffer);
});

test("framing: the frames of version 1 have the bytes that they always had", () => {
  const data = encodeFrame(dataFrame(7, [Buffer.from("abc")]));
  assert.equal(
    Buffer.concat(data).toString("hex"),
    "535703000000000700000003352441c223abd55e616263",
  );
  assert.equal(Buffer.concat(encodeFrame({ type: "ping" })).length, frameHeaderBytes);
});

// ---- reading to where payloads stay

/** Reads as a socket does that asks the parser where to: up to so many bytes at a time. */
function land(whole: Buffer, sizes: readonly number[]): object[] {
  const scratch = Buffer.alloc(9_000);
  const parser = new FrameParser();
  parser.allow(everything);
  const got: Sent[] = [];
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const room = parser.room(scratch);
    assert.ok(room.length > 0);
    const count = Math.min(room.length, sizes[turn % sizes.length] ?? 1, whole.length - at);
    whole.copy(room, 0, at, at + count);
    parser.landed(room, count, (frame, number) => got.push({ frame, number }));
    at += count;
    // Nothing that was given may depend on it.
    scratch.fill(0xee);
  }
  return got.map(plain);
}

const readSizes = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 8 });
const bulk: fc.Arbitrary<Sent> = fc
  .record({
    bytes: fc.oneof(fc.integer({ min: 1, max: 40_000 }), fc.constantFrom(65_536, 262_144)),
    number: fc.option(count, { nil: undefined }),
    fill: fc.nat({ max: 255 }),
  })
  .map((one) => ({ ...one, frame: dataFrame(7, [Buffer.alloc(one.bytes, one.fill)]) }))
  .map(({ frame, number }) => ({ frame, number }));

test("framing: whatever reads bring, payloads that are read to their place are the same", () => {
  const sent = fc.array(fc.oneof(bulk, anySent), { maxLength: 8 });
  fc.assert(
    fc.property(sent, readSizes, (all, sizes) => {
      assert.deepEqual(land(bytesOf(all), sizes), all.map(plain));
    }),
    { numRuns: 150 },
  );
});

test("framing: a flipped bit is refused also in a payload that is read to its place", () => {
  fc.assert(
    fc.property(bulk, fc.nat(), readSizes, (sent, position, sizes) => {
      const whole = bytesOf([sent]);
      const bit = position % (whole.length * 8);
      whole.writeUInt8((whole[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
      assert.throws(() => land(whole, sizes), isBreach);
    }),
    { numRuns: 100 },
  );
});

test("framing: a part keeps little more memory alive than it has", () => {
  const small = unnumbered(dataFrame(1, [Buffer.alloc(100, 1)]));
  const chunk = bytesOf(Array.from({ length: 500 }, () => small));
  const owned = Buffer.allocUnsafeSlow(chunk.length);
  chunk.copy(owned);
  for (const { frame } of parse([owned])) {
    assert.ok(frame.type === "data");
    for (const part of frame.parts) assert.ok(part.buffer.byteLength <= 4 * part.length);
  }
});

// ---- damage

test("framing: a flipped bit is refused, and never gives another frame", () => {
  fc.assert(
    fc.property(anySent, fc.nat(), (sent, position) => {
      const whole = bytesOf([sent]);
      const bit = position % (whole.length * 8);
      const byte = whole[bit >> 3] ?? 0;
      whole[bit >> 3] = byte ^ (1 << (bit & 7));
      assert.throws(() => parse([whole]), isBreach);
    }),
    { numRuns: 500 },
  );
});

test("framing: of damaged, cut and spliced bytes, a prefix of the frames is given", () => {
  const damage = fc.record({
    at: fc.nat(),
    cut: fc.nat({ max: 60 }),
    put: fc.uint8Array({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(
      fc.array(anySent, { minLength: 1, maxLength: 6 }),
      damage,
      fc.array(fc.nat(), { maxLength: 10 }),
      (sent, { at, cut, put }, cuts) => {
        const whole = bytesOf(sent);
        const from = at % (whole.length + 1);
        const spliced = Buffer.concat([whole.subarray(0, from), put, whole.subarray(from + cut)]);
        const got = prefixOf(split(spliced, cuts));
        // A cut of whole frames leaves whole frames: what is lost so is for numbers, or TLS.
        const wanted = sent.map(plain);
        if (put.length === 0 && got.length > 0) return assertSubsequence(got, wanted);
        assert.deepEqual(got, wanted.slice(0, got.length));
      },
    ),
    { numRuns: 500 },
  );
});

function assertSubsequence(got: readonly object[], wanted: readonly object[]): void {
  let at = 0;
  for (const one of got) {
    while (at < wanted.length && !isDeepStrictEqual(wanted[at], one)) at += 1;
    assert.ok(at < wanted.length, "a frame that nobody sent");
    at += 1;
  }
}

test("framing: the number of one frame does not pass for another's", () => {
  const frame = dataFrame(1, [Buffer.from("x")]);
  const other = dataFrame(2, [Buffer.from("x")]);
  const [header = Buffer.alloc(0)] = encodeFrame(frame, { number: 7 });
  const [stolen = Buffer.alloc(0)] = encodeFrame(other, { number: 8 });
  const forged = Buffer.concat([
    header.subarray(0, frameHeaderBytes),
    stolen.subarray(frameHeaderBytes),
    Buffer.from("x"),
  ]);
  assert.throws(() => parse([forged]), isBreach);
});

test("framing: half a frame gives nothing, and the parser knows that it waits", () => {
  const whole = bytesOf([{ frame: dataFrame(1, [Buffer.alloc(100, 1)]), number: 5 }]);
  for (let length = 1; length < whole.length; length += 1) {
    const parser = new FrameParser();
    parser.allow(everything);
    parser.push(whole.subarray(0, length), () => assert.fail("a frame"));
    assert.equal(parser.idle(), false);
  }
});

test("framing: random bytes give no frame and no other error", () => {
  const noise = fc.uint8Array({ minLength: frameHeaderBytes, maxLength: 400 });
  fc.assert(
    fc.property(noise, (bytes_) => {
      assert.deepEqual(prefixOf([bytes_]), []);
    }),
    { numRuns: 300 },
  );
});

// ---- leave

const large = dataFrame(1, [Buffer.alloc(largeFrameBytesMax)]);
const token = Buffer.from("12345678");
const join: Frame = {
  ...{ type: "join", session: Buffer.alloc(16), begins: true },
  ...{ lane: 0, received: 0, resumeMs: 0 },
};
const needs: readonly (readonly [string, Buffer, FrameCapability])[] = [
  ["a large frame", bytesOf([unnumbered(large)]), "large-frames"],
  ["a ping with a token", bytesOf([unnumbered({ type: "ping", token })]), "timed-pings"],
  ["a number", bytesOf([{ frame: { type: "end", channel: 1 }, number: 1 }]), "lanes"],
  ["an ack", bytesOf([unnumbered({ type: "ack", received: 3, here: 2 })]), "lanes"],
  ["a join", bytesOf([unnumbered(join)]), "lanes"],
  [
    "data without a checksum",
    bytesOf([unnumbered(dataFrame(1, [token]))], { bare: true }),
    "bare-data",
  ],
];

for (const [what, whole, capability] of needs) {
  test(`framing: ${what} only from a peer with ${capability}, and refused by its header`, () => {
    const others: FrameCapability[] = ["large-frames", "timed-pings", "lanes", "bare-data"];
    const without = others.filter((one) => one !== capability);
    assert.throws(() => parse([whole.subarray(0, frameHeaderBytes)], without), isBreach);
    assert.equal(parse([whole], [capability]).length, 1);
  });
}

test("framing: a frame too long is refused by its header, whatever the peer can do", () => {
  const [header = Buffer.alloc(0)] = encodeFrame(
    dataFrame(1, [Buffer.alloc(largeFrameBytesMax), token]),
  );
  assert.throws(() => parse([header]), isBreach);
  const [long = Buffer.alloc(0)] = encodeFrame(dataFrame(1, [Buffer.alloc(frameBytesMax + 1)]));
  assert.throws(() => parse([long], []), isBreach);
});

test("framing: only DATA may be bare, and a hello has no number", () => {
  const bareEnd = bytesOf([unnumbered({ type: "end", channel: 1 })], { bare: true });
  assert.equal(bareEnd[3], 0);
  const hello: Frame = { type: "hello", version: 1, capabilities: [] };
  assert.throws(() => parse([bytesOf([{ frame: hello, number: 1 }])]), isBreach);
});
