// The files of a replica, as bytes: frames, one after the other. Pure.
//
//     frame   = length (4 bytes, big-endian) crc32 (4 bytes) payload (JSON, UTF-8)
//     <chain>.base = header, records…, events…, end        a copy of the journal
//     <chain>.log  = header, (step | events)…              all that was committed since
//
// The copy is made while the journal goes on: it holds what was committed early in the log beside
// what was committed late, and is the truth only with the log up to the number that its `end`
// names. Steps are repeatable (a key is put or deleted), and events carry their own numbers, so
// the log may be applied over a copy that has some of it already.
//
// What must always hold: whatever is cut off or changed in a log, reading gives the frames before
// that place and none after it.

import { crc32 } from "node:zlib";
import type { Batch, StoreEvent, StoreRecord } from "./store.ts";

export const replicaFormat = 1;
const headBytes = 8;
/** Nothing that we write is as large: a length above it is none. */
const payloadBytesMax = 268_435_456;

export type ReplicaStep =
  | { readonly kind: "batch"; readonly batch: Omit<Batch, "events"> }
  | { readonly kind: "forget"; readonly subject: string }
  | { readonly kind: "trim"; readonly subject: string; readonly keep: number };

export type ReplicaFrame =
  | {
      readonly kind: "header";
      readonly format: number;
      readonly home: string;
      readonly chain: string;
      readonly file: "base" | "log";
    }
  | {
      readonly kind: "step";
      readonly seq: number;
      readonly wallMs: number;
      /** Events above this number are newer than the step, wherever they stand. */
      readonly eventSeq: number;
      readonly step: ReplicaStep;
    }
  | { readonly kind: "events"; readonly seq: number; readonly events: readonly StoreEvent[] }
  | { readonly kind: "records"; readonly records: readonly StoreRecord[] }
  /** The last of a base: with the log up to `seq` it is the journal of that moment. */
  | { readonly kind: "end"; readonly seq: number; readonly wallMs: number };

export function encodeFrame(frame: ReplicaFrame): Buffer {
  const payload = Buffer.from(JSON.stringify(frame));
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(payload.length, 0);
  head.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}

/** Takes the bytes of a file in any pieces; gives its frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #broken = false;
  #read = 0;

  /** Bytes that belong to frames that were given. */
  get readBytes(): number {
    return this.#read;
  }

  /** Whole frames in what has come. After a damaged one there are none any more. */
  push(bytes: Uint8Array): readonly ReplicaFrame[] {
    if (this.#broken) return [];
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    const frames: ReplicaFrame[] = [];
    for (let found = this.#next(); found !== undefined; found = this.#next()) frames.push(found);
    return frames;
  }

  #next(): ReplicaFrame | undefined {
    if (this.#broken || this.#rest.length < headBytes) return undefined;
    const length = this.#rest.readUInt32BE(0);
    this.#broken = length > payloadBytesMax;
    if (this.#broken || this.#rest.length < headBytes + length) return undefined;
    const payload = this.#rest.subarray(headBytes, headBytes + length);
    this.#broken = crc32(payload) !== this.#rest.readUInt32BE(4);
    if (this.#broken) return undefined;
    this.#rest = this.#rest.subarray(headBytes + length);
    this.#read += headBytes + length;
    return JSON.parse(payload.toString()) as ReplicaFrame;
  }
}

/** What the folder of a replica says of itself: whose it is, and which chain is whole. */
export interface ReplicaManifest {
  readonly format: number;
  readonly home: string;
  /** Empty until the first copy is whole. */
  readonly chain: string;
}

export const manifestName = "skylet-replica.json";
/** An empty file of this name lets a home take over a folder that it would refuse. */
export const beginAnewName = "begin-anew";

export const baseName = (chain: string): string => `${chain}.base`;
export const logName = (chain: string): string => `${chain}.log`;

/** The chain that a file is part of; `undefined` for files that are none of ours. */
export function chainOf(name: string): string | undefined {
  return /^([0-9a-f]{16})\.(?:base|log)(?:\.new)?$/.exec(name)?.[1];
}

export function parseManifest(text: string): ReplicaManifest | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { format, home, chain } = value as Partial<ReplicaManifest>;
    const isOne = typeof format === "number" && typeof home === "string";
    return isOne && typeof chain === "string" ? { format, home, chain } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a home may write to a folder, or why not. */
export function claimOf(options: {
  readonly home: string;
  readonly manifest: ReplicaManifest | undefined;
  /** Whether this home has marked this folder before. */
  readonly wasHere: boolean;
  readonly beginAnew: boolean;
}): { readonly kind: "ours" | "new" } | { readonly kind: "refused"; readonly why: string } {
  const { home, manifest, wasHere, beginAnew } = options;
  if (beginAnew) return { kind: "new" };
  const anew = `to begin anew there, put an empty file '${beginAnewName}' into it`;
  if (manifest === undefined) {
    if (!wasHere) return { kind: "new" };
    return {
      kind: "refused",
      why: `the replica is not in the folder: is it mounted? Else ${anew}`,
    };
  }
  if (manifest.format > replicaFormat) {
    return { kind: "refused", why: `it is of a newer version (${manifest.format})` };
  }
  if (manifest.home === home) return { kind: "ours" };
  const lost = "if this home has lost its journal: sky restore --from DIR";
  return { kind: "refused", why: `it holds the replica of another journal; ${lost}; ${anew}` };
}
