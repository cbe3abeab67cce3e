// What a sync does with an object: copies it, or finds it the same; and what it may delete.
//
// Copied is what the destination lacks, what has another size, and what is newer at the source.
// With `size` times are not looked at; with `digest` a checksum decides that both ends have. What
// is the same is never touched. Times are compared in whole seconds where one side has no better.
//
// What must always hold: nothing is deleted unless the source was listed to its end and everything
// arrived; what a filter leaves out is never deleted; a delete never leaves the destination.

import type { TransferOptions } from "../../model/transfer.ts";

/** One side of a pair. */
export interface Compared {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly checksum?: { readonly algorithm: string; readonly value: string };
}

export type SyncDecision =
  | { readonly copy: true; readonly why: "missing" | "size" | "newer" | "digest" }
  | { readonly copy: false };

export function syncDecision(
  compare: TransferOptions["compare"],
  source: Compared,
  there: Compared | undefined,
): SyncDecision {
  if (there === undefined) return { copy: true, why: "missing" };
  if (source.bytes !== there.bytes) return { copy: true, why: "size" };
  if (compare === "size") return { copy: false };
  if (compare === "digest" && areComparable(source, there)) {
    const isSame = source.checksum?.value === there.checksum?.value;
    return isSame ? { copy: false } : { copy: true, why: "digest" };
  }
  return isNewer(source.modifiedMs, there.modifiedMs)
    ? { copy: true, why: "newer" }
    : { copy: false };
}

/** Whether both ends have a checksum of the same kind. */
function areComparable(source: Compared, there: Compared): boolean {
  const { algorithm } = source.checksum ?? {};
  return algorithm !== undefined && algorithm === there.checksum?.algorithm;
}

function isNewer(sourceMs: number, thereMs: number): boolean {
  const [source, there] = [Math.floor(sourceMs), Math.floor(thereMs)];
  const isCoarse = there % 1_000 === 0 || source % 1_000 === 0;
  if (isCoarse) return Math.floor(source / 1_000) > Math.floor(there / 1_000);
  return source - there > roundedMs;
}

/** What a time may lose on its way through numbers and file systems. */
const roundedMs = 1;

/**
 * When a file at a destination was written. One that came from a store has the time that it had
 * before it went there, which says nothing of the store's own times; its file system's does.
 */
export function writtenMs(
  { modifiedMs, changedMs = 0 }: { readonly modifiedMs: number; readonly changedMs?: number },
  isFromStore: boolean,
): number {
  return isFromStore ? Math.max(modifiedMs, changedMs) : modifiedMs;
}

/** How the transfer stands when deletes come due. */
export interface BeforeDeletes {
  readonly isAsked: boolean;
  readonly isListed: boolean;
  readonly failed: number;
  readonly listingFailures: number;
}

/** Why nothing may be deleted; empty: it may. */
export function deletesBarred(before: BeforeDeletes): string {
  if (!before.isAsked) return "it was not asked for";
  if (!before.isListed) return "the source was not listed to its end";
  if (before.listingFailures > 0) return "a part of the source could not be listed";
  if (before.failed > 0) return "not everything arrived";
  return "";
}
