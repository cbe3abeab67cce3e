// What gRPC puts around a message on HTTP/2, as data: five bytes before it, a status after it.
//
// Pure: `client-grpc.ts` has the streams. We neither compress nor ask for it, so a message that
// says it is compressed is a fault of the peer.
// Source: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md.

import { SkyError } from "../model/errors.ts";

/** One byte "compressed", four bytes of length. */
const prefixBytes = 5;
const timeoutDigitsMax = 8;

/** A message with its prefix. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Cuts what arrives into messages, wherever the transport has cut it. */
export class MessageReader {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The messages that are whole now. @throws SkyError `codec/invalid`. */
  push(bytes: Buffer): readonly Buffer[] {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    const messages: Buffer[] = [];
    for (let needed = this.#needed(); this.#length >= needed; needed = this.#needed()) {
      const whole = this.#joined();
      messages.push(whole.subarray(prefixBytes, needed));
      this.#parts = whole.length === needed ? [] : [whole.subarray(needed)];
      this.#length -= needed;
    }
    return messages;
  }

  /** How many bytes the message at the front takes, as far as one can tell yet. */
  #needed(): number {
    if (this.#length < prefixBytes) return prefixBytes;
    const [first] = this.#parts;
    const head = first !== undefined && first.length >= prefixBytes ? first : this.#joined();
    const length = head.readUInt32BE(1);
    if (head[0] !== 0) throw invalid("it is compressed");
    if (length > this.#bytesMax) throw invalid(`it has ${length} bytes`);
    return prefixBytes + length;
  }

  #joined(): Buffer {
    const [first] = this.#parts;
    if (first !== undefined && this.#parts.length === 1) return first;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [whole];
    return whole;
  }
}

export interface GrpcStatus {
  readonly status: number;
  readonly details: string;
}

/** What headers or trailers say of the call's end; undefined if they say nothing. */
export function statusIn(headers: Readonly<Record<string, unknown>>): GrpcStatus | undefined {
  const status = headers["grpc-status"];
  if (status === undefined) return undefined;
  return { status: Number(status), details: percentDecoded(String(headers["grpc-message"] ?? "")) };
}

/** The value of a binary header. */
export function bytesIn(headers: Readonly<Record<string, unknown>>, name: string) {
  const value = headers[name];
  return value === undefined ? undefined : Buffer.from(String(value), "base64");
}

/** A deadline as the header says it: at most eight digits, never none at all. */
export function timeoutText(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  const text = String(whole);
  return text.length <= timeoutDigitsMax ? `${text}m` : `${Math.ceil(whole / 1000)}S`;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not encoded as it should be: it is for people, who read it as it is.
    return text;
  }
}

function invalid(why: string): SkyError {
  return new SkyError("codec/invalid", { what: "a gRPC message", why });
}
