// What the two halves of the SQLite store say to each other across the thread border.
//
// One request is answered by one reply with its number, in the order of the requests. `write` is
// one transaction: all of its steps, or none.

import type { Batch, RecordRange, Shortage, StoreEvent, StoreRecord } from "./store.ts";

/** What the worker is started with. */
export interface StoreSetup {
  readonly path: string;
  /** Added to each transaction, as a slower disk would. For benchmarks. */
  readonly extraFsyncMs: number;
  readonly ballastMib: number;
}

export type WriteStep =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** Of the subject and below it. */
  | { readonly kind: "forget"; readonly subject: string; readonly countMax: number }
  /** Of exactly the subject, but for the newest. */
  | {
      readonly kind: "trim";
      readonly subject: string;
      readonly keep: number;
      readonly countMax: number;
    };

export interface EventQuery {
  readonly subject: string;
  readonly after: number;
  readonly countMax: number;
}

export type StoreRequest =
  | { readonly kind: "write"; readonly steps: readonly WriteStep[] }
  /** While room is short: the ballast is laid again if it can be. */
  | { readonly kind: "look" }
  | { readonly kind: "read"; readonly prefix: string }
  | { readonly kind: "range"; readonly range: RecordRange }
  | { readonly kind: "events"; readonly query: EventQuery }
  | { readonly kind: "close" };

export type StoreReply =
  | { readonly kind: "opened" }
  | { readonly kind: "done" }
  /** A write found no room, and did nothing. It may be asked for again. */
  | { readonly kind: "full" }
  /** How many events each step removed by its count. */
  | { readonly kind: "written"; readonly removed: readonly number[] }
  | { readonly kind: "records"; readonly records: readonly StoreRecord[] }
  | { readonly kind: "events"; readonly events: readonly StoreEvent[] }
  | {
      readonly kind: "failed";
      readonly code: "store/failed" | "store/locked" | "store/corrupt" | "disk/full";
      readonly why: string;
      /** With `disk/full`. */
      readonly freeBytes?: number;
    };

/** What the worker says unasked, under this number: whether room is short, when that changed. */
export const noticeId = -1;

export interface RoomNotice {
  readonly kind: "room";
  readonly shortage: Shortage | undefined;
}

export interface Numbered<T> {
  readonly id: number;
  readonly body: T;
}
