// The bytes of an object in a file: written whole, and proven against their digests.
//
// What must always hold: a proof reads the file, whatever anybody remembers of it.

import { hash } from "node:crypto";
import type { Stats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import type { Manifest } from "./chunk.ts";
import { type PlacedChunk, placesOf } from "./object-place.ts";

export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

export interface Proof {
  readonly place: PlacedChunk;
  /** Whether the bytes there are those of the chunk. */
  readonly good: boolean;
}

/** One proof for each place. The next chunk is read while one is hashed: two are in memory. */
export async function* proofsOf(
  file: FileHandle,
  places: Iterable<PlacedChunk>,
): AsyncGenerator<Proof> {
  let before: { readonly place: PlacedChunk; readonly bytes: Uint8Array } | undefined;
  for (const place of places) {
    const reading = readAll(file, place);
    if (before !== undefined) yield proofOf(before.place, before.bytes);
    before = { place, bytes: await reading };
  }
  if (before !== undefined) yield proofOf(before.place, before.bytes);
}

function proofOf(place: PlacedChunk, bytes: Uint8Array): Proof {
  const { ref } = place;
  return { place, good: bytes.length === ref.bytes && hash("sha256", bytes, "hex") === ref.digest };
}

/** Fewer where the file ends. */
async function readAll(file: FileHandle, { offset, ref }: PlacedChunk): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(ref.bytes);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** What is at a path, links not followed; `undefined` if nothing is. */
export async function lookAt(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/**
 * Whether a file holds exactly this object: every byte is read. For whoever ended between the
 * rename and telling of it.
 */
export async function holdsObject(path: string, manifest: Manifest): Promise<boolean> {
  const found = await lookAt(path);
  if (!found?.isFile() || found.size !== manifest.bytes) return false;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for await (const { good } of proofsOf(file, placesOf(manifest))) if (!good) return false;
    return true;
  } finally {
    await file.close();
  }
}
