// The work port: what takes long on a chunk's bytes. Its digest, its encoding, its seal.
//
// A chunk of 8 MiB takes 4 ms to hash and more to compress or seal: too long for a thread that also
// serves a wire. The version over threads does it elsewhere; the inline one is for simulations and
// small programs. docs/decisions/chunk-work.md says what was measured.
//
// Obligations of every version:
// - Bytes that go in are given away: the caller must not touch them again, and gets in the answer
//   what it needs further. (They move to another thread, which takes them from this one.)
// - Every call is answered, by the result or an error; a crash of a thread fails its calls only.

import { hash } from "node:crypto";
import { assert, SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import { decodeChunk, type Encoded, encodeChunk } from "./encoding.ts";
import { openPlain, type PlainTarget, packPlain } from "./plain.ts";
import {
  nameAndSeal,
  type OpenedChunk,
  openChunk,
  type Place,
  type SealedChunk,
  type TransferSecret,
} from "./seal.ts";

export interface ChunkWork {
  /** The chunk's name, and its bytes. */
  name(bytes: Uint8Array): Promise<NamedChunk>;
  /**
   * The bytes, which have the digest and the length.
   * @throws SkyError `chunk/damaged`.
   */
  prove(ref: ChunkRef, bytes: Uint8Array): Promise<Uint8Array>;
  /** A chunk as it travels: raw, or compressed if that pays. */
  encode(bytes: Uint8Array): Promise<Encoded>;
  /** The chunk that travelled, proven. @throws SkyError `chunk/damaged`. */
  decode(ref: ChunkRef, chunk: Encoded): Promise<Uint8Array>;
  /** Names, encodes and seals a chunk, or an encoded manifest (`manifestIndex`). */
  seal(bytes: Uint8Array, to: SealTarget): Promise<SealedChunk>;
  /** The chunk that was sealed, proven. @throws SkyError `chunk/damaged`. */
  open(sealed: Uint8Array, from: SealSource): Promise<OpenedChunk>;
  /** The chunk behind the room for a plain header, named and framed. */
  pack(bytes: Uint8Array, to: PlainTarget): Promise<SealedChunk>;
  /** The chunk that was framed, proven. @throws SkyError `chunk/damaged`. */
  unpack(plain: Uint8Array, from: PlainSource): Promise<OpenedChunk>;
  /** Nothing of it is left when this resolves; calls that were not answered fail. */
  close(): Promise<void>;
}

export interface NamedChunk {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

export interface SealTarget {
  readonly secret: TransferSecret;
  readonly place: Place;
}

export interface SealSource {
  readonly secret: TransferSecret;
  /** Where the chunk has to belong, if that is known. */
  readonly place?: Place;
}

export interface PlainSource {
  readonly name: Digest;
  readonly transfer: Uint8Array;
}

// ---- the work itself, on whichever thread

/** A call as data, for another thread. */
export type WorkRequest =
  | { readonly kind: "name"; readonly bytes: Uint8Array }
  | { readonly kind: "prove"; readonly ref: ChunkRef; readonly bytes: Uint8Array }
  | { readonly kind: "encode"; readonly bytes: Uint8Array }
  | {
      readonly kind: "decode";
      readonly ref: ChunkRef;
      readonly encoding: Encoded["encoding"];
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "seal"; readonly bytes: Uint8Array; readonly to: SealTarget }
  | { readonly kind: "open"; readonly bytes: Uint8Array; readonly from: SealSource }
  | { readonly kind: "pack"; readonly bytes: Uint8Array; readonly to: PlainTarget }
  | { readonly kind: "unpack"; readonly bytes: Uint8Array; readonly from: PlainSource };

export type WorkKind = WorkRequest["kind"];

export interface WorkAnswers {
  readonly name: NamedChunk;
  readonly prove: Uint8Array;
  readonly encode: Encoded;
  readonly decode: Uint8Array;
  readonly seal: SealedChunk;
  readonly open: OpenedChunk;
  readonly pack: SealedChunk;
  readonly unpack: OpenedChunk;
}

/** @throws SkyError as the port says. */
export function workOn(request: WorkRequest): WorkAnswers[WorkKind] {
  switch (request.kind) {
    case "name":
      return { ref: nameOf(request.bytes), bytes: request.bytes };
    case "prove":
      return proven(request.ref, request.bytes);
    case "encode":
      return encodeChunk(request.bytes);
    case "decode": {
      const chunk = { encoding: request.encoding, payload: request.bytes };
      return proven(request.ref, decodeChunk(chunk, request.ref));
    }
    case "seal":
      return nameAndSeal(request.bytes, request.to);
    case "open":
      return openChunk(request.bytes, request.from);
    case "pack":
      return packPlain(request.bytes, request.to);
    case "unpack":
      return openPlain(request.bytes, request.from);
  }
}

/** The one buffer that an answer brings. */
export function bytesOf(answer: WorkAnswers[WorkKind]): Uint8Array {
  if (answer instanceof Uint8Array) return answer;
  if ("sealed" in answer) return answer.sealed;
  return "payload" in answer ? answer.payload : answer.bytes;
}

/** The port, over one function that carries out what is asked. */
export function workOver(
  ask: (request: WorkRequest) => Promise<WorkAnswers[WorkKind]>,
  close: () => Promise<void>,
): ChunkWork {
  // The kind of a request decides the type of its answer.
  const call = async <K extends WorkKind>(request: WorkRequest & { readonly kind: K }) => {
    assert(request.bytes.length > 0, "a chunk has bytes, and is given away once");
    return (await ask(request)) as WorkAnswers[K];
  };
  return {
    name: (bytes) => call({ kind: "name", bytes }),
    prove: (ref, bytes) => call({ kind: "prove", ref, bytes }),
    encode: (bytes) => call({ kind: "encode", bytes }),
    decode: (ref, { encoding, payload: bytes }) => call({ kind: "decode", ref, encoding, bytes }),
    seal: (bytes, to) => call({ kind: "seal", bytes, to }),
    open: (bytes, from) => call({ kind: "open", bytes, from }),
    pack: (bytes, to) => call({ kind: "pack", bytes, to }),
    unpack: (bytes, from) => call({ kind: "unpack", bytes, from }),
    close,
  };
}

/** What a chunk of these bytes is called. */
export function nameOf(bytes: Uint8Array): ChunkRef {
  return { digest: hash("sha256", bytes), bytes: bytes.length };
}

function proven(ref: ChunkRef, bytes: Uint8Array): Uint8Array {
  const found = nameOf(bytes);
  if (found.digest === ref.digest && found.bytes === ref.bytes) return bytes;
  const why = `its ${found.bytes} bytes have digest ${found.digest}`;
  throw new SkyError("chunk/damaged", { digest: ref.digest, where: "proving", why });
}
