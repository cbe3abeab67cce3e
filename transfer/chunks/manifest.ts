// A manifest's bytes: one way to write it, so its SHA-256 names the object.
//
// A header of 20 bytes, then 36 bytes for each chunk, in order. Big-endian throughout:
//
//   "SKYM" | version u16 | zero u16 | object bytes u64 | chunk count u32
//   chunk digest, 32 bytes | chunk bytes u32
//
// An encoded manifest is itself moved and kept as a chunk, sealed or not, so it fits in one: that
// bounds an object at `manifestChunksMax` chunks.
//
// What must always hold: what decodes, encodes to the same bytes; nothing else decodes.

import { hash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import {
  type ChunkRef,
  chunkBytesMax,
  type Digest,
  digestPattern,
  type Manifest,
} from "./chunk.ts";

/**
 * The most chunks of an object. 16 MiB hold 466,033; the rest leaves room for a seal. An object cut
 * by size (`cut.ts`) may have 6.65 TiB, one cut by content (`cut-content.ts`) at least 113 GiB.
 */
export const manifestChunksMax = 465_000;

const headerBytes = 20;
const entryBytes = 36;
const digestBytes = 32;
const magic = 0x53_4b_59_4d;
const version = 1;

/** A manifest, the bytes that stand for it, and the digest that names the object. */
export interface EncodedManifest {
  readonly manifest: Manifest;
  readonly encoded: Uint8Array;
  readonly digest: Digest;
}

/** @throws SkyError `object/too-large`; `codec/invalid` if it is none. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const builder = new ManifestBuilder();
  for (const [index, ref] of manifest.chunks.entries()) builder.add(index, ref);
  const { encoded } = builder.finish();
  const { bytes } = headerOf(encoded);
  if (bytes !== manifest.bytes) throw invalid(`its chunks have ${bytes} bytes`);
  return encoded;
}

/** The name of the object that `encoded` stands for. */
export function objectDigest(encoded: Uint8Array): Digest {
  return hash("sha256", encoded, "hex");
}

/** @throws SkyError `codec/invalid`, whatever is wrong with them. */
export function decodeManifest(encoded: Uint8Array): Manifest {
  const view = viewOf(encoded);
  const { bytes, count } = headerOf(encoded);
  const chunks: ChunkRef[] = [];
  let sum = 0;
  for (let at = headerBytes; at < encoded.length; at += entryBytes) {
    const length = view.readUInt32BE(at + digestBytes);
    if (!isChunkLength(length)) throw invalid(`chunk ${chunks.length} has ${length} bytes`);
    chunks.push({ digest: view.toString("hex", at, at + digestBytes), bytes: length });
    sum += length;
  }
  if (chunks.length !== count) throw invalid(`${chunks.length} chunks of ${count}`);
  if (sum !== bytes) throw invalid(`its chunks have ${sum} bytes of ${bytes}`);
  return { bytes, chunks };
}

/**
 * Takes an object's chunks in whatever order they are ready, and gives its manifest when all are
 * there. Each is written to its place at once; nothing is gone through again but to hash it.
 */
export class ManifestBuilder {
  #entries = Buffer.alloc(entryBytes * 16);
  /** One more than the last index that was given. */
  #end = 0;
  #filled = 0;
  #bytes = 0;

  /** Of the chunks so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The same chunk at the same index may be given again.
   * @throws SkyError `object/too-large`; `codec/invalid` if the index has another chunk already.
   */
  add(index: number, ref: ChunkRef): void {
    if (!Number.isInteger(index) || index < 0) throw invalid(`a chunk with index ${index}`);
    if (index >= manifestChunksMax) throw tooLarge(this.#bytes + ref.bytes);
    if (!digestPattern.test(ref.digest)) throw invalid(`chunk ${index} has no digest`);
    if (!isChunkLength(ref.bytes)) throw invalid(`chunk ${index} has ${ref.bytes} bytes`);
    this.#grow(index + 1);
    if (this.#has(index, ref)) return;
    const at = index * entryBytes;
    this.#entries.write(ref.digest, at, "hex");
    this.#entries.writeUInt32BE(ref.bytes, at + digestBytes);
    this.#end = Math.max(this.#end, index + 1);
    this.#filled += 1;
    this.#bytes += ref.bytes;
  }

  /** @throws SkyError `codec/invalid` if a chunk in between was never given. */
  finish(): EncodedManifest {
    const missing = this.#end - this.#filled;
    if (missing > 0) throw invalid(`${missing} of ${this.#end} chunks are not there`);
    const encoded = Buffer.alloc(headerBytes + this.#end * entryBytes);
    encoded.writeUInt32BE(magic, 0);
    encoded.writeUInt16BE(version, 4);
    encoded.writeBigUInt64BE(BigInt(this.#bytes), 8);
    encoded.writeUInt32BE(this.#end, 16);
    this.#entries.copy(encoded, headerBytes, 0, this.#end * entryBytes);
    return { manifest: decodeManifest(encoded), encoded, digest: objectDigest(encoded) };
  }

  #has(index: number, ref: ChunkRef): boolean {
    const at = index * entryBytes;
    const bytes = this.#entries.readUInt32BE(at + digestBytes);
    // No chunk is empty: such an entry was never given.
    if (bytes === 0) return false;
    const digest = this.#entries.toString("hex", at, at + digestBytes);
    if (bytes === ref.bytes && digest === ref.digest) return true;
    throw invalid(`chunk ${index} is ${digest} and ${ref.digest}`);
  }

  #grow(count: number): void {
    if (count * entryBytes <= this.#entries.length) return;
    const room = Math.min(Math.max(count, this.#end * 2), manifestChunksMax);
    const entries = Buffer.alloc(room * entryBytes);
    this.#entries.copy(entries);
    this.#entries = entries;
  }
}

/** What the header says, which fits the length of the whole. */
function headerOf(encoded: Uint8Array): { readonly bytes: number; readonly count: number } {
  const view = viewOf(encoded);
  if (encoded.length < headerBytes) throw invalid(`it ends after ${encoded.length} bytes`);
  if (view.readUInt32BE(0) !== magic) throw invalid("it does not begin as one");
  if (view.readUInt16BE(4) !== version) throw invalid(`its version is ${view.readUInt16BE(4)}`);
  if (view.readUInt16BE(6) !== 0) throw invalid("a field that must be zero is not");
  const count = view.readUInt32BE(16);
  if (count > manifestChunksMax)
    throw invalid(`${count} chunks; the limit is ${manifestChunksMax}`);
  const length = headerBytes + count * entryBytes;
  if (encoded.length !== length) throw invalid(`${encoded.length} bytes for ${count} chunks`);
  // What is too large for a number is no sum of chunks either.
  return { bytes: Number(view.readBigUInt64BE(8)), count };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function isChunkLength(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 1 && bytes <= chunkBytesMax;
}

function invalid(why: string): SkyError {
  return new SkyError("codec/invalid", { what: "a manifest", why });
}

function tooLarge(bytes: number): SkyError {
  return new SkyError("object/too-large", { bytes, limit: manifestChunksMax });
}
