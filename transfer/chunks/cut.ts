// Where an object is cut into chunks by size: for what is written once and read whole.
//
// The chunk size follows from the object's size alone, so whoever cuts the object again (after a
// crash, on another machine) gets the same chunks. Small objects are cut finer, so that several
// connections and nodes have something to do at once; huge ones coarser, so that the manifest holds
// them. What changes in the middle is cut by content instead: `cut-content.ts`.
//
// Where an object goes to a store, its chunks are the parts of an upload: the store's limits are a
// rule for the cut, which all ends of a transfer must have.

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

/** What the destinations of a transfer demand of the cut. Data: it travels with the order. */
export interface CutRule {
  /** No chunk but an object's last is smaller. */
  readonly bytesMin?: number;
  /** No object has more chunks. */
  readonly chunksMax?: number;
}

/** The rule that fits all of these stores' uploads. */
export function cutRuleOf(
  limits: readonly { readonly partBytesMin: number; readonly partsMax: number }[],
): CutRule | undefined {
  if (limits.length === 0) return undefined;
  return {
    bytesMin: Math.max(...limits.map(({ partBytesMin }) => partBytesMin)),
    chunksMax: Math.min(...limits.map(({ partsMax }) => partsMax)),
  };
}

/**
 * Where an object of so many bytes is cut. All ranges but the last have the same size.
 * @throws SkyError `object/too-large`.
 */
export function cutBySize(objectBytes: number, rule?: CutRule): readonly ByteRange[] {
  const chunkBytes = chunkBytesFor(objectBytes, rule);
  return Array.from({ length: Math.ceil(objectBytes / chunkBytes) }, (_, index) => {
    const at = index * chunkBytes;
    return { at, bytes: Math.min(chunkBytes, objectBytes - at) };
  });
}

/** A multiple of 1 MiB. @throws SkyError `object/too-large`. */
export function chunkBytesFor(objectBytes: number, rule: CutRule = {}): number {
  assert(Number.isSafeInteger(objectBytes) && objectBytes >= 0, "an object's size is a count");
  const { bytesMin = 0, chunksMax = manifestChunksMax } = rule;
  const limit = Math.min(chunksMax, manifestChunksMax);
  if (objectBytes > limit * cutBytesMax) {
    throw new SkyError("object/too-large", { bytes: objectBytes, limit });
  }
  assert(bytesMin <= cutBytesMax, "no chunk is as large as the rule demands");
  const usual = Math.min(wholeMib(objectBytes / piecesUsual), cutBytesUsual);
  return Math.max(usual, wholeMib(objectBytes / limit), wholeMib(bytesMin), cutBytesMin);
}

/** Whether an object of so many bytes is one chunk, or none: its manifest need not travel. */
export function isOneChunk(objectBytes: number, rule?: CutRule): boolean {
  return objectBytes <= chunkBytesFor(objectBytes, rule);
}

function wholeMib(bytes: number): number {
  return Math.ceil(bytes / mib) * mib;
}
