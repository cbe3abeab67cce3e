// The frames of the bulk wire, version 1, and their bytes.
//
// A frame is a header of 20 bytes and a payload. Big-endian throughout:
//
//   magic u16 | type u8 | zero u8 | channel u32 | length u32 | payload CRC u32 | header CRC u32
//
// The header has a CRC of its own, so that a damaged length is refused at once and is not waited
// for. The parser takes any split of its input and copies no payload that arrives in a few large
// pieces: DATA carries its payload as parts.
//
// What must always hold: parsing the encoded frames, however split, gives the same frames; a
// damaged frame gives an error, never a different frame.

import { crc32 } from "node:zlib";
import { SkyError } from "../model/errors.ts";
import { channelHeaderBytesMax } from "./stream.ts";

export type Frame =
  | { readonly type: "hello"; readonly version: number; readonly capabilities: readonly string[] }
  | { readonly type: "open"; readonly channel: number; readonly header: Uint8Array }
  | {
      readonly type: "data";
      readonly channel: number;
      readonly parts: readonly Uint8Array[];
      /** The length of all parts together. */
      readonly bytes: number;
    }
  | { readonly type: "credit"; readonly channel: number; readonly bytes: number }
  | { readonly type: "end"; readonly channel: number }
  | { readonly type: "abort"; readonly channel: number; readonly why: string }
  | { readonly type: "ping" }
  | { readonly type: "pong" };

export const frameHeaderBytes = 20;
/** The longest payload. */
export const frameBytesMax = 64 * 1024;

const magic = 0x5357;
const abortBytesMax = 4_096;
const helloBytesMax = 1_024;
/** A payload in more pieces than this is put together, so that small pieces cost no more. */
const partsMax = 8;

type FrameType = Frame["type"];

/** The wire number of each type, and how long its payload may be. */
const frameTypes = {
  hello: { number: 1, bytesMin: 2, bytesMax: helloBytesMax },
  open: { number: 2, bytesMin: 0, bytesMax: channelHeaderBytesMax },
  data: { number: 3, bytesMin: 1, bytesMax: frameBytesMax },
  credit: { number: 4, bytesMin: 4, bytesMax: 4 },
  end: { number: 5, bytesMin: 0, bytesMax: 0 },
  abort: { number: 6, bytesMin: 0, bytesMax: abortBytesMax },
  ping: { number: 7, bytesMin: 0, bytesMax: 0 },
  pong: { number: 8, bytesMin: 0, bytesMax: 0 },
} as const satisfies Record<
  FrameType,
  { readonly number: number; readonly bytesMin: number; readonly bytesMax: number }
>;

const typesByNumber = new Map(
  Object.entries(frameTypes).map(([type, row]) => [row.number as number, type as FrameType]),
);

// ---- encoding

/** The frame's bytes, in pieces to be written one after the other. Payload parts are not copied. */
export function encodeFrame(frame: Frame): readonly Uint8Array[] {
  const parts = payloadOf(frame);
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  let bytes = 0;
  let crc = 0;
  for (const part of parts) {
    bytes += part.length;
    crc = crc32(part, crc);
  }
  header.writeUInt16BE(magic, 0);
  header.writeUInt8(frameTypes[frame.type].number, 2);
  header.writeUInt8(0, 3);
  header.writeUInt32BE("channel" in frame ? frame.channel : 0, 4);
  header.writeUInt32BE(bytes, 8);
  header.writeUInt32BE(crc, 12);
  header.writeUInt32BE(crc32(header.subarray(0, 16)), 16);
  return [header, ...parts];
}

function payloadOf(frame: Frame): readonly Uint8Array[] {
  switch (frame.type) {
    case "hello":
      return [encodeHello(frame.version, frame.capabilities)];
    case "open":
      return [frame.header];
    case "data":
      return frame.parts;
    case "credit":
      return [encodeUInt32(frame.bytes)];
    case "abort":
      return [cutText(frame.why, abortBytesMax)];
    case "end":
    case "ping":
    case "pong":
      return [];
  }
}

function encodeHello(version: number, capabilities: readonly string[]): Uint8Array {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(version);
  return Buffer.concat([head, Buffer.from(capabilities.join(" "))]);
}

function encodeUInt32(value: number): Uint8Array {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function cutText(text: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(text);
  return bytes.length <= bytesMax ? bytes : bytes.subarray(0, bytesMax);
}

// ---- decoding

interface Header {
  readonly type: FrameType;
  readonly channel: number;
  readonly length: number;
  readonly crc: number;
}

/** Takes bytes as they come and gives frames as they are whole. */
export class FrameParser {
  readonly #headerBytes = Buffer.alloc(frameHeaderBytes);
  #headerFilled = 0;
  #header: Header | undefined;
  #parts: Uint8Array[] = [];
  #whole: Buffer | undefined;
  #filled = 0;
  #crc = 0;

  /**
   * Gives every frame that `chunk` completes, in order. The frames hold views of the chunk.
   * @throws SkyError `stream/protocol`; the parser must not be used again.
   */
  push(chunk: Uint8Array, take: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length || this.#header?.length === this.#filled) {
      if (this.#header === undefined) at = this.#fillHeader(chunk, at);
      else at = this.#fillPayload(chunk, at, this.#header);
      const header = this.#header;
      if (header === undefined || this.#filled < header.length) continue;
      if (this.#crc !== header.crc) throw broken("the payload's checksum is wrong");
      const parts = this.#whole === undefined ? this.#parts : [this.#whole];
      this.#reset();
      take(frameOf(header, parts));
    }
  }

  /** Whether it stands between two frames. */
  idle(): boolean {
    return this.#header === undefined && this.#headerFilled === 0;
  }

  #fillHeader(chunk: Uint8Array, at: number): number {
    const count = Math.min(frameHeaderBytes - this.#headerFilled, chunk.length - at);
    this.#headerBytes.set(chunk.subarray(at, at + count), this.#headerFilled);
    this.#headerFilled += count;
    if (this.#headerFilled === frameHeaderBytes) this.#header = parseHeader(this.#headerBytes);
    return at + count;
  }

  #fillPayload(chunk: Uint8Array, at: number, header: Header): number {
    const part = chunk.subarray(at, at + header.length - this.#filled);
    this.#crc = crc32(part, this.#crc);
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

  #reset(): void {
    this.#header = undefined;
    this.#headerFilled = 0;
    this.#parts = [];
    this.#whole = undefined;
    this.#filled = 0;
    this.#crc = 0;
  }
}

function parseHeader(bytes: Buffer): Header {
  if (bytes.readUInt16BE(0) !== magic) throw broken("these are no frames of ours");
  if (bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16))) {
    throw broken("the header's checksum is wrong");
  }
  const type = typesByNumber.get(bytes.readUInt8(2));
  const length = bytes.readUInt32BE(8);
  if (type === undefined || bytes.readUInt8(3) !== 0) throw broken("an unknown type of frame");
  const { bytesMin, bytesMax } = frameTypes[type];
  if (length < bytesMin || length > bytesMax) throw broken(`a ${type} of ${length} bytes`);
  return { type, length, channel: bytes.readUInt32BE(4), crc: bytes.readUInt32BE(12) };
}

function frameOf({ type, channel, length }: Header, parts: readonly Uint8Array[]): Frame {
  switch (type) {
    case "hello":
      return decodeHello(Buffer.concat(parts));
    case "open":
      return { type, channel, header: Buffer.concat(parts) };
    case "data":
      return { type, channel, parts, bytes: length };
    case "credit":
      return { type, channel, bytes: Buffer.concat(parts).readUInt32BE() };
    case "end":
      return { type, channel };
    case "abort":
      return { type, channel, why: Buffer.concat(parts).toString() };
    case "ping":
    case "pong":
      return { type };
  }
}

function decodeHello(payload: Buffer): Frame {
  const text = payload.subarray(2).toString();
  const capabilities = text === "" ? [] : text.split(" ");
  return { type: "hello", version: payload.readUInt16BE(), capabilities };
}

function broken(why: string): SkyError {
  return new SkyError("stream/protocol", { why });
}
