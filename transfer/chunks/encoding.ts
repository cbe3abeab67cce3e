// How a chunk's bytes travel: as they are, or through zstd where that pays.
//
// Whether it pays is found by compressing three samples, so that what does not compress (media,
// archives, ciphertext) costs almost nothing. Decoding gives exactly as many bytes as the chunk has
// or an error, and never holds more: a few bytes that unfold into gigabytes are refused on the way.

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { errorText, SkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax } from "./chunk.ts";

export type Encoding = "raw" | "zstd";

/** A chunk as it travels. */
export interface Encoded {
  readonly encoding: Encoding;
  readonly payload: Uint8Array;
}

/** A sample is large enough to show what zstd finds, and costs about 0.1 ms for all three. */
const sampleBytes = 16 * 1024;
const samples = 3;
/** Less saved than this share is not worth the time of both ends. */
const savedShareMin = 0.1;
/** Source: zstd's manual: level 1 is its fastest regular level. */
const level = 1;
/** No chunk needs a window longer than itself; a frame may ask for 2 GiB. Log2 of 16 MiB. */
const windowLogMax = 24;
/** With room to spare zlib knows that it is done, and does not begin another buffer. */
const spareBytes = 1024;

/**
 * The same bytes come to the same payload, as long as Node brings the same zstd. Raw is the bytes
 * themselves, not a copy.
 */
export function encodeChunk(bytes: Uint8Array): Encoded {
  if (bytes.length > 0 && pays(sampleOf(bytes))) {
    const payload = compress(bytes);
    if (saves(payload.length, bytes.length)) return { encoding: "zstd", payload };
  }
  return { encoding: "raw", payload: bytes };
}

/**
 * The chunk's bytes, of which only the length is proven here.
 * @throws SkyError `chunk/damaged` unless the payload comes to exactly `ref.bytes`.
 */
export function decodeChunk({ encoding, payload }: Encoded, ref: ChunkRef): Uint8Array {
  if (ref.bytes > chunkBytesMax) throw damaged(ref, `${ref.bytes} bytes are no chunk`);
  const bytes = encoding === "raw" ? payload : decompress(payload, ref);
  if (bytes.length === ref.bytes) return bytes;
  throw damaged(ref, `its payload comes to ${bytes.length} bytes of ${ref.bytes}`);
}

function sampleOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= samples * sampleBytes) return bytes;
  const step = Math.floor((bytes.length - sampleBytes) / (samples - 1));
  const parts = Array.from({ length: samples }, (_, index) =>
    bytes.subarray(index * step, index * step + sampleBytes),
  );
  return Buffer.concat(parts);
}

function pays(sample: Uint8Array): boolean {
  return saves(compress(sample).length, sample.length);
}

function saves(compressed: number, bytes: number): boolean {
  return compressed <= bytes * (1 - savedShareMin);
}

/**
 * The room is more than zstd can need. Where a payload exactly fills the room that it has, Node
 * (24.21) asks zstd to end the frame once more, and it appends an empty one, which is refused as
 * trailing garbage. What is given away does not hold on to the room.
 */
function compress(bytes: Uint8Array): Uint8Array {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  const chunkSize = bytes.length + Math.ceil(bytes.length / 256) + spareBytes;
  return new Uint8Array(zstdCompressSync(bytes, { params, chunkSize }));
}

function decompress(payload: Uint8Array, ref: ChunkRef): Uint8Array {
  try {
    return zstdDecompressSync(payload, {
      chunkSize: ref.bytes + spareBytes,
      maxOutputLength: ref.bytes,
      rejectGarbageAfterEnd: true,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    });
  } catch (error) {
    throw damaged(ref, `its payload does not decode: ${errorText(error)}`, error);
  }
}

function damaged(ref: ChunkRef, why: string, cause?: unknown): SkyError {
  return new SkyError("chunk/damaged", { digest: ref.digest, where: "decoding", why }, { cause });
}
