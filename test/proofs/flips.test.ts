// Any single flipped bit is found before it reaches a user's file: on the wire, in memory between
// the wire and the disk, in the partial file, in the journal.
//
// Transfers are short and real: a source and a sink over TCP, plain and TLS, through a proxy that
// flips the bit. Each of the proofs is also taken away, to see that it was what found the bit.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { FrameParser } from "../../runtime/frame-parser.ts";
import { encodeFrame, type Frame } from "../../runtime/framing.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import type { ByteRange } from "../../transfer/chunks/cut.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { manifestIndex, readSealHeader } from "../../transfer/chunks/seal.ts";
import { until } from "../support/until.ts";
import { openDestination } from "./destination.ts";
import { filesBelow, flipBit, flipInFile, WireFlip } from "./flips.ts";
import { type PairOptions, runPair } from "./pair.ts";
import { SealedObject } from "./sealed-object.ts";
import { objectOf, secretConfigOf, secretOf } from "./secret.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const rounds = Number(process.env["SKY_PROOFS_FLIPS"] ?? 24);
const dir = mkdtempSync(join(tmpdir(), "sky-flips-"));
after(() => rmSync(dir, { recursive: true }));

const chunkBytes = 16 * 1024;
const object = objectOf(seed, 12 * chunkBytes - 77);
let folders = 0;

function folder(): string {
  folders += 1;
  const path = join(dir, String(folders));
  mkdirSync(path);
  return path;
}

function pair(more: Partial<PairOptions>) {
  return runPair({ folder: folder(), seed, object, chunkBytes, kind: "plain", ...more });
}

for (const kind of ["plain", "tls"] as const) {
  test(`a bit that flips on the wire (${kind}) reaches no file`, async (t) => {
    t.diagnostic(`seed ${seed}, ${rounds} rounds`);
    const random = createMemoryRandom(`${seed}/wire/${kind}`);
    const clean = new WireFlip("out", Number.POSITIVE_INFINITY, 0);
    await pair({ kind, change: clean.change });
    let flipped = 0;
    let breaches = 0;
    for (let round = 0; round < rounds; round += 1) {
      const way = random.below(4) === 0 ? "out" : "back";
      const at = random.below(clean.passed[way]);
      const flip = new WireFlip(way, at, random.below(8));
      const result = await pair({ kind, change: flip.change });
      assert.ok(result.got.equals(object), `${kind}, ${way} at ${at}`);
      if (flip.done) flipped += 1;
      if (result.breaches > 0) breaches += 1;
    }
    t.diagnostic(`${flipped} of ${rounds} flips passed a proxy; ${breaches} were called breaches`);
    assert.ok(flipped > rounds / 2, `${clean.passed.out} and ${clean.passed.back} bytes pass`);
    if (kind === "plain") assert.ok(breaches > flipped / 2, "most are seen by frames' checksums");
  });
}

test("a frame with a flipped bit is refused, wherever the bit is", () => {
  const random = createMemoryRandom(`${seed}/frames`);
  const frames: Frame[] = [
    { type: "open", channel: 1, header: random.bytes(30) },
    { type: "data", channel: 1, parts: [random.bytes(700)], bytes: 700 },
    { type: "credit", channel: 1, bytes: 4_096 },
    { type: "end", channel: 1 },
  ];
  const bytes = Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    flipBit(damaged, bit >> 3, bit & 7);
    const parser = new FrameParser();
    const seen: Frame[] = [];
    assert.throws(
      () => parser.push(damaged, (frame) => seen.push(frame)),
      (error) => isSkyError(error, "stream/protocol"),
      `bit ${bit}`,
    );
    assert.ok(seen.length < frames.length);
  }
});

/** A sink before the sink: flips a bit of what it gets, once. */
function flippingSink(sink: ChunkSink, at: number): ChunkSink {
  let done = false;
  return {
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      const damaged = Buffer.from(bytes);
      if (!done) flipBit(damaged, at % damaged.length, 3);
      done = true;
      await sink.put(ref, damaged, signal);
    },
  };
}

test("a sealed chunk that changes after its digest was proven does not open", async () => {
  const random = createMemoryRandom(`${seed}/sealed`);
  for (let round = 0; round < rounds / 2; round += 1) {
    const at = random.below(chunkBytes);
    const result = await pair({ wrap: (sink) => flippingSink(sink, at) });
    assert.ok(result.got.equals(object), `at ${at}`);
  }
});

/** A transfer whose partial file has a flipped bit when the manifest comes. */
async function flippedBeforeTheEnd(round: number, proveAtEnd: boolean) {
  const random = createMemoryRandom(`${seed}/partial/${round}`);
  const place = folder();
  const gate = Promise.withResolvers<void>();
  let chunks = 0;
  const flipAtEnd = (sink: ChunkSink): ChunkSink => ({
    known: (refs) => sink.known(refs),
    put: async (ref, bytes, signal) => {
      if (readSealHeader(bytes).place.index === manifestIndex) await gate.promise;
      await sink.put(ref, bytes, signal);
      chunks += 1;
      if (chunks !== chunksOf(object)) return;
      flipInFile(partialIn(place), random);
      gate.resolve();
    },
  });
  return await pair({ folder: place, proveAtEnd, wrap: flipAtEnd });
}

function chunksOf({ length }: Buffer): number {
  return Math.ceil(length / chunkBytes);
}

function partialIn(place: string): string {
  const [path] = filesBelow(join(place, "target")).filter((name) => name.endsWith("-partial"));
  assert.ok(path !== undefined);
  return path;
}

test("a bit that flips in the partial file is found, and its chunk comes again", async () => {
  for (let round = 0; round < rounds / 2; round += 1) {
    const { got, words } = await flippedBeforeTheEnd(round, true);
    assert.ok(got.equals(object), `round ${round}`);
    assert.equal(words.get("damaged"), 1);
    assert.equal(words.get("safe"), chunksOf(object) + 1, "one chunk came twice");
  }
});

test("without the proof at the end such a bit reaches the file: it is what finds it", async () => {
  const { got, words } = await flippedBeforeTheEnd(0, false);
  assert.ok(!got.equals(object));
  assert.equal(words.get("damaged"), undefined);
});

test("a bit that flips in the journal costs chunks, and nothing else", async () => {
  const random = createMemoryRandom(`${seed}/journal`);
  let again = 0;
  for (let round = 0; round < rounds * 4; round += 1) {
    const place = folder();
    const path = join(place, "object");
    const open = () =>
      openDestination({
        ...{ path, transfer: "t-1", chunkBytes, folder: join(place, "sink") },
        ...{ secret: secretOf(secretConfigOf(seed)), onWord: () => {} },
      });
    const source = new SealedObject(sealing);
    const refs: ChunkRef[] = [];
    for await (const ref of source.offer()) refs.push(ref);
    const { signal } = new AbortController();
    const first = await open();
    for (const ref of refs.slice(0, 8)) {
      await first.put(ref, await source.get(ref.digest), signal);
    }
    await first.close();
    const [journal] = filesBelow(place).filter((name) => name.endsWith("-journal"));
    assert.ok(journal !== undefined);
    const at = flipInFile(journal, random);
    const next = await open();
    const known = await next.known(refs);
    assert.ok(known.size <= 8 && !known.has(refs.at(-1)?.digest ?? ""), `at ${at}`);
    again += 8 - known.size;
    for (const ref of refs) {
      if (!known.has(ref.digest)) await next.put(ref, await source.get(ref.digest), signal);
    }
    assert.ok(readFileSync(path).equals(object), `at ${at}`);
  }
  assert.ok(again > 0, "some flips cost something");
});

const sealing = {
  secret: secretOf(secretConfigOf(seed)),
  ranges: Array.from({ length: chunksOf(object) }, (_, index) => {
    const at = index * chunkBytes;
    return { at, bytes: Math.min(chunkBytes, object.length - at) };
  }),
  read: async ({ at, bytes }: ByteRange) => Buffer.from(object.subarray(at, at + bytes)),
};

test("a bit that flips on a relay's disk is found there, and its chunk comes again", async () => {
  const random = createMemoryRandom(`${seed}/spool`);
  let lost = 0;
  for (let round = 0; round < rounds / 4; round += 1) {
    const place = folder();
    const spool = join(place, "relay", "store");
    let isFlipped = false;
    // The first chunk is held up until another lies in the spool, and a bit of that has flipped.
    const holdUp = (sink: ChunkSink): ChunkSink => ({
      known: (refs) => sink.known(refs),
      put: async (ref, bytes, signal) => {
        if (!isFlipped) {
          isFlipped = true;
          const chunk = await until("a chunk is in the spool", () => chunkIn(spool, ref.digest));
          flipInFile(chunk, random);
        }
        await sink.put(ref, bytes, signal);
      },
    });
    const { got, tale } = await pair({ folder: place, kind: "tls", relayed: true, wrap: holdUp });
    assert.ok(got.equals(object), `round ${round}`);
    lost += Number(/"lost":(\d+)/.exec(tale.join(" "))?.[1] ?? 0);
  }
  assert.ok(lost > 0, "some were read after they had flipped");
});

/** A chunk in a store's folder that is not this one. */
function chunkIn(store: string, but: string): string | undefined {
  const chunks = filesBelow(store).filter((path) => /[0-9a-f]{64}$/.test(path));
  return chunks.find((path) => !path.endsWith(but));
}
