// What the content store and its index, on a thread of its own, say to each other.
//
// One request is answered by one reply with its number, in the order of the requests; every reply
// says what is in the store now. Each request is a small turn, so that neither the thread nor the
// store's lock is held for long: what needs more answers `more` and is asked for again.

import type { ChunkRef, Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";

/** What the thread is started with. */
export interface IndexSetup {
  readonly root: string;
  readonly bytesMax: number;
  /** Bytes of the disk that stay free whatever is put. */
  readonly reserveBytes: number;
}

/** A file under its final name whose bytes and name are on disk, and which file it is. */
export interface PlacedChunk extends ChunkRef {
  readonly identity: string;
}

export type IndexRequest =
  | { readonly kind: "find"; readonly digests: readonly Digest[] }
  | { readonly kind: "admit"; readonly chunks: readonly ChunkRef[]; readonly used: Digest[] }
  | { readonly kind: "record"; readonly chunks: readonly PlacedChunk[]; readonly used: Digest[] }
  /** A chunk that was admitted will not be recorded. */
  | { readonly kind: "release"; readonly digest: Digest; readonly bytes: number }
  /** Evicts for as many bytes, because the disk turned out to be full. */
  | { readonly kind: "clear"; readonly bytes: number }
  | { readonly kind: "use"; readonly used: Digest[] }
  /** The chunk's file, if it still is the one that was seen, is damaged. */
  | { readonly kind: "condemn"; readonly digest: Digest; readonly identity: string | undefined }
  /** There was no such file. */
  | { readonly kind: "miss"; readonly digest: Digest }
  /** The folder that the chunk belongs in is not what it should be. */
  | { readonly kind: "shelf"; readonly digest: Digest }
  | { readonly kind: "pin"; readonly name: PinName; readonly chunks: readonly ChunkRef[] }
  | { readonly kind: "unpin"; readonly name: PinName }
  | { readonly kind: "pinned"; readonly name: PinName }
  | { readonly kind: "pins"; readonly prefix: string }
  | { readonly kind: "close" };

/** `wait`: for the puts under way, which may be evicted once they are done. */
export type Admission = "known" | "room" | "more" | "wait" | "full" | "disk";

/** `gone`: it was evicted or replaced by another process meanwhile. */
export type Recording = "stored" | "known" | "more" | "gone" | "full";

/** What each kind of request is answered with. */
export interface IndexAnswers {
  readonly find: readonly Digest[];
  readonly admit: readonly Admission[];
  readonly record: readonly Recording[];
  readonly release: null;
  /** How many were evicted. */
  readonly clear: number;
  readonly use: null;
  /** Whether it was set aside now. */
  readonly condemn: boolean;
  readonly miss: null;
  readonly shelf: null;
  readonly pin: null;
  /** Whether that was all. */
  readonly unpin: boolean;
  readonly pinned: readonly ChunkRef[] | null;
  readonly pins: readonly PinName[];
  readonly close: null;
}

export type RequestKind = keyof IndexAnswers;
export type RequestOf<K extends RequestKind> = Extract<IndexRequest, { readonly kind: K }>;

/** What is in the store, and what this opener evicted. */
export interface IndexTotals {
  readonly chunks: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  readonly pins: number;
  readonly evicted: number;
}

/** What the thread noticed, for the log of whoever opened the store. */
export interface IndexNotice {
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

export type IndexReply =
  /** `root` as it really is; `incoming`: this opener's own folder for what is being written. */
  | { readonly kind: "opened"; readonly root: string; readonly incoming: string }
  | { readonly kind: "answer"; readonly answer: IndexAnswers[RequestKind] }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly params: Readonly<Record<string, string | number>>;
      readonly text: string;
    };

export interface NumberedReply {
  readonly id: number;
  readonly body: IndexReply;
  readonly totals: IndexTotals;
  readonly notices: readonly IndexNotice[];
}
