// The messages of an exchange of chunks, and their bytes on a channel.
//
// A message is a header of 16 bytes and a body; that of a chunk is followed by its payload.
// Big-endian throughout:
//
//   magic u16 | type u8 | zero u8 | body length u32 | body CRC u32 | header CRC u32
//
// The wire below has checksums of its own. These catch what it cannot: bytes that were changed in
// the memory of a relay or by a bug. A payload has none, because the taker proves its digest.
//
// What must always hold: parsing what was encoded, however split, gives the same messages; a
// damaged message gives an error or a payload that fails its proof, never another message.

import { crc32 } from "node:zlib";
import { SkyError, skyErrorFrom } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax, type Digest } from "./chunk.ts";
import type { Encoding } from "./encoding.ts";

/** A chunk as it comes: first what it will be, before any of its payload, then the whole. */
export interface ChunkHead {
  readonly ref: ChunkRef;
  readonly encoding: Encoding;
  readonly payloadBytes: number;
}

export interface ChunkFrame {
  readonly type: "chunk";
  readonly ref: ChunkRef;
  readonly encoding: Encoding;
  readonly payload: Uint8Array;
}

/**
 * `want`, `safe`, `delivered`, `refused`: the taker's. `offer`, `chunk`, `missing`: the
 * supplier's.
 */
export type ExchangeMessage =
  | { readonly type: "want" | "offer"; readonly refs: readonly ChunkRef[] }
  | ChunkFrame
  | { readonly type: "missing"; readonly ref: ChunkRef; readonly why: "missing" | "damaged" }
  /** Safe at the taker; safe at the destination, and thus at the taker or not needed there. */
  | { readonly type: "safe" | "delivered"; readonly digests: readonly Digest[] }
  /** The destination does not take it: its object failed there. It is of no more use in between. */
  | { readonly type: "refused"; readonly digests: readonly Digest[] }
  /** The last one: why the party that was asked ends this before it is done. */
  | { readonly type: "failed"; readonly error: SkyError };

/** The most chunks that one message names. */
export const listMax = 1_024;

const magic = 0x5358;
const headerBytes = 16;
const digestBytes = 32;
const refBytes = digestBytes + 4;
const chunkHeadBytes = refBytes + 1 + 4;
const failedBytesMax = 8_192;

type MessageType = ExchangeMessage["type"];

/** The number of each type, and how long its body may be. */
const messageTypes = {
  want: { number: 1, bytesMin: refBytes, bytesMax: listMax * refBytes },
  offer: { number: 2, bytesMin: refBytes, bytesMax: listMax * refBytes },
  chunk: { number: 3, bytesMin: chunkHeadBytes, bytesMax: chunkHeadBytes },
  missing: { number: 4, bytesMin: refBytes + 1, bytesMax: refBytes + 1 },
  safe: { number: 5, bytesMin: digestBytes, bytesMax: listMax * digestBytes },
  delivered: { number: 6, bytesMin: digestBytes, bytesMax: listMax * digestBytes },
  refused: { number: 8, bytesMin: digestBytes, bytesMax: listMax * digestBytes },
  failed: { number: 7, bytesMin: 2, bytesMax: failedBytesMax },
} as const satisfies Record<
  MessageType,
  { readonly number: number; readonly bytesMin: number; readonly bytesMax: number }
>;

const typesByNumber = new Map(
  Object.entries(messageTypes).map(([type, row]) => [row.number as number, type as MessageType]),
);

/** The place of each in the list is its number on the wire. */
const encodings: readonly Encoding[] = ["raw", "zstd"];
const missingReasons = ["missing", "damaged"] as const;

// ---- encoding

/** The message's bytes, in pieces to be written one after the other. A payload is not copied. */
export function encodeMessage(message: ExchangeMessage): readonly Uint8Array[] {
  const body = bodyOf(message);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(magic, 0);
  header.writeUInt8(messageTypes[message.type].number, 2);
  header.writeUInt32BE(body.length, 4);
  header.writeUInt32BE(crc32(body), 8);
  header.writeUInt32BE(crc32(header.subarray(0, 12)), 12);
  const head = Buffer.concat([header, body]);
  return message.type === "chunk" ? [head, message.payload] : [head];
}

function bodyOf(message: ExchangeMessage): Buffer {
  switch (message.type) {
    case "want":
    case "offer":
      return encodeRefs(message.refs);
    case "chunk": {
      const tail = Buffer.alloc(5);
      tail.writeUInt8(encodings.indexOf(message.encoding), 0);
      tail.writeUInt32BE(message.payload.length, 1);
      return Buffer.concat([encodeRefs([message.ref]), tail]);
    }
    case "missing": {
      const why = missingReasons.indexOf(message.why);
      return Buffer.concat([encodeRefs([message.ref]), Buffer.of(why)]);
    }
    case "safe":
    case "delivered":
    case "refused":
      return Buffer.from(message.digests.join(""), "hex");
    case "failed":
      return encodeError(message.error);
  }
}

function encodeRefs(refs: readonly ChunkRef[]): Buffer {
  const out = Buffer.alloc(refs.length * refBytes);
  for (const [index, { digest, bytes }] of refs.entries()) {
    out.write(digest, index * refBytes, "hex");
    out.writeUInt32BE(bytes, index * refBytes + digestBytes);
  }
  return out;
}

const textCharsMax = 500;

function encodeError({ code, message, params }: SkyError): Buffer {
  const cut = (value: unknown): string => String(value).slice(0, textCharsMax);
  const pairs = Object.entries(params).slice(0, 4);
  const shown = Object.fromEntries(pairs.map(([name, value]) => [name, cut(value)]));
  return Buffer.from(JSON.stringify({ code, params: shown, text: cut(message) }));
}

// ---- decoding

interface Header {
  readonly type: MessageType;
  readonly length: number;
  readonly crc: number;
}

/** What hears of messages. It may throw: the parser must then not be used again. */
export interface MessageTaker {
  /** A chunk begins. Whoever does not want it throws, before anything is held for it. */
  head(head: ChunkHead): void;
  take(message: ExchangeMessage): void;
}

/** Takes bytes as they come and gives messages as they are whole. */
export class MessageParser {
  readonly #taker: MessageTaker;
  readonly #headerBytes = Buffer.alloc(headerBytes);
  #header: Header | undefined;
  #body: Buffer | undefined;
  #chunk: (ChunkHead & { readonly payload: Buffer }) | undefined;
  /** How much there is of the part that is being filled. */
  #filled = 0;

  constructor(taker: MessageTaker) {
    this.#taker = taker;
  }

  /** @throws SkyError `stream/protocol`; the parser must not be used again. */
  push(part: Uint8Array): void {
    let at = 0;
    while (at < part.length) {
      const target = this.#chunk?.payload ?? this.#body ?? this.#headerBytes;
      const count = Math.min(target.length - this.#filled, part.length - at);
      target.set(part.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === target.length) this.#whole();
    }
  }

  /** Whether it stands between two messages. */
  idle(): boolean {
    return this.#header === undefined && this.#filled === 0;
  }

  /** What was being filled is full. */
  #whole(): void {
    this.#filled = 0;
    if (this.#chunk !== undefined) this.#finish(chunkOf(this.#chunk));
    else if (this.#header === undefined) this.#startBody();
    else if (this.#body !== undefined) this.#takeBody(this.#header, this.#body);
  }

  #startBody(): void {
    this.#header = parseHeader(this.#headerBytes);
    this.#body = Buffer.allocUnsafe(this.#header.length);
  }

  #takeBody(header: Header, body: Buffer): void {
    if (crc32(body) !== header.crc) throw broken("the body's checksum is wrong");
    if (header.type !== "chunk") {
      this.#finish(messageOf(header.type, body));
      return;
    }
    const head = parseChunkHead(body);
    this.#taker.head(head);
    this.#chunk = { ...head, payload: Buffer.allocUnsafeSlow(head.payloadBytes) };
  }

  #finish(message: ExchangeMessage): void {
    this.#header = undefined;
    this.#body = undefined;
    this.#chunk = undefined;
    this.#taker.take(message);
  }
}

function parseHeader(bytes: Buffer): Header {
  if (bytes.readUInt32BE(12) !== crc32(bytes.subarray(0, 12))) {
    throw broken("the header's checksum is wrong");
  }
  if (bytes.readUInt16BE(0) !== magic) throw broken("these are no messages of ours");
  const type = typesByNumber.get(bytes.readUInt8(2));
  const length = bytes.readUInt32BE(4);
  if (type === undefined || bytes.readUInt8(3) !== 0) throw broken("an unknown type of message");
  const { bytesMin, bytesMax } = messageTypes[type];
  if (length < bytesMin || length > bytesMax) throw broken(`a ${type} of ${length} bytes`);
  return { type, length, crc: bytes.readUInt32BE(8) };
}

function parseChunkHead(body: Buffer): ChunkHead {
  const ref = parseRef(body, 0);
  const encoding = encodings[body.readUInt8(refBytes)];
  const payloadBytes = body.readUInt32BE(refBytes + 1);
  if (encoding === undefined) throw broken("an unknown encoding");
  // Whoever compresses does so to have less.
  const fits = encoding === "raw" ? payloadBytes === ref.bytes : payloadBytes < ref.bytes;
  if (!fits || payloadBytes === 0)
    throw broken(`${payloadBytes} ${encoding} bytes of ${ref.bytes}`);
  return { ref, encoding, payloadBytes };
}

function chunkOf({ ref, encoding, payload }: ChunkHead & { readonly payload: Buffer }): ChunkFrame {
  return { type: "chunk", ref, encoding, payload };
}

function messageOf(type: Exclude<MessageType, "chunk">, body: Buffer): ExchangeMessage {
  switch (type) {
    case "want":
    case "offer":
      return { type, refs: parseRefs(body) };
    case "missing": {
      const why = missingReasons[body.readUInt8(refBytes)];
      if (why === undefined) throw broken("an unknown reason");
      return { type, ref: parseRef(body, 0), why };
    }
    case "safe":
    case "delivered":
    case "refused":
      return { type, digests: parseDigests(body) };
    case "failed":
      return { type, error: parseError(body) };
  }
}

function parseRefs(body: Buffer): readonly ChunkRef[] {
  if (body.length % refBytes !== 0) throw broken("a list that ends inside a chunk's name");
  const count = body.length / refBytes;
  return Array.from({ length: count }, (_, index) => parseRef(body, index * refBytes));
}

function parseRef(body: Buffer, at: number): ChunkRef {
  const digest = body.toString("hex", at, at + digestBytes);
  const bytes = body.readUInt32BE(at + digestBytes);
  if (bytes === 0 || bytes > chunkBytesMax) throw broken(`a chunk of ${bytes} bytes`);
  return { digest, bytes };
}

function parseDigests(body: Buffer): readonly Digest[] {
  if (body.length % digestBytes !== 0) throw broken("a list that ends inside a digest");
  const count = body.length / digestBytes;
  return Array.from({ length: count }, (_, index) =>
    body.toString("hex", index * digestBytes, (index + 1) * digestBytes),
  );
}

function parseError(body: Buffer): SkyError {
  const fields = parseJson(body.toString());
  const { code, params, text } = (fields ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof code !== "string" || typeof text !== "string") throw broken("a failure without text");
  const pairs = typeof params === "object" && params !== null ? Object.entries(params) : [];
  return skyErrorFrom(code, Object.fromEntries(pairs.map(([k, v]) => [k, String(v)])), text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SkyError("stream/protocol", { why: "a failure that is no JSON" }, { cause: error });
  }
}

function broken(why: string): SkyError {
  return new SkyError("stream/protocol", { why: `an exchange of chunks: ${why}` });
}
