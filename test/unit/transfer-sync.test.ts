// What a sync copies, and when it may delete; how fast a transfer is said to be.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransferCounts } from "../../model/transfer.ts";
import { noPace, paced, rateOf, secondsLeft } from "../../transfer/job/progress.ts";
import { deletesBarred, syncDecision } from "../../transfer/job/sync.ts";
import { fc } from "../support/property.ts";

const here = { bytes: 10, modifiedMs: 5_500 };
const sum = (value: string) => ({ checksum: { algorithm: "md5", value } });

test("what is missing, of another size or newer at the source is copied", () => {
  const decide = (there: Parameters<typeof syncDecision>[2]) => syncDecision("usual", here, there);
  assert.deepEqual(decide(undefined), { copy: true, why: "missing" });
  assert.deepEqual(decide({ bytes: 11, modifiedMs: 9_999 }), { copy: true, why: "size" });
  assert.deepEqual(decide({ bytes: 10, modifiedMs: 5_400 }), { copy: true, why: "newer" });
  assert.deepEqual(decide({ bytes: 10, modifiedMs: 5_500.7 }), { copy: false });
  assert.deepEqual(decide({ bytes: 10, modifiedMs: 9_999 }), { copy: false });
});

test("a side that knows whole seconds only is compared in seconds", () => {
  const there = { bytes: 10, modifiedMs: 5_000 };
  assert.deepEqual(syncDecision("usual", here, there), { copy: false });
  const later = { bytes: 10, modifiedMs: 6_001 };
  assert.deepEqual(syncDecision("usual", later, there), { copy: true, why: "newer" });
});

test("with `size` times say nothing; with `digest` checksums of one kind decide", () => {
  const older = { bytes: 10, modifiedMs: 0 };
  assert.deepEqual(syncDecision("size", here, older), { copy: false });
  assert.deepEqual(syncDecision("digest", { ...here, ...sum("a") }, { ...older, ...sum("a") }), {
    copy: false,
  });
  const other = syncDecision("digest", { ...here, ...sum("a") }, { ...older, ...sum("b") });
  assert.deepEqual(other, { copy: true, why: "digest" });
  const unlike = { ...older, checksum: { algorithm: "crc32c", value: "a" } };
  assert.deepEqual(syncDecision("digest", { ...here, ...sum("a") }, unlike), {
    ...{ copy: true, why: "newer" },
  });
});

test("nothing is deleted unless all was listed and all arrived", () => {
  const fine = { isAsked: true, isListed: true, failed: 0, listingFailures: 0 };
  assert.equal(deletesBarred(fine), "");
  for (const wrong of [
    { isAsked: false },
    { isListed: false },
    { failed: 1 },
    { listingFailures: 1 },
  ]) {
    assert.notEqual(deletesBarred({ ...fine, ...wrong }), "");
  }
});

const counts: TransferCounts = {
  ...{ listed: 4, listedBytes: 1_000, isListed: true, done: 1, doneBytes: 300, movingBytes: 200 },
  ...{ skipped: 0, failed: 0, deleted: 0, retries: 0, rounds: 1 },
};

test("the rate is that of the last seconds, and what is left follows from it", () => {
  let pace = noPace;
  for (let at = 0; at <= 60; at += 1) pace = paced(pace, { monoMs: at * 1_000, bytes: at * 100 });
  assert.equal(rateOf(pace), 100);
  assert.equal(secondsLeft(counts, 100), 5);
  assert.equal(secondsLeft({ ...counts, isListed: false }, 100), undefined);
  assert.equal(secondsLeft(counts, 0), undefined);
});

test("a rate is never negative, also when a round has to begin again", () => {
  const bytes = fc.array(fc.nat(1_000), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(bytes, (all) => {
      let pace = noPace;
      for (const [at, one] of all.entries()) pace = paced(pace, { monoMs: at * 100, bytes: one });
      assert.ok(rateOf(pace) >= 0);
    }),
  );
});
