// What the head of a transfer and a gateway say to each other, on a channel of theirs: one JSON
// object a line. The channel is the gateway's life: when it ends, the gateway stops and keeps what
// the next round needs.
//
//   head                                gateway
//   begin (program, passes, stores) ──▶
//                                   ◀── listening (where its peers reach it), begun
//   peer (where another listens)    ──▶
//   objects … objects-end           ──▶  within its credit; to writers before readers
//                                   ◀── credit, read, wrote, failed, metrics
//                                   ◀── done (every object is done, or failed)
//   stop                            ──▶
//                                   ◀── the end
//
// What must always hold: `wrote` is said when the object is whole under its final name and proven;
// an upload is told before its first part is sent.

import type { Verification } from "../../model/transfer.ts";
import type { TransferPass } from "../../runtime/certificates-transfer-os.ts";
import type { StreamTarget } from "../../runtime/stream.ts";
import type { Digest } from "../chunks/chunk.ts";
import type { CutRule } from "../chunks/cut.ts";
import type { ListedObject, ObjectAttributes, OpenStore, Upload } from "../stores/object-store.ts";
import type { GatewayId, Handle, Program } from "./program.ts";

/** An object, or what of it the other end needs to know. */
export interface GatewayObject {
  /** Its number in the transfer, from 0; below 2^32. */
  readonly object: number;
  /** A key, or for `read_local` an absolute path. */
  readonly source: string;
  readonly bytes: number;
  /** Of the source, as listed: a change is found by it. Absent for `gen_data`. */
  readonly version?: string;
  readonly modifiedMs?: number;
  readonly mode?: number;
  readonly attributes?: ObjectAttributes;
  /** At each destination: a key, or a path. `null` = not to that one. */
  readonly targets: readonly (string | null)[];
}

/** A peer of this round. */
export interface GatewayPeer {
  readonly peer: GatewayId;
  /** We dial it, and wait until we are told where; otherwise it dials us. */
  readonly dial: boolean;
  /** That carry the session with it, 1 to 16. */
  readonly connections?: number;
}

export interface GatewayLimits {
  /** Of chunks in memory. */
  readonly memoryBytes: number;
  /** Of a relay's spool. */
  readonly diskBytes: number;
  /** Bytes a second that this gateway reads. Absent = as fast as it goes. */
  readonly bytesPerSecond?: number;
}

export type GatewayOrder =
  | {
      readonly kind: "begin";
      /** 32 hexadecimal digits; the same in every round. */
      readonly transfer: string;
      readonly round: number;
      readonly program: Program;
      readonly peers: readonly GatewayPeer[];
      readonly pass: TransferPass;
      /** 32 bytes in base64: of those alone that read or write objects. */
      readonly key?: string;
      readonly stores: readonly OpenStore[];
      readonly limits: GatewayLimits;
      readonly verify: Verification;
      /** What the destinations demand of the cut; all rounds of a transfer have the same. */
      readonly cut?: CutRule;
      /** Where writers make their files: a destination's path stays below it. */
      readonly folders: readonly (string | null)[];
    }
  | { readonly kind: "peer"; readonly peer: GatewayId; readonly target: StreamTarget }
  | { readonly kind: "objects"; readonly objects: readonly GatewayObject[] }
  | { readonly kind: "objects-end" }
  /** To those who write them: they will not come, whoever reads them has failed. */
  | { readonly kind: "forget"; readonly objects: readonly number[] }
  /** `remove`: uploads are aborted and partial files go; `keep`: they wait for the next round. */
  | { readonly kind: "stop"; readonly leave: "keep" | "remove" };

export type Begin = Extract<GatewayOrder, { readonly kind: "begin" }>;

export type GatewayWord =
  | { readonly kind: "listening"; readonly target: StreamTarget }
  | { readonly kind: "begun" }
  /** So many more objects may be told. */
  | { readonly kind: "credit"; readonly objects: number }
  /** Its bytes were read, and have this digest (that of its manifest, `chunks/manifest.ts`). */
  | { readonly kind: "read"; readonly objects: readonly { object: number; digest: Digest }[] }
  | { readonly kind: "wrote"; readonly objects: readonly WrittenObject[] }
  | {
      readonly kind: "upload";
      readonly object: number;
      readonly destination: number;
      readonly upload: Upload;
    }
  | {
      readonly kind: "failed";
      /** Absent: all that is left to the destination, or else of this gateway's work. */
      readonly object?: number;
      readonly destination?: number;
      readonly handle: Handle;
      readonly error: WordedError;
    }
  | { readonly kind: "metrics"; readonly metrics: GatewayMetrics }
  /** All that it was told is read, written or failed. It serves its peers until it is stopped. */
  | { readonly kind: "done" };

export interface WrittenObject {
  readonly object: number;
  readonly destination: number;
  readonly bytes: number;
  readonly digest: Digest;
  /**
   * How that was proven. `store`: it has checked each part, and the whole. `file`: each byte was
   * proven before it was written and flushed, and what others may have touched was read again.
   */
  readonly proof: "store" | "file" | "none";
}

export interface GatewayMetrics {
  readonly operators: readonly OperatorMetrics[];
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export interface OperatorMetrics {
  readonly handle: Handle;
  /** Since the beginning. */
  readonly bytes: number;
  readonly chunks: number;
  readonly objects: number;
  readonly retries: number;
  readonly failures: number;
  /** Chunks that wait for it. */
  readonly waiting: number;
}

/** The header of a control channel. */
export const gatewayHeader = "gateway 1";

/** The header of a listing: then one line with a `ListOrder`, and `ListWord`s back. */
export const listHeader = "list 1";

/** The header of a removal: then one line with a `RemoveOrder`, and one `RemoveWord` back. */
export const removeHeader = "remove 1";

export interface ListOrder {
  /** Of the node; relative to its HOME unless absolute. */
  readonly path: string;
  readonly recursive: boolean;
}

/** `begin` first; ends with `end`, or with `failed`: then nobody knows what else there is. */
export type ListWord =
  /** Keys are relative to `root`, which is absolute: an object is at `root`/`key`. */
  | {
      readonly kind: "begin";
      readonly what: "file" | "folder" | "nothing";
      readonly root: string;
    }
  | {
      readonly kind: "page";
      readonly objects: readonly ListedObject[];
      readonly notes: readonly ListedNote[];
    }
  | { readonly kind: "failed"; readonly error: WordedError }
  | { readonly kind: "end" };

/** What is there and is no object. */
export interface ListedNote {
  readonly path: string;
  readonly why: string;
  /** It should have been one: whoever copies the tree has failed to copy this. */
  readonly failed: boolean;
}

export interface RemoveOrder {
  /** A folder, as of a `ListOrder`. */
  readonly path: string;
  /** Below it. One that is not there is no error. */
  readonly keys: readonly string[];
}

export type RemoveWord =
  | { readonly kind: "removed"; readonly count: number }
  | { readonly kind: "failed"; readonly error: WordedError };

/** An error as text: what it was caused by stays where it was. */
export interface WordedError {
  readonly code: string;
  readonly text: string;
  /** Another round may help. */
  readonly retry: boolean;
}
