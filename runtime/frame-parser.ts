// Reads the frames of the bulk wire (`framing.ts`) from bytes that come in any pieces.
//
// A frame is checked before anybody hears of it: the header by its own CRC as soon as its 20 bytes
// are there, then its number, then the payload. No payload that arrives in a few large pieces is
// copied: DATA carries it as parts.
//
// What must always hold: no more is kept than one frame; what the peer had no leave to send (a
// capability that was not agreed, a payload that is too long) is refused by its header alone.

import { crc32 } from "node:zlib";
import {
  bareFlag,
  brokenFrame,
  type Frame,
  type FrameCapability,
  type FrameRow,
  type FrameType,
  frameBytesMax,
  frameHeaderBytes,
  frameMagic,
  frameNumberBytes,
  frameNumberMax,
  frameTypes,
  largeFrameBytesMax,
  numberedFlag,
  pingTokenBytes,
  sessionNameBytes,
} from "./framing.ts";

/** Hears of a frame, and of its number if it has one. */
export type TakeFrame = (frame: Frame, number: number | undefined) => void;

/** A payload in more pieces than this is put together, so that small pieces cost no more. */
const partsMax = 8;

interface Header {
  readonly type: FrameType;
  readonly flags: number;
  readonly channel: number;
  readonly length: number;
  readonly crc: number;
  readonly headerCrc: number;
}

const typesByNumber = new Map(
  Object.entries(frameTypes).map(([type, row]) => [row.number as number, type as FrameType]),
);

/** Takes bytes as they come and gives frames as they are whole. */
export class FrameParser {
  readonly #allowed = new Set<FrameCapability>();
  /** The header, or the number after it, as far as it came in pieces. */
  readonly #head = Buffer.alloc(frameHeaderBytes);
  #headFilled = 0;
  #header: Header | undefined;
  #number: number | undefined;
  #numberDue = false;
  #parts: Uint8Array[] = [];
  #whole: Buffer | undefined;
  #filled = 0;
  #crc = 0;

  /** From the next frame on, the peer may use these. */
  allow(capabilities: Iterable<FrameCapability>): void {
    for (const capability of capabilities) this.#allowed.add(capability);
  }

  /**
   * Gives every frame that `chunk` completes, in order. The frames hold views of the chunk.
   * @throws SkyError `stream/protocol`; the parser must not be used again.
   */
  push(chunk: Uint8Array, take: TakeFrame): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#header === undefined) at = this.#fillHeader(chunk, at);
      else if (this.#numberDue) at = this.#fillNumber(chunk, at, this.#header);
      else at = this.#fillPayload(chunk, at, this.#header);
      const header = this.#header;
      if (header === undefined || this.#numberDue || this.#filled < header.length) continue;
      this.#give(header, take);
    }
  }

  /** Whether it stands between two frames. */
  idle(): boolean {
    return this.#header === undefined && this.#headFilled === 0;
  }

  #fillHeader(chunk: Uint8Array, at: number): number {
    const end = this.#fillHead(chunk, at, frameHeaderBytes);
    if (this.#headFilled < frameHeaderBytes) return end;
    this.#headFilled = 0;
    this.#header = parseHeader(this.#head, this.#allowed);
    this.#numberDue = (this.#header.flags & numberedFlag) !== 0;
    return end;
  }

  #fillNumber(chunk: Uint8Array, at: number, header: Header): number {
    const end = this.#fillHead(chunk, at, frameNumberBytes);
    if (this.#headFilled < frameNumberBytes) return end;
    this.#headFilled = 0;
    this.#number = parseNumber(this.#head, header.headerCrc);
    this.#numberDue = false;
    return end;
  }

  #fillHead(chunk: Uint8Array, at: number, wanted: number): number {
    const count = Math.min(wanted - this.#headFilled, chunk.length - at);
    // A loop, because a view costs more than twenty bytes.
    for (let index = 0; index < count; index += 1) {
      this.#head[this.#headFilled + index] = chunk[at + index] ?? 0;
    }
    this.#headFilled += count;
    return at + count;
  }

  #fillPayload(chunk: Uint8Array, at: number, header: Header): number {
    const part = chunk.subarray(at, at + header.length - this.#filled);
    if ((header.flags & bareFlag) === 0) this.#crc = crc32(part, this.#crc);
    if (this.#whole === undefined && this.#parts.length === partsMax) this.#putTogether(header);
    if (this.#whole === undefined) this.#parts.push(part);
    else this.#whole.set(part, this.#filled);
    this.#filled += part.length;
    return at + part.length;
  }

  #putTogether(header: Header): void {
    this.#whole = Buffer.allocUnsafe(header.length);
    let at = 0;
    for (const part of this.#parts) {
      this.#whole.set(part, at);
      at += part.length;
    }
    this.#parts = [];
  }

  #give(header: Header, take: TakeFrame): void {
    if (this.#crc !== header.crc) throw brokenFrame("the payload's checksum is wrong");
    const parts = this.#whole === undefined ? this.#parts : [this.#whole];
    const number = this.#number;
    this.#header = undefined;
    this.#number = undefined;
    this.#parts = [];
    this.#whole = undefined;
    this.#filled = 0;
    this.#crc = 0;
    take(frameOf(header, parts), number);
  }
}

function parseHeader(bytes: Buffer, allowed: ReadonlySet<FrameCapability>): Header {
  if (bytes.readUInt16BE(0) !== frameMagic) throw brokenFrame("these are no frames of ours");
  const headerCrc = bytes.readUInt32BE(16);
  if (headerCrc !== crc32(bytes.subarray(0, 16))) {
    throw brokenFrame("the header's checksum is wrong");
  }
  const type = typesByNumber.get(bytes.readUInt8(2));
  if (type === undefined) throw brokenFrame("an unknown type of frame");
  const flags = bytes.readUInt8(3);
  const length = bytes.readUInt32BE(8);
  const crc = bytes.readUInt32BE(12);
  demandAllowed(type, flags, allowed);
  demandLength(type, length, allowed);
  if ((flags & bareFlag) !== 0 && crc !== 0) throw brokenFrame("a checksum of what has none");
  return { type, flags, length, channel: bytes.readUInt32BE(4), crc, headerCrc };
}

function demandAllowed(
  type: FrameType,
  flags: number,
  allowed: ReadonlySet<FrameCapability>,
): void {
  const { needs, flags: possible }: FrameRow = frameTypes[type];
  const isAllowed = needs === undefined || allowed.has(needs);
  const isNumberGood = (flags & numberedFlag) === 0 || allowed.has("lanes");
  const isBareGood = (flags & bareFlag) === 0 || allowed.has("bare-data");
  if ((flags & ~possible) !== 0 || !isAllowed || !isNumberGood || !isBareGood) {
    throw brokenFrame(`an unknown type of frame: ${type} with flags ${flags}`);
  }
}

function demandLength(
  type: FrameType,
  length: number,
  allowed: ReadonlySet<FrameCapability>,
): void {
  const { bytesMin, bytesMax } = frameTypes[type];
  if (length >= bytesMin && length <= bytesMax) return;
  const isLarge = type === "data" && length > frameBytesMax && length <= largeFrameBytesMax;
  if (isLarge && allowed.has("large-frames")) return;
  const isTimed = (type === "ping" || type === "pong") && length === pingTokenBytes;
  if (isTimed && allowed.has("timed-pings")) return;
  throw brokenFrame(`a ${type} of ${length} bytes`);
}

function parseNumber(bytes: Buffer, headerCrc: number): number {
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(0, 8), headerCrc)) {
    throw brokenFrame("the number's checksum is wrong");
  }
  return readUInt64(bytes, 0);
}

function readUInt64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
  if (value > frameNumberMax) throw brokenFrame("a number beyond all measure");
  return value;
}

function frameOf({ type, channel, length }: Header, parts: readonly Uint8Array[]): Frame {
  switch (type) {
    case "data":
      return { type, channel, parts, bytes: length };
    case "hello":
      return decodeHello(Buffer.concat(parts));
    case "open":
      return { type, channel, header: Buffer.concat(parts) };
    case "credit":
      return { type, channel, bytes: Buffer.concat(parts).readUInt32BE() };
    case "end":
      return { type, channel };
    case "abort":
      return { type, channel, why: Buffer.concat(parts).toString() };
    case "ping":
    case "pong":
      return length === 0 ? { type } : { type, token: Buffer.concat(parts) };
    case "join":
      return decodeJoin(Buffer.concat(parts));
    case "ack":
      return decodeAck(Buffer.concat(parts));
  }
}

function decodeHello(payload: Buffer): Frame {
  const text = payload.subarray(2).toString();
  const capabilities = text === "" ? [] : text.split(" ");
  return { type: "hello", version: payload.readUInt16BE(), capabilities };
}

function decodeJoin(payload: Buffer): Frame {
  const begins = payload.readUInt8(sessionNameBytes);
  if (begins > 1) throw brokenFrame("a join that neither begins nor goes on");
  return {
    type: "join",
    session: payload.subarray(0, sessionNameBytes),
    begins: begins === 1,
    lane: payload.readUInt32BE(sessionNameBytes + 1),
    received: readUInt64(payload, sessionNameBytes + 5),
    resumeMs: payload.readUInt32BE(sessionNameBytes + 13),
  };
}

function decodeAck(payload: Buffer): Frame {
  return { type: "ack", received: readUInt64(payload, 0), here: readUInt64(payload, 8) };
}
