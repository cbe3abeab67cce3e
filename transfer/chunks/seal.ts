// Sealed chunks: what only the two ends of a transfer can read, and nobody between can forge.
//
// A sealed chunk is itself a chunk with a digest: a relay proves, keeps and forwards it like any
// other. Big-endian throughout:
//
//   "SKYS" | version u16 | zero u16 | transfer, 16 bytes | object u32 | index u32 |
//   content bytes u32 | salt, 32 bytes                                          clear, bound (AAD)
//   digest of the chunk, 32 bytes | chunk bytes u32 | encoding u8 | zero, 3 bytes | payload
//                                                               AES-256-GCM: content, then its tag
//
// Each sealed chunk has a key of its own, derived from the transfer's key and its salt, and the
// salt from the clear header and everything that is encrypted. So the same key is only ever used
// for the same bytes at the same place, the fixed nonce never meets its key again, and who seals
// again after a crash gets the same bytes. Why, and what a relay learns: docs/decisions/sealing.md.

import { createCipheriv, createDecipheriv, createHmac, hash } from "node:crypto";
import { assert, errorText, SkyError } from "../../model/errors.ts";
import { letGo } from "./buffers.ts";
import { type ChunkRef, chunkBytesMax } from "./chunk.ts";
import { decodeChunk, type Encoded, type Encoding, encodeChunk } from "./encoding.ts";

/** What the two ends of a transfer share. The key is secret, its transfer's id is not. */
export interface TransferSecret {
  /** 16 bytes, random. */
  readonly transfer: Uint8Array;
  /** 32 bytes, random, of this transfer alone. */
  readonly key: Uint8Array;
}

/** Where in a transfer a chunk belongs; both are u32. */
export interface Place {
  /** The number of the object in the transfer. */
  readonly object: number;
  /** The number of the chunk in the object; `manifestIndex` is the object's manifest. */
  readonly index: number;
}

/** No chunk has this index. A manifest is sealed last: before that its digest is not known. */
export const manifestIndex = 0xffff_ffff;

const headerBytes = 68;
const boundBytes = 36;
const innerBytes = 40;
const tagBytes = 16;

/** What a seal adds to a payload. */
export const sealBytes = headerBytes + innerBytes + tagBytes;
/** The largest payload, so that what is sealed is a chunk. */
export const sealedPayloadBytesMax = chunkBytesMax - sealBytes;

const magic = 0x53_4b_59_53;
const version = 1;
const nonce = Buffer.alloc(12);
const saltLabel = "skylet seal 1: salt\0";
const keyLabel = "skylet seal 1: key\0";
const encodings: readonly Encoding[] = ["raw", "zstd"];
const algorithm = "aes-256-gcm";
const sizes = { authTagLength: tagBytes };

export interface SealRequest {
  readonly secret: TransferSecret;
  readonly place: Place;
  readonly ref: ChunkRef;
  readonly chunk: Encoded;
}

/**
 * The same request gives the same bytes.
 * @throws SkyError `chunk/damaged` if a raw payload does not have the digest.
 */
export function sealChunk({ secret, place, ref, chunk }: SealRequest): Uint8Array {
  const payloadDigest = hash("sha256", chunk.payload, "buffer");
  if (chunk.encoding === "raw" && payloadDigest.toString("hex") !== ref.digest) {
    const why = "its bytes have another digest";
    throw new SkyError("chunk/damaged", { digest: ref.digest, where: "sealing", why });
  }
  return sealHashed({ secret, place, ref, chunk }, payloadDigest);
}

/** A chunk that was given its name and sealed. */
export interface SealedChunk {
  /** Of what was sealed. */
  readonly ref: ChunkRef;
  readonly sealed: Uint8Array;
  /** Of the sealed bytes: what a relay calls them. */
  readonly sealedRef: ChunkRef;
}

/** Names, encodes and seals a chunk, and goes through its bytes as seldom as that can be done. */
export function nameAndSeal(
  bytes: Uint8Array,
  { secret, place }: Pick<SealRequest, "secret" | "place">,
): SealedChunk {
  const digest = hash("sha256", bytes, "buffer");
  const ref = { digest: digest.toString("hex"), bytes: bytes.length };
  const chunk = encodeChunk(bytes);
  // Nobody can change the bytes in between: a raw payload's digest is the chunk's.
  const payloadDigest = chunk.encoding === "raw" ? digest : hash("sha256", chunk.payload, "buffer");
  const sealed = sealHashed({ secret, place, ref, chunk }, payloadDigest);
  return { ref, sealed, sealedRef: { digest: hash("sha256", sealed), bytes: sealed.length } };
}

/** What of a sealed chunk everybody may read. Nothing of it is proven. */
export interface SealHeader {
  /** 32 hexadecimal digits. */
  readonly transfer: string;
  readonly place: Place;
}

/** @throws SkyError `codec/invalid` if these bytes are no sealed chunk. */
export function readSealHeader(sealed: Uint8Array): SealHeader {
  const why = malformation(sealed);
  if (why !== undefined) throw new SkyError("codec/invalid", { what: "a sealed chunk", why });
  const view = viewOf(sealed);
  const place = { object: view.readUInt32BE(24), index: view.readUInt32BE(28) };
  return { transfer: view.toString("hex", 8, 24), place };
}

/** A chunk that was sealed: its bytes have its digest, and it was sealed for this place. */
export interface OpenedChunk {
  readonly place: Place;
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

/**
 * `place` is where it has to belong, if that is known beforehand.
 * @throws SkyError `chunk/damaged` with the sealed chunk's digest, whatever is wrong with it.
 */
export function openChunk(
  sealed: Uint8Array,
  { secret, place }: { readonly secret: TransferSecret; readonly place?: Place | undefined },
): OpenedChunk {
  checkSecret(secret);
  try {
    const header = readSealHeader(sealed);
    checkHeader(header, secret, place);
    const { ref, chunk } = contentOf(decrypt(sealed, secret));
    const bytes = decodeChunk(chunk, ref);
    if (hash("sha256", bytes, "hex") !== ref.digest) throw new Error("its digest does not fit");
    return { place: header.place, ref, bytes };
  } catch (error) {
    const digest = hash("sha256", sealed, "hex");
    const params = { digest, where: "opening", why: errorText(error) };
    throw new SkyError("chunk/damaged", params, { cause: error });
  }
}

// ---- sealing

function sealHashed(
  { secret, place, ref, chunk }: SealRequest,
  payloadDigest: Uint8Array,
): Uint8Array {
  checkSecret(secret);
  const { payload } = chunk;
  assert(payload.length <= sealedPayloadBytesMax, `${payload.length} bytes are too many to seal`);
  const sealed = Buffer.allocUnsafeSlow(sealBytes + payload.length);
  const inner = encodeInner(ref, chunk.encoding);
  writeHeader(sealed, secret, place);
  const bound = sealed.subarray(0, boundBytes);
  saltOf(secret, [bound, inner, payloadDigest]).copy(sealed, boundBytes);
  const header = sealed.subarray(0, headerBytes);
  const cipher = createCipheriv(algorithm, keyOf(secret, header), nonce, sizes);
  cipher.setAAD(header);
  sealed.set(cipher.update(inner), headerBytes);
  const encrypted = cipher.update(payload);
  sealed.set(encrypted, headerBytes + innerBytes);
  letGo(encrypted);
  cipher.final();
  sealed.set(cipher.getAuthTag(), sealed.length - tagBytes);
  return sealed;
}

function writeHeader(sealed: Buffer, { transfer }: TransferSecret, place: Place): void {
  sealed.writeUInt32BE(magic, 0);
  sealed.writeUInt16BE(version, 4);
  sealed.writeUInt16BE(0, 6);
  sealed.set(transfer, 8);
  sealed.writeUInt32BE(place.object, 24);
  sealed.writeUInt32BE(place.index, 28);
  sealed.writeUInt32BE(sealed.length - headerBytes - tagBytes, 32);
}

function encodeInner(ref: ChunkRef, encoding: Encoding): Buffer {
  const inner = Buffer.alloc(innerBytes);
  inner.write(ref.digest, 0, "hex");
  inner.writeUInt32BE(ref.bytes, 32);
  inner.writeUInt8(encodings.indexOf(encoding), 36);
  return inner;
}

/** All parts have a fixed length, so different parts never make the same text. */
function saltOf({ key }: TransferSecret, parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac("sha256", key).update(saltLabel);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function keyOf({ key }: TransferSecret, header: Uint8Array): Buffer {
  const salt = header.subarray(boundBytes, headerBytes);
  return createHmac("sha256", key).update(keyLabel).update(salt).digest();
}

function checkSecret({ key, transfer }: TransferSecret): void {
  assert(key.length === 32 && transfer.length === 16, "a transfer's key is 32 bytes, its id 16");
}

// ---- opening

/** What is wrong with the form of these bytes, if anything is. */
function malformation(sealed: Uint8Array): string | undefined {
  const view = viewOf(sealed);
  if (sealed.length < sealBytes) return `it ends after ${sealed.length} bytes`;
  if (sealed.length > chunkBytesMax) return `it has ${sealed.length} bytes`;
  if (view.readUInt32BE(0) !== magic) return "it does not begin as one";
  if (view.readUInt16BE(4) !== version) return `its version is ${view.readUInt16BE(4)}`;
  if (view.readUInt16BE(6) !== 0) return "a field that must be zero is not";
  const content = view.readUInt32BE(32);
  const there = sealed.length - headerBytes - tagBytes;
  return content === there ? undefined : `${there} bytes of ${content} are there`;
}

function checkHeader(header: SealHeader, secret: TransferSecret, place: Place | undefined): void {
  const ours = viewOf(secret.transfer).toString("hex");
  if (header.transfer !== ours) throw new Error(`it is of transfer ${header.transfer}`);
  const { object, index } = header.place;
  if (place === undefined || (place.object === object && place.index === index)) return;
  throw new Error(
    `it is chunk ${index} of object ${object}, not ${place.index} of ${place.object}`,
  );
}

/** Nothing of it leaves here before the tag has been checked. */
function decrypt(sealed: Uint8Array, secret: TransferSecret): Buffer {
  const header = sealed.subarray(0, headerBytes);
  const decipher = createDecipheriv(algorithm, keyOf(secret, header), nonce, sizes);
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const content = decipher.update(sealed.subarray(headerBytes, sealed.length - tagBytes));
  try {
    decipher.final();
  } catch (cause) {
    throw new Error("it was changed, or sealed with another key", { cause });
  }
  return content;
}

/** What the other end wrote: it holds the key, and may still be wrong. */
function contentOf(content: Buffer): { readonly ref: ChunkRef; readonly chunk: Encoded } {
  const encoding = encodings[content.readUInt8(36)];
  const bytes = content.readUInt32BE(32);
  const zero = content.readUIntBE(37, 3);
  if (encoding === undefined || zero !== 0) throw new Error("its encoding is not known");
  const ref = { digest: content.toString("hex", 0, 32), bytes };
  return { ref, chunk: { encoding, payload: content.subarray(innerBytes) } };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
