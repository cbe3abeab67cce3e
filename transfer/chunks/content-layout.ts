// Where everything is in the folder of a content store.
//
//   ab/<digest>           a chunk, whole and proven; `ab` begins its digest
//   incoming/<token>/<n>  what one opener is writing; goes with its opener
//   pins/<sha256 of name> who needs which chunks: the truth about pins
//   damaged/              chunks that were found damaged, a few, to be looked at
//   index-<n>.db          sizes, last uses and a copy of the pins; may be lost at any time
//   ballast               room that is given up when there is none
//   lock                  whoever changes names or the index holds it
//
// Names of chunks change hands only by `rename` and `unlink` within this folder, so all of it must
// be on one file system.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";

export const shelfNames: readonly string[] = Array.from({ length: 256 }, (_, number) =>
  number.toString(16).padStart(2, "0"),
);

export const ownFolders = ["incoming", "pins", "damaged"] as const;

export interface ContentLayout {
  readonly root: string;
  readonly incoming: string;
  readonly pins: string;
  readonly damaged: string;
  readonly ballast: string;
  readonly lock: string;
}

export function layoutOf(root: string): ContentLayout {
  return {
    root,
    incoming: join(root, "incoming"),
    pins: join(root, "pins"),
    damaged: join(root, "damaged"),
    ballast: join(root, "ballast"),
    lock: join(root, "lock"),
  };
}

export function shelfOf(root: string, digest: Digest): string {
  return join(root, digest.slice(0, 2));
}

export function chunkPath(root: string, digest: Digest): string {
  return join(root, digest.slice(0, 2), digest);
}

/** Names of pins hold slashes and dots, and may differ in case only: not so their files' names. */
export function pinFileName(name: PinName): string {
  return createHash("sha256").update(name).digest("hex");
}

/** An index that is given up is never named again: somebody may still have it open. */
export function indexName(generation: number): string {
  return `index-${generation}.db`;
}

/** The generation that a file of an index belongs to, be it the database or what goes with it. */
export function generationOf(fileName: string): number | undefined {
  const found = /^index-(\d{1,15})\.db(-wal|-shm|-journal)?$/.exec(fileName)?.[1];
  return found === undefined ? undefined : Number(found);
}
