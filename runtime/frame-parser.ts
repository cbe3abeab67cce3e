// Reads the frames of the bulk wire (`framing.ts`) from bytes that come in any pieces.
//
// A frame is checked before anybody hears of it: the header by its own CRC as soon as its 20 bytes
// are there, then its number, then the payload. There are two ways in. `push` takes bytes that are
// somebody's to keep, and DATA carries views of them as parts. `room` and `landed` are for a reader
// that may choose where bytes go: a long payload is read straight to where it stays, with room for
// the next header behind it; all else goes through a buffer that is used again, and is copied.
//
// What must always hold: no more is kept than one frame; what the peer had no leave to send (a
// capability that was not agreed, a payload that is too long) is refused by its header alone; a
// part keeps at most four times its own length of memory alive.

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
import { LandingPool } from "./landing-pool.ts";
import { streamFault } from "./stream-fault.ts";

/** Hears of a frame, and of its number if it has one. */
export type TakeFrame = (frame: Frame, number: number | undefined) => void;

/** A payload in more pieces than this is put together, so that small pieces cost no more… */
const partsMax = 8;
/** …unless they are of such a length: TLS gives records of 16 KiB. */
const partBytesGood = 8 * 1024;
/** A view that is a smaller share of its memory than this is a copy instead. */
const viewShareMin = 1 / 4;
/** A payload of which less than this is missing is not worth a read of its own. */
const landingBytesMin = 16 * 1024;
/** Behind a payload that is read to its place: the next header, and its number if it has one. */
const aheadBytes = frameHeaderBytes + frameNumberBytes;

/** What long payloads are read to. */
export const landingPool = new LandingPool(largeFrameBytesMax + aheadBytes);

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
  /** Where all of the payload goes, if it does not stay in parts. */
  #whole: Buffer | undefined;
  #filled = 0;
  #crc = 0;
  /** The bytes that are looked at are not ours to keep. */
  #isBorrowed = false;

  /** From the next frame on, the peer may use these. */
  allow(capabilities: Iterable<FrameCapability>): void {
    for (const capability of capabilities) this.#allowed.add(capability);
  }

  /**
   * Gives every frame that `chunk` completes, in order. The frames hold views of the chunk.
   * @throws SkyError `stream/protocol`; the parser must not be used again.
   */
  push(chunk: Uint8Array, take: TakeFrame): void {
    this.#isBorrowed = false;
    this.#parse(chunk, take);
  }

  /** Where the next bytes are to be read to: into `scratch`, or to where they stay. */
  room(scratch: Buffer): Buffer {
    if (this.#header === undefined || this.#whole === undefined) return scratch;
    return this.#whole.subarray(this.#filled, this.#header.length + aheadBytes);
  }

  /**
   * So many bytes were read to what `room` gave. Gives every frame that they complete; the frames
   * hold no view of the scratch buffer.
   * @throws SkyError `stream/protocol`; the parser must not be used again.
   */
  landed(room: Buffer, count: number, take: TakeFrame): void {
    this.#isBorrowed = true;
    const header = this.#header;
    const whole = this.#whole;
    if (header === undefined || whole === undefined) {
      this.#parse(room.subarray(0, count), take);
      return;
    }
    const part = room.subarray(0, Math.min(count, header.length - this.#filled));
    this.#count(part, header);
    if (this.#filled < header.length) return;
    this.#give(header, take);
    this.#parse(room.subarray(part.length, count), take);
  }

  #parse(chunk: Uint8Array, take: TakeFrame): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#header === undefined) at = this.#fillHeader(chunk, at);
      else if (this.#numberDue) at = this.#fillNumber(chunk, at, this.#header);
      else at = this.#fillPayload(chunk, at, this.#header);
      const header = this.#header;
      if (header === undefined || this.#numberDue || this.#filled < header.length) continue;
      this.#give(header, take);
    }
    this.#prepareLanding();
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
    const { length: count } = this.#parts;
    const isScattered = count >= partsMax && count * partBytesGood > this.#filled;
    if (this.#whole === undefined && isScattered) {
      this.#putTogether(Buffer.allocUnsafeSlow(header.length));
    }
    if (this.#whole === undefined) this.#parts.push(this.#isBorrowed ? copyOf(part) : kept(part));
    else this.#whole.set(part, this.#filled);
    this.#count(part, header);
    return at + part.length;
  }

  #count(part: Uint8Array, header: Header): void {
    if ((header.flags & bareFlag) === 0) this.#crc = crc32(part, this.#crc);
    this.#filled += part.length;
  }

  #putTogether(whole: Buffer): void {
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#whole = whole;
    this.#parts = [];
  }

  /** The rest of a long payload is read to its place. */
  #prepareLanding(): void {
    const header = this.#header;
    if (!this.#isBorrowed || header === undefined || this.#numberDue) return;
    if (this.#whole !== undefined || header.length - this.#filled < landingBytesMin) return;
    const isWorthIt = header.length > landingPool.bufferBytes / 2;
    this.#putTogether(
      isWorthIt ? landingPool.take() : Buffer.allocUnsafeSlow(header.length + aheadBytes),
    );
  }

  #give(header: Header, take: TakeFrame): void {
    if (this.#crc !== header.crc) throw streamFault("checksum", "the payload's checksum is wrong");
    const parts =
      this.#whole === undefined ? this.#parts : [this.#whole.subarray(0, header.length)];
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

function copyOf(part: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(part.length);
  copy.set(part);
  return copy;
}

/** The view, unless it would keep much more alive than itself. */
function kept(part: Uint8Array): Uint8Array {
  return part.length < part.buffer.byteLength * viewShareMin ? copyOf(part) : part;
}

function parseHeader(bytes: Buffer, allowed: ReadonlySet<FrameCapability>): Header {
  if (bytes.readUInt16BE(0) !== frameMagic) throw brokenFrame("these are no frames of ours");
  const headerCrc = bytes.readUInt32BE(16);
  if (headerCrc !== crc32(bytes.subarray(0, 16))) {
    throw streamFault("checksum", "the header's checksum is wrong");
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
  throw streamFault("too-long", `a ${type} of ${length} bytes`);
}

function parseNumber(bytes: Buffer, headerCrc: number): number {
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(0, 8), headerCrc)) {
    throw streamFault("checksum", "the number's checksum is wrong");
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
