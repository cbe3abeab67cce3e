// Any single flipped bit on the disk of a content store is found before anybody is given the chunk:
// in its file, in the index beside it, in the log of that. What is found can be put again.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { filesBelow, flipInFile } from "./flips.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const rounds = Number(process.env["SKY_PROOFS_FLIPS"] ?? 24);
const dir = mkdtempSync(join(tmpdir(), "sky-flips-store-"));
after(() => rmSync(dir, { recursive: true }));

const random = createMemoryRandom(`${seed}/store`);

/** Chunks of all lengths, by digest. */
function chunksOf(count: number): ReadonlyMap<string, Uint8Array> {
  const all = Array.from({ length: count }, () => random.bytes(1 + random.below(8_000)));
  return new Map(all.map((bytes) => [hash("sha256", bytes), bytes]));
}

function open(path: string): Promise<ContentStore> {
  return openContentStore({ dir: path, reserveBytes: 0 });
}

async function fill(store: ContentStore, chunks: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const refs = [...chunks].map(([digest, { length: bytes }]) => ({ digest, bytes }));
  await store.pin("proof/object", refs);
  await Promise.all([...chunks].map(([digest, bytes]) => store.put(digest, bytes)));
}

/** Those that are refused; all others must be right. */
async function refusedBy(
  store: ContentStore,
  chunks: ReadonlyMap<string, Uint8Array>,
): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const [digest, bytes] of chunks) {
    try {
      assert.ok(Buffer.from(await store.get(digest)).equals(bytes), `${digest} is another`);
    } catch (error) {
      assert.ok(isSkyError(error), String(error));
      assert.match(error.code, /^chunks?\//);
      refused.push(digest);
    }
  }
  return refused;
}

const chunkFile = /\/chunks\/[0-9a-f]{2}\/[0-9a-f]{64}$/;

test("a bit that flips in a chunk's file is given to nobody; the chunk comes again", async (t) => {
  const chunks = chunksOf(rounds * 10);
  const path = join(dir, "chunks");
  const store = await open(path);
  await fill(store, chunks);
  const files = filesBelow(path).filter((file) => chunkFile.test(file));
  assert.equal(files.length, chunks.size);
  for (const file of files) flipInFile(file, random);
  assert.equal((await refusedBy(store, chunks)).length, chunks.size);
  assert.equal((await store.has(chunks.keys())).size, 0, "they are missing from then on");
  await fill(store, chunks);
  assert.deepEqual(await refusedBy(store, chunks), []);
  await store.close();
  t.diagnostic(`seed ${seed}: ${chunks.size} bits, one in each of as many chunks`);
});

test("a bit that flips in what a store keeps beside its chunks gives nobody another", async (t) => {
  const chunks = chunksOf(6);
  const model = join(dir, "model");
  const made = await open(model);
  await fill(made, chunks);
  await made.close();
  let refused = 0;
  let unopened = 0;
  for (let round = 0; round < rounds / 3; round += 1) {
    const place = join(dir, `beside-${round}`);
    cpSync(model, place, { recursive: true });
    const files = filesBelow(place).filter((file) => !chunkFile.test(file));
    const file = files[random.below(files.length)];
    assert.ok(file !== undefined);
    const at = flipInFile(file, random);
    const store = await open(place).catch((error: unknown) => {
      assert.ok(isSkyError(error), `${file}, byte ${at}: ${String(error)}`);
    });
    if (store === undefined) unopened += 1;
    else refused += (await refusedBy(store, chunks)).length;
    await store?.close();
  }
  t.diagnostic(`seed ${seed}: ${refused} chunks were refused; ${unopened} stores did not open`);
});
