// What is written to a destination of this gateway, whoever brings it: counted, and taken from the
// wire by a receiver that knows the objects that were told.
//
// What must always hold: an object that is not for a destination is taken and not written there, so
// that those for whom it is get it.

import { hash } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import type { Manifest } from "../chunks/chunk.ts";
import type { TransferName } from "../chunks/chunk-form.ts";
import type { ObjectFile } from "../chunks/object-file-os.ts";
import type { ObjectTarget } from "../chunks/object-target.ts";
import { createReceiver, type Receiver } from "../chunks/receive.ts";
import { manifestIndex, type TransferSecret } from "../chunks/seal.ts";
import type { ChunkWork } from "../chunks/work.ts";
import { type Destination, nothing } from "./destination.ts";
import type { Meter } from "./meters.ts";
import { failureOf } from "./pump.ts";
import type { Tally } from "./tally.ts";

export interface ReceiverPorts {
  readonly secret: TransferSecret | TransferName;
  readonly work: ChunkWork;
  readonly tally: Tally;
}

export function receiverFor(to: Destination, { secret, work, tally }: ReceiverPorts): Receiver {
  const { destination, proof, journal, meter } = to;
  const receiver = createReceiver({
    ...{ secret, journal, work },
    target: async (number, signal) => {
      const object = await tally.awaited(number, signal);
      if (typeof object.targets[destination] === "string") return await to.target(object, signal);
      return nowhere(object.bytes);
    },
    onObject: (object, digest) => {
      meter.objects += 1;
      const bytes = tally.bytesOf(object) ?? 0;
      tally.wrote({ object, destination, bytes, digest, proof });
    },
    onFailed: (object, error) => {
      meter.failures += 1;
      tally.failed(failureOf(to, object, error));
      // What another round may go on with is kept.
      if (error.remedy !== "retry") void receiver.discard(object);
    },
  });
  return receiver;
}

/** Those that an earlier round has on record as whole here: nothing more will come of them. */
export function tellWhole(to: Destination, objects: Iterable<number>, tally: Tally): void {
  const { destination, proof, journal } = to;
  for (const object of objects) {
    const entry = journal.get({ object, index: manifestIndex });
    if (entry?.state !== "delivered") continue;
    const bytes = tally.bytesOf(object) ?? 0;
    tally.wrote({ object, destination, bytes, digest: entry.ref.digest, proof });
  }
}

/** What takes all and keeps nothing. */
export function nowhere(bytes: number): ObjectTarget {
  return { bytes, open: async () => nothing(), holds: async () => false };
}

/** The same target, of which all is read again when it has its final name. */
export function readingBack(target: ObjectTarget, name: string): ObjectTarget {
  const demand = async (manifest: Manifest): Promise<void> => {
    if (await target.holds(manifest)) return;
    const why = "what was read back is not what was written, and stays there under its name";
    throw new SkyError("objects/damaged", { object: name, why });
  };
  const { putWhole } = target;
  return {
    ...target,
    open: async (journal) => {
      const file = await target.open(journal);
      return {
        ...{ known: file.known, missing: (manifest) => file.missing(manifest) },
        put: (place, bytes) => file.put(place, bytes),
        finish: async (manifest, how) => {
          await file.finish(manifest, how);
          // A folder has no bytes to read.
          if (manifest.bytes > 0) await demand(manifest);
        },
        ...{ abort: () => file.abort(), close: () => file.close() },
      };
    },
    ...(putWhole === undefined
      ? {}
      : {
          putWhole: async (bytes, onWritten) => {
            const ref = { digest: hash("sha256", bytes), bytes: bytes.length };
            await putWhole.call(target, bytes, onWritten);
            await demand({ bytes: ref.bytes, chunks: ref.bytes === 0 ? [] : [ref] });
          },
        }),
  };
}

/** The same target, whose bytes are counted. */
export function metered(target: ObjectTarget, meter: Meter): ObjectTarget {
  const { putWhole } = target;
  return {
    ...target,
    open: async (journal) => counting(await target.open(journal), meter),
    holds: (manifest) => target.holds(manifest),
    ...(putWhole === undefined
      ? {}
      : {
          putWhole: async (bytes, onWritten) => {
            const { length } = bytes;
            await putWhole.call(target, bytes, onWritten);
            meter.bytes += length;
            meter.chunks += 1;
          },
        }),
  };
}

function counting(file: ObjectFile, meter: Meter): ObjectFile {
  return {
    known: file.known,
    put: async (place, bytes) => {
      const isHere = file.known.get(place.index)?.ref.digest === place.ref.digest;
      meter.waiting += 1;
      try {
        await file.put(place, bytes);
      } finally {
        meter.waiting -= 1;
      }
      if (isHere) return;
      meter.bytes += place.ref.bytes;
      meter.chunks += 1;
    },
    missing: (manifest) => file.missing(manifest),
    finish: (manifest, attributes) => file.finish(manifest, attributes),
    abort: () => file.abort(),
    close: () => file.close(),
  };
}
