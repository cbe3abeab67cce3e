// A relay cannot read what it forwards, and cannot make, change, move or keep back a chunk without
// being found out.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import { cutBySize } from "../../transfer/chunks/cut.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import { ManifestBuilder } from "../../transfer/chunks/manifest.ts";
import { createReceiver } from "../../transfer/chunks/receive.ts";
import { fileToReceive } from "../../transfer/chunks/receive-os.ts";
import { manifestIndex, nameAndSeal, type TransferSecret } from "../../transfer/chunks/seal.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { runBlind } from "./blind.ts";
import { flipBit } from "./flips.ts";
import { objectOf, secretConfigOf, secretOf } from "./secret.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const dir = mkdtempSync(join(tmpdir(), "sky-blind-"));
after(() => rmSync(dir, { recursive: true }));

test("neither the memory, the heap nor the disk of a relay shows what passes", async (t) => {
  const lines: string[] = [];
  const findings = await runBlind({ folder: dir, seed, say: (text) => lines.push(text) });
  t.diagnostic(`TABLE the relay is searched, seed ${seed}\n${lines.join("\n")}`);
  assert.deepEqual(findings, []);
});

// ---- what a relay may do to a sealed chunk

const mib = 1024 * 1024;
/** Cut into three pieces. */
const object = objectOf(seed, 2 * mib + 5);
const secret = secretOf(secretConfigOf(seed));

interface Sealed {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

/** All chunks of an object, and its manifest, as a source seals them. */
function sealedOf(whole: Buffer, of: TransferSecret = secret): readonly Sealed[] {
  const builder = new ManifestBuilder();
  const seal = (bytes: Uint8Array, index: number): Sealed => {
    const made = nameAndSeal(bytes, { secret: of, place: { object: 0, index } });
    if (index !== manifestIndex) builder.add(index, made.ref);
    return { ref: made.sealedRef, bytes: made.sealed };
  };
  const chunks = cutBySize(whole.length).map(({ at, bytes }, index) =>
    seal(whole.subarray(at, at + bytes), index),
  );
  return [...chunks, seal(builder.finish().encoded, manifestIndex)];
}

/** As a relay would offer it: the digest fits the bytes, whatever they are. */
function forged(bytes: Uint8Array): Sealed {
  return { ref: { digest: hash("sha256", bytes), bytes: bytes.length }, bytes };
}

let places = 0;

async function openSink() {
  places += 1;
  const folder = join(dir, `sink-${places}`);
  mkdirSync(folder);
  const config = secretConfigOf(seed);
  const journal = await openChunkJournal({
    path: join(folder, "journal"),
    transfer: config.transfer,
  });
  const path = join(folder, "object");
  const file = { path, bytes: object.length, transfer: config.transfer };
  const work = createInlineWork();
  const target = () => fileToReceive({ ...file, locks: join(folder, "locks") });
  const receiver = createReceiver({ secret, journal, work, target });
  const { signal } = new AbortController();
  return {
    path,
    /** A copy: what is put is given away. */
    put: ({ ref, bytes }: Sealed) => receiver.put(ref, Uint8Array.from(bytes), signal),
    close: async () => {
      await receiver.close();
      await work.close();
      await journal.close();
    },
  };
}

/** Each is refused by its name; then the real ones come, and the object is whole. */
async function refusesAll(evil: readonly Sealed[], why: RegExp): Promise<void> {
  const sink = await openSink();
  for (const one of evil) {
    await assert.rejects(sink.put(one), (error) => {
      assert.ok(isSkyError(error, "codec/invalid"), String(error));
      assert.match(error.message, new RegExp(`the sealed chunk ${one.ref.digest}`));
      assert.match(error.message, why);
      return true;
    });
    assert.ok(!existsSync(sink.path));
  }
  for (const one of sealedOf(object)) await sink.put(one);
  assert.ok(readFileSync(sink.path).equals(object));
  await sink.close();
}

test("a sealed chunk that a relay changed anywhere is refused", async () => {
  const random = createMemoryRandom(`${seed}/evil`);
  const all = sealedOf(object);
  const evil = Array.from({ length: 120 }, (_, round) => {
    const bytes = Buffer.from(all[round % all.length]?.bytes ?? []);
    // Every other time in what a relay can read.
    const among = round % 2 === 0 ? 68 : bytes.length;
    flipBit(bytes, random.below(among), random.below(8));
    return forged(bytes);
  });
  await refusesAll(evil, /the sealed chunk/);
});

test("a sealed chunk at another's place is refused", async () => {
  const [first, second] = sealedOf(object);
  assert.ok(first !== undefined && second !== undefined);
  // Object and index are bytes 24 to 31 of the clear header.
  const bytes = Buffer.from(first.bytes);
  Buffer.from(second.bytes).copy(bytes, 24, 24, 32);
  await refusesAll([forged(bytes)], /changed, or sealed with another key/);
});

test("a chunk of an earlier transfer is refused when it is replayed", async () => {
  const old = sealedOf(object, secretOf(secretConfigOf(seed + 1)));
  await refusesAll(old, /it is of transfer/);
});

test("a chunk that a relay made up is refused", async () => {
  const made = createMemoryRandom(`${seed}/made up`).bytes(10_000);
  await refusesAll([forged(made)], /begin as one/);
});

test("a chunk of another object at that place is not taken for this one's", async () => {
  const other = Buffer.from(object);
  other.fill("x", 0, 1_000);
  const [stale] = sealedOf(other);
  const [first, ...others] = sealedOf(object);
  assert.ok(stale !== undefined && first !== undefined);
  const sink = await openSink();
  await sink.put(stale);
  await assert.rejects(Promise.all(others.map((one) => sink.put(one))), /chunk 0/);
  assert.ok(!existsSync(sink.path));
  for (const one of [first, ...others]) await sink.put(one);
  assert.ok(readFileSync(sink.path).equals(object));
  await sink.close();
});

test("a chunk that a relay keeps back is named, and nothing has the object's name", async () => {
  const [, ...others] = sealedOf(object);
  const sink = await openSink();
  const kept = hash("sha256", object.subarray(0, mib));
  await assert.rejects(Promise.all(others.map((one) => sink.put(one))), new RegExp(kept));
  assert.ok(!existsSync(sink.path));
  await sink.close();
});
