// Fetching chunks: what arrives, what is asked for again, and what is held meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchChunks } from "../../transfer/chunks/fetch.ts";
import { serveChunks } from "../../transfer/chunks/supply.ts";
import {
  channelOf,
  chunksOf,
  MemorySink,
  neverAborts,
  pairOf,
  refsOf,
  sourceOf,
} from "./chunks-stage.ts";

const signal = neverAborts();

test("what is wanted arrives, is proven and safe; what is known does not travel", async () => {
  const { a, b } = await pairOf();
  const chunks = chunksOf(3_000);
  const sink = new MemorySink();
  for (const { ref, bytes } of chunks.slice(0, 10)) sink.held.set(ref.digest, bytes);
  const served = channelOf(b).then((channel) =>
    serveChunks({ channel, from: sourceOf(chunks), signal }),
  );
  const safe: string[] = [];
  const result = await fetchChunks({
    session: a,
    scope: "x",
    want: [...refsOf(chunks), ...refsOf(chunks)],
    into: sink,
    signal,
    onSafe: ({ digest }) => safe.push(digest),
  });
  const movedBytes = chunks.slice(10).reduce((sum, { ref }) => sum + ref.bytes, 0);
  assert.deepEqual(result, { moved: 2_990, movedBytes, known: 10, damaged: 0, missing: [] });
  assert.deepEqual(await served, { sent: 2_990, sentBytes: movedBytes, safe: 2_990, missing: [] });
  assert.equal(new Set(sink.puts).size, sink.puts.length);
  assert.deepEqual(safe.toSorted(), sink.puts.toSorted());
  for (const { ref, bytes } of chunks) assert.deepEqual(sink.held.get(ref.digest), bytes);
});
