// A relay cannot read what it forwards, and cannot make, change, move or keep back a chunk without
// being found out.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import type { TransferSecret } from "../../transfer/chunks/seal.ts";
import { runBlind } from "./blind.ts";
import { type Destination, openDestination } from "./destination.ts";
import { flipBit } from "./flips.ts";
import { SealedObject } from "./sealed-object.ts";
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

const chunkBytes = 16 * 1024;
const object = objectOf(seed, 5 * chunkBytes);
const secret = secretOf(secretConfigOf(seed));

function sealed(whole: Buffer, of: TransferSecret = secret): SealedObject {
  return new SealedObject({
    secret: of,
    ranges: Array.from({ length: 5 }, (_, index) => ({
      at: index * chunkBytes,
      bytes: chunkBytes,
    })),
    read: async ({ at, bytes }) => Buffer.from(whole.subarray(at, at + bytes)),
  });
}

interface Sealed {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

async function allOf(source: SealedObject): Promise<readonly Sealed[]> {
  const all: Sealed[] = [];
  for await (const ref of source.offer()) all.push({ ref, bytes: await source.get(ref.digest) });
  return all;
}

/** As a relay would offer it: the digest fits the bytes, whatever they are. */
function forged(bytes: Uint8Array): Sealed {
  return { ref: { digest: hash("sha256", bytes), bytes: bytes.length }, bytes };
}

let places = 0;

async function sinkOf(): Promise<{ readonly sink: Destination; readonly path: string }> {
  places += 1;
  const folder = join(dir, `sink-${places}`);
  mkdirSync(folder);
  const path = join(folder, "object");
  const own = { path, transfer: "t-1", chunkBytes, secret, folder: join(folder, "own") };
  return { path, sink: await openDestination({ ...own, onWord: () => {} }) };
}

const { signal } = new AbortController();

/** Puts all but what was done to one chunk, which must be refused by name; then the real one. */
async function refuses(evil: Sealed, instead: number, why: RegExp): Promise<void> {
  const all = await allOf(sealed(object));
  const { sink, path } = await sinkOf();
  await assert.rejects(sink.put(evil.ref, evil.bytes, signal), (error) => {
    assert.ok(isSkyError(error, "chunk/damaged"), String(error));
    assert.equal(error.params["digest"], evil.ref.digest);
    assert.match(error.message, why);
    return true;
  });
  for (const { ref, bytes } of all) {
    assert.throws(() => statSync(path), `nothing has the name before chunk ${instead} came`);
    await sink.put(ref, bytes, signal);
  }
  assert.ok(readFileSync(path).equals(object));
}

test("a sealed chunk that a relay changed anywhere is refused", async () => {
  const all = await allOf(sealed(object));
  const random = createMemoryRandom(`${seed}/evil`);
  for (let round = 0; round < 40; round += 1) {
    const [victim] = all.slice(round % all.length);
    assert.ok(victim !== undefined);
    const bytes = Buffer.from(victim.bytes);
    flipBit(bytes, random.below(bytes.length), random.below(8));
    await refuses(forged(bytes), round % all.length, /damaged \(opening\)/);
  }
});

test("a sealed chunk at another's place is refused", async () => {
  const [first, second] = await allOf(sealed(object));
  assert.ok(first !== undefined && second !== undefined);
  // Index and object are at bytes 24 to 31 of the clear header.
  const bytes = Buffer.from(first.bytes);
  Buffer.from(second.bytes).copy(bytes, 24, 24, 32);
  await refuses(forged(bytes), 0, /changed, or sealed with another key/);
});

test("a chunk of an earlier transfer is refused when it is replayed", async () => {
  const [old] = await allOf(sealed(object, secretOf(secretConfigOf(seed + 1))));
  assert.ok(old !== undefined);
  await refuses(old, 0, /it is of transfer/);
});

test("a chunk that a relay made up is refused", async () => {
  await refuses(forged(createMemoryRandom(`${seed}/made up`).bytes(chunkBytes)), 0, /begin as one/);
});

test("a chunk of another object at that place is not taken for this one's", async () => {
  const other = Buffer.from(object);
  other.fill("x", 0, chunkBytes);
  const [stale] = await allOf(sealed(other));
  const all = await allOf(sealed(object));
  const { sink, path } = await sinkOf();
  assert.ok(stale !== undefined);
  await sink.put(stale.ref, stale.bytes, signal);
  for (const { ref, bytes } of all) await sink.put(ref, bytes, signal);
  assert.ok(readFileSync(path).equals(object));
});

test("a chunk that a relay keeps back is named, and nothing has the object's name", async () => {
  const all = await allOf(sealed(object));
  const { sink, path } = await sinkOf();
  const [first, ...others] = all;
  assert.ok(first !== undefined);
  const ending = new AbortController();
  const puts = others.map(({ ref, bytes }) => sink.put(ref, bytes, ending.signal));
  await Promise.all(puts.slice(0, -1));
  ending.abort(new Error("the relay says that this was all"));
  await assert.rejects(Promise.all(puts), (error) => {
    assert.ok(isSkyError(error, "chunk/missing"), String(error));
    assert.equal(error.params["digest"], hash("sha256", object.subarray(0, chunkBytes)));
    return true;
  });
  assert.throws(() => statSync(path));
  await sink.close();
});
