// What a peer of the bulk wire can do wrong, by kind, so that it can be counted.
//
// A fault of the connection (bytes that are no frames, frames of nobody's) ends the session; one
// of a channel ends that channel. Which is which is said where it is found.

import { SkyError } from "../model/errors.ts";

export const streamFaults = [
  /** Bytes that are no frames of ours, or of a kind that was not agreed on. */
  "garbage",
  "checksum",
  /** A frame longer than its kind may be. */
  "too-long",
  /** A connection that ended in the middle of a frame. */
  "truncated",
  /** A frame that cannot come now: again, too early, after the end, of a channel that never was. */
  "out-of-order",
  /** Data without credit, or more credit than anybody may hold. */
  "credit",
  /** More frames than the bytes that they move explain. */
  "flood",
  /** More channels than it may have. */
  "channels",
  /** It makes us answer and does not read, or lets too much lie. */
  "memory",
  /** It is silent. */
  "silent",
  /** It did not greet, or not in time, or speaks another version. */
  "greeting",
  /** It did not prove who it is. */
  "proof",
] as const;

export type StreamFault = (typeof streamFaults)[number];

/** A breach of the protocol, with its kind beside what its text says. */
export function streamFault(fault: StreamFault, why: string): SkyError<"stream/protocol"> {
  const params = { why, fault };
  return new SkyError("stream/protocol", params);
}

/** The kind of a breach. */
export function faultOf(error: SkyError): StreamFault {
  return streamFaults.find((fault) => fault === error.params["fault"]) ?? "garbage";
}

/** How often each kind was seen. */
export class FaultCounts {
  readonly #counts = new Map<StreamFault, number>();

  add(fault: StreamFault): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
  }

  record(): Readonly<Partial<Record<StreamFault, number>>> {
    return Object.fromEntries(this.#counts);
  }
}
