// Any single flipped bit is found before it reaches a user's file: in memory between the wire and
// the disk, in the partial file, in a journal, in the spool of a relay.
//
// Transfers are short and real: a source and a sink over TCP, in this process. The last proof is
// also taken away, to see that it was what found the bit.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { createMemoryRandom, type MemoryRandom } from "../../runtime/random-memory.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { manifestIndex, readSealHeader } from "../../transfer/chunks/seal.ts";
import { filesBelow, flipBit, flipInFile } from "./flips.ts";
import { type PairOptions, runPair } from "./pair.ts";
import { objectOf } from "./secret.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const rounds = Number(process.env["SKY_PROOFS_FLIPS"] ?? 12);
const dir = mkdtempSync(join(tmpdir(), "sky-flips-"));
after(() => rmSync(dir, { recursive: true }));

/** Two small ones of a chunk each, and one of two chunks. */
const objects = [9_000, 50_000, 1_100_000].map((bytes) => objectOf(seed, bytes));
let folders = 0;

function folder(): string {
  folders += 1;
  const path = join(dir, String(folders));
  mkdirSync(path);
  return path;
}

function pair(more: Partial<PairOptions>) {
  return runPair({ folder: folder(), seed, objects, kind: "plain", ...more });
}

/** A sink before the sink: flips a bit of one of the chunks that it gets, once. */
function flippingSink(sink: ChunkSink, random: MemoryRandom): ChunkSink {
  let left = random.below(objects.length);
  return {
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      const damaged = Buffer.from(bytes);
      if (left === 0) flipBit(damaged, random.below(damaged.length), random.below(8));
      left -= 1;
      await sink.put(ref, damaged, signal);
    },
  };
}

test("a sealed chunk that changes after its digest was proven is refused, and named", async () => {
  const random = createMemoryRandom(`${seed}/sealed`);
  for (let round = 0; round < rounds / 2; round += 1) {
    const flips = (sink: ChunkSink) => flippingSink(sink, random);
    const { isWhole, tale } = await pair({ wrap: flips, endAt: "refused" });
    assert.ok(!isWhole);
    assert.match(tale.join(" "), /refused .*the sealed chunk [0-9a-f]{64}/);
  }
});

/** A transfer in which a bit of a partial file flips before its manifest comes. */
async function flippedBeforeTheEnd(round: number, proveAtEnd: boolean) {
  const random = createMemoryRandom(`${seed}/partial/${round}`);
  const place = folder();
  let flipped = false;
  const flipAtEnd = (sink: ChunkSink): ChunkSink => ({
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      const { object, index } = readSealHeader(bytes).place;
      if (object === objects.length - 1 && index === manifestIndex && !flipped) {
        flipped = true;
        flipInFile(partialIn(place), random);
      }
      await sink.put(ref, bytes, signal);
    },
  });
  return await pair({ folder: place, proveAtEnd, wrap: flipAtEnd });
}

/** Of the object that is under way. */
function partialIn(place: string): string {
  const partials = filesBelow(join(place, "target")).filter((name) =>
    /\.2\..*-partial$/.test(name),
  );
  assert.equal(partials.length, 1);
  return partials[0] ?? "";
}

test("a bit that flips in the partial file is found, and its chunk comes again", async () => {
  for (let round = 0; round < rounds / 2; round += 1) {
    const { isWhole, words, tale } = await flippedBeforeTheEnd(round, true);
    assert.ok(isWhole, `round ${round}`);
    assert.equal(words.get("refused"), 1, "its manifest was not taken the first time");
    assert.match(tale.join(" "), /changed on this disk after it was written/);
  }
});

test("without the proof at the end such a bit reaches the file: it is what finds it", async () => {
  const { isWhole, words } = await flippedBeforeTheEnd(0, false);
  assert.ok(!isWhole);
  assert.equal(words.get("refused"), undefined);
});

test("a bit that flips in a journal costs chunks, and nothing else", async () => {
  const random = createMemoryRandom(`${seed}/journal`);
  for (let round = 0; round < rounds; round += 1) {
    const place = folder();
    const whose = round % 2 === 0 ? "sink" : "source";
    // Broken off when some of it is safe; a bit flips before both begin anew.
    let left = 3;
    const breakOff = (sink: ChunkSink): ChunkSink => ({
      known: (refs) => sink.known(refs),
      put: async (ref, bytes, signal) => {
        left -= 1;
        if (left < 0) throw new SkyError("core/cancelled", { what: "the first half" });
        await sink.put(ref, bytes, signal);
      },
    });
    assert.ok(!(await pair({ folder: place, wrap: breakOff, endAt: "broken" })).isWhole);
    const at = flipInFile(join(place, whose, "journal"), random);
    const { isWhole } = await pair({ folder: place });
    assert.ok(isWhole, `${whose}, byte ${at}`);
  }
});

test("a bit that flips on a relay's disk is found there, and its chunk comes again", async () => {
  const random = createMemoryRandom(`${seed}/spool`);
  for (let round = 0; round < rounds / 4; round += 1) {
    const place = folder();
    let isFlipped = false;
    // Whoever is asked what it lacks has not asked for it: the relay has not read the chunk yet.
    const flipWhenOffered = (sink: ChunkSink): ChunkSink => ({
      known: async (refs) => {
        const [first] = refs;
        if (first !== undefined && !isFlipped) {
          isFlipped = true;
          flipInFile(chunkIn(join(place, "relay", "store"), first.digest), random);
        }
        return await sink.known(refs);
      },
      put: (ref, bytes, signal) => sink.put(ref, bytes, signal),
    });
    const { isWhole, tale } = await pair({
      ...{ folder: place, kind: "tls", relayed: true, wrap: flipWhenOffered },
    });
    assert.ok(isWhole, `round ${round}`);
    assert.equal(Number(/"lost":(\d+)/.exec(tale.join(" "))?.[1]), 1, `round ${round}`);
  }
});

/** The file of a chunk in a store's folder. */
function chunkIn(store: string, digest: string): string {
  const [chunk, ...others] = filesBelow(store).filter((path) => path.endsWith(digest));
  assert.ok(chunk !== undefined && others.length === 0, `${digest} lies there once`);
  return chunk;
}
