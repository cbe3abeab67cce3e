// The log store's pure parts: the shared tail, the search for the last lines, where a log ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job, RankKey } from "../../model/job.ts";
import type { NodePhase } from "../../model/node.ts";
import { LogTail, logEnd, ownerOf, tailStart } from "../../scheduler/log-store.ts";
import { fc } from "../support/property.ts";

const piece = fc.uint8Array({ minLength: 1, maxLength: 6 });

test("a tail gives back exactly the bytes of the whole, at any offset and length", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(60), fc.nat(40), fc.nat(20), (...p) => {
      const [pieces, offset, count, keep] = p;
      const whole = Buffer.concat(pieces);
      const tail = new LogTail(0);
      for (const one of pieces) tail.push(one);
      tail.trim(keep, whole.length);
      assert.equal(tail.end, whole.length);
      const slice = tail.slice(offset, count + 1);
      if (offset >= tail.start && offset < tail.end) {
        assert.deepEqual(
          Buffer.from(slice?.bytes ?? []),
          whole.subarray(offset, offset + count + 1),
        );
      } else {
        assert.equal(slice, undefined);
      }
    }),
  );
});

test("a tail never lets go of bytes that are not written yet", () => {
  const tail = new LogTail(100);
  for (let index = 0; index < 10; index += 1) tail.push(Buffer.alloc(10, index));
  tail.trim(0, 150);
  assert.equal(tail.start, 150);
  tail.trim(0, 155);
  assert.equal(tail.start, 150, "a piece goes whole or not at all");
  tail.trim(0, 200);
  assert.equal(tail.start, 200);
  assert.equal(tail.end, 200);
});

/** What `tail -n` does, the plain way. */
function plainTailStart(content: Buffer, lines: number): number {
  let end = content.length;
  for (let left = lines; left > 0; left -= 1) {
    if (end <= 0) return 0;
    end = content.subarray(0, end - 1).lastIndexOf(10) + 1;
  }
  return end;
}

test("the last lines begin where a plain search finds them", async () => {
  const bytes = fc.array(fc.constantFrom(10, 97, 98, 255), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(bytes, fc.integer({ min: 0, max: 8 }), async (array, lines) => {
      const content = Buffer.from(array);
      const readAt = async (at: number, length: number) => content.subarray(at, at + length);
      const start = await tailStart({ size: content.length, lines, readAt });
      assert.equal(start, plainTailStart(content, lines));
    }),
  );
});

test("the search for the last lines reads no more than those lines need", async () => {
  let readBytes = 0;
  const size = 10_000_000_000;
  const readAt = async (_: number, length: number) => {
    readBytes += length;
    return Buffer.alloc(length, "line\n");
  };
  await tailStart({ size, lines: 100, readAt });
  assert.ok(readBytes <= 65_536, `${readBytes} bytes`);
});

const key: RankKey = { job: 7, attempt: 1, phase: "run", index: 0 };
const rank = { rank: 0, node: "worker1", ip: "127.0.0.1" };
const job: Job = {
  id: 7,
  name: "t",
  user: "u",
  status: "RUNNING",
  phase: "running",
  submittedAt: 0,
  resources: "",
  numNodes: 1,
  attempt: 1,
  ranks: [rank],
  setups: [],
  sweeps: [],
};

test("a log ends at its final length, at nothing, as far as it goes, or not yet", () => {
  const ends = (record: Job, phase: NodePhase) =>
    logEnd(record, key, { over: record.phase === "ended", nodePhase: () => phase });
  const done: Job = { ...job, phase: "ended", ranks: [{ ...rank, logBytes: 5 }] };
  assert.deepEqual(ends(job, "alive"), { kind: "open" });
  assert.deepEqual(ends(job, "lost"), { kind: "open" }, "the node may come back");
  assert.deepEqual(ends({ ...job, ranks: done.ranks }, "alive"), { kind: "at", bytes: 5 });
  assert.deepEqual(ends(done, "alive"), { kind: "at", bytes: 5 });
  assert.deepEqual(ends(done, "lost"), { kind: "as-far-as-it-goes" });
  assert.deepEqual(ends({ ...job, phase: "ended", ranks: [] }, "alive"), { kind: "at", bytes: 0 });
  assert.deepEqual(ends({ ...job, phase: "ended" }, "alive"), { kind: "as-far-as-it-goes" });
});

test("a log belongs to the node that its rank was placed on, in this attempt", () => {
  assert.equal(ownerOf(job, key), "worker1");
  assert.equal(ownerOf(job, { ...key, attempt: 2 }), undefined);
  assert.equal(ownerOf(job, { ...key, index: 1 }), undefined);
  assert.equal(ownerOf(undefined, key), undefined);
});
