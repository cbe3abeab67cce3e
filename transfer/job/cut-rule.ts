// How the objects of a transfer are cut: what stores demand of parts, and what its user asked for.
//
// A chunk is a part. Without parts an object is one chunk, in one put: what is larger than a chunk
// can be is refused by name before anything is sent.

import type { TransferOptions } from "../../model/transfer.ts";
import { type CutRule, cutBytesMax, cutRuleOf } from "../chunks/cut.ts";
import type { StoreLimits } from "../stores/object-store.ts";

type Asked = Pick<TransferOptions, "multipart" | "multipartBytes">;

/** Of all stores that are written. */
export function cutRuleFor(
  { multipart, multipartBytes }: Asked,
  limits: readonly StoreLimits[],
): CutRule | undefined {
  const rule = cutRuleOf(limits);
  if (rule !== undefined && !multipart) return { chunksMax: 1 };
  if (multipartBytes === undefined) return rule;
  const asked = Math.min(multipartBytes, cutBytesMax);
  return { ...rule, bytesMin: Math.max(asked, rule?.bytesMin ?? 0) };
}

/** The largest object that a store takes, and what of it says so. */
export function largestFor(
  { multipart }: Asked,
  { objectBytesMax, putBytesMax, partsMax }: StoreLimits,
): { readonly bytes: number; readonly why: string } {
  if (!multipart) {
    const bytes = Math.min(putBytesMax, cutBytesMax);
    return { bytes, why: `without parts an object has at most ${bytes}` };
  }
  const bytes = Math.min(objectBytesMax, partsMax * cutBytesMax);
  return { bytes, why: `an object has at most ${bytes}` };
}
