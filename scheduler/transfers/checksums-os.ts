// Checksums of both ends of a pair, for a sync that compares by digest.
//
// A store says what it knows; a file of this machine is read. What neither is (a file at a node, a
// store that knows none, kinds of checksums that no file can be given here) has none, and times
// decide.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { homeGateway } from "../../transfer/gateway/program.ts";
import type { Place } from "../../transfer/job/ends.ts";
import type { Checksum, ObjectStore } from "../../transfer/stores/object-store.ts";

/** An object at one end: a key, or an absolute path. */
export interface EndObject {
  readonly place: Place;
  readonly name: string;
}

export interface ChecksumPorts {
  readonly storeOf: (store: number) => Promise<ObjectStore>;
}

/** Of the same kind, or `undefined`. @throws what reading throws. */
export async function checksumsOf(
  { storeOf }: ChecksumPorts,
  [source, there]: readonly [EndObject, EndObject],
  signal: AbortSignal,
): Promise<readonly [Checksum, Checksum] | undefined> {
  const known = async ({ place, name }: EndObject): Promise<Checksum | undefined> => {
    if (place.kind === "files") return undefined;
    return (await (await storeOf(place.store)).head(name, signal))?.checksum;
  };
  const [ofSource, ofThere] = await Promise.all([known(source), known(there)]);
  const algorithm = ofSource?.algorithm ?? ofThere?.algorithm ?? "sha256";
  const first = ofSource ?? (await ofFile(source, algorithm, signal));
  const second = ofThere ?? (await ofFile(there, algorithm, signal));
  if (first === undefined || first.algorithm !== second?.algorithm) return undefined;
  return [first, second];
}

async function ofFile(
  { place, name }: EndObject,
  algorithm: Checksum["algorithm"],
  signal: AbortSignal,
): Promise<Checksum | undefined> {
  const isRead = place.kind === "files" && place.gateway === homeGateway && algorithm !== "crc32c";
  if (!isRead) return undefined;
  const hash = createHash(algorithm);
  for await (const part of createReadStream(name, { signal })) hash.update(part as Buffer);
  return { algorithm, value: hash.digest("hex") };
}
