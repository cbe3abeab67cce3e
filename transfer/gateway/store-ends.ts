// Keys of object stores as sources and destinations of a gateway.
//
// What must always hold: an upload is on this gateway's disk, and told to the head, before its
// first part goes out; one that was completed or aborted is not given up again.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Verification } from "../../model/transfer.ts";
import type { CutRule } from "../chunks/cut.ts";
import type { ChunkJournal } from "../chunks/journal.ts";
import { storeToReceive, storeToSend } from "../chunks/object-store-target.ts";
import type { ObjectTarget } from "../chunks/object-target.ts";
import type { SentObject } from "../chunks/send.ts";
import { attributesOfFile } from "../stores/file-attributes.ts";
import type { ObjectAttributes, Upload } from "../stores/object-store.ts";
import { bucketText } from "../stores/paths.ts";
import { provenReads } from "../stores/whole-proof.ts";
import type { Destination } from "./destination.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Meter } from "./meters.ts";
import type { GatewayObject } from "./orders.ts";
import type { WriteObjectStore } from "./program.ts";
import type { OperatorStore } from "./stores.ts";
import { metered, readingBack } from "./writing.ts";

/**
 * An object that is read by ranges, as many at a time as the operator may; where its digest is
 * asked for, what was read is what the store says that it has.
 */
export function storeSource(
  { store, slots }: OperatorStore,
  { object, source: key, bytes, version }: GatewayObject,
  { cut, verify }: { readonly cut?: CutRule | undefined; readonly verify: Verification },
): SentObject {
  const source = storeToSend({ object, store, key, bytes, version, cut });
  const read: SentObject["read"] = (range, signal) => slots.use(() => source.read(range, signal));
  const isProven = verify === "digest" || verify === "read";
  return { ...source, read: isProven ? provenReads({ store, key, bytes, version }, read) : read };
}

export interface StoreDestinationPorts {
  readonly to: OperatorStore;
  readonly journal: ChunkJournal;
  readonly leftovers: Leftovers;
  readonly meter: Meter;
  readonly cut: CutRule | undefined;
  /** What was written is read and compared. */
  readonly isReadBack: boolean;
  /** Tells the head. */
  readonly onUpload: (object: number, upload: Upload) => void;
  readonly signal: AbortSignal;
}

export function storeDestination(
  { handle, destination }: WriteObjectStore,
  ports: StoreDestinationPorts,
): Destination {
  const { journal, meter, isReadBack } = ports;
  return {
    ...{ handle, destination, meter, journal, proof: "store" },
    target: async (object) => {
      const key = object.targets[destination] ?? "";
      const target = targetOf(object, { ...ports, destination, key });
      return metered(isReadBack ? readingBack(target, nameOf(ports, key)) : target, meter);
    },
    close: () => journal.close(),
  };
}

/** As a user would write it. */
function nameOf({ to }: StoreDestinationPorts, key: string): string {
  return `${bucketText(to.store.bucket)}/${key}`;
}

interface TargetPlace extends StoreDestinationPorts {
  readonly destination: number;
  readonly key: string;
}

function targetOf(object: GatewayObject, place: TargetPlace): ObjectTarget {
  const { to, cut, key, destination, leftovers, onUpload, signal } = place;
  let upload = leftovers.uploadTo(destination, key);
  const target = storeToReceive({
    ...{ store: to.store, slots: to.slots, key, bytes: object.bytes, cut, signal, upload },
    attributes: attributesFor(object, key),
    onUpload: async (begun) => {
      upload = begun;
      await leftovers.upload(destination, begun);
      onUpload(object.object, begun);
    },
  });
  const isOver = async (): Promise<void> => {
    if (upload !== undefined) await leftovers.over(destination, upload);
  };
  /** An upload that somebody else has given up is begun anew, by the next round. */
  const begun = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!isSkyError(error, "objects/no-object") || upload === undefined) throw error;
      await isOver();
      throw new SkyError("objects/failed", { object: key, why: error.message }, { cause: error });
    }
  };
  return {
    ...target,
    open: async (journal) => {
      const file = await target.open(journal);
      return {
        ...{ known: file.known, missing: (manifest) => file.missing(manifest) },
        put: (part, bytes) => begun(() => file.put(part, bytes)),
        finish: async (manifest) => {
          await begun(() => file.finish(manifest));
          await isOver();
        },
        abort: async () => {
          await file.abort();
          await isOver();
        },
        close: () => file.close(),
      };
    },
  };
}

/** A file's mode and time travel with it. */
function attributesFor(object: GatewayObject, key: string): ObjectAttributes | undefined {
  const { attributes, mode, modifiedMs } = object;
  if (attributes !== undefined || mode === undefined) return attributes;
  const mtimeMs = modifiedMs === undefined ? {} : { mtimeMs: modifiedMs };
  return attributesOfFile({ name: key, mode, ...mtimeMs });
}
