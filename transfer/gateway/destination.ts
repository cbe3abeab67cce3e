// A destination that this gateway writes, as an operator sees it.
//
// What must always hold: what an object's target is given, is proven by whoever gives it.

import type { ChunkJournal } from "../chunks/journal.ts";
import type { ObjectFile } from "../chunks/object-file-os.ts";
import type { PlaceJournal } from "../chunks/object-place.ts";
import type { ObjectTarget } from "../chunks/object-target.ts";
import { manifestIndex } from "../chunks/seal.ts";
import type { Meter } from "./meters.ts";
import type { GatewayObject, WrittenObject } from "./orders.ts";
import type { Handle } from "./program.ts";

export interface Destination {
  readonly handle: Handle;
  readonly destination: number;
  readonly meter: Meter;
  /** How what was written is proven. */
  readonly proof: WrittenObject["proof"];
  readonly journal: ChunkJournal;
  /** @throws SkyError `objects/refused` and others: why it cannot be written there. */
  target(object: GatewayObject, signal: AbortSignal): Promise<ObjectTarget>;
  close(): Promise<void>;
}

/** The places of an object, kept in the journal of all. */
export function placesOf(journal: ChunkJournal, object: number): PlaceJournal {
  const chunks = [...journal.entries(object)].filter(({ place }) => place.index !== manifestIndex);
  return {
    places: chunks.map(({ place, offset, ref }) => ({ index: place.index, offset, ref })),
    record: (places) =>
      journal.record(
        places.map(({ index, offset, ref }) => ({
          ...{ place: { object, index }, ref, offset, state: "delivered" as const },
        })),
      ),
    close: async () => {},
  };
}

/** A file that takes all and keeps nothing. */
export function nothing(): ObjectFile {
  return {
    known: new Map(),
    put: async () => {},
    missing: () => [],
    finish: async () => {},
    abort: async () => {},
    close: async () => {},
  };
}
