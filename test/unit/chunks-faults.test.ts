// Fetches over sessions that break, suppliers that lack and lie, and what must hold of all of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Digest } from "../../transfer/chunks/chunk.ts";
import type { ChunkSource, ExchangeResult } from "../../transfer/chunks/exchange.ts";
import { fetchFrom } from "../../transfer/chunks/fetch.ts";
import { serveChunks } from "../../transfer/chunks/supply.ts";
import { fc } from "../support/property.ts";
import {
  type Chunk,
  channelOf,
  chunksOf,
  MemorySink,
  neverAborts,
  pairOf,
  refsOf,
  unobserved,
  work,
} from "./chunks-stage.ts";

const signal = neverAborts();

/** What one supplier does, in each round the same. */
interface Nature {
  /** Chunks that it lacks, and that its disk has damaged: each `n`th, from `at` on. */
  readonly lacks: number;
  readonly damaged: number;
  /** Chunks that it sends wrong, the first time. */
  readonly lies: number;
  /** After so many it breaks, in the first rounds. */
  readonly breaksAfter: number;
}

const nature: fc.Arbitrary<Nature> = fc.record({
  lacks: fc.integer({ min: 2, max: 9 }),
  damaged: fc.integer({ min: 2, max: 9 }),
  lies: fc.integer({ min: 2, max: 9 }),
  breaksAfter: fc.integer({ min: 1, max: 60 }),
});

const has = (index: number, { lacks, damaged }: Nature): boolean =>
  index % lacks !== 1 && index % damaged !== 1;

interface Broken {
  readonly cut: () => void;
  readonly isLast: boolean;
}

function sourceWith(
  chunks: readonly Chunk[],
  nature: Nature,
  { cut, isLast }: Broken,
): ChunkSource {
  const indices = new Map(chunks.map(({ ref }, index) => [ref.digest, index]));
  const lied = new Set<Digest>();
  let given = 0;
  return {
    get: async (digest) => {
      const index = indices.get(digest) ?? 0;
      given += 1;
      if (!isLast && given > nature.breaksAfter) cut();
      if (index % nature.lacks === 1) throw new SkyError("chunk/missing", { digest, where: "t" });
      if (index % nature.damaged === 1) {
        throw new SkyError("chunk/damaged", { digest, where: "t", why: "rust" });
      }
      const bytes = Uint8Array.from(chunks[index]?.bytes ?? []);
      if (index % nature.lies === 1 && !lied.has(digest)) {
        lied.add(digest);
        bytes[3] = (bytes[3] ?? 0) ^ 8;
      }
      return bytes;
    },
  };
}

test("whatever breaks, lacks or lies: what somebody has arrives, once, and the rest is named", {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(nature, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 120 }),
      fc.integer({ min: 1_000, max: 60_000 }),
      async (natures, count, inFlightBytesMax) => {
        const chunks = chunksOf(count, 400);
        const into = new MemorySink();
        into.gate = () => new Promise((resolve) => setImmediate(resolve));
        let result: ExchangeResult | undefined;
        for (let round = 0; result === undefined; round += 1) {
          assert.ok(round < 12, "it ends");
          result = await fetchRound({ chunks, natures, into, inFlightBytesMax, round });
          assert.equal(into.atWork, 0, "nothing is at work when it is over");
        }
        assert.equal(new Set(into.puts).size, into.puts.length, "no chunk is put twice");
        const nobody = chunks.filter((_, index) => !natures.some((one) => has(index, one)));
        assert.deepEqual(digestsOf(result.missing), digestsOf(refsOf(nobody)));
        for (const [index, { ref, bytes }] of chunks.entries()) {
          const isThere = natures.some((one) => has(index, one));
          const found = into.held.get(ref.digest);
          assert.deepEqual(found && Buffer.from(found), isThere ? bytes : undefined);
        }
      },
    ),
    { numRuns: 40 },
  );
});

/** One fetch; `undefined` if it broke. In late rounds nobody breaks any more. */
async function fetchRound(options: {
  readonly chunks: readonly Chunk[];
  readonly natures: readonly Nature[];
  readonly into: MemorySink;
  readonly inFlightBytesMax: number;
  readonly round: number;
}): Promise<ExchangeResult | undefined> {
  const { chunks, natures, into, inFlightBytesMax, round } = options;
  const isLast = round >= 4;
  const suppliers = await Promise.all(
    natures.map(async (one) => {
      const pair = await pairOf();
      const cut = (): void => pair.hub.cut("demo/b");
      const from = sourceWith(chunks, one, { cut, isLast });
      unobserved(channelOf(pair.b).then((channel) => serveChunks({ work, channel, from, signal })));
      return { session: pair.a, scope: "x" };
    }),
  );
  try {
    const want = refsOf(chunks);
    return await fetchFrom({ work, suppliers, want, into, signal, inFlightBytesMax });
  } catch (error) {
    assert.ok(isSkyError(error, "stream/closed"), String(error));
    assert.ok(!isLast);
    return undefined;
  }
}

function digestsOf(refs: readonly { readonly digest: Digest }[]): readonly Digest[] {
  return refs.map(({ digest }) => digest).toSorted();
}
