// What an object carries beside its bytes, for those who write it elsewhere.
//
// A file's is made of what was listed. A store's is asked of it, some at a time, and only when the
// object's turn comes: a listing does not say it. What cannot be looked at is told without: whoever
// reads it finds out why.

import { isSkyError } from "../../model/errors.ts";
import type { LedgerObject } from "../../transfer/job/ledger.ts";
import { attributesOfFile } from "../../transfer/stores/file-attributes.ts";
import type { ObjectStore } from "../../transfer/stores/object-store.ts";

export interface DescribeOptions {
  /** Where they are; absent = they are files. */
  readonly store?: ObjectStore;
  /** Some of the destinations are stores. */
  readonly toStores: boolean;
}

/** Looked at together. */
const looksMax = 32;

/** @throws SkyError of remedy `retry`, if the store cannot be asked just now. */
export async function describe(
  objects: readonly LedgerObject[],
  { store, toStores }: DescribeOptions,
  signal: AbortSignal,
): Promise<readonly LedgerObject[]> {
  if (store === undefined) return toStores ? objects.map(withFileAttributes) : objects;
  const described: LedgerObject[] = [];
  for (let at = 0; at < objects.length; at += looksMax) {
    const some = objects.slice(at, at + looksMax);
    described.push(...(await Promise.all(some.map((one) => looked(one, store, signal)))));
  }
  return described;
}

function withFileAttributes(object: LedgerObject): LedgerObject {
  const { rest, mode, modifiedMs } = object;
  const facts = { name: rest, mtimeMs: modifiedMs, ...(mode === undefined ? {} : { mode }) };
  return { ...object, attributes: attributesOfFile(facts) };
}

async function looked(
  object: LedgerObject,
  store: ObjectStore,
  signal: AbortSignal,
): Promise<LedgerObject> {
  try {
    const found = await store.head(object.source, signal);
    return found === undefined ? object : { ...object, attributes: found.attributes };
  } catch (error) {
    if (isSkyError(error) && error.remedy !== "retry") return object;
    throw error;
  }
}
