// The frames of a replica: whatever is cut off or changed, what is read is a prefix of what was
// written; and a home writes only to a folder that is its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaFrame } from "../../runtime/replica-frames.ts";
import {
  chainOf,
  claimOf,
  encodeFrame,
  FrameReader,
  parseManifest,
} from "../../runtime/replica-frames.ts";
import { fc } from "../support/property.ts";

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const frame = fc.record({ seq: fc.nat(), key: text, value: text }).map(
  ({ seq, key, value }): ReplicaFrame => ({
    ...{ kind: "step", seq, wallMs: 1, eventSeq: 0 },
    step: { kind: "batch", batch: { puts: [{ key, value }], deletes: [] } },
  }),
);
const frames = fc.array(frame, { minLength: 1, maxLength: 12 });

function read(bytes: Uint8Array, pieceBytes = bytes.length || 1): readonly ReplicaFrame[] {
  const reader = new FrameReader();
  const found: ReplicaFrame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    found.push(...reader.push(bytes.subarray(at, at + pieceBytes)));
  }
  return found;
}

function demandPrefix(found: readonly ReplicaFrame[], whole: readonly ReplicaFrame[]): void {
  assert.deepEqual(found, whole.slice(0, found.length));
}

test("what was written is read, in pieces of any size", () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 40 }), (written, pieceBytes) => {
      const bytes = Buffer.concat(written.map(encodeFrame));
      assert.deepEqual(read(bytes, pieceBytes), written);
    }),
  );
});

test("of a file that is cut anywhere, the frames before the cut are read", () => {
  fc.assert(
    fc.property(frames, fc.nat(), (written, place) => {
      const encoded = written.map(encodeFrame);
      const bytes = Buffer.concat(encoded);
      const at = place % (bytes.length + 1);
      const found = read(bytes.subarray(0, at), 7);
      demandPrefix(found, written);
      const ends = encoded.map((_, index) => Buffer.concat(encoded.slice(0, index + 1)).length);
      assert.equal(found.length, ends.filter((end) => end <= at).length);
    }),
  );
});

test("of a file with changed bytes, the frames before them are read and none after", () => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, place, change) => {
      const bytes = Buffer.concat(written.map(encodeFrame));
      const at = place % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ change;
      const found = read(bytes, 11);
      demandPrefix(found, written);
      assert.ok(found.length < written.length);
    }),
  );
});

test("a folder is written to only if it is this journal's, or nobody's yet", () => {
  const mine = { format: 1, home: "a", chain: "" };
  const ask = { home: "a", manifest: mine, wasHere: true, beginAnew: false };
  assert.equal(claimOf(ask).kind, "ours");
  assert.equal(claimOf({ ...ask, manifest: undefined, wasHere: false }).kind, "new");
  const unmounted = claimOf({ ...ask, manifest: undefined });
  assert.ok(unmounted.kind === "refused" && /is it mounted/.test(unmounted.why));
  const another = claimOf({ ...ask, manifest: { ...mine, home: "b" } });
  assert.ok(another.kind === "refused" && /sky restore --from DIR/.test(another.why));
  assert.equal(claimOf({ ...ask, manifest: { ...mine, format: 2 } }).kind, "refused");
  assert.equal(claimOf({ ...ask, manifest: { ...mine, home: "b" }, beginAnew: true }).kind, "new");
});

test("files of others in the folder are not taken for ours", () => {
  assert.equal(chainOf("0123456789abcdef.log"), "0123456789abcdef");
  assert.equal(chainOf("0123456789abcdef.base.new"), "0123456789abcdef");
  for (const name of ["notes.log", "0123456789abcdef.txt", "x0123456789abcdef.log", "begin-anew"]) {
    assert.equal(chainOf(name), undefined);
  }
  assert.equal(parseManifest("{"), undefined);
  assert.equal(parseManifest('{"home":"a"}'), undefined);
});
