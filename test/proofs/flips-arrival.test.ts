// A bit that flips before the wire's checksums were made (in the memory of a source or a relay) is
// found by the proof of each chunk on arrival. That proof is taken away once, to see that nothing
// else finds such a bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { decodeChunk } from "../../transfer/chunks/encoding.ts";
import type { ChunkCodec, ChunkSource } from "../../transfer/chunks/exchange.ts";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { serveChunks } from "../../transfer/chunks/supply.ts";
import {
  type Chunk,
  channelOf,
  chunksOf,
  MemorySink,
  neverAborts,
  pairOf,
  refsOf,
  sourceOf,
  work,
} from "../unit/chunks-stage.ts";
import { flipBit } from "./flips.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const rounds = Number(process.env["SKY_PROOFS_FLIPS"] ?? 24);
const random = createMemoryRandom(`${seed}/arrival`);

/** Takes whatever comes for the chunk. */
const trusting: ChunkCodec = {
  encode: work.encode,
  decode: async (ref, chunk) => decodeChunk(chunk, ref),
};

/** Gives one chunk with a flipped bit, so many times. */
function flipping(chunks: readonly Chunk[], victim: Chunk, times: number): ChunkSource {
  const source = sourceOf(chunks);
  let left = times;
  return {
    get: async (digest, signal) => {
      const bytes = Buffer.from(await source.get(digest, signal));
      if (digest !== victim.ref.digest || left === 0) return bytes;
      left -= 1;
      flipBit(bytes, random.below(bytes.length), random.below(8));
      return bytes;
    },
  };
}

async function fetched(times: number, codec: ChunkCodec) {
  const chunks = chunksOf(8, 500);
  const victim = chunks[random.below(chunks.length)];
  assert.ok(victim !== undefined);
  const { a, b } = await pairOf();
  const channel = channelOf(b);
  const sink = new MemorySink();
  const [result] = await Promise.all([
    fetchChunks({
      ...{ session: a, scope: "proof/object", want: refsOf(chunks), into: sink, work: codec },
      signal: neverAborts(),
    }),
    channel.then((opened) =>
      serveChunks({
        ...{ channel: opened, from: flipping(chunks, victim, times), work, signal: neverAborts() },
      }),
    ),
  ]);
  a.close();
  const wrong = chunks.filter(({ ref, bytes }) => {
    const kept = sink.held.get(ref.digest);
    return kept !== undefined && !Buffer.from(kept).equals(bytes);
  });
  return { result, victim, wrong };
}

test("a bit that flips at a source is found on arrival, and the chunk comes again", async () => {
  for (let round = 0; round < rounds * 4; round += 1) {
    const { result, wrong } = await fetched(1, work);
    assert.deepEqual(wrong, []);
    assert.equal(result.damaged, 1);
    assert.deepEqual(result.missing, []);
  }
});

test("a chunk whose bits flip every time is named, and kept by nobody", async () => {
  const { result, victim, wrong } = await fetched(Number.POSITIVE_INFINITY, work);
  assert.deepEqual(wrong, []);
  assert.deepEqual(result.missing, [{ ...victim.ref, why: "damaged" }]);
});

test("without the proof on arrival such a bit is kept: the proof is what finds it", async () => {
  const { result, victim, wrong } = await fetched(1, trusting);
  assert.deepEqual(wrong, [victim]);
  assert.equal(result.damaged, 0);
});
