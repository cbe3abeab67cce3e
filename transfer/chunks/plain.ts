// Plain chunks: as sealed ones travel, but readable, for ends with no relay between them.
//
// Their session is encrypted from end to end, so a seal would encrypt twice and hash two times
// more. What a plain chunk keeps of a seal is its place, and a name that no other place has.
// Big-endian:
//
//   "SKYP" | version u16 | zero u16 | transfer, 16 bytes | object u32 | index u32 |
//   chunk bytes u32 | encoding u8 | zero, 3 bytes | payload
//
// Its name is the SHA-256 of that header and the digest of the chunk's bytes: who makes or proves
// it goes through the bytes once.
//
// What must always hold: a chunk that was changed in its header or its payload has another name; no
// place has the name of another one.

import { createHash, hash } from "node:crypto";
import { assert, errorText, SkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax, type Digest } from "./chunk.ts";
import { decodeChunk, type Encoding, encodeChunk } from "./encoding.ts";
import type { OpenedChunk, Place, SealedChunk } from "./seal.ts";

/** What stands before the payload. Whoever reads a chunk into memory may leave room for it. */
export const plainHeaderBytes = 40;
/** The largest chunk, so that what travels is a chunk too. */
export const plainBytesMax = chunkBytesMax - plainHeaderBytes;

const magic = 0x53_4b_59_50;
const version = 1;
const encodings: readonly Encoding[] = ["raw", "zstd"];

export interface PlainTarget {
  /** 16 bytes. */
  readonly transfer: Uint8Array;
  readonly place: Place;
  /** Whether to look if that pays. */
  readonly compress: boolean;
}

/** `bytes` is the chunk with room for the header before it: the raw chunk is that same memory. */
export function packPlain(bytes: Uint8Array, target: PlainTarget): SealedChunk {
  const content = bytes.subarray(plainHeaderBytes);
  assert(content.length > 0 && content.length <= plainBytesMax, "a plain chunk is a chunk");
  const digest = hash("sha256", content, "buffer");
  const ref = { digest: digest.toString("hex"), bytes: content.length };
  const { encoding, payload } = target.compress
    ? encodeChunk(content)
    : { encoding: "raw" as const, payload: content };
  const isRaw = encoding === "raw";
  const sealed = isRaw ? bytes : Buffer.allocUnsafeSlow(plainHeaderBytes + payload.length);
  if (!isRaw) sealed.set(payload, plainHeaderBytes);
  const header = sealed.subarray(0, plainHeaderBytes);
  writeHeader(viewOf(header), { ...target, bytes: content.length, encoding });
  return { ref, sealed, sealedRef: { digest: nameOf(header, digest), bytes: sealed.length } };
}

/**
 * The chunk that has this name. Its bytes lie in the memory of `plain` if it is raw.
 * @throws SkyError `chunk/damaged`; `codec/invalid` if it is of another transfer.
 */
export function openPlain(
  plain: Uint8Array,
  { name, transfer }: { readonly name: Digest; readonly transfer: Uint8Array },
): OpenedChunk {
  let opened: OpenedChunk;
  try {
    opened = openNamed(plain, name);
  } catch (error) {
    const params = { digest: name, where: "opening", why: errorText(error) };
    throw new SkyError("chunk/damaged", params, { cause: error });
  }
  const its = Buffer.from(plain.subarray(8, 24)).toString("hex");
  if (its === Buffer.from(transfer).toString("hex")) return opened;
  throw new SkyError("codec/invalid", { what: "a plain chunk", why: `it is of transfer ${its}` });
}

/** How much a plain chunk says that it comes to. */
export function plainContentBytes(plain: Uint8Array): number {
  return plain.length < plainHeaderBytes ? 0 : viewOf(plain).readUInt32BE(32);
}

function openNamed(plain: Uint8Array, name: Digest): OpenedChunk {
  const view = viewOf(plain);
  if (view.length <= plainHeaderBytes) throw new Error(`it ends after ${view.length} bytes`);
  if (view.readUInt32BE(0) !== magic) throw new Error("it does not begin as one");
  if (view.readUInt16BE(4) !== version) throw new Error("its version is not known");
  const encoding = encodings[view.readUInt8(36)];
  if (encoding === undefined) throw new Error("its encoding is not known");
  const length = view.readUInt32BE(32);
  const chunk = { encoding, payload: plain.subarray(plainHeaderBytes) };
  const bytes = decodeChunk(chunk, { digest: name, bytes: length });
  const digest = hash("sha256", bytes, "buffer");
  if (nameOf(plain.subarray(0, plainHeaderBytes), digest) !== name) {
    throw new Error("its digest does not fit");
  }
  const ref: ChunkRef = { digest: digest.toString("hex"), bytes: length };
  const place = { object: view.readUInt32BE(24), index: view.readUInt32BE(28) };
  return { place, ref, bytes };
}

function nameOf(header: Uint8Array, digest: Uint8Array): Digest {
  return createHash("sha256").update(header).update(digest).digest("hex");
}

interface Header extends PlainTarget {
  readonly bytes: number;
  readonly encoding: Encoding;
}

function writeHeader(out: Buffer, { transfer, place, bytes, encoding }: Header): void {
  assert(transfer.length === 16, "a transfer's id has 16 bytes");
  out.writeUInt32BE(magic, 0);
  out.writeUInt16BE(version, 4);
  out.writeUInt16BE(0, 6);
  out.set(transfer, 8);
  out.writeUInt32BE(place.object, 24);
  out.writeUInt32BE(place.index, 28);
  out.writeUInt32BE(bytes, 32);
  out.writeUInt8(encodings.indexOf(encoding), 36);
  out.writeUIntBE(0, 37, 3);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
