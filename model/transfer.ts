// A transfer: what is asked for, what becomes of it, and what its watchers hear.
//
// It is durable on the home's head, and has a number, from 1. `moving` lasts over any number of
// *rounds*: each has a plan and gateways; what a crash or a lost gateway leaves undone, the next
// round does. A transfer ends once, and stays so.

import type { TransferPath } from "./transfer-path.ts";
import type { Plan, Solver } from "./transfer-plan.ts";

export const transferStatuses = [
  /** Recorded; what it has to do is being found out. */
  "PENDING",
  "RUNNING",
  /** Everything is there; it is proven, uploads are completed, what was to be deleted goes. */
  "FINISHING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
] as const;
export type TransferStatus = (typeof transferStatuses)[number];

/** `read`: as `digest`, and what was written is read back and compared. */
export const verifications = ["digest", "read", "size", "none"] as const;
export type Verification = (typeof verifications)[number];

/** All that a user may say about a transfer. Units are in the names. */
export interface TransferOrder {
  readonly verb: "copy" | "sync";
  readonly source: TransferPath;
  /** One or more. */
  readonly destinations: readonly TransferPath[];
  readonly recursive: boolean;
  readonly options: TransferOptions;
  readonly user: string;
  /** As typed, for lists. */
  readonly command: string;
  /** Chosen by the client: an order that is repeated is the same transfer. */
  readonly idempotencyKey: string;
}

export interface TransferOptions {
  readonly solver?: Solver;
  /** Throughput floor of the plan, Gbit/s. */
  readonly gbps?: number;
  /** Price ceiling of the plan, USD per 1e9 bytes. */
  readonly pricePerGb?: number;
  /** Nothing is started above that estimate, USD. */
  readonly costMax?: number;
  /** Gateways in each region. */
  readonly instancesMax?: number;
  /** To each store, and on each hop. */
  readonly connections?: number;
  readonly multipart: boolean;
  readonly multipartBytes?: number;
  readonly verify: Verification;
  /** Bytes a second, of the whole transfer. */
  readonly bandwidth?: number;
  readonly requesterPays: boolean;
  readonly compress: boolean;
  /** A grid in CSV instead of what was measured: its text. */
  readonly profile?: string;
  /** Globs in the order in which they were given; the last that matches decides, as with rsync. */
  readonly filters: readonly Filter[];
  /** Of a sync: what the source does not have goes. */
  readonly delete: boolean;
  /** Of a sync: by size alone, or by digest where both ends have one. */
  readonly compare: "usual" | "size" | "digest";
  /** Nodes of these clusters may be relays. Absent = of all that are up. */
  readonly via?: readonly string[];
}

export interface Filter {
  readonly verb: "include" | "exclude";
  readonly pattern: string;
}

/** Counts of a transfer so far. Objects count once for each destination. */
export interface TransferCounts {
  readonly listed: number;
  readonly listedBytes: number;
  /** The listing is whole: totals do not grow any more. */
  readonly isListed: boolean;
  readonly done: number;
  readonly doneBytes: number;
  /** Of objects that are not done: what has arrived. */
  readonly movingBytes: number;
  /** A sync found them the same; or they were there from an earlier try. */
  readonly skipped: number;
  readonly failed: number;
  readonly deleted: number;
  readonly retries: number;
  readonly rounds: number;
}

export interface TransferView {
  readonly id: number;
  readonly status: TransferStatus;
  readonly verb: "copy" | "sync";
  readonly source: string;
  readonly destinations: readonly string[];
  readonly user: string;
  readonly command: string;
  readonly submittedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly counts: TransferCounts;
  /** Why it is where it is: what failed, what it waits for. */
  readonly why: string;
  /** The first of those that did not arrive, each with its reason. */
  readonly failures: readonly ObjectFailure[];
  readonly plan?: Plan;
  /** What it has cost by the plan's prices, USD. */
  readonly cost: number;
}

export interface ObjectFailure {
  /** As the user would write it. */
  readonly object: string;
  readonly destination: string;
  readonly why: string;
}

/** What is planned, before anything is started. */
export interface TransferPreview {
  readonly plan: Plan;
  readonly objects: number;
  readonly bytes: number;
  /** There are more: the listing was cut off for the preview. */
  readonly isPart: boolean;
  /** The first of them: what becomes what. */
  readonly sample: readonly {
    readonly from: string;
    readonly to: string;
    readonly bytes: number;
  }[];
  /** What a sync would delete. */
  readonly deletes: number;
  /** Of which it is known already that they will not arrive; the notes say why. */
  readonly failed: number;
  readonly notes: readonly string[];
}

/** What a watcher hears, in order; the first is always `state`, the last has an ended status. */
export type TransferEvent =
  | { readonly kind: "state"; readonly view: TransferView }
  /** Several times a second at most, while bytes move. */
  | {
      readonly kind: "progress";
      readonly counts: TransferCounts;
      readonly bytesPerSecond: number;
      readonly secondsLeft?: number;
      /** Of each destination, in the order's order. */
      readonly destinations: readonly { readonly done: number; readonly doneBytes: number }[];
    }
  | {
      readonly kind: "object";
      readonly object: string;
      readonly destination: string;
      readonly bytes: number;
      readonly digest?: string;
    }
  | { readonly kind: "object-failed"; readonly failure: ObjectFailure }
  | { readonly kind: "round"; readonly round: number; readonly why: string };

/** One line of what `sky profile` measured. */
export interface ProfiledLink {
  readonly from: string;
  readonly to: string;
  readonly gbps: number;
  readonly measuredAt: number;
}

export function isEnded(status: TransferStatus): boolean {
  return status === "SUCCEEDED" || status === "FAILED" || status === "CANCELLED";
}
