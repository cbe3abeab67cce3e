// What gRPC puts around messages: they come out as they went in, however the transport cuts them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { bytesIn, framed, MessageReader, statusIn, timeoutText } from "../../proto/grpc-frames.ts";
import { fc } from "../support/property.ts";

const bytesMax = 1_000;

test("messages come out whole and in order, wherever they were cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (sent, sizes) => {
      const wire = Buffer.concat(sent.map(framed));
      const reader = new MessageReader(bytesMax);
      const got: Buffer[] = [];
      for (let at = 0; at < wire.length; ) {
        const size = sizes.next().value ?? 1;
        got.push(...reader.push(wire.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(
        got.map((message) => [...message]),
        sent.map((message) => [...message]),
      );
    }),
  );
});

test("a message that is too long, or compressed, is refused by its prefix", () => {
  const invalid = (error: unknown): boolean => isSkyError(error, "codec/invalid");
  const long = framed(new Uint8Array(bytesMax + 1)).subarray(0, 5);
  assert.throws(() => new MessageReader(bytesMax).push(long), invalid);
  const packed = framed(new Uint8Array(3));
  packed[0] = 1;
  assert.throws(() => new MessageReader(bytesMax).push(packed), invalid);
});

test("a status is read with its sentence and its bytes, or is not there", () => {
  const headers = { "grpc-status": "5", "grpc-message": "no%20%C3%A4", "x-bin": "AQI=" };
  assert.deepEqual(statusIn(headers), { status: 5, details: "no ä" });
  assert.deepEqual([...(bytesIn(headers, "x-bin") ?? [])], [1, 2]);
  assert.equal(statusIn({ "grpc-status": "0", "grpc-message": "100%" })?.details, "100%");
  assert.equal(statusIn({ ":status": 200 }), undefined);
  assert.equal(bytesIn({}, "x-bin"), undefined);
});

test("a deadline has at most eight digits and never none", () => {
  assert.deepEqual([0, 0.2, 30, 99_999_999, 100_000_000].map(timeoutText), [
    "1m",
    "1m",
    "30m",
    "99999999m",
    "100000S",
  ]);
});
