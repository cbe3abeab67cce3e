// Messages on the bus survive their encoding, every kind of them; garbage never gets through.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { encodeMessage } from "../../proto/codec.ts";
import { decodeEnvelope, encodeEnvelope } from "../../proto/envelope.ts";
import { sky } from "../../proto/gen/sky.js";
import { messageKinds, messageOf } from "../support/arbitraries.ts";
import { fc } from "../support/property.ts";

const invalid = (error: unknown): boolean => isSkyError(error, "codec/invalid");

for (const kind of messageKinds) {
  test(`envelope: any ${kind} comes back as it was sent`, () => {
    fc.assert(
      fc.property(messageOf(kind), fc.maxSafeNat(), (message, incarnation) => {
        const bytes = encodeEnvelope(message, incarnation);
        assert.deepEqual(decodeEnvelope(bytes), { message, incarnation });
      }),
    );
  });
}

test("envelope: any bytes give a message or codec/invalid, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        decodeEnvelope(bytes);
      } catch (error) {
        assert.ok(invalid(error), String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("envelope: a message that was cut short or had a byte changed does not crash", () => {
  const one = messageOf("inventory");
  fc.assert(
    fc.property(one, fc.nat(), fc.nat({ max: 255 }), (message, place, byte) => {
      const bytes = encodeEnvelope(message, 1);
      const changed = Uint8Array.from(bytes);
      changed[place % bytes.length] = byte;
      for (const some of [bytes.subarray(0, place % bytes.length), changed]) {
        try {
          decodeEnvelope(some);
        } catch (error) {
          assert.ok(invalid(error), String(error));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("envelope: a missing part is named", () => {
  const cases: readonly (readonly [sky.v1.Envelope.$Properties, RegExp])[] = [
    [{ incarnation: 1 }, /Envelope.body/],
    [{ go: {} }, /RankKey/],
    [{ go: { key: { job: 1 } } }, /RankPhase/],
    [{ prepare: { key: { job: 1, phase: 1 } } }, /RankSpec/],
    [{ stop: { key: { job: 1, phase: 1 } } }, /StopCause/],
    [{ rankExited: { key: { job: 1, phase: 1 }, exit: {} } }, /Exit.kind/],
    [{ rankSwept: { key: { job: 1, phase: 1 } } }, /Sweep/],
    [{ inspect: {} }, /Address/],
    [{ inventory: { bootId: "b" } }, /Capacity/],
    [{ refusal: { code: "made/up", to: "x" } }, /Refusal.code/],
  ];
  for (const [envelope, what] of cases) {
    const bytes = encodeMessage(sky.v1.Envelope, envelope);
    assert.throws(
      () => decodeEnvelope(bytes),
      (error) => invalid(error) && what.test(String(error)),
      JSON.stringify(envelope),
    );
  }
});

test("envelope: the body of a newer peer is refused, a newer field is passed over", () => {
  const newerBody = Buffer.from([8, 1, 0xfa, 0x3f, 0]);
  assert.throws(() => decodeEnvelope(newerBody), invalid);
  const beat = Buffer.from(encodeEnvelope({ kind: "beat", seq: 5, bootId: "b", headSeq: 0 }, 1));
  const newerField = Buffer.concat([beat, Buffer.from([0xfa, 0x3f, 0])]);
  assert.deepEqual(decodeEnvelope(newerField), decodeEnvelope(beat));
});

test("codec: an integer that is not exact is neither written nor read", () => {
  const { Beat, RankKey, SubmitResponse } = sky.v1;
  for (const seq of [2 ** 53, -(2 ** 53), 1.5, Number.NaN]) {
    assert.throws(() => encodeMessage(Beat, { seq }), /integer/);
    assert.throws(() => encodeMessage(SubmitResponse, { jobIds: [1, seq] }), /integer/);
  }
  for (const attempt of [2 ** 31, -(2 ** 31) - 1, 0.5]) {
    assert.throws(() => encodeMessage(RankKey, { attempt }), /integer/);
  }
  const tooLarge = Buffer.from("08ffffffffffffffff7f", "hex");
  assert.throws(() => Beat.decode(tooLarge), /integer/);
  assert.equal(Beat.decode(encodeMessage(Beat, { seq: 2 ** 53 - 1 })).seq, 2 ** 53 - 1);
});
