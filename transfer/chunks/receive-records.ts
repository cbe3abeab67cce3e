// What a receiver says of an object: the record of one that is whole, and why one failed.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { ChunkRef, Manifest } from "./chunk.ts";
import type { JournalEntry } from "./journal.ts";
import { ManifestBuilder } from "./manifest.ts";
import { manifestIndex } from "./seal.ts";

/** The manifest of an object of one chunk, and the record of it. */
export function ofOneChunk(
  object: number,
  chunk: ChunkRef,
): { readonly manifest: Manifest; readonly whole: JournalEntry } {
  const builder = new ManifestBuilder();
  builder.add(0, chunk);
  const { manifest, digest, encoded } = builder.finish();
  const place = { object, index: manifestIndex };
  const ref = { digest, bytes: encoded.length };
  return { manifest, whole: { place, ref, offset: 0, state: "delivered" } };
}

export function asSkyError(object: number, error: unknown): SkyError {
  // What says only that it should be offered anew has the reason behind it.
  const told = isSkyError(error, "stream/closed") && isSkyError(error.cause) ? error.cause : error;
  if (isSkyError(told)) return told;
  const params = { what: `writing object ${object}`, why: errorText(error) };
  return new SkyError("process/failed", params, { cause: error });
}
