// The records of a home itself in its journal, beside those of its clusters. Pure.

import { headNode } from "../model/address.ts";
import { SkyError } from "../model/errors.ts";
import type { StoreRecord } from "../runtime/store.ts";

/** Of actors of the home itself: no cluster may have this name. */
export const homeCluster = "_home";

/** Keys of the home's records. */
export const homeKeys = {
  /** How often a head of this home has started, as a rising number. */
  incarnation: `${homeCluster}/${headNode}/incarnation`,
  /** A `ReplicaRecord`. */
  replica: `${homeCluster}/${headNode}/replica`,
  /** A `RestoredRecord`. */
  restored: `${homeCluster}/${headNode}/restored`,
} as const;

/** By what a replica knows its journal, and where replicas of it have been begun. */
export interface ReplicaRecord {
  readonly home: string;
  readonly dirs: readonly string[];
}

/** The journal was restored from a replica. */
export interface RestoredRecord {
  readonly atWallMs: number;
  /** The last commit that is in it. What was acknowledged later is not known. */
  readonly untilWallMs: number;
}

export function restoredIn(records: readonly StoreRecord[]): RestoredRecord | undefined {
  const found = records.find(({ key }) => key === homeKeys.restored);
  return found === undefined ? undefined : parsed<RestoredRecord>(found);
}

export function replicaIn(records: readonly StoreRecord[]): ReplicaRecord | undefined {
  const found = records.find(({ key }) => key === homeKeys.replica);
  return found === undefined ? undefined : parsed<ReplicaRecord>(found);
}

/** Our own records: their shape is trusted, their being JSON is checked. */
function parsed<T>({ key, value }: StoreRecord): T {
  try {
    return JSON.parse(value) as T;
  } catch (cause) {
    throw new SkyError("codec/invalid", { what: `record ${key}`, why: "not JSON" }, { cause });
  }
}
