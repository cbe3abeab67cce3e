// Frames survive any split of their bytes, and no damage passes for a frame.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSkyError } from "../../model/errors.ts";
import { encodeFrame, type Frame, FrameParser, frameHeaderBytes } from "../../runtime/framing.ts";

const channel = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytes = (max: number) => fc.uint8Array({ minLength: 1, maxLength: max });
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
);

function dataFrame(id: number, parts: readonly Uint8Array[]): Frame {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return { type: "data", channel: id, parts, bytes: length };
}

/** Frames compare by content: how a payload is cut into parts does not matter. */
function plain(frame: Frame): object {
  if (frame.type === "data") return { ...frame, parts: Buffer.concat(frame.parts).toString("hex") };
  if (frame.type === "open") return { ...frame, header: Buffer.from(frame.header).toString("hex") };
  return { ...frame };
}

function bytesOf(frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.flatMap(encodeFrame));
}

function parse(chunks: readonly Uint8Array[]): Frame[] {
  const parser = new FrameParser();
  const frames: Frame[] = [];
  for (const chunk of chunks) parser.push(chunk, (frame) => frames.push(frame));
  return frames;
}

function split(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].toSorted((x, y) => x - y);
  const ends = [...at, whole.length];
  return ends.map((end, index) => whole.subarray(index === 0 ? 0 : ends[index - 1], end));
}

test("framing: any split of the bytes gives the same frames", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (frames, cuts) => {
        const got = parse(split(bytesOf(frames), cuts));
        assert.deepEqual(got.map(plain), frames.map(plain));
      },
    ),
    { numRuns: 200 },
  );
});

test("framing: bytes that come one by one give the same frames, in few parts", () => {
  const frames = [dataFrame(3, [Buffer.alloc(5_000, 7)]), { type: "ping" } as const];
  const whole = bytesOf(frames);
  const got = parse(Array.from(whole, (_, index) => whole.subarray(index, index + 1)));
  assert.deepEqual(got.map(plain), frames.map(plain));
  assert.ok(got[0]?.type === "data" && got[0].parts.length === 1);
});

test("framing: a payload that arrives in one piece is a view of it, not a copy", () => {
  const whole = bytesOf([dataFrame(3, [Buffer.alloc(60_000, 7)])]);
  const [frame] = parse([whole]);
  assert.ok(frame?.type === "data");
  assert.equal(frame.parts[0]?.buffer, whole.buffer);
});

test("framing: a flipped bit is refused, and never gives another frame", () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), (frame, position) => {
      const whole = bytesOf([frame]);
      const bit = position % (whole.length * 8);
      const byte = whole[bit >> 3] ?? 0;
      whole[bit >> 3] = byte ^ (1 << (bit & 7));
      assert.throws(
        () => parse([whole]),
        (error) => isSkyError(error, "stream/protocol"),
      );
    }),
    { numRuns: 300 },
  );
});

test("framing: half a frame gives nothing, and the parser knows that it waits", () => {
  const whole = bytesOf([dataFrame(1, [Buffer.alloc(100, 1)])]);
  for (let length = 1; length < whole.length; length += 1) {
    const parser = new FrameParser();
    parser.push(whole.subarray(0, length), () => assert.fail("a frame"));
    assert.equal(parser.idle(), false);
  }
});

test("framing: random bytes give no frame and no other error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: frameHeaderBytes, maxLength: 400 }), (noise) => {
      try {
        assert.deepEqual(parse([noise]), []);
      } catch (error) {
        assert.ok(isSkyError(error, "stream/protocol"));
      }
    }),
    { numRuns: 300 },
  );
});
