// The ledger of one transfer: every object with its number, and what became of it at each
// destination.
//
// A *copy* is an object at one destination. It is to do, done, skipped (it was there), or failed;
// it is tried again as often as the budget says, and then failed. The ledger is written in batches,
// not flushed for each: what a power cut takes back is done once more, and destinations know what
// they have. What must not be taken back (that a transfer ended, and how) is in the journal.
//
// What must always hold: a number is given to one content only, because destinations and chunk
// journals go by it; an object whose source has changed gets another number. A copy that is done
// or failed stays so.

import type { TransferCounts } from "../../model/transfer.ts";
import type { ObjectAttributes, Upload } from "../stores/object-store.ts";

/** An object as the listing gives it, with its names. */
export interface NewObject {
  /** A key, or an absolute path; unique in a transfer. */
  readonly source: string;
  /** Below the root of its tree: how people know it. */
  readonly rest: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly version: string;
  readonly mode?: number;
  readonly copies: readonly NewCopy[];
}

/** What is to become of it at each destination, in the order of destinations. */
export type NewCopy =
  | { readonly kind: "todo"; readonly target: string }
  | { readonly kind: "skip" }
  | { readonly kind: "fail"; readonly why: string; readonly code: string };

/** An object of which something is to be done. */
export interface LedgerObject {
  readonly number: number;
  readonly source: string;
  readonly rest: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly version: string;
  readonly mode?: number;
  readonly attributes?: ObjectAttributes;
  /** `null` where nothing is to do. */
  readonly targets: readonly (string | null)[];
}

export type CopyChange =
  | { readonly kind: "done"; readonly object: number; readonly destination: number }
  | {
      readonly kind: "failed";
      readonly object: number;
      readonly destination: number;
      readonly code: string;
      readonly why: string;
      /** May pass: it is tried again, as often as `triesMax` says. */
      readonly retry: boolean;
    };

/** What a change came to: a failure that will be tried again is none yet. */
export interface CopySettled {
  readonly object: number;
  readonly destination: number;
  readonly rest: string;
  readonly bytes: number;
  readonly outcome: "done" | "failed" | "again";
  readonly why: string;
}

export interface FailedCopy {
  readonly number: number;
  readonly destination: number;
  readonly source: string;
  readonly rest: string;
  readonly why: string;
  /** It failed for what may pass. */
  readonly retry: boolean;
}

/** What a destination of a sync has. */
export interface ThereObject {
  readonly destination: number;
  readonly key: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface ToldUpload {
  readonly destination: number;
  readonly upload: Upload;
}

/** How often a copy is tried whose failure may pass. */
export const triesMax = 5;
/** Of one that came damaged: what rots where it lies does not get better. */
export const damagedTriesMax = 3;

/** What another transfer holds is waited for: rounds that bring nothing are counted, not tries. */
export function triesMaxOf(code: string): number {
  if (code === "store/locked") return Number.POSITIVE_INFINITY;
  return code === "objects/damaged" ? damagedTriesMax : triesMax;
}

export type LedgerCounts = Omit<
  TransferCounts,
  "isListed" | "movingBytes" | "deleted" | "rounds"
> & {
  readonly todo: number;
  readonly destinations: readonly { readonly done: number; readonly doneBytes: number }[];
};

export interface Ledger {
  /** Known ones stay as they are unless they changed. */
  add(objects: readonly NewObject[]): void;
  /** Those above `after` of which something is to do, in the order of their numbers. */
  todo(after: number, countMax: number): readonly LedgerObject[];
  /** Gives what each came to; one that was settled before is left out. */
  record(changes: readonly CopyChange[]): readonly CopySettled[];
  /** Whatever is to do there has failed, for good. */
  failAt(destination: number, why: string): void;
  /** How much is to do at each destination. */
  todoAt(): ReadonlyMap<number, { readonly count: number; readonly bytes: number }>;
  /** In the order of their numbers, without the first `after` of them. */
  failures(after: number, countMax: number): readonly FailedCopy[];
  counts(): LedgerCounts;
  /** Done, failed and tried again begins anew; what is there is skipped. For a transfer resumed. */
  reopen(): void;

  fact(name: string): string | undefined;
  /** An empty one is none. */
  setFact(name: string, value: string): void;

  /** An upload is on record before its first part is sent. */
  upload(told: ToldUpload, object: number): void;
  /** Those of objects that are not done. */
  uploadsOpen(): readonly ToldUpload[];
  forgetUpload(told: ToldUpload): void;
  /** Whether one of the objects has that target. */
  isTarget(destination: number, target: string): boolean;

  addThere(objects: readonly ThereObject[]): void;
  there(destination: number, key: string): ThereObject | undefined;
  /** It has a source, or a filter keeps it. */
  keepThere(destination: number, keys: readonly string[]): void;
  /** What the source does not have, above `after`. */
  surplus(destination: number, after: string, countMax: number): readonly string[];
  surplusCount(): number;
  clearThere(): void;
  close(): void;
}
