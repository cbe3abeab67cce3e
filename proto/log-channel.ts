// How a rank's log travels from its node to the head, on one channel of the bulk wire.
//
// The agent opens a channel with the rank's key as its header. The head answers with the number of
// bytes that it has on disk; the agent sends from there, as the file grows, and calls `end` after
// the last byte of an ended rank. From time to time, and after the peer's `end`, the head answers
// with the number of bytes that are now safe. A broken channel is opened again; nothing is lost or
// doubled, because the head says where to go on.

import { SkyError } from "../model/errors.ts";
import type { RankKey } from "../model/job.ts";
import { parseRankKey, rankKeyText } from "../model/job.ts";

const offsetBytes = 8;

export function logHeader(key: RankKey): Uint8Array {
  return Buffer.from(`log ${rankKeyText(key)}`);
}

/** The key in a header. @throws SkyError `stream/protocol` if it is no log's header. */
export function parseLogHeader(header: Uint8Array): RankKey {
  const text = Buffer.from(header).toString();
  const key = text.startsWith("log ") ? parseRankKey(text.slice(4)) : undefined;
  if (key === undefined) throw new SkyError("stream/protocol", { why: `header ${text}` });
  return key;
}

/** A count of safe bytes, as the head sends it. */
export function encodeOffset(bytes: number): Uint8Array {
  const out = Buffer.alloc(offsetBytes);
  out.writeBigUInt64BE(BigInt(bytes));
  return out;
}

/** The newest offset in what arrived so far, and the rest that is not yet a whole one. */
export function decodeOffsets(received: Uint8Array): {
  readonly newest: number | undefined;
  readonly rest: Uint8Array;
} {
  const whole = received.length - (received.length % offsetBytes);
  if (whole === 0) return { newest: undefined, rest: received };
  const view = Buffer.from(received.buffer, received.byteOffset, received.length);
  return { newest: Number(view.readBigUInt64BE(whole - offsetBytes)), rest: received.slice(whole) };
}
