// Where an object is cut into chunks by size: for what is written once and read whole.
//
// The chunk size follows from the object's size alone, so whoever cuts the object again (after a
// crash, on another machine) gets the same chunks. Small objects are cut finer, so that several
// connections and nodes have something to do at once; huge ones coarser, so that the manifest holds
// them. What changes in the middle is cut by content instead: `cut-content.ts`.

import { assert, SkyError } from "../../model/errors.ts";
import { manifestChunksMax } from "./manifest.ts";

const mib = 1024 * 1024;

/** A seal adds to a chunk, and a sealed one is a chunk too: so not the whole `chunkBytesMax`. */
export const cutBytesMax = 15 * 1024 * 1024;
/** What a chunk costs beside its bytes (a frame, a file, an fsync) is small against so much. */
export const cutBytesUsual = 8 * mib;
export const cutBytesMin = 1 * mib;
/** An object is cut into at least so many where its chunks do not get smaller than the minimum. */
const piecesUsual = 16;

/** The largest object that can be cut by size. */
export const objectBytesMax = manifestChunksMax * cutBytesMax;

/** A part of an object: `bytes` from offset `at`. */
export interface ByteRange {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Where an object of so many bytes is cut. All ranges but the last have the same size.
 * @throws SkyError `object/too-large`.
 */
export function cutBySize(objectBytes: number): readonly ByteRange[] {
  const chunkBytes = chunkBytesFor(objectBytes);
  return Array.from({ length: Math.ceil(objectBytes / chunkBytes) }, (_, index) => {
    const at = index * chunkBytes;
    return { at, bytes: Math.min(chunkBytes, objectBytes - at) };
  });
}

/** A multiple of 1 MiB. @throws SkyError `object/too-large`. */
export function chunkBytesFor(objectBytes: number): number {
  assert(Number.isSafeInteger(objectBytes) && objectBytes >= 0, "an object's size is a count");
  if (objectBytes > objectBytesMax) {
    throw new SkyError("object/too-large", { bytes: objectBytes, limit: manifestChunksMax });
  }
  const usual = Math.min(wholeMib(objectBytes / piecesUsual), cutBytesUsual);
  return Math.max(usual, wholeMib(objectBytes / manifestChunksMax), cutBytesMin);
}

function wholeMib(bytes: number): number {
  return Math.ceil(bytes / mib) * mib;
}
