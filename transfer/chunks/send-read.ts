// A part of an object, read into memory with room before it.

import type { ByteRange } from "./cut.ts";
import type { Place } from "./seal.ts";
import { changed } from "./send-errors.ts";
import { type SentObject, withRoom } from "./send-options.ts";

interface ReadOptions {
  readonly place: Place;
  readonly roomBytes: number;
  readonly signal: AbortSignal;
}

/** @throws SkyError if it is not as long as it was; what the source throws. */
export async function readRange(
  source: SentObject,
  range: ByteRange,
  { place, roomBytes, signal }: ReadOptions,
): Promise<Uint8Array> {
  if (source.readInto !== undefined) {
    const memory = Buffer.allocUnsafeSlow(roomBytes + range.bytes);
    await source.readInto(range, memory.subarray(roomBytes), signal);
    return memory;
  }
  const bytes = await source.read(range, signal);
  if (bytes.length !== range.bytes) throw changed(place);
  return roomBytes === 0 ? bytes : withRoom(bytes, roomBytes);
}
