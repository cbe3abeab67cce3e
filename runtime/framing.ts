// The frames of the bulk wire, version 1, and their bytes. `frame-parser.ts` reads them again.
//
// A frame is a header of 20 bytes, a number if the flags say so, and a payload. Big-endian:
//
//   magic u16 | type u8 | flags u8 | channel u32 | length u32 | payload CRC u32 | header CRC u32
//   number u64 | number CRC u32                       only with the flag `numbered`
//
// The header has a CRC of its own, so that a damaged length is refused at once and is not waited
// for; the number's CRC goes on from the header's, so that no number passes for another frame's.
//
// What must always hold: parsing the encoded frames, however split, gives the same frames; a
// damaged frame gives an error, never a different frame. What is not in version 1 from its first
// day is a capability: nobody sends it to a peer whose hello does not name it.

import { crc32 } from "node:zlib";
import type { SkyError } from "../model/errors.ts";
import { channelHeaderBytesMax } from "./stream.ts";
import { streamFault } from "./stream-fault.ts";

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
  /** Of channel 0: the connection is refused, or the whole session is over. */
  | { readonly type: "abort"; readonly channel: number; readonly why: string }
  /** With 8 bytes of the asker's choice, which come back in the pong: `timed-pings`. */
  | { readonly type: "ping"; readonly token?: Uint8Array }
  | { readonly type: "pong"; readonly token?: Uint8Array }
  | JoinFrame
  | AckFrame;

/** A connection becomes a lane of a session, and the answer to that: `lanes`. */
export interface JoinFrame {
  readonly type: "join";
  /** The session's name, 16 bytes that nobody can guess. */
  readonly session: Uint8Array;
  /** Whether the session begins with this lane; otherwise the peer must know it. */
  readonly begins: boolean;
  readonly lane: number;
  /** The highest number up to which the sender of this frame has received everything. */
  readonly received: number;
  /** How long the dialler asks for the session to be kept without any lane. */
  readonly resumeMs: number;
}

/** What has arrived: `lanes`. */
export interface AckFrame {
  readonly type: "ack";
  /** All numbers up to this one, over whatever lanes. */
  readonly received: number;
  /** How many frames with numbers came on this connection. */
  readonly here: number;
}

/**
 * What a peer may name in its hello. Those that a program always has are `frameCapabilities`; the
 * others are named by a side that wants them on this connection, and hold if both do.
 */
export type FrameCapability = "large-frames" | "timed-pings" | "lanes" | "bare-data";
export const frameCapabilities: readonly FrameCapability[] = ["large-frames", "timed-pings"];

export const frameHeaderBytes = 20;
/** What a number adds to the header. */
export const frameNumberBytes = 12;
/** The longest payload of a DATA frame, for any peer and for one with `large-frames`. */
export const frameBytesMax = 64 * 1024;
export const largeFrameBytesMax = 256 * 1024;
export const sessionNameBytes = 16;
export const pingTokenBytes = 8;
/** Numbers are exact up to here; at 10 million frames a second that is 28 years. */
export const frameNumberMax = Number.MAX_SAFE_INTEGER;

export const frameMagic = 0x5357;
/** The frame has a number: `lanes`. */
export const numberedFlag = 1;
/** A DATA frame whose payload has no CRC; the field is 0: `bare-data`, for benchmarks. */
export const bareFlag = 2;

const abortBytesMax = 4_096;
const helloBytesMax = 1_024;
const joinBytes = sessionNameBytes + 17;

export type FrameType = Frame["type"];

export interface FrameRow {
  /** On the wire. */
  readonly number: number;
  /** Of the payload, without capabilities. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** The flags that it may have. */
  readonly flags: number;
  /** What a peer must have named to receive it at all. */
  readonly needs?: FrameCapability;
}

const framed = { flags: numberedFlag } as const;
const alone = { flags: 0 } as const;

export const frameTypes = {
  hello: { number: 1, bytesMin: 2, bytesMax: helloBytesMax, ...alone },
  open: { number: 2, bytesMin: 0, bytesMax: channelHeaderBytesMax, ...framed },
  data: { number: 3, bytesMin: 1, bytesMax: frameBytesMax, flags: numberedFlag | bareFlag },
  credit: { number: 4, bytesMin: 4, bytesMax: 4, ...framed },
  end: { number: 5, bytesMin: 0, bytesMax: 0, ...framed },
  abort: { number: 6, bytesMin: 0, bytesMax: abortBytesMax, ...framed },
  ping: { number: 7, bytesMin: 0, bytesMax: 0, ...alone },
  pong: { number: 8, bytesMin: 0, bytesMax: 0, ...alone },
  join: { number: 9, bytesMin: joinBytes, bytesMax: joinBytes, ...alone, needs: "lanes" },
  ack: { number: 10, bytesMin: 16, bytesMax: 16, ...alone, needs: "lanes" },
} as const satisfies Record<FrameType, FrameRow>;

export interface FrameForm {
  /** Its place in the session. Only for a peer with `lanes`. */
  readonly number?: number;
  /** DATA without a CRC of the payload. Only for a peer with `bare-data`. */
  readonly bare?: boolean;
}

const plainForm: FrameForm = {};

/** The frame's bytes, in pieces to be written one after the other. Payload parts are not copied. */
export function encodeFrame(frame: Frame, form: FrameForm = plainForm): readonly Uint8Array[] {
  const parts = payloadOf(frame);
  const { number } = form;
  const bare = form.bare === true && frame.type === "data";
  const head = Buffer.allocUnsafe(frameHeaderBytes + (number === undefined ? 0 : frameNumberBytes));
  let bytes = 0;
  let crc = 0;
  for (const part of parts) {
    bytes += part.length;
    if (!bare) crc = crc32(part, crc);
  }
  head.writeUInt16BE(frameMagic, 0);
  head[2] = frameTypes[frame.type].number;
  head[3] = (number === undefined ? 0 : numberedFlag) | (bare ? bareFlag : 0);
  head.writeUInt32BE("channel" in frame ? frame.channel : 0, 4);
  head.writeUInt32BE(bytes, 8);
  head.writeUInt32BE(crc, 12);
  const headCrc = crc32(head.subarray(0, 16));
  head.writeUInt32BE(headCrc, 16);
  if (number !== undefined) {
    writeUInt64(head, number, frameHeaderBytes);
    const digits = head.subarray(frameHeaderBytes, frameHeaderBytes + 8);
    head.writeUInt32BE(crc32(digits, headCrc), frameHeaderBytes + 8);
  }
  return [head, ...parts];
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
      return [];
    case "ping":
    case "pong":
      return frame.token === undefined ? [] : [frame.token];
    case "join":
      return [encodeJoin(frame)];
    case "ack":
      return [encodeAck(frame)];
  }
}

function encodeHello(version: number, capabilities: readonly string[]): Uint8Array {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(version);
  return Buffer.concat([head, Buffer.from(capabilities.join(" "))]);
}

function encodeJoin({ session, begins, lane, received, resumeMs }: JoinFrame): Uint8Array {
  const out = Buffer.alloc(joinBytes);
  out.set(session.subarray(0, sessionNameBytes), 0);
  out.writeUInt8(begins ? 1 : 0, sessionNameBytes);
  out.writeUInt32BE(lane, sessionNameBytes + 1);
  out.writeUInt32BE(resumeMs, sessionNameBytes + 13);
  return writeUInt64(out, received, sessionNameBytes + 5);
}

function encodeAck({ received, here }: AckFrame): Uint8Array {
  return writeUInt64(writeUInt64(Buffer.allocUnsafe(16), received, 0), here, 8);
}

function encodeUInt32(value: number): Uint8Array {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value);
  return out;
}

function writeUInt64(out: Buffer, value: number, at: number): Buffer {
  out.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  out.writeUInt32BE(value % 2 ** 32, at + 4);
  return out;
}

function cutText(text: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(text);
  return bytes.length <= bytesMax ? bytes : bytes.subarray(0, bytesMax);
}

/** A frame that nobody of ours would send. */
export function brokenFrame(why: string): SkyError {
  return streamFault("garbage", why);
}
